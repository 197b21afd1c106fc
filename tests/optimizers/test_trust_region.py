"""The trust region."""

from __future__ import annotations
