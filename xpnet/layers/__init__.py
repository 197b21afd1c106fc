"""Layers: pure functions of a namespace, parameters, and inputs, samples on the last axis."""

from .activations import ACTIVATIONS, Activation, ElementwiseActivation, Softmax
from .base import Accumulate, Layer
from .dense import Dense

__all__ = [
    "ACTIVATIONS",
    "Accumulate",
    "Activation",
    "Dense",
    "ElementwiseActivation",
    "Layer",
    "Softmax",
]
