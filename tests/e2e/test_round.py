"""Rounds in which everybody does as it should, and what leaving a culprit out means."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.protocol.messages import Deal, MaskedPacket, ModelOffer, SealedShare
from tests.e2e.builders import Run, Shape, World, fixed_update
from tests.e2e.conftest import ONE_CLUSTER, TWO_CLUSTERS


def test_round__undisturbed__model_is_exact_and_nobody_refuses_anything(cluster: Run) -> None:
    outcome = cluster.round()
    assert outcome.settled
    total = [sum(column) for column in zip(*(fixed_update(0, i) for i in range(5)), strict=True)]
    factor = cluster.shape.rate // total[0]
    assert cluster.model_slots() == [-factor * value for value in total]
    assert cluster.committed == cluster.digest_without()
    assert cluster.refusals == {}
    assert cluster.reverts == []
    assert cluster.phase == "Settled"
    accounts = [Web3.to_checksum_address(device.address) for device in cluster.devices[0]]
    sent = [cluster.contract.web3.eth.get_transaction_count(a) for a in accounts]
    assert sent == [0] * 5  # fogs relay


def test_packed_round__undisturbed__model_is_exact(packed_cluster: Run) -> None:
    assert packed_cluster.round().settled
    assert packed_cluster.committed == packed_cluster.digest_without()
    assert packed_cluster.refusals == {}


def test_round__on_threads_and_processes__everything_is_sent_as_on_one(
    web3: Web3, artifact: Artifact
) -> None:
    sent = []
    for threads, processes in ((1, 0), (3, 0), (1, 2)):
        run = World.found(web3, artifact, TWO_CLUSTERS).run()
        run.network.work_on(threads)
        if processes:
            run.network.hire(processes, [device for c in run.devices for device in c])
        assert run.round().settled
        assert run.refusals == {}
        assert (run.network.usage().cpu_seconds > 0) == (processes > 0)
        run.network.dismiss()
        sent.append([(role.address, s.kind, s.recipient) for role, s in run.record.sends])
    assert sent[0] == sent[1] == sent[2]


def test_rounds__several__each_moves_the_model_as_far(clusters: Run) -> None:
    total = [0] * 6
    for cluster in range(2):
        for i in range(4):
            total = [a + b for a, b in zip(total, fixed_update(cluster, i), strict=True)]
    factor = clusters.shape.rate // total[0]
    for number in (1, 2, 3):  # the noise of two rounds: a batch ends in between
        assert clusters.round().settled
        assert clusters.model_slots() == [-number * factor * value for value in total]
    assert clusters.refusals == {}


# ---- the reference of all other tests: a run in which the culprit is silent


def bad_packet(run: Run) -> None:
    run.alter(run.devices[0][1], MaskedPacket, lambda p: replace(p, seeds=(bytes(32),)))


def silent_device(run: Run) -> None:
    run.silence(run.devices[0][1])


def bad_deal(run: Run) -> None:
    def unreadable(deal: Deal) -> Deal:
        return replace(deal, shares=tuple(SealedShare(s.recipient, b"") for s in deal.shares))

    run.alter(run.devices[0][1], Deal, unreadable)


def false_model(run: Run) -> None:
    run.alter(run.fogs[0], ModelOffer, lambda o: replace(o, model=bytes(len(o.model))[:-1] + b"1"))


def silent_fog(run: Run) -> None:
    run.silence(run.fogs[0])


@pytest.mark.parametrize(
    ("shape", "attack", "silence"),
    [
        (ONE_CLUSTER, bad_packet, silent_device),
        (ONE_CLUSTER, bad_deal, silent_device),
        (TWO_CLUSTERS, false_model, silent_fog),
    ],
    ids=["packet", "deal", "fog"],
)
def test_model__with_a_culprit__is_that_of_a_run_in_which_it_was_silent(
    found: Callable[[Shape], World],
    web3: Web3,
    artifact: Artifact,
    shape: Shape,
    attack: Callable[[Run], None],
    silence: Callable[[Run], None],
) -> None:
    """Bit for bit, random slots included: only the culprit's part is missing."""
    attacked, quiet = found(shape).run(), World.found(web3, artifact, shape).run()
    attack(attacked)
    silence(quiet)
    assert attacked.round().settled
    assert quiet.round().settled
    assert attacked.contract.address != quiet.contract.address
    assert attacked.committed == quiet.committed
    assert attacked.refusals != {}
    assert quiet.refusals == {}
    culprit = attacked.fogs[0] if silence is silent_fog else attacked.devices[0][1]
    assert attacked.committed == attacked.digest_without(culprit)
