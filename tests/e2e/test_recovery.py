"""Results that did not arrive, members that leave: what a task makes of them."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from web3 import Web3

from offchain.nodes.dropout import STEPS
from offchain.protocol import messages
from offchain.protocol.device import Device
from offchain.protocol.eip712 import SigningKey, typed_digest
from offchain.protocol.messages import ModelOffer, ModelRequest, Result
from offchain.protocol.role import Role, Send
from tests.e2e.builders import Run, Shape, World

KINDS = [getattr(messages, name) for name in STEPS]


def test_model__that_nobody_got__withdrawn_after_a_failed_round_and_training_goes_on(
    cluster: Run,
) -> None:
    """The cloud settles a round, keeps the result to itself, and does not answer."""
    cloud = cluster.clouds[0]
    assert cluster.round().settled
    good = cluster.state
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
    found: Callable[[Shape], World], step: int
) -> None:
    """Another device is silent at that step, so that the exit is seen before the step ends."""
    cluster = found(Shape(clusters=(6,))).run()
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
