"""Public instrument ranges of the user's own columns: a CSV file `feature,low,high`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.errors import DataFileError
from offchain.learning.schema import shown_names
from offchain.learning.tables import read_table

COLUMNS: Final = ("feature", "low", "high")


def read_ranges(path: Path, names: Sequence[str]) -> Floats:
    """Return (low, high) per name, shape (names, 2); the file may have more names.

    Raises
    ------
    DataFileError
        If the file cannot be read, lacks a column or a name.
    CellError
        Naming row and column of a bound that is missing, no number, or not in order.
    """
    table = read_table(path)
    if set(table.names) != set(COLUMNS):
        raise DataFileError(str(path), f"row 1: the columns must be {', '.join(COLUMNS)}")
    codes, known = table.classes("feature")
    low, high = table.numbers("low"), table.numbers("high")
    for name, bounds in (("low", low), ("high", high)):
        table.require(name, ~np.isnan(bounds), "is missing")
    table.require("feature", codes >= 0, "is missing")
    table.require("high", high > low, "must be above low")
    first = np.full(len(known), -1)
    for position, code in enumerate(codes.tolist()):
        if first[code] >= 0:
            raise table.error("feature", position, "comes twice")
        first[code] = position
    missing = [name for name in names if name not in known]
    if missing:
        raise DataFileError(str(path), f"has no range for: {shown_names(missing)}")
    chosen = [first[known.index(name)] for name in names]
    return np.column_stack([low[chosen], high[chosen]])
