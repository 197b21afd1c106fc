"""Files: what a network has learned, and runs that are to go on, without pickle and always whole."""

from .errors import StorageError
from .file import Saved, load, save

__all__ = ["Saved", "StorageError", "load", "save"]
