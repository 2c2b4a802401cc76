"""What became of each device in a round: one outcome a device."""

from __future__ import annotations

from collections import Counter
from typing import Final

from offchain.reporting.record import RoundRecord
from offchain.reporting.style import BLUE, GREY, ORANGE, PALE, SKY

TOOK_PART: Final = "took part"
LEFT: Final = "in the sum, then silent"
DROPPED: Final = "fell silent"
NOT_REACHED: Final = "cluster failed"
ABSENT: Final = "not asked"

OUTCOMES: Final = {
    TOOK_PART: BLUE,
    LEFT: SKY,
    DROPPED: ORANGE,
    NOT_REACHED: GREY,
    ABSENT: PALE,
}
"""Outcomes beside the reasons of refusal, with their colours."""


def device_outcomes(record: RoundRecord) -> dict[str, int]:
    """Count the devices of a round by outcome; the counts add up to its devices.

    A device counts once. If its update is in an anchored sum it took part; those of them that fell
    silent later, before the anchor, are told apart. Else it counts as refused, by the first reason
    of its fog; else as fallen silent; else, if it was selected, with its failed cluster; else as
    not asked (it had no recorded noise, say).
    """
    part = {(c.cluster, device) for c in record.qualified for device in c.devices}
    chosen = {(c.cluster, device) for c in record.selected for device in c.devices}
    silent = {(dropout.cluster, dropout.device) for dropout in record.dropped}
    outcome: dict[tuple[int | None, int], str] = {
        place: LEFT if place in silent else TOOK_PART for place in part
    }
    for entry in record.rejected:
        if entry.by == "fog" and entry.device is not None:
            outcome.setdefault((entry.cluster, entry.device), f"refused: {entry.reason}")
    for place in silent:
        outcome.setdefault(place, DROPPED)
    for place in chosen:
        outcome.setdefault(place, NOT_REACHED)
    counts = Counter(outcome.values())
    missing = record.counts.devices - len(outcome)
    if missing > 0:
        counts[ABSENT] = missing
    return dict(counts)
