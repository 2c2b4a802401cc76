"""A small file that tells how a node is doing: for the live table, and for whoever looks."""

import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from offchain.nodes.node import Node
from offchain.protocol.fog import Fog

STATUS_FILE: Final = "status.json"


def memory(pid: int | None = None) -> int:
    """Resident bytes of a process, by default this one; the most it ever had if that is unknown."""
    try:
        pages = int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def status(node: Node) -> dict[str, Any]:
    """How a node is doing."""
    counts, transport = node.counts, node.transport
    role = node.durable.role
    return {
        "node": node.place.node,
        "role": node.place.role,
        "pid": os.getpid(),
        "time": time.time(),
        "round": node.durable.round,
        "phase": node.place.phase,
        "step": role.step.name.lower() if isinstance(role, Fog) else "",
        "block": node.head.number,
        "chain": node.chain_answers,
        "broker": transport.connected,
        "queue": transport.outstanding,
        "sent": sum(counts.sent.values()),
        "sent_bytes": counts.sent_bytes,
        "received": counts.received,
        "rejected": dict(counts.rejected),
        "withheld": node.durable.counts["withheld"],
        "transactions": sum(counts.transactions.values()),
        "gas": sum(counts.gas.values()),
        "memory": memory(),
        "held": node.chain.sender.held,
        "ended": node.ended,
    }


def write_status(folder: Path, content: Mapping[str, Any]) -> None:
    """Write it; a full disk is no reason to stop for."""
    beside = folder / f".{STATUS_FILE}.new"
    try:
        beside.write_text(json.dumps(content))
        beside.replace(folder / STATUS_FILE)
    except OSError:
        return


def read_status(folder: Path) -> dict[str, Any] | None:
    """What a node last wrote; None when it has not yet."""
    try:
        found: dict[str, Any] = json.loads((folder / STATUS_FILE).read_text())
    except (OSError, ValueError):
        return None
    return found


def together(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What several nodes of one process say, as one: the slowest, the sums, all reasons."""
    first = dict(told[0])
    for name in ("round", "block", "chain", "broker"):
        first[name] = min(one[name] for one in told)
    for name in ("queue", "sent", "sent_bytes", "received", "withheld", "transactions", "gas"):
        first[name] = sum(one[name] for one in told)
    first["rejected"] = dict(sum((Counter(one["rejected"]) for one in told), Counter()))
    return first
