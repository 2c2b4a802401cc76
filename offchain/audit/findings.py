"""What an audit checks and what it finds: always with the place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from offchain.crypto.hashing import keccak256

_SHOWN_BYTES: Final = 32


class Part(StrEnum):
    """The parts of an audit, in the order in which they are shown."""

    CHAIN = "chain"
    CODE = "code"
    TASK = "task"
    MEMBERS = "members"
    ROUND = "round"
    MONEY = "money"
    STATE = "state"
    MODEL = "model"


@dataclass(frozen=True)
class Place:
    """Where something is checked. None for what does not apply."""

    part: Part
    round: int | None = None
    cluster: int | None = None
    block: int | None = None
    transaction: bytes | None = None


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be.

    Attributes
    ----------
    field
        What was looked at: an event's field (``ClusterAnchored.signers``), a function's argument
        (``anchor.signature``), a header's field, a view, a field of the model file.
    found, expected
        Values, or words where there is no single value.
    """

    place: Place
    field: str
    found: str
    expected: str


@dataclass
class Checks:
    """Counts checks and keeps findings."""

    findings: list[Finding] = field(default_factory=list)
    made: Counter[tuple[Part, int | None]] = field(default_factory=Counter)

    def at(self, part: Part, **place: int | bytes | None) -> At:
        """Return a place to check things at; arguments as for ``Place``."""
        return At(self, Place(part, **place))  # type: ignore[arg-type]

    def made_in(self, part: Part, round_number: int | None = None) -> int:
        """How many checks were made in a part, or in one round."""
        if part is Part.ROUND:
            return sum(n for (_, number), n in self.made.items() if number == round_number)
        return sum(n for (p, number), n in self.made.items() if p is part and number is None)

    def found_in(self, part: Part, round_number: int | None = None) -> int:
        """How many findings there are in a part, or in one round."""
        places = [finding.place for finding in self.findings]
        if part is Part.ROUND:
            return sum(place.round == round_number for place in places)
        return sum(place.part is part and place.round is None for place in places)


@dataclass(frozen=True)
class At:
    """Makes checks at one place."""

    checks: Checks
    place: Place

    def within(self, **place: int | bytes | None) -> At:
        """Return a narrower or another place; arguments as for ``Place``."""
        return At(self.checks, replace(self.place, **place))  # type: ignore[arg-type]

    def part(self, part: Part) -> At:
        """Return the same place in another part of the audit."""
        return At(self.checks, replace(self.place, part=part))

    def equal(self, name: str, found: object, expected: object) -> bool:
        """Check that a value is the expected one; return whether it is."""
        return self.holds(name, found == expected, found, expected)

    def holds(self, name: str, condition: bool, found: object, expected: object) -> bool:
        """Check a condition; ``expected`` says in words, or by its value, what must hold."""
        self.checks.made[self.place.part, self.place.round] += 1
        if not condition:
            finding = Finding(self.place, name, shown(found), shown(expected))
            self.checks.findings.append(finding)
        return condition

    def fail(self, name: str, found: object, expected: object) -> None:
        """Record a check that has already failed."""
        self.holds(name, False, found, expected)  # noqa: FBT003


def shown(value: object) -> str:
    """Return a value for people: bytes in hexadecimal, long ones with their length and digest."""
    match value:
        case bytes() if len(value) > _SHOWN_BYTES:
            digest = keccak256(value).hex()[:16]
            return f"0x{value[:8].hex()}… ({len(value)} bytes, keccak 0x{digest}…)"
        case bytes():
            return f"0x{value.hex()}"
        case tuple() | list():
            return "[" + ", ".join(shown(item) for item in value) + "]"
        case set() | frozenset():
            return "{" + ", ".join(shown(item) for item in sorted(value)) + "}"
    return str(value)
