"""Silence at every step: nothing is stuck, nothing more than the silent party's part is lost."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from web3 import Web3

from offchain.nodes.dropout import STEPS, SilentDevices
from offchain.protocol import messages
from offchain.protocol.chain import (
    Call,
    RecordNoiseRoot,
    SubmitAggregate,
    SubmitAnchor,
    SubmitCumulative,
)
from offchain.protocol.device import Device
from offchain.protocol.eip712 import SigningKey, typed_digest
from offchain.protocol.messages import (
    ModelOffer,
    ModelRequest,
    NoiseReceipt,
    NoiseRoot,
    Qualified,
    Result,
    Reveal,
)
from offchain.protocol.role import Role, Send
from tests.e2e.builders import Run, Shape, World
from tests.e2e.conftest import ONE_CLUSTER, PACKED

KINDS = [getattr(messages, name) for name in STEPS]
# (n, t, l), the quorum t + l - 1 among them: 3, 4, 2, 5 and all six.
SHAPES = [
    ONE_CLUSTER,
    PACKED,
    Shape(clusters=(4,), threshold=2),
    Shape(clusters=(6,), threshold=2, packing=4),
    Shape(clusters=(4,), threshold=4),
]


def name_of(shape: Shape) -> str:
    return f"n{shape.clusters[0]}_t{shape.threshold}_l{shape.packing}"


def state(run: Run) -> dict[str, Any]:
    """What S counts, and the money it holds."""
    number = run.contract.call("currentRound")
    opened = run.contract.call("round", number) if number else [0] * 8
    clusters, anchored, submitted = opened[5:8]
    return {
        "round": number,
        "settled": run.contract.call("settledRounds"),
        "phase": run.phase,
        "clusters": clusters,
        "anchored": anchored,
        "submitted": submitted,
        "model": run.committed,
        "pool": run.contract.call("accounting")[2],
    }


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

    before = state(run)
    run.restore()
    for device in devices[: len(devices) - shape.quorum + 1]:
        run.silence(device, Reveal)
    assert not run.round().settled
    assert [note["why"] for note in run.notes("cluster-failed")] == [
        f"sums: {shape.quorum - 1}, {shape.quorum} are needed"
    ]
    assert state(run) == before | {
        "round": before["round"] + 1,
        "phase": "Failed",
        "anchored": 1,
        "submitted": 0,
    }

    run.restore()
    assert run.round().settled
    assert state(run) | {"model": b"", "pool": 0} == {
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
    before = state(cluster)
    for device in cluster.devices[0][2:]:
        cluster.silence(device, *KINDS[step:])
    assert not cluster.round().settled
    assert state(cluster) == before | {"round": 1, "phase": "Failed", "clusters": 1}
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
        before, named = cluster.committed, len(cluster.sent(fog, Qualified))
        silent.next_round()
        if not cluster.round().settled:
            assert (cluster.committed, cluster.phase) == (before, "Failed")
            continue
        settled += 1
        qualified = cluster.sent(fog, Qualified)[named].indices
        left_out = [device for device in devices if device.index not in qualified]
        assert cluster.committed == cluster.digest_without(*left_out), number
    assert settled > 0
    assert cluster.refusals == {}
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
    before = state(cluster)
    cluster.alter_call(SubmitAggregate, lambda _: None)
    assert not cluster.round().settled
    assert state(cluster) == before | {
        "round": 1,
        "phase": "Failed",
        "clusters": 1,
        "anchored": 1,
        "submitted": 1,
    }
    cluster.restore()
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without()


def test_model__that_nobody_got__withdrawn_after_a_failed_round_and_training_goes_on(
    cluster: Run,
) -> None:
    """The cloud settles a round, keeps the result to itself, and does not answer."""
    cloud = cluster.clouds[0]
    assert cluster.round().settled
    good = state(cluster)
    cluster.silence(cloud, Result, ModelOffer)
    assert cluster.round().settled
    lost = cluster.committed
    assert lost != good["model"]
    assert cluster.contract.call("previousModel") == [good["model"], True]

    assert not cluster.round().settled
    assert cluster.committed == lost
    assert len(cluster.notes("model-missing")) == 1
    cluster.restore()
    outcome = cluster.round()
    assert outcome.settled
    assert outcome.opened.model_digest == good["model"]
    assert cluster.committed == cluster.digest_without()
    assert cluster.refusals == {}
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without()


@pytest.mark.parametrize("asked", ["cloud 0", "cloud 1", "fog 1"])
def test_result__missed_by_one_fog__it_asks_and_takes_part(clusters: Run, asked: str) -> None:
    """One party that answers is enough."""
    fog = clusters.fogs[0]
    clusters.alter(clusters.clouds[0], Result, lambda _: None, to=fog)
    for name in {"cloud 0", "cloud 1", "fog 1"} - {asked}:
        clusters.alter(clusters.parties[name], ModelOffer, lambda _: None, to=fog)
    assert clusters.round().settled
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.included == (0, 1)
    assert clusters.committed == clusters.digest_without()
    assert clusters.refusals == {}


def test_model__false_answers_to_a_fog_that_asks__refused_and_the_true_one_counts(
    clusters: Run,
) -> None:
    fog, cloud = clusters.fogs[0], clusters.clouds[0]
    lied: list[Send] = []

    def lie_first(role: Role, send: Send) -> list[Send]:
        if send.kind != "ModelOffer" or send.recipient != fog.address or lied:
            return [send]
        offer = clusters.opened(send)
        lies = [
            clusters.signed(role, replace(offer, model=bytes(len(offer.model)))),
            clusters.signed(role, offer, key=SigningKey(b"\5" * 32)),
        ]
        lied.extend(Send(fog.address, send.kind, data) for data in lies)
        return [*lied, send]

    clusters.alter(cloud, Result, lambda _: None, to=fog)
    clusters.wire.rules.append(lie_first)
    assert clusters.round().settled
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.included == (0, 1)
    assert clusters.refusals == {"fog 0": {"false-model": 1, "unknown-sender": 1}}
    assert clusters.committed == clusters.digest_without()


def test_model_request__by_a_stranger_or_for_another_cluster__refused(clusters: Run) -> None:
    fog, cloud, other = clusters.fogs[0], clusters.clouds[0], clusters.fogs[1]
    assert clusters.round().settled
    request = ModelRequest(round=2, cluster=0, model_digest=clusters.committed)

    def answers(role: Role) -> int:
        sends = [send for sender, send in clusters.record.sends if sender is role]
        return sum(s.kind == "ModelOffer" and s.recipient == fog.address for s in sends)

    for role in (cloud, other):
        clusters.deliver(role, clusters.signed(clusters.devices[0][0], request))
        clusters.deliver(role, clusters.signed(fog, replace(request, cluster=1)))
        assert dict(role.rejected) == {"unknown-sender": 2}
        clusters.deliver(role, clusters.signed(fog, replace(request, model_digest=bytes(32))))
        assert answers(role) == 0
        clusters.deliver(role, clusters.signed(fog, request))
        assert answers(role) == 1


def test_everybody__silent__round_fails_and_the_next_succeeds(clusters: Run) -> None:
    before = state(clusters)
    for device in (*clusters.devices[0], *clusters.devices[1]):
        clusters.silence(device)
    assert not clusters.round().settled
    assert state(clusters) == before | {"round": 1, "phase": "Failed", "clusters": 3}
    clusters.restore()
    assert clusters.round().settled
    assert clusters.committed == clusters.digest_without()


# ---- a device that leaves while a round is under way


def leave(run: Run, device: Device) -> None:
    digest = typed_digest(run.domain, "Exit(address account)", (device.address,))
    run.contract.transact(
        run.sim.identities.authority,
        "requestExitFor",
        Web3.to_checksum_address(device.address),
        device._keys.attestation.public_key.to_eip2537(),
        device._signing_key.sign(digest),
    )


@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
def test_device__leaves_while_others_are_awaited__round_goes_on_without_it(
    cluster: Run, step: int
) -> None:
    """Another device is silent at that step, so that the exit is seen before the step ends."""
    leaver, silent = cluster.devices[0][1], cluster.devices[0][2]
    cluster.silence(silent, KINDS[step])

    def leave_at_once(role: Role, send: Send) -> list[Send]:
        leave(cluster, leaver)
        return [send]

    cluster.on(leaver, KINDS[step], leave_at_once)
    assert cluster.round().settled
    dealt = STEPS.index("Deal")
    left_out = [leaver] if step < dealt else []
    left_out += [silent] if step <= dealt else []
    assert cluster.committed == cluster.digest_without(*left_out)
    assert set(cluster.refusals.pop("fog 0", {})) <= {"unknown-sender"}  # what it sent after that
    cluster.restore()
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without(leaver)
    assert cluster.reverts == []
