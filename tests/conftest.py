"""What all tests share: the preset. Everything else lives in the room that needs it."""

import os
from typing import Literal

import pytest

Preset = Literal["minimal", "full"]


def _preset() -> Preset:
    chosen = os.environ.get("VERIFOG_PRESET", "minimal")
    if chosen == "minimal":
        return "minimal"
    if chosen == "full":
        return "full"
    raise pytest.UsageError(f"VERIFOG_PRESET is {chosen!r}: must be 'minimal' or 'full'")


@pytest.fixture(scope="session")
def preset() -> Preset:
    """Sizes of this run: ``minimal`` (seconds) or ``full`` (as in operation)."""
    return _preset()


def pytest_report_header() -> str:
    return f"verifog preset: {_preset()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _preset() == "full":
        return
    skip = pytest.mark.skip(reason="only with VERIFOG_PRESET=full")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)
