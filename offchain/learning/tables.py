"""Reading tables, CSV or Parquet, so that every error names file, row and column.

CSV: UTF-8, one header line, cells separated by commas, semicolons or tabs (whichever the header
has most of); where the separator is no comma, numbers may have a decimal comma. A cell counts as
missing when it is empty or holds a mark such as NA. No cell's content is part of a message.
"""

from __future__ import annotations

import csv
import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from offchain.learning.arrays import Floats, Integers
from offchain.learning.errors import CellError, DataFileError, NotANumber

CSV_ENDINGS: Final = (".csv", ".tsv", ".txt")
PARQUET_ENDINGS: Final = (".parquet", ".pq")

MISSING_MARKS: Final = ("NA", "N/A", "#N/A", "NaN", "null")
"""What stands for a missing value beside an empty cell, in any case."""

_SEPARATORS: Final = (",", ";", "\t")
_HEAD_BYTES: Final = 1 << 20
_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
_OPEN_QUOTE: Final = "goes over several lines; is a quote not closed?"
_WHOLE: Final = re.compile(r"([+-]?\d+)\.0*")


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """Columns of one file, or of some of its rows; the repr shows no cells.

    Attributes
    ----------
    path
        The file, as given.
    names
        Names of the columns in the file's order, all different.
    rows
        Number of each row as a person finds it in the file, shape (m,).
    columns
        The cells, one Arrow array per name.
    marks
        What stands for a missing value, in lower case.
    decimal_comma
        Whether a comma in a number is a decimal comma.
    """

    path: str
    names: tuple[str, ...]
    rows: Integers
    columns: dict[str, Any]
    marks: frozenset[str]
    decimal_comma: bool

    def __repr__(self) -> str:
        return f"Table({self.path}: {len(self.rows)} rows, {len(self.names)} columns)"

    def numbers(self, name: str) -> Floats:
        """Return a column as numbers, NaN where missing, shape (m,).

        Raises
        ------
        NotANumber
            Naming the first cell that is no number.
        CellError
            Naming the first cell that is infinite.
        """
        column = self.columns[name]
        arrow, compute = _arrow("pyarrow"), _arrow("pyarrow.compute")
        if arrow.types.is_string(column.type):
            column = self._trimmed(name)
            if self.decimal_comma:
                column = compute.replace_substring(column, ",", ".")
            good = compute.match_substring_regex(column, _NUMBER)
            missing = compute.is_null(column)
            self.require(name, compute.or_kleene(good, missing), "is no number", NotANumber)
            column = compute.utf8_ltrim(column, "+")
        elif not _is_number(arrow.types, column.type):
            raise self.error(name, 0, f"is of type {column.type}, not a number")
        values: Floats = compute.cast(column, arrow.float64(), safe=False).to_numpy(
            zero_copy_only=False
        )
        self.require(name, ~np.isinf(values), "is infinite")
        return values

    def classes(self, name: str) -> tuple[Integers, tuple[str, ...]]:
        """Return a column as positions in a list of its different texts, -1 where missing.

        Whole numbers are written without a point, so that 1, 1.0 and "1" are one text.

        Returns
        -------
        codes
            Shape (m,).
        names
            The texts in order of appearance.
        """
        arrow, compute = _arrow("pyarrow"), _arrow("pyarrow.compute")
        if arrow.types.is_floating(self.columns[name].type):
            self.numbers(name)
        encoded = compute.dictionary_encode(self._trimmed(name))
        texts = [_as_class(text) for text in encoded.dictionary.to_pylist()]
        names = tuple(dict.fromkeys(texts))
        position = np.array([*(names.index(text) for text in texts), -1], dtype=np.int64)
        codes = compute.fill_null(encoded.indices, len(texts)).to_numpy(zero_copy_only=False)
        return position[codes], names

    def take(self, rows: Integers) -> Table:
        """Return some rows, by their positions from 0."""
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return Table(
            self.path, self.names, self.rows[rows], columns, self.marks, self.decimal_comma
        )

    def error(
        self, name: str, position: int, problem: str, kind: type[CellError] = CellError
    ) -> CellError:
        """Return the error of the cell in a column at a position from 0."""
        row = int(self.rows[position]) if len(self.rows) else 1
        return kind(self.path, row, name, problem)

    def require(
        self, name: str, good: Any, problem: str, kind: type[CellError] = CellError
    ) -> None:
        """Raise the error of a column's first cell that is not good, if any; `good` is a mask."""
        mask = np.asarray(good, dtype=np.bool_)
        if not mask.all():
            raise self.error(name, int(np.argmin(mask)), problem, kind)

    def _trimmed(self, name: str) -> Any:
        """A column as texts without spaces around them, null where missing."""
        arrow, compute = _arrow("pyarrow"), _arrow("pyarrow.compute")
        text = compute.utf8_trim_whitespace(compute.cast(self.columns[name], arrow.string()))
        marks = arrow.array(sorted(self.marks), arrow.string())
        missing = compute.is_in(compute.utf8_lower(text), value_set=marks)
        return compute.if_else(missing, arrow.scalar(None, arrow.string()), text)


