"""What a study is: it finds tables, plots and text, and has a context to work in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.reporting.canvas import Figure
from offchain.reporting.style import Theme
from offchain.studies.results import Advance, Results

Cell: TypeAlias = str | float | int | bool | None


@dataclass(frozen=True)
class Text:
    """A heading and plain text, paragraphs set apart by empty lines."""

    heading: str
    body: str


@dataclass(frozen=True)
class Table:
    """A table: a CSV file, part of the JSON file, and on the page.

    Attributes
    ----------
    name
        Of its CSV file, without ending.
    caption
        What it says, in a sentence.
    columns, rows
        Numbers stay numbers: the page rounds them to four digits.
    shown
        Whether the page shows it; a long one is better left to the CSV file.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    shown: bool = True


@dataclass(frozen=True)
class Plot:
    """A picture, drawn once for each theme; `name` is that of its PNG file, without ending."""

    name: str
    caption: str
    draw: Callable[[Theme], Figure]


@dataclass(frozen=True)
class Findings:
    """What a study found: the page in its order."""

    title: str
    lead: str
    parts: tuple[Text | Table | Plot, ...]


Chain: TypeAlias = Callable[[], AbstractContextManager[tuple[Web3, Artifact]]]
"""Starts a local chain of its own: (connection, compiled Contract S)."""


@dataclass(frozen=True)
class Context:
    """What a study works with.

    Attributes
    ----------
    folder
        Its own; exists. `offchain.studies.writing` puts the findings there.
    quick
        Whether to be done in minutes at most.
    workers
        Processes to use.
    results
        Keeps what is done, for the next time.
    advance
        Tells how far it is.
    chain
        For runs on the full protocol.
    """

    folder: Path
    quick: bool
    workers: int
    results: Results
    advance: Advance
    chain: Chain


Study: TypeAlias = Callable[[Context], Findings]
