"""One call of S in its transaction: arguments in, events out, a state in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from offchain.audit.decoding import Event
from offchain.audit.findings import At, Part
from offchain.audit.state import Cluster, Phase, Position, Role, Round, State


class Emitted:
    """The events of a transaction that no call has explained yet."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events

    def expect(self, at: At, name: str, **values: Any) -> None:
        """Check that the next event is this one with these values, all of them."""
        if not self.events or self.events[0].name != name:
            found = self.events[0].name if self.events else "no event"
            at.fail(name, found, "emitted here")
            return
        event = self.events.pop(0)
        for field, found in event.values.items():
            if field in values:
                at.equal(f"{name}.{field}", found, values[field])
            else:
                at.fail(f"{name}.{field}", found, "no such field")
        for field in values.keys() - event.values.keys():
            at.fail(f"{name}.{field}", "no such field", values[field])


@dataclass(frozen=True)
class Step:
    """A call and everything needed to follow it.

    Attributes
    ----------
    values
        The function's arguments in order.
    now, block, position
        Time and number of the block, place of the transaction.
    emitted
        The transaction's events; each call takes its own.
    thorough
        Whether to check signatures and openings too.
    """

    state: State
    function: str
    values: tuple[Any, ...]
    sender: bytes
    value: int
    now: int
    position: Position
    emitted: Emitted
    at: At
    thorough: bool = True

    @property
    def block(self) -> int:
        """Number of the block."""
        return self.position[0]

    def in_round(self, number: int | None, cluster: int | None = None) -> At:
        """Return the place of a round's transaction."""
        return self.at.part(Part.ROUND).within(round=number, cluster=cluster)

    def argument(self, name: str) -> str:
        """Return the full name of an argument, for findings."""
        return f"{self.function}.{name}"

    def current_round(self, at: At, number: int, *phases: Phase) -> Round | None:
        """Return the latest round, checked to be the one named, and in one of these phases."""
        current = self.state.current
        if current is None:
            at.fail(self.argument("roundId"), number, "an open round")
            return None
        at.equal(self.argument("roundId"), number, current.number)
        phase = current.phase(self.now)
        allowed = " or ".join(p.name.lower() for p in phases)
        at.holds(self.argument("phase"), phase in phases, phase.name.lower(), allowed)
        return current

    def own_cluster(self, at: At, number: int) -> Cluster | None:
        """Return a cluster, checked to be that of the sender."""
        cluster = self.state.cluster(number)
        if cluster is None:
            at.fail(self.argument("clusterId"), number, "an admitted cluster")
            return None
        at.equal(self.argument("sender"), self.sender, cluster.fog)
        return cluster

    def active_sender(self, at: At, *roles: Role) -> None:
        """Check that the sender is an active member with one of these roles."""
        member = self.state.members.get(self.sender)
        fits = member is not None and member.active and member.role in roles
        expected = "an active " + " or ".join(role.name.lower() for role in roles)
        at.holds(self.argument("sender"), fits, self.sender, expected)

    def authority_only(self, at: At) -> None:
        """Check that the sender is the Authority."""
        at.equal(self.argument("sender"), self.sender, self.state.authority)


Handler = Callable[[Step], None]
