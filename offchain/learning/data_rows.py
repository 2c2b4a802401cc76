"""A device's rows by an agreed schema; missing values are dropped and counted, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.errors import NotANumber
from offchain.learning.schema import Schema
from offchain.learning.tables import Table


class Missing(StrEnum):
    """What is done with a row that has a missing value."""

    DROP = "drop"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, repr=False)
class Rows:
    """Complete rows of one device.

    Attributes
    ----------
    X, y
        Features (m, features) and targets (m,): numbers, or classes as whole numbers from 0.
    total
        Number of rows before any was dropped.
    missing
        Missing values per column, features first, then the target.
    """

    X: Floats
    y: Floats
    total: int
    missing: dict[str, int]


def read_rows(tables: Sequence[Table], schema: Schema, missing: Missing) -> Rows:
    """Return the complete rows of a device's tables.

    Parameters
    ----------
    tables
        One or more tables that have the schema's columns.
    missing
        Whether rows with missing values are dropped or refused.

    Raises
    ------
    CellError
        Naming a cell that is no number, is infinite, or, where refused, is missing.
    """
    columns = (*schema.features, schema.target)
    matrix = np.vstack([_matrix(table, schema, missing) for table in tables])
    gaps = np.isnan(matrix)
    complete = matrix[~gaps.any(axis=1)]
    counts = dict(zip(columns, gaps.sum(axis=0).tolist(), strict=True))
    return Rows(complete[:, :-1].copy(), complete[:, -1].copy(), len(matrix), counts)


def feature_matrix(table: Table, features: Sequence[str], hint: str = "") -> Floats:
    """Return feature columns as numbers, NaN where missing, shape (m, features).

    Parameters
    ----------
    hint
        What may be done about a text in place of a number, beside calling it a missing value.

    Raises
    ------
    CellError
        Naming the first cell of a column that is no number or is infinite.
    """
    matrix = np.empty((len(table.rows), len(features)))
    for index, name in enumerate(features):
        try:
            matrix[:, index] = table.numbers(name)
        except NotANumber as error:
            problem = (
                "is no number; if its text means a missing value, name it with --missing-marks"
                + hint
            )
            raise NotANumber(error.path, error.row, name, problem) from None
    return matrix


def require_complete(table: Table, matrix: Floats, columns: Sequence[str]) -> None:
    """Raise the error of the first missing value, row by row."""
    gaps = np.isnan(matrix)
    if gaps.any():
        row, column = np.argwhere(gaps)[0]
        raise table.error(columns[column], int(row), "is missing")


def _matrix(table: Table, schema: Schema, missing: Missing) -> Floats:
    """Return features and, as last column, the target."""
    matrix = np.empty((len(table.rows), len(schema.features) + 1))
    hint = "; if the column is no measurement, leave it out with --ignore"
    matrix[:, :-1] = feature_matrix(table, schema.features, hint)
    if schema.class_names:
        codes, names = table.classes(schema.target)
        positions = [float(schema.class_names.index(name)) for name in names]
        matrix[:, -1] = np.array([*positions, np.nan])[codes]
    else:
        matrix[:, -1] = table.numbers(schema.target)
    if missing is Missing.REFUSE:
        require_complete(table, matrix, (*schema.features, schema.target))
    return matrix
