"""A node's figures for Prometheus, over HTTP: its text format, version 0.0.4.

The format is a page of lines, so that no package is needed for it:
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from offchain.nodes.node import Node
from offchain.nodes.status import memory

_LOG = logging.getLogger(__name__)
ETHER: Final = 10**18
_REQUEST: Final = 8192
_TIMEOUT: Final = 5.0


@dataclass(frozen=True)
class Figure:
    """One figure with its values by label.

    Attributes
    ----------
    name
        Without the prefix ``verifog_``.
    kind
        ``counter`` or ``gauge``.
    meaning
        For whoever looks.
    label
        Name of the label; empty for a single value.
    values
        By the label's value.
    """

    name: str
    kind: str
    meaning: str
    label: str
    values: Mapping[str, float]


def figures(node: Node) -> Iterable[Figure]:
    """All figures of a node."""
    counts, transport, sender = node.counts, node.transport, node.chain.sender
    durable, frames = node.durable, transport.statistics.refused

    def one(name: str, kind: str, meaning: str, value: float) -> Figure:
        return Figure(name, kind, meaning, "", {"": value})

    return (
        one("round", "gauge", "Round that this node is in.", durable.round),
        one("block", "gauge", "Newest block seen.", node.head.number),
        one("block_time_seconds", "gauge", "Time of the newest block.", node.head.time),
        Figure("rounds_total", "counter", "Rounds by their end.", "end", counts.rounds),
        Figure(
            "phase_seconds_total", "counter", "Time spent by phase.", "phase", counts.phase_seconds
        ),
        one("handling_seconds_total", "counter", "The role's own work.", counts.handling),
        Figure("sent_total", "counter", "Messages sent, by kind.", "kind", counts.sent),
        one("sent_bytes_total", "counter", "Bytes of messages sent.", counts.sent_bytes),
        one("received_total", "counter", "Messages taken.", counts.received),
        one("received_bytes_total", "counter", "Bytes of messages taken.", counts.received_bytes),
        Figure("rejected_total", "counter", "Messages refused.", "reason", counts.rejected),
        Figure("frames_refused_total", "counter", "Frames refused.", "reason", frames),
        one("dropped_devices_total", "counter", "Devices a fog gave up in a step.", counts.dropped),
        one("withheld_total", "counter", "Second, different ones.", durable.counts["withheld"]),
        one("queue", "gauge", "Messages not acknowledged yet.", transport.outstanding),
        one("broker_connected", "gauge", "1 while the broker is there.", transport.connected),
        one("chain_answers", "gauge", "1 while a provider answers.", node.chain_answers),
        Figure("gas_total", "counter", "Gas used, by function.", "function", counts.gas),
        Figure(
            "transactions_total", "counter", "Mined, by function.", "function", counts.transactions
        ),
        Figure("transactions_refused_total", "counter", "By S.", "function", counts.refused),
        one("transactions_pending", "gauge", "Transactions not final yet.", sender.pending),
        one("fees_raised_total", "counter", "Transactions replaced.", sender.bumped),
        one("spent_ether", "gauge", "Ether spent on gas.", sender.spent / ETHER),
        one("balance_ether", "gauge", "Ether of the account.", sender.balance / ETHER),
        one("held", "gauge", "1 while nothing is sent for want of ether.", bool(sender.held)),
        one("reorganisations_total", "counter", "Seen.", node.chain.watcher.reorganisations),
        one("memory_bytes", "gauge", "Resident memory.", memory()),
        one("epsilon", "gauge", "Privacy spent against the fog.", node.epsilon()),
    )


def page(node: Node) -> str:
    """The figures as Prometheus reads them."""
    place = f'node="{node.place.node}",role="{node.place.role}"'
    lines = []
    for figure in figures(node):
        name = f"verifog_{figure.name}"
        lines += [f"# HELP {name} {figure.meaning}", f"# TYPE {name} {figure.kind}"]
        for label, value in sorted(figure.values.items()):
            more = f',{figure.label}="{_escaped(label)}"' if figure.label else ""
            lines.append(f"{name}{{{place}{more}}} {float(value):g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class MetricsServer:
    """Answers ``GET /metrics``, and nothing else.

    Parameters
    ----------
    node
        Whose figures.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; a port in use is said, and no reason to stop for."""
        try:
            self._server = await asyncio.start_server(self._answer, host, port, limit=_REQUEST)
        except OSError as error:
            _LOG.error("metrics: %s:%d: %s", host, port, error)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            async with asyncio.timeout(_TIMEOUT):
                request = await reader.readline()
                while (await reader.readline()).strip():
                    pass
            found = request.split(b" ")[:2] == [b"GET", b"/metrics"]
            body = page(self._node).encode() if found else b""
            status = "200 OK" if found else "404 Not Found"
            head = (
                f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()
