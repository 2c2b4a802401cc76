"""From what the user points at to tables per device."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from offchain.learning.errors import DataFileError
from offchain.learning.schema import require_columns
from offchain.learning.tables import CSV_ENDINGS, PARQUET_ENDINGS, Table, read_table

POOL = "all rows"
"""Name of what a single file without a device column holds."""


@dataclass(frozen=True, slots=True, repr=False)
class Source:
    """One device's tables.

    Attributes
    ----------
    device
        Its name: the file's, or what the device column says.
    tables
        All with the same device's rows; empty if its file has no byte.
    """

    device: str
    tables: tuple[Table, ...]

    @property
    def rows(self) -> int:
        """Number of rows before any is dropped."""
        return sum(len(table.rows) for table in self.tables)


def find_files(data: str) -> tuple[tuple[Path, ...], bool]:
    """Return the files that a file, a folder or a pattern stands for, sorted.

    Returns
    -------
    files
        At least one.
    single
        Whether `data` is one file, not a folder or a pattern.

    Raises
    ------
    DataFileError
        If there is none.
    """
    path = Path(data)
    if path.is_file():
        return (path,), True
    endings = (*CSV_ENDINGS, *PARQUET_ENDINGS)
    if path.is_dir():
        found = [
            file
            for file in path.iterdir()
            if file.is_file() and file.suffix.lower() in endings and not file.name.startswith(".")
        ]
        if not found:
            raise DataFileError(data, f"the folder has no file ending in {', '.join(endings)}")
        return tuple(sorted(found)), False
    matches = [Path(match) for match in glob.glob(data, recursive=True)]
    files = sorted(match for match in matches if match.is_file())
    if not files:
        raise DataFileError(data, "there is no such file or folder, and no file fits it as pattern")
    return tuple(files), False


def device_tables(
    files: Sequence[Path], *, single: bool, device_column: str | None, marks: Sequence[str]
) -> tuple[Source, ...]:
    """Read all files and return each device's tables, in order of the devices' names.

    Parameters
    ----------
    files, single
        As `find_files` returns.
    device_column
        The column that names the device; if None, each file is a device, a single one the pool.
    marks
        As `read_table`.

    Raises
    ------
    DataFileError
        If a file cannot be read, or two files name the same device.
    CellError
        If a cell of the device column is missing.
    """
    tables = [None if _is_empty(file) else read_table(file, marks) for file in files]
    if device_column is None:
        names = (POOL,) if single else _names(files)
        sources = [
            Source(name, (table,) if table is not None else ())
            for name, table in zip(names, tables, strict=True)
        ]
        return tuple(sorted(sources, key=lambda source: source.device))
    parts: dict[str, list[Table]] = {}
    for table in tables:
        for device, part in _split(table, device_column) if table is not None else ():
            parts.setdefault(device, []).append(part)
    return tuple(Source(device, tuple(parts[device])) for device in sorted(parts))


def _is_empty(file: Path) -> bool:
    try:
        return file.stat().st_size == 0
    except OSError as error:
        raise DataFileError(str(file), f"cannot be read: {error.strerror}") from error


def _split(table: Table, device_column: str) -> list[tuple[str, Table]]:
    require_columns(table.path, table.names, [device_column])
    codes, names = table.classes(device_column)
    table.require(device_column, codes >= 0, "is missing: the row has no device")
    return [(name, table.take(np.flatnonzero(codes == code))) for code, name in enumerate(names)]


def _names(files: Sequence[Path]) -> tuple[str, ...]:
    """Name devices by their files; by their folders too where file names repeat."""
    names = tuple(file.stem for file in files)
    if len(set(names)) == len(names):
        return names
    base = os.path.commonpath([file.absolute().parent for file in files])
    names = tuple(file.absolute().relative_to(base).with_suffix("").as_posix() for file in files)
    for name, file in zip(names, files, strict=True):
        if names.count(name) > 1:
            raise DataFileError(str(file), f"another file is of device {name!r} too")
    return names
