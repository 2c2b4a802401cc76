"""What is known of a round while it runs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from offchain.protocol.chain import ClusterAnchored, ResultAccepted
from offchain.protocol.role import Note
from offchain.reporting.phases import in_order
from offchain.reporting.record import (
    ClusterDevices,
    Counts,
    Dropout,
    GasRecord,
    Metric,
    PrivacySpent,
    Rejection,
    RoundKind,
    RoundNote,
    RoundRecord,
    RoundStatus,
    Seconds,
    Traffic,
)

_LONG_HEX: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{41,}")
_DETAIL_LENGTH: Final = 300


def public_text(text: str) -> str:
    """Bound a message, and cut hexadecimal longer than an address to its first digits.

    Messages of errors hold no secrets by the project's rule; this is the second line.
    """
    short = _LONG_HEX.sub(lambda found: found.group()[:10] + "…", text)
    return short if len(short) <= _DETAIL_LENGTH else short[: _DETAIL_LENGTH - 1] + "…"


@dataclass(frozen=True)
class Party:
    """A node: its role, and its cluster and index where it has them."""

    role: str
    cluster: int | None
    device: int | None


@dataclass
class OpenRound:
    """Collects a round; ``close`` makes its record."""

    number: int
    kind: RoundKind
    devices: int
    started: float
    phase: str = "open"
    accepted: ResultAccepted | None = None
    selected: dict[int, tuple[int, ...]] = field(default_factory=dict)
    anchored: dict[int, ClusterAnchored] = field(default_factory=dict)
    rejected: dict[tuple[int | None, int | None, str, str], Rejection] = field(default_factory=dict)
    dropped: dict[tuple[int, int], str] = field(default_factory=dict)
    notes: list[RoundNote] = field(default_factory=list)
    by_phase: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    by_party: defaultdict[bytes, float] = field(default_factory=lambda: defaultdict(float))
    bytes_by_role: Counter[str] = field(default_factory=Counter)
    messages: dict[str, Traffic] = field(default_factory=dict)
    gas: list[GasRecord] = field(default_factory=list)

    def note(self, party: Party, note: Note) -> None:
        """Take what a node noted."""
        fields = note.fields
        match note.kind:
            case "rejected":
                self._reject(party, note)
            case "dropped":
                for device in fields["devices"]:
                    self.dropped.setdefault((party.cluster or 0, device), fields["step"].lower())
            case "selected":
                self.selected[fields["cluster"]] = tuple(fields["devices"])
            case "updated":
                pass
            case _:
                detail = fields.get("why") or fields.get("detail") or ""
                if not detail and "clusters" in fields:
                    detail = f"clusters {', '.join(map(str, fields['clusters']))}"
                self.remark(note.kind, str(detail), party)

    def remark(self, kind: str, detail: str, party: Party | None = None) -> None:
        """Keep something else that was said."""
        cluster, device = (party.cluster, party.device) if party else (None, None)
        self.notes.append(RoundNote(kind, cluster, device, public_text(detail)))

    def _reject(self, party: Party, note: Note) -> None:
        device = note.fields.get("device", note.fields.get("dealer"))
        reason = str(note.fields["reason"])
        key = (party.cluster, device, party.role, reason)
        before = self.rejected.get(key)
        detail = before.detail if before else public_text(str(note.fields.get("detail", "")))
        count = before.count + 1 if before else 1
        self.rejected[key] = Rejection(party.cluster, device, party.role, reason, detail, count)

    @property
    def counts(self) -> Counts:
        """Distinct devices so far."""
        refused = {
            (entry.cluster, entry.device)
            for entry in self.rejected.values()
            if entry.by == "fog" and entry.device is not None
        }
        return Counts(
            devices=self.devices,
            selected=sum(map(len, self.selected.values())),
            qualified=sum(len(event.qualified) for event in self.anchored.values()),
            attested=sum(len(event.signers) for event in self.anchored.values()),
            rejected=len(refused),
            dropped=len(self.dropped),
        )

    @property
    def gas_total(self) -> int:
        """Gas of its transactions so far."""
        return sum(entry.gas for entry in self.gas)

    def close(
        self,
        ended: float,
        parties: dict[bytes, Party],
        *,
        loss: float | None,
        metric: Metric | None,
        privacy: PrivacySpent | None,
        why: str | None,
    ) -> RoundRecord:
        """Return the record of the round."""
        accepted = self.accepted
        return RoundRecord(
            round=self.number,
            kind=self.kind,
            status=RoundStatus.SETTLED if accepted else RoundStatus.FAILED,
            why=None if accepted else self._failure(why),
            loss=loss,
            metric=metric,
            samples=accepted.samples if accepted else None,
            counts=self.counts,
            selected=_by_cluster(self.selected),
            qualified=_by_cluster({c: event.qualified for c, event in self.anchored.items()}),
            rejected=tuple(self.rejected.values()),
            dropped=tuple(
                Dropout(cluster, device, step)
                for (cluster, device), step in sorted(self.dropped.items())
            ),
            included=tuple(accepted.included) if accepted else (),
            notes=tuple(self.notes),
            seconds=self._seconds(ended, parties),
            bytes_by_role=dict(self.bytes_by_role),
            messages=dict(self.messages),
            gas=tuple(self.gas),
            privacy=privacy,
        )

    def _failure(self, why: str | None) -> str:
        if why is None:
            said = [note.detail for note in self.notes if note.kind.endswith("failed")]
            why = "; ".join(dict.fromkeys(said)) or "Contract S accepted no result"
        return public_text(why)

    def _seconds(self, ended: float, parties: dict[bytes, Party]) -> Seconds:
        by_role: defaultdict[str, float] = defaultdict(float)
        slowest: dict[str, float] = {}
        for account, seconds in self.by_party.items():
            role = parties[account].role
            by_role[role] += seconds
            slowest[role] = max(slowest.get(role, 0.0), seconds)
        return Seconds(
            total=ended - self.started,
            by_phase={phase: self.by_phase[phase] for phase in sorted(self.by_phase, key=in_order)},
            by_role=dict(by_role),
            slowest=slowest,
        )


def _by_cluster(devices: dict[int, tuple[int, ...]]) -> tuple[ClusterDevices, ...]:
    return tuple(ClusterDevices(c, tuple(sorted(devices[c]))) for c in sorted(devices))
