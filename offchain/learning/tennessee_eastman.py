"""Tennessee Eastman, a *simulated* chemical plant, read from files of the wheel `bibmon`.

The process is Downs and Vogel's (1993), the runs are those of Chiang, Russell and Braatz (2001). In
all files the 52 columns are XMEAS(1) to XMEAS(41) and XMV(1) to XMV(11), one row each 3 minutes.
`d00.dat` is stored transposed. A training file dKK is faulty throughout; in a test file dKK_te,
KK > 0, the fault starts after row 160.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from offchain.learning.arrays import Floats, require_at_least
from offchain.learning.errors import DataFileError
from offchain.learning.packaged import package_folder
from offchain.learning.tasks import Dataset, Origin, Task, public_ranges

BIBMON: Final = ("bibmon", "1.2.0")

_TAGS: Final = tuple(f"XMEAS({i})" for i in range(1, 42)) + tuple(f"XMV({i})" for i in range(1, 12))
_FAULT_NAMES: Final = {
    0: "normal operation",
    1: "fault 1: A/C feed ratio",
    2: "fault 2: B composition",
    4: "fault 4: reactor cooling water temperature",
    5: "fault 5: condenser cooling water temperature",
    6: "fault 6: loss of A feed",
    7: "fault 7: C header pressure loss",
    8: "fault 8: feed composition, random",
    10: "fault 10: C feed temperature, random",
    11: "fault 11: reactor cooling water temperature, random",
    12: "fault 12: condenser cooling water temperature, random",
    13: "fault 13: reaction kinetics, drift",
    14: "fault 14: reactor cooling water valve sticks",
    16: "fault 16: unknown",
    17: "fault 17: unknown",
    18: "fault 18: unknown",
    19: "fault 19: unknown",
    20: "fault 20: unknown",
}
"""All faults but 3, 9, 15 and 21: the first three hardly show in any tag, 21 is a stuck valve."""

_SEVEN: Final = (0, 1, 2, 4, 5, 6, 7)
_NORMAL_TEST_ROWS: Final = 160
_SOFT_SENSOR_TARGET: Final = 34
_FAST_COLUMNS: Final = tuple(range(22)) + tuple(range(41, 52))
_WINDOW: Final = 20
"""Rows of a rolling window, one hour."""

_ORIGIN: Final = Origin(
    source="Tennessee Eastman process, a simulated plant (Downs and Vogel 1993; simulation runs "
    "of Chiang, Russell and Braatz 2001), files of the wheel bibmon 1.2.0",
    licence="Apache-2.0 (the wheel); the simulation runs are published for research",
    simulated=True,
)


def fault7() -> Dataset:
    """Plant fault diagnosis: normal operation or one of six faults."""
    return _faults("fault7", _SEVEN, binary=False)


def fault2() -> Dataset:
    """Fault or no fault, on the rows of fault7."""
    return _faults("fault2", _SEVEN, binary=True)


def fault18() -> Dataset:
    """Normal operation or one of 17 faults; with mean and deviation over the last hour per tag."""
    return _faults("fault18", tuple(_FAULT_NAMES), binary=False, window=_WINDOW)


def softsensor() -> Dataset:
    """Soft sensor: XMEAS(35), component G in the purge, from the 33 fast tags, all 22 runs."""
    train = np.vstack([_train_rows(fault) for fault in range(22)])
    test = np.vstack([_test_rows(fault) for fault in range(22)])
    columns = list(_FAST_COLUMNS)
    X_train, y_train = train[:, columns], train[:, _SOFT_SENSOR_TARGET]
    return Dataset(
        name="softsensor",
        task=Task.REGRESSION,
        origin=_ORIGIN,
        X_train=X_train,
        y_train=y_train,
        X_test=test[:, columns],
        y_test=test[:, _SOFT_SENSOR_TARGET],
        feature_names=tuple(_TAGS[column] for column in columns),
        class_names=(),
        target_name=_TAGS[_SOFT_SENSOR_TARGET],
        ranges=public_ranges(X_train),
        target_range=public_ranges(y_train[:, None]),
    )


def with_rolling(rows: Floats, window: int) -> Floats:
    """Return one run's rows with rolling means and deviations beside them.

    Row i gets the mean and the deviation (dividing by the number of rows) of rows
    max(0, i - window + 1) to i: nothing from later, nothing from another run. The first rows of a
    run have shorter windows; row 0 has deviation 0.

    Parameters
    ----------
    rows
        Rows of one run in order of time, shape (m, columns).
    window
        Rows of a window, at least 1.

    Returns
    -------
    ndarray of float64, shape (m, 3 columns)
        The rows, their means, their deviations.
    """
    require_at_least("window", window, 1)
    means, deviations = np.empty_like(rows), np.empty_like(rows)
    for last in range(min(window - 1, len(rows))):
        means[last] = rows[: last + 1].mean(axis=0)
        deviations[last] = rows[: last + 1].std(axis=0)
    if len(rows) >= window:
        views = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0)
        means[window - 1 :] = views.mean(axis=-1)
        deviations[window - 1 :] = views.std(axis=-1)
    return np.hstack([rows, means, deviations])


def _folder() -> Path:
    return package_folder(*BIBMON) / "tennessee_eastman"


@cache
def _read(file: str, rows: int) -> Floats:
    """Return one file's (rows, 52) matrix, read-only."""
    path = _folder() / file
    try:
        values = np.array(path.read_bytes().split(), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise DataFileError(str(path), f"cannot be read: {error}") from error
    if values.size != rows * len(_TAGS):
        raise DataFileError(str(path), f"has {values.size} numbers, not {rows} x {len(_TAGS)}")
    # d00.dat holds one column after the other.
    transposed = file == "d00.dat"
    matrix = values.reshape(len(_TAGS), rows).T if transposed else values.reshape(rows, -1)
    matrix.flags.writeable = False
    return matrix


def _train_rows(fault: int) -> Floats:
    return _read(f"d{fault:02d}.dat", 500 if fault == 0 else 480)


def _test_rows(fault: int) -> Floats:
    return _read(f"d{fault:02d}_te.dat", 960)


def _fault_labels(faults: Sequence[int], binary: bool) -> tuple[Floats, Floats]:
    train, test = [], []
    for index, fault in enumerate(faults):
        label = float(min(index, 1) if binary else index)
        train.append(np.full(len(_train_rows(fault)), label))
        labels = np.full(len(_test_rows(fault)), label)
        labels[:_NORMAL_TEST_ROWS] = 0.0
        test.append(labels)
    return np.concatenate(train), np.concatenate(test)


def _faults(
    name: str, faults: Sequence[int], *, binary: bool, window: int | None = None
) -> Dataset:
    train = [_train_rows(fault) for fault in faults]
    test = [_test_rows(fault) for fault in faults]
    features = _TAGS
    if window is not None:
        train = [with_rolling(rows, window) for rows in train]
        test = [with_rolling(rows, window) for rows in test]
        features += tuple(f"{tag} mean {window}" for tag in _TAGS)
        features += tuple(f"{tag} deviation {window}" for tag in _TAGS)
    X_train = np.vstack(train)
    y_train, y_test = _fault_labels(faults, binary)
    names = tuple(_FAULT_NAMES[fault] for fault in faults)
    classes = (names[0], "fault") if binary else names
    return Dataset(
        name=name,
        task=Task.CLASSIFICATION,
        origin=_ORIGIN,
        X_train=X_train,
        y_train=y_train,
        X_test=np.vstack(test),
        y_test=y_test,
        feature_names=features,
        class_names=classes,
        target_name="fault",
        ranges=public_ranges(X_train),
        target_range=np.array([[0.0, len(classes) - 1.0]]),
    )
