"""The data sets by name; no download, all read from files of installed packages.

Tennessee Eastman is a *simulated* chemical plant (Downs and Vogel 1993; simulation data of Chiang,
Russell and Braatz 2001). Its files ship in the wheel `bibmon`, which is never imported, since its
own imports are heavy: the files are read by path. In all of them the 52 columns are XMEAS(1) to
XMEAS(41) and XMV(1) to XMV(11), one row each 3 minutes. `d00.dat` is stored transposed. A training
file dKK is faulty throughout; in a test file dKK_te, KK > 0, the fault starts after row 160.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.errors import DataFileError, OptionError, UnknownNameError
from offchain.learning.tasks import Dataset, Origin, Task, public_ranges

DEFAULT_DATASET: Final = "fault7"

_TAGS: Final = tuple(f"XMEAS({i})" for i in range(1, 42)) + tuple(f"XMV({i})" for i in range(1, 12))
_FAULTS: Final = (0, 1, 2, 4, 5, 6, 7)
_FAULT_NAMES: Final = (
    "normal operation",
    "fault 1: A/C feed ratio",
    "fault 2: B composition",
    "fault 4: reactor cooling water temperature",
    "fault 5: condenser cooling water temperature",
    "fault 6: loss of A feed",
    "fault 7: C header pressure loss",
)
_NORMAL_TEST_ROWS: Final = 160
_SOFT_SENSOR_TARGET: Final = 34
_FAST_COLUMNS: Final = tuple(range(22)) + tuple(range(41, 52))

_ORIGIN: Final = Origin(
    source="Tennessee Eastman process, a simulated plant (Downs and Vogel 1993; simulation runs "
    "of Chiang, Russell and Braatz 2001), files of the wheel bibmon 1.2.0",
    licence="Apache-2.0 (the wheel); the simulation runs are published for research",
    simulated=True,
)

Loader: TypeAlias = Callable[[], Dataset]
_LOADERS: Final[dict[str, Loader]] = {}


def register(name: str, loader: Loader) -> None:
    """Add a data set to the registry.

    Raises
    ------
    OptionError
        If the name is taken.
    """
    if name in _LOADERS:
        raise OptionError("dataset", name, "is already registered")
    _LOADERS[name] = loader


def dataset_names() -> tuple[str, ...]:
    """Return the names that `load` knows, sorted."""
    return tuple(sorted(_LOADERS))


def load(name: str = DEFAULT_DATASET) -> Dataset:
    """Return a data set by name.

    Raises
    ------
    UnknownNameError
        Listing the names there are.
    DataFileError
        If its package is not installed or a file is not as it should be.
    """
    if name not in _LOADERS:
        raise UnknownNameError("dataset", name, _LOADERS)
    return _LOADERS[name]()


def _tennessee_eastman_folder() -> Path:
    spec = importlib.util.find_spec("bibmon")
    if spec is None or not spec.submodule_search_locations:
        raise DataFileError("bibmon", "not installed; run: pip install --no-deps bibmon==1.2.0")
    return Path(next(iter(spec.submodule_search_locations))) / "tennessee_eastman"


@cache
def _read(file: str, rows: int) -> Floats:
    """Return one file's (rows, 52) matrix, read-only."""
    path = _tennessee_eastman_folder() / file
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


def _fault_labels(binary: bool) -> tuple[Floats, Floats]:
    train, test = [], []
    for index, fault in enumerate(_FAULTS):
        label = float(min(index, 1) if binary else index)
        train.append(np.full(len(_train_rows(fault)), label))
        labels = np.full(len(_test_rows(fault)), label)
        labels[:_NORMAL_TEST_ROWS] = 0.0
        test.append(labels)
    return np.concatenate(train), np.concatenate(test)


def _faults(name: str, binary: bool) -> Dataset:
    X_train = np.vstack([_train_rows(fault) for fault in _FAULTS])
    y_train, y_test = _fault_labels(binary)
    classes = ("normal operation", "fault") if binary else _FAULT_NAMES
    return Dataset(
        name=name,
        task=Task.CLASSIFICATION,
        origin=_ORIGIN,
        X_train=X_train,
        y_train=y_train,
        X_test=np.vstack([_test_rows(fault) for fault in _FAULTS]),
        y_test=y_test,
        feature_names=_TAGS,
        class_names=classes,
        target_name="fault",
        ranges=public_ranges(X_train),
        target_range=np.array([[0.0, len(classes) - 1.0]]),
    )


def _fault7() -> Dataset:
    """Plant fault diagnosis: normal operation or one of six faults."""
    return _faults("fault7", binary=False)


def _fault2() -> Dataset:
    """Fault or no fault, on the rows of fault7."""
    return _faults("fault2", binary=True)


def _softsensor() -> Dataset:
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


register("fault7", _fault7)
register("fault2", _fault2)
register("softsensor", _softsensor)
