"""Sums over the rounds of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from offchain.reporting.record import GasRecord, RoundRecord, RoundStatus, Totals

CLAIM: Final = "claim"
"""Kind of the transactions that pay rewards out; they are shown apart from rounds."""


def add_up(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sum values by key, keys in order of first appearance."""
    sums: dict[str, int] = {}
    for key, value in pairs:
        sums[key] = sums.get(key, 0) + value
    return sums


def totals_of(rounds: Iterable[RoundRecord], outside: Iterable[GasRecord]) -> Totals:
    """Sum a run up; transactions of kind ``claim`` count as outside of rounds."""
    rounds = tuple(rounds)
    everything = [entry for record in rounds for entry in record.gas]
    inside = [entry for entry in everything if entry.kind != CLAIM]
    apart = [*outside, *(entry for entry in everything if entry.kind == CLAIM)]
    by_role = add_up(pair for record in rounds for pair in record.bytes_by_role.items())
    device_rounds = max(1, sum(record.counts.devices for record in rounds))
    gas = sum(entry.gas for entry in inside)
    settled = sum(record.status is RoundStatus.SETTLED for record in rounds)
    return Totals(
        rounds=len(rounds),
        settled=settled,
        failed=len(rounds) - settled,
        seconds=sum(record.seconds.total for record in rounds),
        seconds_by_phase=_add_floats(record.seconds.by_phase for record in rounds),
        gas=gas,
        gas_by_kind=add_up((entry.kind, entry.gas) for entry in inside),
        gas_outside_by_kind=add_up((entry.kind, entry.gas) for entry in apart),
        gas_per_device_round=gas / device_rounds,
        bytes=sum(by_role.values()),
        bytes_by_role=by_role,
        bytes_per_device_round=by_role.get("device", 0) / device_rounds,
    )


def _add_floats(tables: Iterable[Mapping[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for table in tables:
        for key, value in table.items():
            sums[key] = sums.get(key, 0.0) + value
    return sums
