"""Updates of two chunks, through every step: sums, silence, frauds, and what S makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from offchain.crypto.commitment import parse_commitment
from offchain.nodes import drill_frauds as frauds
from offchain.protocol.messages import Deal, Reveal
from tests.e2e.builders import Run, Shape, World, fixed_update
from tests.e2e.oracles import ckzg_commitment
from tests.e2e.test_slashing import EQUIVOCATION, FALSE_WITNESS, offences

VALUES = 4_200  # more than the 4,093 data slots of a chunk less the count
CHUNKS = Shape(clusters=(4,), threshold=2, capacity=4096, chunks=2, values=VALUES)
PACKED = replace(CHUNKS, clusters=(4, 3), packing=2)


def sum_of(run: Run, *left_out: object) -> list[int]:
    """Data slots of the sum over all devices but some."""
    rows = [
        fixed_update(cluster, index, VALUES)
        for cluster, members in enumerate(run.devices)
        for index, device in enumerate(members)
        if device not in left_out
    ]
    return [int(v) for v in np.sum(rows, axis=0)]


def result_of(run: Run) -> list[int]:
    total = run.sim.result(run.contract.call("currentRound"))
    assert total is not None
    return run.shape.layout.extract(total)


def test_round__two_chunks__settles_and_contract_holds_what_ckzg_commits_to(
    found: Callable[[Shape], World],
) -> None:
    run = found(CHUNKS).run()
    assert run.round().settled
    assert (run.refusals, run.reverts) == ({}, [])
    assert result_of(run) == sum_of(run)
    assert run.sim.model == run.model_without()
    slots = run.sim.model.to_ints()
    halves = [ckzg_commitment(slots[:4096]), ckzg_commitment(slots[4096:])]
    assert parse_commitment(b"".join(halves), 2).digest == run.committed
    swapped = parse_commitment(b"".join(reversed(halves)), 2)
    assert swapped.digest != run.committed


@pytest.mark.parametrize("kind", [Deal, Reveal], ids=["deal", "reveal"])
@pytest.mark.full
def test_device__silent__the_sum_is_exact(found: Callable[[Shape], World], kind: type) -> None:
    """Two blocks on each polynomial, two clusters."""
    run = found(PACKED).run()
    silent = run.devices[0][2]
    run.silence(silent, kind)
    assert run.round().settled
    assert result_of(run) == (sum_of(run, silent) if kind is Deal else sum_of(run))
    assert run.committed == run.digest_without(*([silent] if kind is Deal else []))


@pytest.mark.full
def test_sum__wrong_in_the_second_chunk__located_by_decoding(
    found: Callable[[Shape], World],
) -> None:
    run = found(CHUNKS).run()
    culprit = run.devices[0][1]

    def altered(reveal: Reveal) -> Reveal:
        return replace_total(reveal, reveal.total[:-1] + bytes([reveal.total[-1] ^ 1]))

    run.alter(culprit, Reveal, altered)
    assert run.round().settled
    assert run.refusals == {"fog 0": {"sum-digest": 1}}
    assert run.committed == run.digest_without()


def replace_total(reveal: Reveal, total: bytes) -> Reveal:
    return Reveal(round=reveal.round, cluster=reveal.cluster, index=reveal.index, total=total)


# Not here: false shares and noise. Their long loops over 8,192 slots, traced step by step as Ape
# starts anvil, take anvil tens of gigabytes; with one small chunk they are in test_slashing.
FRAUDS: list[tuple[frauds.Plant, int, bool]] = [
    (frauds.false_polynomial, FALSE_WITNESS, False),
    (frauds.false_opening, FALSE_WITNESS, False),
    (frauds.two_packets, EQUIVOCATION, True),
]


@pytest.mark.parametrize(
    ("plant", "offence", "counts"), FRAUDS, ids=[plant.__name__ for plant, _, _ in FRAUDS]
)
@pytest.mark.full
def test_device__cheats_in_two_chunks__slashed_and_left_out(
    found: Callable[[Shape], World], plant: frauds.Plant, offence: int, counts: bool
) -> None:
    run = found(CHUNKS).run()
    culprit = plant(run)
    assert run.round().settled
    assert run.committed == run.digest_without(*([] if counts else [culprit]))
    assert offences(run) == [(offence, 1, 0)]
    assert run.reverts == []
