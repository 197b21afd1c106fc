"""What an objective is that tells right from wrong: its samples have classes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..device.arrays import Scalar, Vector


class Classifying(ABC):
    """An objective that knows how many of its samples are put in a wrong class."""

    @abstractmethod
    def error_rate(self, w: Vector) -> Scalar:
        """The fraction of samples that are, in [0, 1]: 0-d, or `(R,)`."""
