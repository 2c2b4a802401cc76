"""Files of installed packages, read by path: the packages themselves are never imported."""

from __future__ import annotations

import csv
import gzip
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from offchain.learning.errors import DataFileError


def package_folder(package: str, version: str) -> Path:
    """Return the folder of an installed package.

    Raises
    ------
    DataFileError
        If it is not installed; the message says what to run.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        problem = f"not installed; run: pip install --no-deps {package}=={version}"
        raise DataFileError(package, problem)
    return Path(next(iter(spec.submodule_search_locations)))


def read_csv(path: Path, rows: int) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return the header and the rows of a CSV file, plain or gzipped, as text.

    Raises
    ------
    DataFileError
        If it cannot be read, has not `rows` rows, or a row has not a cell per column.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    except (OSError, EOFError, ValueError) as error:
        raise DataFileError(str(path), f"cannot be read: {error}") from error
    lines = list(csv.reader(text.splitlines()))
    header, cells = tuple(lines[0]) if lines else (), lines[1:]
    if len(cells) != rows:
        raise DataFileError(str(path), f"has {len(cells)} rows, not {rows}")
    _require_width(path, cells, len(header))
    return header, cells


def _require_width(path: Path, cells: Iterable[list[str]], columns: int) -> None:
    for number, row in enumerate(cells, start=2):
        if len(row) != columns:
            raise DataFileError(str(path), f"line {number} has {len(row)} cells, not {columns}")
