"""The user's own data: from files to devices with an agreed schema, and what to know beforehand.

One file per device (a folder, or a pattern with `*`), or files with a column that names the
device, or one file of pooled rows, which a simulation spreads over devices as it does a named set.
The guide is docs/data.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import numpy as np

from offchain.learning import data_notes
from offchain.learning.arrays import Booleans
from offchain.learning.balance import ClassBalance
from offchain.learning.data_files import Source, device_tables, find_files
from offchain.learning.data_notes import Note
from offchain.learning.data_rows import Missing, Rows, read_rows
from offchain.learning.errors import DataFileError, OptionError
from offchain.learning.holdout import parse_holdout
from offchain.learning.partition import DeviceData
from offchain.learning.ranges import read_ranges
from offchain.learning.schema import Request, Schema, agree, parse_names
from offchain.learning.tasks import Dataset, Origin, Task, public_ranges

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class UserDataOptions:
    """Options as on the command line; fields are named as the options are.

    Attributes
    ----------
    data
        A file, a folder of files, or a pattern of files.
    target
        The column to predict.
    features
        Columns to predict from, with commas between them; `*` stands for any characters. None: all
        but the target, the device column and the ignored ones.
    ignore
        Columns to leave out, likewise.
    task
        `classification` or `regression`. None: as the target column says.
    device_column
        Column that names the device of a row. None: each file is a device.
    ranges
        CSV file `feature,low,high` of public instrument ranges. None: derived, with a warning.
    missing
        `drop` or `refuse` rows with missing values.
    missing_marks
        Further texts that stand for a missing value, with commas between them.
    holdout
        Rows for testing: `random:SHARE` or `last:SHARE` of each device.
    """

    data: str
    target: str
    features: str | None = None
    ignore: str | None = None
    task: str | None = None
    device_column: str | None = None
    ranges: str | None = None
    missing: str = Missing.DROP.value
    missing_marks: str | None = None
    holdout: str = "random:0.25"


@dataclass(frozen=True, slots=True, repr=False)
class UserData:
    """Data that is ready to train on; the repr shows no rows.

    Attributes
    ----------
    dataset
        All devices' rows together: for scoring and for the central baseline.
    devices, parts
        Names of the devices and each one's training rows, in the same order; both empty for pooled
        rows, which are to be spread with `partition`.
    schema
        What the devices have agreed on.
    notes
        What to tell the user before the first round.
    """

    dataset: Dataset
    devices: tuple[str, ...]
    parts: tuple[DeviceData, ...]
    schema: Schema
    notes: tuple[Note, ...]

    def __repr__(self) -> str:
        return f"UserData({self.dataset!r}, {len(self.devices)} devices)"


@dataclass(frozen=True, slots=True, repr=False)
class _Device:
    """One device's complete rows and which of them are for testing."""

    name: str
    rows: Rows
    test: Booleans

    def train(self) -> DeviceData:
        return DeviceData(self.rows.X[~self.test], self.rows.y[~self.test])


def load_user_data(options: UserDataOptions, *, seed: int) -> UserData:
    """Read the user's data, let the devices agree on a schema, split off rows for testing.

    Parameters
    ----------
    options
        As on the command line.
    seed
        Seed of `random:SHARE`; the same files, options and seed give the same rows.

    Raises
    ------
    OptionError
        If an option is out of its bound, or does not suit the files.
    DataFileError
        If a file cannot be used; `CellError` names row and column, `SchemaMismatch` the device's
        file that differs.
    """
    request = _request(options)
    missing = _choice("missing", options.missing, Missing)
    files, single = find_files(options.data)
    sources = device_tables(
        files,
        single=single,
        device_column=options.device_column,
        marks=parse_names("missing-marks", options.missing_marks),
    )
    notes: list[Note] = []
    sources = _with_rows(sources, notes)
    if not sources:
        raise DataFileError(options.data, "no device has a row")
    schema = agree([table for source in sources for table in source.tables], request)
    devices = _devices(options, sources, schema, missing, notes, seed)
    dataset = _dataset(options, schema, devices, notes)
    if single and options.device_column is None:
        return UserData(dataset, (), (), schema, tuple(notes))
    parts = tuple(device.train() for device in devices)
    _note_devices(devices, parts, schema, notes)
    return UserData(dataset, tuple(device.name for device in devices), parts, schema, tuple(notes))


