"""Silence at every step: nothing is stuck, nothing more than the silent party's part is lost."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pytest

from offchain.nodes.dropout import STEPS, SilentDevices
from offchain.protocol import messages
from offchain.protocol.chain import (
    Call,
    RecordNoiseRoot,
    SubmitAggregate,
    SubmitAnchor,
    SubmitCumulative,
)
from offchain.protocol.messages import (
    ModelOffer,
    NoiseReceipt,
    NoiseRoot,
    Qualified,
    Reveal,
)
from tests.e2e.builders import Run, Shape, World
from tests.e2e.conftest import ONE_CLUSTER, PACKED

KINDS = [getattr(messages, name) for name in STEPS]
# (n, t, l), the quorum t + l - 1 among them: 3, 4, 2, 5 and 4 of five.
SHAPES = [
    ONE_CLUSTER,
    PACKED,
    Shape(clusters=(4,), threshold=2),
    Shape(clusters=(6,), threshold=2, packing=4),
    Shape(clusters=(5,), threshold=4),
]


def name_of(shape: Shape) -> str:
    return f"n{shape.clusters[0]}_t{shape.threshold}_l{shape.packing}"


# ---- after the anchor


def silent_sets(shape: Shape, preset: str) -> Sequence[tuple[int, ...]]:
    """Sets of as many devices as may fall silent: all in the full preset."""
    count = shape.clusters[0]
    every = list(combinations(range(count), count - shape.quorum))
    return every if preset == "full" else sorted({every[0], every[-1], every[len(every) // 2]})


@pytest.mark.parametrize("shape", SHAPES, ids=name_of)
def test_reveals__as_many_missing_as_may_be__exact_and_one_more_fails_cleanly(
    found: Callable[[Shape], World], shape: Shape, preset: str
) -> None:
    run = found(shape).run()
    devices = run.devices[0]
    for silent in silent_sets(shape, preset):
        run.restore()
        for index in silent:
            run.silence(devices[index], Reveal)
        assert run.round().settled
        assert run.committed == run.digest_without()

    before = run.state
    run.restore()
    for device in devices[: len(devices) - shape.quorum + 1]:
        run.silence(device, Reveal)
    assert not run.round().settled
    assert [note["why"] for note in run.notes("cluster-failed")] == [
        f"sums: {shape.quorum - 1}, {shape.quorum} are needed"
    ]
    assert run.state == before | {
        "round": before["round"] + 1,
        "phase": "Failed",
        "anchored": 1,
        "submitted": 0,
    }

    run.restore()
    assert run.round().settled
    assert run.state | {"model": b"", "pool": 0} == {
        "round": before["round"] + 2,
        "settled": before["settled"] + 1,
        "phase": "Settled",
        "clusters": 1,
        "anchored": 1,
        "submitted": 1,
        "model": b"",
        "pool": 0,
    }
    assert run.committed == run.digest_without()
    assert run.refusals == {}
    assert run.reverts == []


# ---- one device, at every step


@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
def test_device__silent_from_a_step_on__only_its_own_part_is_lost(cluster: Run, step: int) -> None:
    device = cluster.devices[0][1]
    cluster.silence(device, *KINDS[step:])
    assert cluster.round().settled
    dealt = step > STEPS.index("Deal")
    left_out = [] if dealt else [device]
    assert cluster.committed == cluster.digest_without(*left_out)
    assert cluster.refusals == {}
    assert cluster.reverts == []
    waited = ["MASKING", "SHARING", "REPORTING", "SUMMING", "ATTESTING"]
    # It is awaited once: who was silent before the selection, or gave no report, is not any more.
    steps = [note["step"] for note in cluster.notes("dropped")]
    assert steps == (waited[step : step + 1] if step != 1 else ["SHARING", "REPORTING"])


@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
def test_device__silent_at_one_step_only__the_round_is_exact(cluster: Run, step: int) -> None:
    device = cluster.devices[0][1]
    cluster.silence(device, KINDS[step])
    assert cluster.round().settled
    left_out = [device] if STEPS[step] in ("MaskedPacket", "Deal") else []
    assert cluster.committed == cluster.digest_without(*left_out)


def test_device__silent_when_noise_is_due__takes_no_part_until_the_next_batch(
    cluster: Run,
) -> None:
    device, fog = cluster.devices[0][1], cluster.fogs[0]
    cluster.silence(device, NoiseRoot)
    assert cluster.round().settled
    cluster.restore()
    assert cluster.round().settled
    offered = [s.recipient for _, s in cluster.record.sends if s.kind == "ModelOffer"]
    assert device.address not in offered
    assert cluster.refusals == {}
    assert cluster.round().settled  # the noise of two rounds is used up
    assert len(cluster.sent(fog, ModelOffer)) == 4 + 4 + 5
    assert cluster.committed == cluster.digest_without()


def test_device__whose_noise_receipt_was_lost__is_back_with_the_next_batch(cluster: Run) -> None:
    """It sat out two rounds that its noise was committed for, and owes a look at that noise."""
    device, fog = cluster.devices[0][1], cluster.fogs[0]
    cluster.alter(fog, NoiseReceipt, lambda _: None, to=device)
    for _ in range(2):
        assert cluster.round().settled
        assert cluster.notes("selected")[-1]["devices"] == (0, 2, 3, 4)
    cluster.restore()
    assert cluster.round().settled
    assert cluster.refusals == {}
    assert cluster.committed == cluster.digest_without()


@pytest.mark.parametrize("step", range(len(STEPS) - 1), ids=STEPS[:-1])
def test_devices__too_few_left_at_a_step__round_fails_and_the_next_succeeds(
    cluster: Run, step: int
) -> None:
    before = cluster.state
    for device in cluster.devices[0][2:]:
        cluster.silence(device, *KINDS[step:])
    assert not cluster.round().settled
    assert cluster.state == before | {"round": 1, "phase": "Failed", "clusters": 1}
    assert len(cluster.notes("cluster-failed")) == 1
    assert cluster.refusals == {}
    assert cluster.reverts == []
    cluster.restore()
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without()


@pytest.mark.parametrize("seed", range(3))
def test_devices__silent_at_random__every_round_is_exact_or_fails_cleanly(
    cluster: Run, seed: int
) -> None:
    """As with ``--drop``: what the fog names as qualified is what the model gets."""
    silent = SilentDevices(0.35, np.random.default_rng(seed))
    cluster.wire.rules.append(silent)
    devices, fog, settled = cluster.devices[0], cluster.fogs[0], 0
    for number in range(1, 7):
        named = len(cluster.sent(fog, Qualified))
        silent.next_round()
        outcome = cluster.round()
        if not outcome.settled:
            assert (cluster.committed, cluster.phase) == (outcome.opened.model_digest, "Failed")
            continue
        settled += 1
        qualified = cluster.sent(fog, Qualified)[named].indices
        left_out = [device for device in devices if device.index not in qualified]
        assert cluster.committed == cluster.digest_without(*left_out), number
    assert settled > 0
    # Where a round failed behind the anchor, or lost its model, the same set is asked for.
    assert all(set(reasons) == {"unsafe-sum"} for reasons in cluster.refusals.values())
    assert cluster.reverts == []


# ---- a whole cluster, a fog, a cloud


@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
def test_cluster__silent_from_a_step_on__the_others_settle(clusters: Run, step: int) -> None:
    fog = clusters.fogs[0]
    for device in clusters.devices[0]:
        clusters.silence(device, *KINDS[step:])
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.included == (1,)
    assert clusters.committed == clusters.digest_without(fog)
    assert clusters.reverts == []


@pytest.mark.parametrize(
    "call", [RecordNoiseRoot, SubmitAnchor, SubmitCumulative], ids=lambda call: call.__name__
)
def test_fog__withholds_a_transaction__the_others_settle_and_it_comes_back(
    clusters: Run, call: type[Call]
) -> None:
    fog = clusters.fogs[0]
    clusters.alter_call(call, lambda _: None, sender=fog)
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.included == (1,)
    assert clusters.refusals == {}
    clusters.restore()
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.included == (0, 1)
    assert clusters.committed == clusters.digest_without()


def test_cloud__silent__standby_settles_the_same_round(clusters: Run) -> None:
    silent, standby = clusters.clouds
    clusters.alter_call(SubmitAggregate, lambda _: None, sender=silent)
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.cloud == standby.address
    assert clusters.committed == clusters.digest_without()
    clusters.restore()
    assert clusters.round().settled
    assert clusters.committed == clusters.digest_without()


def test_cloud__silent_and_alone__round_fails_and_the_next_succeeds(cluster: Run) -> None:
    before = cluster.state
    cluster.alter_call(SubmitAggregate, lambda _: None)
    assert not cluster.round().settled
    assert cluster.state == before | {
        "round": 1,
        "phase": "Failed",
        "clusters": 1,
        "anchored": 1,
        "submitted": 1,
    }
    cluster.restore()
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without()


def test_everybody__silent__round_fails_and_the_next_succeeds(clusters: Run) -> None:
    before = clusters.state
    for device in (*clusters.devices[0], *clusters.devices[1]):
        clusters.silence(device)
    assert not clusters.round().settled
    assert clusters.state == before | {"round": 1, "phase": "Failed", "clusters": 3}
    clusters.restore()
    assert clusters.round().settled
    assert clusters.committed == clusters.digest_without()
