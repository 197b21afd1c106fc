"""Layers: pure functions of a namespace, parameters, and inputs, samples on the last axis."""

from .activation import Activation, ElementwiseActivation
from .activations import ACTIVATIONS, ActivationName, Softmax
from .base import Accumulate, Layer, RandomLayer
from .dense import Dense
from .dropout import Dropout
from .norm import LayerNorm

__all__ = [
    "ACTIVATIONS",
    "Accumulate",
    "Activation",
    "ActivationName",
    "Dense",
    "Dropout",
    "ElementwiseActivation",
    "Layer",
    "LayerNorm",
    "RandomLayer",
    "Softmax",
]
