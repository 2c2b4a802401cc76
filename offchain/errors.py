"""The root of the project's exception tree."""

from __future__ import annotations


class VerifogError(Exception):
    """Every error that the project raises on purpose derives from this class."""
