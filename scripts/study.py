"""Run a study: tables, plots and a page on one question."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click
from ape import networks, project
from ape.logging import logger
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from offchain.chain.artifact import Artifact
from offchain.errors import VerifogError
from offchain.studies.registry import STUDIES, entry
from offchain.studies.results import Results
from offchain.studies.study import Context
from offchain.studies.writing import write_findings

NETWORK = "ethereum:local:foundry"
NAMES = "; ".join(f"{name}: {entry.about}" for name, entry in STUDIES.items())
EPILOG = (
    "Example: ape run study attacks --quick. The folder gets tables (CSV, JSON), plots and a page "
    "(index.html). What is done is kept in runs.jsonl: an interrupted study goes on from there."
)


@click.command(epilog=EPILOG, context_settings={"max_content_width": 100})
@click.argument("name", type=click.Choice(list(STUDIES)))
@click.option("--quick", is_flag=True, help="A smaller study, in minutes.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to. Default: reports/study-NAME.",
)
@click.option("--fresh", is_flag=True, help="Do everything again.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes."
)
def cli(name: str, quick: bool, output: Path | None, fresh: bool, workers: int) -> None:
    """Run the study NAME."""
    folder = (output or Path("reports") / f"study-{name}").resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _Advance(Console()) as advance:
            context = Context(folder, quick, workers, Results(folder, fresh=fresh), advance, _chain)
            findings = entry(name).load()(context)
        click.echo(f"Page: {write_findings(findings, folder)}")
    except KeyboardInterrupt:
        raise click.ClickException(f"interrupted: the same command goes on from {folder}") from None
    except (VerifogError, OSError) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _chain() -> Iterator[tuple[Any, Artifact]]:
    """A local chain of its own."""
    logger.set_level("ERROR")
    # Without this Ape keeps every node of a study running to its end.
    with networks.parse_network_choice(NETWORK, disconnect_after=True) as provider:
        yield provider.web3, Artifact.of(project)


class _Advance:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        self._bar = Progress(*columns, TimeElapsedColumn(), console=console)
        self._console = console
        self._task = self._bar.add_task("runs", total=None)
        self._said = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)
        now = time.monotonic()
        if not self._console.is_terminal and (done == total or now - self._said >= 10.0):
            self._said = now
            self._console.print(f"{done:,} of {total:,} runs")
