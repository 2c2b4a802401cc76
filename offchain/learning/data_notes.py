"""What a user should know of the data before the first round: notes and warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.balance import ClassBalance
from offchain.learning.schema import shown_names

NARROW: Final = 0.02
"""Deviation over half the range's width below which the statistics round may see a constant."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to know.

    Attributes
    ----------
    kind
        What it is about, for machines.
    text
        One sentence for people; names devices, columns and classes, never values.
    warning
        Whether something may have to be done about it.
    """

    kind: str
    text: str
    warning: bool = True


def missing_rows(device: str, rows: int, by_column: Mapping[str, int], dropped: int) -> Note:
    """Rows of a device were dropped because of missing values."""
    where = ", ".join(f"{name}: {count}" for name, count in by_column.items() if count)
    text = (
        f"device {device}: {dropped} of {rows} rows have missing values ({where}) and are dropped"
    )
    return Note("missing-rows", text)


def empty_device(device: str, why: str) -> Note:
    """A device is left out since it has no rows to learn from."""
    return Note("empty-device", f"device {device}: {why}; it is left out")


def single_rows(counts: Mapping[str, int]) -> list[Note]:
    """Devices with a single training row."""
    return [
        Note(
            "single-row",
            f"device {device}: a single training row; its update speaks of that row alone, so the "
            "privacy of the device is the privacy of the row",
        )
        for device, count in counts.items()
        if count == 1
    ]


def class_balance(balance: ClassBalance) -> list[Note]:
    """How classes are spread, with a warning for each that one device, or none, trains on."""
    notes = [Note("class-balance", f"classes: {balance.describe()}", warning=False)]
    notes += [
        Note(
            "lone-class",
            f"class {name!r}: only one device has it; the others cannot outvote that device on it, "
            "and what the model knows of the class comes from there",
        )
        for name in balance.lone()
    ]
    notes += [
        Note("absent-class", f"class {name!r}: all of its rows are held out for testing")
        for name in balance.absent()
    ]
    return notes


def constant_columns(X: Floats, names: Sequence[str]) -> list[Note]:
    """Feature columns with one value in all training rows of all devices."""
    constant = [names[column] for column in np.flatnonzero(np.ptp(X, axis=0) == 0.0)]
    if not constant:
        return []
    text = f"constant in all training rows, so without weight: {shown_names(constant)}"
    return [Note("constant-column", text)]


def ranges(X: Floats, names: Sequence[str], limits: Floats) -> list[Note]:
    """Columns that leave their public range, or use too little of it to be resolved."""
    outside = (np.clip(X, limits[:, 0], limits[:, 1]) != X).sum(axis=0)
    notes = [
        Note(
            "outside-range",
            f"column {names[column]!r}: {outside[column]} of {len(X)} training values lie outside "
            "the public range; they count as its ends when columns are standardised",
        )
        for column in np.flatnonzero(outside)
    ]
    half = (limits[:, 1] - limits[:, 0]) / 2.0
    spread = np.clip(X, limits[:, 0], limits[:, 1]).std(axis=0) / half
    narrow = [names[c] for c in np.flatnonzero((spread < NARROW) & (spread > 0.0))]
    if narrow:
        text = (
            "deviation below 1% of the public range's width, so that the statistics round may "
            f"take the column for a constant; give a narrower range: {shown_names(narrow)}"
        )
        notes.append(Note("narrow-column", text))
    return notes


def derived_ranges(columns: int) -> Note:
    """The public ranges were derived from the rows."""
    text = (
        f"no ranges given: the public ranges of {columns} columns are derived from all training "
        "rows, so everyone learns about their smallest and largest values; give the "
        "instruments' ranges to avoid that"
    )
    return Note("derived-ranges", text)
