"""Live progress of a run: a table that grows on a terminal, one plain line a round elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from offchain.reporting.record import RoundKind, RoundRecord, RoundStatus
from offchain.reporting.recorder import LiveRound
from offchain.reporting.summary import epsilon_text, metric_text

_REFRESH = 8.0  # times a second
_PHASE_WIDTH = 18
_COLUMNS = (
    "round",
    "phase",
    "selected",
    "rejected",
    "dropped",
    "loss",
    "metric",
    "gas",
    "epsilon",
    "time",
)
_SHOWN_ROUNDS = 20


class Progress:
    """Follows a run in the terminal. Use as a context manager around the run.

    Parameters
    ----------
    console
        Where to write. Pass a console on stderr when stdout must hold JSON only.
    quiet
        Write nothing at all.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._live: Live | None = None
        self._open: LiveRound | None = None
        self._closed: list[RoundRecord] = []
        self._planned = 0
        self._spinner = Spinner("dots")

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(
                console=self._console,
                get_renderable=self._table,
                refresh_per_second=_REFRESH,
                transient=False,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = None
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """Write one line: what is being prepared."""
        if not self._quiet:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def changed(self, live: LiveRound) -> None:
        """Something changed in the open round."""
        self._open = live
        self._planned = live.planned

    def closed(self, record: RoundRecord) -> None:
        """A round is over."""
        self._open = None
        self._closed.append(record)
        if self._live is None:
            self.say(round_line(record, len(self._closed), self._planned))
        elif record.why:
            self.say(f"round {record.round} failed: {record.why}")

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        metric = next((entry.metric.name for entry in self._closed if entry.metric), "metric")
        for name in _COLUMNS:
            table.add_column(
                metric if name == "metric" else name,
                justify="left" if name in ("round", "phase") else "right",
                min_width=_PHASE_WIDTH if name == "phase" else None,
                no_wrap=True,
            )
        hidden = max(0, len(self._closed) - _SHOWN_ROUNDS)
        for position, record in enumerate(self._closed[hidden:], hidden + 1):
            settled = record.status is RoundStatus.SETTLED
            cells = _cells(record, position, self._planned)
            phase = Text(cells[1], style="green" if settled else "bold red")
            table.add_row(cells[0], phase, *cells[2:])
        if self._open is not None:
            live = self._open
            counts = live.counts
            self._spinner.update(text=live.phase.replace("_", " "))
            table.add_row(
                f"{live.position} of {live.planned}",
                self._spinner,
                f"{counts.selected}/{counts.devices}",
                str(counts.rejected),
                str(counts.dropped),
                "",
                "",
                f"{live.gas:,}",
                "",
                "",
            )
        return table


def round_line(record: RoundRecord, position: int, planned: int) -> str:
    """Return one plain line about a finished round, for logs."""
    counts = record.counts
    parts = [
        f"round {position} of {planned}",
        record.status.value,
        f"selected {counts.selected}/{counts.devices}",
        f"rejected {counts.rejected}",
        f"dropped {counts.dropped}",
    ]
    if record.kind is RoundKind.STATISTICS:
        parts.insert(1, "statistics")
    if record.loss is not None:
        parts.append(f"loss {record.loss:.4f}")
    if record.metric is not None:
        parts.append(f"{record.metric.name} {metric_text(record.metric)}")
    parts += [f"gas {record.gas_total:,}", f"{record.seconds.total:.1f} s"]
    if record.privacy is not None and record.privacy.epsilon is not None:
        parts.append(f"epsilon {record.privacy.epsilon:.3g}")
    line = ", ".join(parts)
    return f"{line}: {record.why}" if record.why else line


def _cells(record: RoundRecord, position: int, planned: int) -> tuple[str, ...]:
    counts = record.counts
    statistics = record.kind is RoundKind.STATISTICS
    return (
        f"{position} of {planned}",
        f"statistics {record.status.value}" if statistics else record.status.value,
        f"{counts.selected}/{counts.devices}",
        str(counts.rejected),
        str(counts.dropped),
        "-" if record.loss is None else f"{record.loss:.4f}",
        metric_text(record.metric),
        f"{record.gas_total:,}",
        epsilon_text(record.privacy),
        f"{record.seconds.total:.1f} s",
    )
