"""What devices agree on about their data before the first round; no rows are told.

Each device says which columns its table has, of what kind its target is and which classes it has.
From that follow the features in their order, the task, and the classes in their order.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from offchain.learning.errors import DataFileError, NotANumber, OptionError, SchemaMismatch
from offchain.learning.tables import Table
from offchain.learning.tasks import Task

MAX_CLASSES: Final = 256


class Kind(StrEnum):
    """What a target column holds."""

    TEXT = "text"
    WHOLE = "whole numbers"
    NUMBERS = "numbers"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the data.

    Attributes
    ----------
    target
        Name of the column to predict.
    features
        Names of the columns to predict from, `*` standing for any characters; empty: all others.
    ignore
        Names of columns to leave out, likewise.
    task
        None: as the target's kind says.
    device_column
        Name of the column that says whose row it is, None if there is none.
    """

    target: str
    features: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    task: Task | None = None
    device_column: str | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """What all devices have agreed on: public.

    Attributes
    ----------
    features
        Names of the feature columns in the model's order.
    target, task
        Name of the target and what is predicted.
    class_names
        Names of the classes in the model's order, empty for regression.
    """

    features: tuple[str, ...]
    target: str
    task: Task
    class_names: tuple[str, ...]

    def canonical(self) -> bytes:
        """Return one spelling in bytes: equal schemas, and only they, have equal bytes."""
        content = {
            "features": [[name, "number"] for name in self.features],
            "target": [self.target, "class" if self.class_names else "number"],
            "task": self.task.value,
            "class_names": self.class_names,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one device tells the others of its table.

    Attributes
    ----------
    source
        Its file, for errors.
    columns
        Names of the columns, in its order.
    target_kind
        What its target column holds, None if all is missing.
    """

    source: str
    columns: tuple[str, ...]
    target_kind: Kind | None


def parse_names(option: str, text: str | None) -> tuple[str, ...]:
    """Return the names in a list with commas; a name with a comma in it stands in quotes.

    Raises
    ------
    OptionError
        If a name is empty or comes twice.
    """
    if text is None:
        return ()
    names = tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True), []))
    if not names or "" in names:
        raise OptionError(option, text, "must be names with commas between them")
    if len(set(names)) < len(names):
        raise OptionError(option, text, "a name comes twice")
    return names


def propose(table: Table, request: Request) -> Proposal:
    """Return what a device tells of its table.

    Raises
    ------
    SchemaMismatch
        If it has no target column.
    CellError
        If the target is numbers with an infinite one among them.
    """
    require_columns(table.path, table.names, [request.target])
    return Proposal(table.path, table.names, _kind(table, request.target))


def agree(tables: Sequence[Table], request: Request) -> Schema:
    """Return the schema that follows from what the devices' tables are like.

    Parameters
    ----------
    tables
        One or more tables, each with at least one row.

    Raises
    ------
    OptionError
        If the request does not suit the tables.
    SchemaMismatch
        Naming the first table whose columns or whose target differ from the first table's.
    """
    proposals = [propose(table, request) for table in tables]
    features = agree_features(proposals, request)
    task = agree_task(proposals, request)
    if task is Task.REGRESSION:
        return Schema(features, request.target, task, ())
    found = [table.classes(request.target)[1] for table in tables]
    names = agree_classes(request.target, tables[0].path, found)
    return Schema(features, request.target, task, names)


def agree_features(proposals: Sequence[Proposal], request: Request) -> tuple[str, ...]:
    """Return the feature columns: those asked for, else all others of the first table.

    Raises
    ------
    OptionError
        If a name asked for is in no table, or no feature is left.
    SchemaMismatch
        If a table lacks a column that is needed, or, without a list of features, has another one.
    """
    first = proposals[0]
    needed = [request.target] + ([request.device_column] if request.device_column else [])
    everywhere = tuple(dict.fromkeys(name for p in proposals for name in p.columns))
    left_out = {*_expand("ignore", request.ignore, everywhere), *needed}
    chosen = _expand("features", request.features, first.columns) or first.columns
    features = tuple(name for name in chosen if name not in left_out)
    if not features:
        raise OptionError("features", ",".join(request.features), "no column is left to learn from")
    for proposal in proposals:
        hint = f" {first.source} has it"
        require_columns(proposal.source, proposal.columns, [*needed, *features], hint)
        if request.features:
            continue
        for name in proposal.columns:
            if name not in features and name not in left_out:
                problem = (
                    f"has a column {name!r}, {first.source} has not; "
                    "list --features, or --ignore it"
                )
                raise SchemaMismatch(proposal.source, problem)
    return features


def agree_task(proposals: Sequence[Proposal], request: Request) -> Task:
    """Return the task asked for, else the one that the target's kind says.

    Raises
    ------
    OptionError
        If the kind leaves it open, or does not suit the task asked for.
    SchemaMismatch
        If the target is text in one table and numbers in another, and no task is asked for.
    DataFileError
        If the target is missing everywhere.
    """
    told = [(proposal.source, proposal.target_kind) for proposal in proposals]
    known = [(source, kind) for source, kind in told if kind is not None]
    if not known:
        raise DataFileError(proposals[0].source, f"column {request.target!r} has no value at all")
    kinds = {kind for _, kind in known}
    if request.task is Task.CLASSIFICATION and Kind.NUMBERS in kinds:
        bound = f"column {request.target!r} holds numbers with fractions"
        raise OptionError("task", request.task.value, bound)
    if request.task is not None:
        return request.task
    first_source, first = known[0]
    for source, kind in known:
        if (kind is Kind.TEXT) != (first is Kind.TEXT):
            problem = (
                f"column {request.target!r} holds {kind.value}, in {first_source} {first.value}; "
                "with --task classification, numbers are names of classes too"
            )
            raise SchemaMismatch(source, problem)
    if Kind.TEXT in kinds:
        return Task.CLASSIFICATION
    if Kind.NUMBERS in kinds:
        return Task.REGRESSION
    bound = f"column {request.target!r} holds whole numbers: say classification or regression"
    raise OptionError("task", "none", bound)


def agree_classes(target: str, source: str, found: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Return all devices' classes, sorted as numbers if all are numbers, else as text.

    Raises
    ------
    DataFileError
        If there is only one class, or more than `MAX_CLASSES`.
    """
    union = {name for names in found for name in names}
    if len(union) < 2:
        raise DataFileError(source, f"column {target!r}: all rows of all devices have one class")
    if len(union) > MAX_CLASSES:
        problem = f"column {target!r} has {len(union)} classes, at most {MAX_CLASSES} are taken"
        raise DataFileError(source, problem)
    numeric = all(re.fullmatch(r"[+-]?\d+", name) for name in union)
    return tuple(sorted(union, key=lambda name: (int(name) if numeric else 0, name)))


def shown_names(names: Sequence[str], limit: int = 12) -> str:
    """Return a list of names for a message, shortened."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def require_columns(
    source: str, columns: Sequence[str], needed: Iterable[str], hint: str = ""
) -> None:
    """Check that a table has the columns that are needed.

    Raises
    ------
    SchemaMismatch
        Naming the first that it lacks.
    """
    missing = [name for name in needed if name not in columns]
    if missing:
        problem = f"has no column {missing[0]!r};{hint or ' there is: ' + shown_names(columns)}"
        raise SchemaMismatch(source, problem)


def _kind(table: Table, name: str) -> Kind | None:
    try:
        values = table.numbers(name)
    except NotANumber:
        return Kind.TEXT
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return None
    return Kind.WHOLE if (known == np.floor(known)).all() else Kind.NUMBERS


def _expand(option: str, names: Iterable[str], columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that names and patterns stand for, in order, each once."""
    found: dict[str, None] = {}
    for name in names:
        # A column may have a star in its own name.
        matches = [name] if name in columns else list(filter(_pattern(name).fullmatch, columns))
        if not matches:
            raise OptionError(option, name, f"no such column; there is: {shown_names(columns)}")
        found.update(dict.fromkeys(matches))
    return tuple(found)


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in name.split("*")))
