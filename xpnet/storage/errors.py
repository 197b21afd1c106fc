"""What is wrong with a file."""

from __future__ import annotations


class StorageError(ValueError):
    """A file cannot be loaded: it is foreign, cut short, corrupt, newer, or needs parts of a user's own."""


class CorruptError(StorageError):
    """A file's content contradicts itself; it says "corrupt" or "cut short"."""
