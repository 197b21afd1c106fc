"""Trained networks for other programs: ONNX, Python text that needs NumPy only, and C.

Each is written from the same list of steps: products with weights, and what the activations compute, as
their rules have been traced. So an activation of one's own is exported too, as long as it can be traced.
"""

from .c import to_c
from .onnx import to_onnx
from .pipelines import register_skl2onnx
from .source import to_numpy_source

__all__ = ["register_skl2onnx", "to_c", "to_numpy_source", "to_onnx"]