def _request(options: UserDataOptions) -> Request:
    task = None if options.task is None else _choice("task", options.task, Task)
    return Request(
        target=options.target,
        features=parse_names("features", options.features),
        ignore=parse_names("ignore", options.ignore),
        task=task,
        device_column=options.device_column,
    )


def _choice(option: str, value: str, kind: type[Choice]) -> Choice:
    try:
        return kind(value)
    except ValueError:
        bound = f"must be one of {', '.join(kind)}"
        raise OptionError(option, value, bound) from None


def _with_rows(sources: Sequence[Source], notes: list[Note]) -> tuple[Source, ...]:
    """Leave out devices without a row."""
    for source in sources:
        if source.rows == 0:
            why = "its file has no row" if source.tables else "its file is empty"
            notes.append(data_notes.empty_device(source.device, why))
    return tuple(source for source in sources if source.rows)


def _devices(
    options: UserDataOptions,
    sources: Sequence[Source],
    schema: Schema,
    missing: Missing,
    notes: list[Note],
    seed: int,
) -> tuple[_Device, ...]:
    """Read each device's rows and choose those for testing."""
    holdout = parse_holdout(options.holdout)
    devices = []
    for source in sources:
        rows = read_rows(source.tables, schema, missing)
        dropped = rows.total - len(rows.y)
        if dropped:
            notes.append(data_notes.missing_rows(source.device, rows.total, rows.missing, dropped))
        if len(rows.y) == 0:
            why = "each of its rows has a missing value"
            notes.append(data_notes.empty_device(source.device, why))
            continue
        labels = rows.y if schema.class_names else np.zeros(len(rows.y))
        test = holdout.test_rows(labels.astype(np.int64), source.device, seed)
        devices.append(_Device(source.device, rows, test))
    if not devices:
        raise DataFileError(options.data, "every row of every device has a missing value")
    if not any(device.test.any() for device in devices):
        raise OptionError("holdout", options.holdout, "leaves no row to test with")
    return tuple(devices)


def _dataset(
    options: UserDataOptions, schema: Schema, devices: Sequence[_Device], notes: list[Note]
) -> Dataset:
    """Put all devices' rows together, with public ranges; note what is unusual about columns."""
    parts = [device.train() for device in devices]
    X, y = np.vstack([part.X for part in parts]), np.concatenate([part.y for part in parts])
    regression = schema.task is Task.REGRESSION
    if (np.ptp(X, axis=0) == 0.0).all():
        raise DataFileError(options.data, "every feature column is constant in the training rows")
    if regression and np.ptp(y) == 0.0:
        problem = f"column {schema.target!r} is constant in the training rows"
        raise DataFileError(options.data, problem)
    columns = np.column_stack([X, y]) if regression else X
    names = (*schema.features, schema.target) if regression else schema.features
    if options.ranges is None:
        limits = public_ranges(columns)
        notes.append(data_notes.derived_ranges(len(names)))
    else:
        limits = read_ranges(Path(options.ranges), names)
    notes += data_notes.constant_columns(X, schema.features)
    notes += data_notes.ranges(columns, names, limits)
    path = Path(options.data).absolute()
    count = len(schema.features)
    classes = np.array([[0.0, max(len(schema.class_names) - 1.0, 1.0)]])
    return Dataset(
        name=path.stem.replace("*", "_"),
        task=schema.task,
        origin=Origin(source=path.name, licence="the owner's", simulated=None),
        X_train=X,
        y_train=y,
        X_test=np.vstack([device.rows.X[device.test] for device in devices]),
        y_test=np.concatenate([device.rows.y[device.test] for device in devices]),
        feature_names=schema.features,
        class_names=schema.class_names,
        target_name=schema.target,
        ranges=limits[:count].copy(),
        target_range=limits[count:].copy() if regression else classes,
    )


def _note_devices(
    devices: Sequence[_Device], parts: Sequence[DeviceData], schema: Schema, notes: list[Note]
) -> None:
    counts = {device.name: part.count for device, part in zip(devices, parts, strict=True)}
    notes += data_notes.single_rows(counts)
    if schema.class_names:
        balance = ClassBalance.of(schema.class_names, [part.y for part in parts])
        notes += data_notes.class_balance(balance)
