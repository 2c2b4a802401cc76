"""Predictions of a finished model for the rows of a file: read by column name, written as CSV."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np

from offchain.learning.arrays import Floats, Integers
from offchain.learning.data_rows import feature_matrix, require_complete
from offchain.learning.schema import require_columns
from offchain.learning.tables import Table
from offchain.reporting.errors import ReportFileError
from offchain.reporting.model_file import ModelFile

ROW: Final = "row"
PREDICTION: Final = "prediction"


class Gaps(StrEnum):
    """What becomes of a row with a missing value."""

    EMPTY = "empty"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Score:
    """How well predictions fit a target column of the same file.

    Attributes
    ----------
    metric, value
        `accuracy` or `R2`.
    rows
        Rows that have both a prediction and a target.
    """

    metric: str
    value: float
    rows: int


@dataclass(frozen=True, slots=True, repr=False)
class Predictions:
    """Predictions for a file's rows, in its order; the repr shows none.

    Attributes
    ----------
    rows
        Number of each row in the file: line of a CSV file (its header is 1), row of a Parquet file.
    predicted
        Numbers in the target's units, or names of classes; None where a value is missing.
    class_names
        Empty for regression.
    probabilities
        Per class, shape (m, classes), NaN where a value is missing; None for regression.
    score
        None where the file has no target column, or none of its rows a target.
    """

    rows: Integers
    predicted: tuple[float | str | None, ...]
    class_names: tuple[str, ...]
    probabilities: Floats | None
    score: Score | None

    def __repr__(self) -> str:
        return f"Predictions({len(self.rows)} rows)"

    @property
    def missing(self) -> int:
        """Number of rows without a prediction."""
        return sum(value is None for value in self.predicted)

    def to_csv(self) -> str:
        """Return a header and a line per row: row, prediction, probability of each class."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([ROW, PREDICTION, *(f"probability {name}" for name in self.class_names)])
        for row, predicted, shares in self._lines():
            cells = shares if predicted is not None else [""] * len(shares)
            writer.writerow([row, "" if predicted is None else predicted, *cells])
        return text.getvalue()

    def to_list(self) -> list[dict[str, Any]]:
        """Return an object per row, for JSON."""
        found = []
        for row, predicted, shares in self._lines():
            entry: dict[str, Any] = {ROW: row, PREDICTION: predicted}
            if self.class_names:
                known = dict(zip(self.class_names, shares, strict=True))
                entry["probabilities"] = known if predicted is not None else None
            found.append(entry)
        return found

    def _lines(self) -> Iterator[tuple[int, float | str | None, list[float]]]:
        shares = self.probabilities
        for i, (row, predicted) in enumerate(zip(self.rows.tolist(), self.predicted, strict=True)):
            yield row, predicted, [] if shares is None else shares[i].tolist()


def predict_table(model: ModelFile, table: Table, gaps: Gaps = Gaps.EMPTY) -> Predictions:
    """Predict each row of a table; columns are found by name, others are left alone.

    Parameters
    ----------
    gaps
        Whether rows with a missing feature get an empty prediction or are refused.

    Raises
    ------
    SchemaMismatch
        If the table lacks a feature of the model.
    CellError
        Naming a cell that is no number, is infinite, or, where refused, is missing.
    """
    require_columns(table.path, table.names, model.feature_names)
    X = feature_matrix(table, model.feature_names)
    if gaps is Gaps.REFUSE:
        require_complete(table, X, model.feature_names)
    complete = ~np.isnan(X).any(axis=1)
    positions = np.flatnonzero(complete)
    values = np.full(len(X), np.nan)
    probabilities = None
    if model.class_names:
        probabilities = np.full((len(X), len(model.class_names)), np.nan)
    if len(positions):
        values[positions] = model.predict(X[positions])
        if probabilities is not None:
            probabilities[positions] = model.probabilities(X[positions])
    names = model.class_names
    predicted = tuple(
        (names[int(value)] if names else value) if known else None
        for value, known in zip(values.tolist(), complete.tolist(), strict=True)
    )
    score = _score(model, table, values)
    return Predictions(table.rows, predicted, names, probabilities, score)


def write_predictions(predictions: Predictions, path: Path) -> None:
    """Write predictions as CSV, whole or not at all.

    Raises
    ------
    ReportFileError
        When it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        partial.write_text(predictions.to_csv(), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ReportFileError(str(path), f"cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def predictions_to_json(
    predictions: Predictions, model: ModelFile, data: Path, output: Path | None
) -> str:
    """Return what was predicted as JSON; the rows too, where they are written nowhere else."""
    score = predictions.score
    content: dict[str, Any] = {
        "data": str(data),
        "model": model.model.kind.value,
        "target": model.target_name,
        "rows": len(predictions.rows),
        "rows_with_missing_values": predictions.missing,
        "score": None
        if score is None
        else {"metric": score.metric, "value": score.value, "rows": score.rows},
        "output": None if output is None else str(output),
    }
    if output is None:
        content["predictions"] = predictions.to_list()
    return json.dumps(content, indent=1, allow_nan=False)


def _score(model: ModelFile, table: Table, values: Floats) -> Score | None:
    """Compare with the target column, if there is one; a class that the model lacks is a miss."""
    if model.target_name not in table.names:
        return None
    if not model.class_names:
        target = table.numbers(model.target_name)
        both = ~np.isnan(values) & ~np.isnan(target)
        if not both.any():
            return None
        residual = float(np.square(target[both] - values[both]).sum())
        total = float(np.square(target[both] - target[both].mean()).sum())
        value = 1.0 - residual / total if total > 0.0 else float(residual == 0.0)
        return Score("R2", value, int(both.sum()))
    codes, names = table.classes(model.target_name)
    known = {name: float(position) for position, name in enumerate(model.class_names)}
    target = np.array([*(known.get(name, -1.0) for name in names), -1.0])[codes]
    both = ~np.isnan(values) & (codes >= 0)
    if not both.any():
        return None
    return Score("accuracy", float(np.mean(values[both] == target[both])), int(both.sum()))
