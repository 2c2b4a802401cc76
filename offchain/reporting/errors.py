"""Errors of the reporting package."""

from __future__ import annotations

from typing import Final

from offchain.errors import VerifogError


class ReportingError(VerifogError):
    """Base of all errors of this package."""


class RecordError(ReportingError):
    """A run was told in the wrong order, or with something that no report may hold."""


class ReportFileError(ReportingError):
    """A report cannot be read or written."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path: Final = path
        self.problem: Final = problem


class ModelFileError(ReportingError):
    """A field of a model file is not what it must be.

    Attributes
    ----------
    field, value, bound
        Path of the field, the value found (shortened), and what it must be, in words.
    """

    def __init__(self, field: str, value: object, bound: str) -> None:
        super().__init__(f"{field} = {shown(value)}: {bound}")
        self.field: Final = field
        self.value: Final = value
        self.bound: Final = bound


def shown(value: object, limit: int = 60) -> str:
    """Return a value's repr, shortened to about `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
