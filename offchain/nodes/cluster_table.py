"""The live table of a cluster: a line for each node."""

from typing import Any

from rich.table import Table

from offchain.nodes.cluster import Cluster
from offchain.nodes.status import memory

_COLUMNS = (
    "node",
    "round",
    "phase",
    "block",
    "broker",
    "queue",
    "sent",
    "MB sent",
    "received",
    "rejected",
    "transactions",
    "gas",
    "MB memory",
)
MEGABYTE = 10**6


def table(cluster: Cluster) -> Table:
    """How every node is doing now."""
    settled = f"{cluster.settled} of {cluster.rounds_wanted} rounds settled"
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title=settled)
    for name in _COLUMNS:
        made.add_column(name, justify="left" if name in ("node", "phase") else "right")
    for name, node in cluster.nodes.items():
        status = cluster.status(name)
        if not node.running:
            made.add_row(name, "", "stopped")
        elif status is None:
            made.add_row(name, "", "starting")
        else:
            made.add_row(name, *_cells(status))
    return made


def memory_by_role(cluster: Cluster) -> dict[str, int]:
    """Resident bytes of a node, by role: the largest process, shared by the nodes in it."""
    used: dict[str, int] = {}
    for name, node in cluster.nodes.items():
        names = cluster.names_in(name)
        role = names[0].split("-")[0]
        if node.running:
            used[role] = max(used.get(role, 0), memory(node.pid) // len(names))
    return used


def _cells(status: dict[str, Any]) -> list[str]:
    phase = f"{status['phase']} {status['step']}".strip()
    return [
        str(status["round"]),
        phase,
        str(status["block"]),
        "yes" if status["broker"] else "no",
        str(status["queue"]),
        str(status["sent"]),
        f"{status['sent_bytes'] / MEGABYTE:.2f}",
        str(status["received"]),
        str(sum(status["rejected"].values())),
        str(status["transactions"]),
        f"{status['gas']:,}",
        f"{status['memory'] / MEGABYTE:.0f}",
    ]
