"""Structured logs: every line says which node, which role, which round and which phase."""

import json
import logging
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from offchain.nodes.config import LogConfig

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass
class Place:
    """Where a node stands: what every line of its log says."""

    node: str
    role: str
    round: int = 0
    phase: str = "None"


# Of the node that is at work, where several share a process.
PLACE: Final[ContextVar[Place | None]] = ContextVar("place", default=None)


class _Stamp(logging.Filter):
    """Puts the place on every record."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def filter(self, record: logging.LogRecord) -> bool:
        """Add what is not there yet."""
        for name, value in vars(PLACE.get() or self._place).items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """As JSON."""
        made = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        made |= {name: _plain(v) for name, v in vars(record).items() if name not in _OWN}
        if record.exc_info:
            made["error"] = self.formatException(record.exc_info)
        return json.dumps(made)


class _Lines(logging.Formatter):
    """For people."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)-7s %(node)s round %(round)s %(phase)s: %(message)s"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def start_logs(config: LogConfig, place: Place) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if config.json else _Lines())
    handler.addFilter(_Stamp(place))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("offchain").setLevel(config.level.upper())
