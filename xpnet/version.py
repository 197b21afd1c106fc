"""The version of xpnet that is installed."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """Such as "0.2.0"; "unknown" where the package is used without having been installed."""
    try:
        return metadata.version("xpnet")
    except metadata.PackageNotFoundError:
        return "unknown"
