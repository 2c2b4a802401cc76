"""Sets of real sensors: a Petrobras process and NASA's shuttle; read by path from two wheels."""

from __future__ import annotations

from typing import Final

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.errors import DataFileError
from offchain.learning.packaged import package_folder, read_csv
from offchain.learning.tasks import Dataset, Origin, Task, public_ranges
from offchain.learning.tennessee_eastman import BIBMON

RIVER: Final = ("river", "0.26.1")

_PETROBRAS_ROWS: Final = 3_169
_PETROBRAS_TARGET: Final = "tag100"
_STATUS_TEXTS: Final = frozenset({"Bad", "Inp OutRange", "Scan Timeout"})
"""What the plant's historian writes where it has no value."""

_BLOCK_ROWS: Final = 48
"""Rows of a block, 4 hours at 5 minutes."""

_BLOCKS_PER_TEST_BLOCK: Final = 5

_SHUTTLE_ROWS: Final = 49_097
_SHUTTLE_TRAIN_ROWS: Final = 36_822
"""Three quarters."""


def petrobras() -> Dataset:
    """Soft sensor on a real plant: tag100 from the 93 other tags that vary.

    The tags are anonymous and scaled by their owner. Where the historian has a status text in
    place of a value (498 cells of five tags), the tag's last good value is held, as an online
    system would; before the first, the first. Every fifth block of 4 hours is for testing.
    """
    path = package_folder(*BIBMON) / "real_process_data" / "real_process_data.csv"
    header, cells = read_csv(path, _PETROBRAS_ROWS)
    # The first column is the time.
    names, rows = header[1:], [row[1:] for row in cells]
    try:
        values = np.array(
            [[np.nan if cell in _STATUS_TEXTS else float(cell) for cell in row] for row in rows]
        )
    except ValueError as error:
        raise DataFileError(str(path), f"cannot be read: {error}") from error
    if _PETROBRAS_TARGET not in names:
        raise DataFileError(str(path), f"has no column {_PETROBRAS_TARGET}")
    values = hold_last(values)
    target = names.index(_PETROBRAS_TARGET)
    features = [c for c in range(len(names)) if c != target and np.ptp(values[:, c]) > 0.0]
    test = np.arange(len(values)) // _BLOCK_ROWS % _BLOCKS_PER_TEST_BLOCK == (
        _BLOCKS_PER_TEST_BLOCK - 1
    )
    X, y = values[:, features], values[:, target]
    return Dataset(
        name="petrobras",
        task=Task.REGRESSION,
        origin=Origin(
            source="a process of Petrobras, 24 December 2017 to 4 January 2018, each 5 minutes, "
            "tags anonymous; file of the wheel bibmon 1.2.0",
            licence="Apache-2.0 (the wheel; its page also names CC BY 4.0)",
            simulated=False,
        ),
        X_train=X[~test],
        y_train=y[~test],
        X_test=X[test],
        y_test=y[test],
        feature_names=tuple(names[column] for column in features),
        class_names=(),
        target_name=_PETROBRAS_TARGET,
        ranges=public_ranges(X[~test]),
        target_range=public_ranges(y[~test, None]),
    )


def shuttle() -> Dataset:
    """Rare states of a space shuttle's radiators from nine sensors: 7 in 100 rows.

    The first three quarters of the file are for training: its publisher has put the rows in random
    order.
    """
    path = package_folder(*RIVER) / "datasets" / "shuttle.csv.gz"
    header, cells = read_csv(path, _SHUTTLE_ROWS)
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError as error:
        raise DataFileError(str(path), f"cannot be read: {error}") from error
    X, y = values[:, :-1], values[:, -1]
    cut = _SHUTTLE_TRAIN_ROWS
    return Dataset(
        name="shuttle",
        task=Task.CLASSIFICATION,
        origin=Origin(
            source="Statlog (Shuttle), sensors of a NASA space shuttle, as the anomaly benchmark "
            "ODDS has it (all small classes against the largest, the second largest left out); "
            "file of the wheel river 0.26.1",
            licence="BSD-3-Clause (the wheel); the data is public in the UCI repository",
            simulated=False,
        ),
        X_train=X[:cut],
        y_train=y[:cut],
        X_test=X[cut:],
        y_test=y[cut:],
        feature_names=header[:-1],
        class_names=("normal", "anomaly"),
        target_name=header[-1],
        ranges=public_ranges(X[:cut]),
        target_range=np.array([[0.0, 1.0]]),
    )


def hold_last(values: Floats) -> Floats:
    """Return the columns with each NaN replaced by the last value above it, else the first below.

    Raises
    ------
    DataFileError
        If a column has no value at all.
    """
    missing = np.isnan(values)
    if missing.all(axis=0).any():
        column = int(np.argmax(missing.all(axis=0)))
        raise DataFileError("rows", f"column {column} has no value at all")
    rows = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(missing, -1, rows), axis=0)
    first = np.argmin(missing, axis=0)
    chosen: Floats = np.take_along_axis(values, np.where(last < 0, first, last), axis=0)
    return chosen