def read_table(path: Path, extra_marks: Iterable[str] = ()) -> Table:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path
        A file; its ending says what it is.
    extra_marks
        Texts that stand for a missing value beside `MISSING_MARKS`, in any case.

    Raises
    ------
    DataFileError
        If it cannot be read, a row has not a cell per column, or two columns have one name.
    CellError
        Naming row and column where a CSV file is not UTF-8.
    """
    marks = frozenset(mark.strip().lower() for mark in ("", *MISSING_MARKS, *extra_marks))
    ending = path.suffix.lower()
    if ending in CSV_ENDINGS:
        return _read_csv(path, marks)
    if ending in PARQUET_ENDINGS:
        return _read_parquet(path, marks)
    known = ", ".join((*CSV_ENDINGS, *PARQUET_ENDINGS))
    raise DataFileError(str(path), f"its name must end in one of {known}")


def _read_csv(path: Path, marks: frozenset[str]) -> Table:
    names, separator, has_rows = _read_header(path)
    compute = _arrow("pyarrow.compute")
    if not has_rows:
        arrow = _arrow("pyarrow")
        empty = {name: arrow.array([], arrow.string()) for name in names}
        return Table(str(path), names, np.zeros(0, np.int64), empty, marks, separator != ",")
    columns = [column.combine_chunks() for column in _parse_csv(path, names, separator).columns]
    blank = np.ones(len(columns[0]), dtype=np.bool_)
    for column in columns:
        blank &= np.asarray(compute.equal(column, ""))
    table = Table(
        str(path),
        names,
        np.arange(2, len(blank) + 2, dtype=np.int64),
        dict(zip(names, columns, strict=True)),
        marks,
        separator != ",",
    )
    for name in names:
        table.require(
            name, ~np.asarray(compute.match_substring(table.columns[name], "\n")), _OPEN_QUOTE
        )
    return table.take(np.flatnonzero(~blank)) if blank.any() else table


def _read_header(path: Path) -> tuple[tuple[str, ...], str, bool]:
    """Return names, separator, and whether anything follows."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise DataFileError(str(path), f"cannot be read: {error.strerror}") from error
    line, *rest = re.split(rb"\r\n|\n|\r", head, maxsplit=1)
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataFileError(str(path), "row 1: is not UTF-8 text") from None
    if "\0" in text:
        raise DataFileError(str(path), "row 1: is not text")
    separator = max(_SEPARATORS, key=text.count)
    cells = next(csv.reader([text], delimiter=separator), [])
    return _parse_names(path, cells), separator, bool(rest and rest[0])


def _parse_csv(path: Path, names: tuple[str, ...], separator: str) -> Any:
    arrow, arrow_csv = _arrow("pyarrow"), _arrow("pyarrow.csv")
    wrong: list[tuple[int, int]] = []

    def refuse(row: Any) -> str:
        wrong.append((row.number, row.actual_columns))
        return "error"

    try:
        return arrow_csv.read_csv(
            str(path),
            # One thread: only so are rows numbered.
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=list(names), skip_rows=1, block_size=_HEAD_BYTES
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=separator, ignore_empty_lines=False, invalid_row_handler=refuse
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, arrow.string()), strings_can_be_null=False
            ),
        )
    except (arrow.ArrowException, OSError) as error:
        if wrong:
            number, cells = wrong[0]
            problem = f"has {cells} cells, the header {len(names)}; or a quote is not closed"
            raise DataFileError(str(path), f"row {number}: {problem}") from None
        place = re.search(r"column #(\d+): Row #(\d+).*UTF8", str(error))
        if place:
            name, row = names[int(place[1])], int(place[2])
            raise CellError(str(path), row, name, "is not UTF-8 text") from None
        raise DataFileError(str(path), "cannot be read as CSV; is a quote not closed?") from None


def _read_parquet(path: Path, marks: frozenset[str]) -> Table:
    arrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    try:
        content = parquet.ParquetFile(path).read()
    except (arrow.ArrowException, OSError) as error:
        problem = str(error).partition("\n")[0]
        raise DataFileError(str(path), f"cannot be read as Parquet: {problem}") from None
    # Where pandas keeps an unnamed index.
    kept = [n for n in content.column_names if not re.fullmatch(r"__index_level_\d+__", n)]
    names = _parse_names(path, kept)
    columns = {
        name: _plain(content.column(column).combine_chunks())
        for name, column in zip(names, kept, strict=True)
    }
    rows = np.arange(1, content.num_rows + 1, dtype=np.int64)
    return Table(str(path), names, rows, columns, marks, decimal_comma=False)


def _parse_names(path: Path, cells: list[str]) -> tuple[str, ...]:
    """Trim the names of columns; a column without one is named by its position."""
    names = tuple(cell.strip() or f"column {i}" for i, cell in enumerate(cells, start=1))
    for name in names:
        if names.count(name) > 1:
            raise DataFileError(str(path), f"row 1: two columns are named {name!r}")
    return names


def _plain(column: Any) -> Any:
    """Bring the kinds of text that Parquet knows to one, and decimals to floats."""
    arrow, compute = _arrow("pyarrow"), _arrow("pyarrow.compute")
    kinds = arrow.types
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kinds.is_large_string(column.type) or kinds.is_string_view(column.type):
        column = compute.cast(column, arrow.string())
    if kinds.is_decimal(column.type):
        column = compute.cast(column, arrow.float64())
    return column


def _as_class(text: str) -> str:
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _is_number(kinds: Any, kind: Any) -> bool:
    return bool(kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind))


def _arrow(module: str) -> Any:
    # Slow to import: only when a file is read.
    return importlib.import_module(module)
