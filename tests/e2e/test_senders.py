"""Every message, once forged in one way before the true one comes: refused, and nothing is lost.

One run for each way; a forged copy of every kind of message goes to the first node that gets one.
"""

from collections.abc import Callable, Iterable

import msgspec
import pytest
from msgspec.structs import replace

from offchain.protocol import messages
from offchain.protocol.eip712 import Domain, SigningKey
from offchain.protocol.messages import Envelope
from offchain.protocol.role import Role, Send
from tests.e2e.builders import Run

STRANGER = SigningKey(b"\x05" * 32)
TO_FOG = ("NoiseRoot", "MaskedPacket", "Deal", "ShareReport", "SumDigest", "Attestation", "Reveal")
TO_DEVICE = (
    "NoiseCall",
    "NoiseReceipt",
    "ModelOffer",
    "Selection",
    "Delivery",
    "Qualified",
    "AnchorProposal",
)
KINDS = (*TO_FOG, *TO_DEVICE, "ClusterSum", "Result")
Forge = Callable[[Run, Role, Send], bytes]


def by_stranger(run: Run, sender: Role, send: Send) -> bytes:
    return run.signed(sender, run.opened(send), key=STRANGER)


def in_the_name_of_the_sender(run: Run, sender: Role, send: Send) -> bytes:
    envelope = msgspec.msgpack.decode(by_stranger(run, sender, send), type=Envelope)
    return msgspec.msgpack.encode(replace(envelope, sender=sender.address))


def altered_after_signing(run: Run, sender: Role, send: Send) -> bytes:
    envelope = msgspec.msgpack.decode(send.data, type=Envelope)
    body = replace(run.opened(send), round=7)
    return msgspec.msgpack.encode(replace(envelope, body=msgspec.msgpack.encode(body)))


def for_another_chain(run: Run, sender: Role, send: Send) -> bytes:
    domain = Domain(run.task.domain.chain_id + 1, run.task.domain.contract)
    return run.signed(sender, run.opened(send), domain=domain.separator)


def for_another_contract(run: Run, sender: Role, send: Send) -> bytes:
    domain = Domain(run.task.domain.chain_id, STRANGER.address)
    return run.signed(sender, run.opened(send), domain=domain.separator)


def of_an_earlier_round(run: Run, sender: Role, send: Send) -> bytes:
    return run.signed(sender, replace(run.opened(send), round=0))


def of_another_cluster(run: Run, sender: Role, send: Send) -> bytes:
    return run.signed(sender, replace(run.opened(send), cluster=1))


def by_another_device(run: Run, sender: Role, send: Send) -> bytes:
    """A device speaks for the sender's index; for other senders, in their place."""
    return run.signed(run.devices[0][4], run.opened(send))


def cut_short(run: Run, sender: Role, send: Send) -> bytes:
    return send.data[:-1]


def with_a_bad_body(run: Run, sender: Role, send: Send) -> bytes:
    envelope = msgspec.msgpack.decode(send.data, type=Envelope)
    return msgspec.msgpack.encode(replace(envelope, body=b"\x91\x63"))


# Which kinds have a code of their own, or none, for one way of forging.
WAYS: list[tuple[Forge, str, dict[str, str | None]]] = [
    (by_stranger, "unknown-sender", {}),
    (by_another_device, "unknown-sender", {}),
    (in_the_name_of_the_sender, "bad-signature", {}),
    (altered_after_signing, "bad-signature", {}),
    (for_another_chain, "wrong-domain", {}),
    (for_another_contract, "wrong-domain", {}),
    # A receipt names the batch: for another one there is no root with S.
    (of_an_earlier_round, "wrong-round", {"NoiseReceipt": "noise-path"}),
    # The fog of another cluster is no known sender to the cloud; a result is the same for all.
    (of_another_cluster, "wrong-round", {"ClusterSum": "unknown-sender", "Result": None}),
    (cut_short, "malformed", {}),
    (with_a_bad_body, "malformed", {}),
]


@pytest.mark.parametrize(
    ("forge", "code", "others"), WAYS, ids=[forge.__name__ for forge, _, _ in WAYS]
)
def test_message__forged__refused_and_nothing_lost(
    cluster: Run, forge: Forge, code: str, others: dict[str, str | None]
) -> None:
    done: set[str] = set()
    expected: dict[str, dict[str, int]] = {}
    names = {role.address: name for name, role in cluster.parties.items()}

    def forged_first(role: Role, send: Send) -> Iterable[Send]:
        refused = others.get(send.kind, code)
        if send.kind in done or refused is None:
            return [send]
        done.add(send.kind)
        counts = expected.setdefault(names[send.recipient], {})
        counts[refused] = counts.get(refused, 0) + 1
        return [Send(send.recipient, send.kind, forge(cluster, role, send)), send]

    cluster.wire.rules.append(forged_first)
    assert cluster.round().settled
    assert done == set(KINDS) - {kind for kind, refused in others.items() if refused is None}
    assert cluster.refusals == expected
    assert cluster.committed == cluster.digest_without()


def test_message__replayed_in_the_next_round__refused_and_nothing_lost(cluster: Run) -> None:
    assert cluster.round().settled
    old = {send.kind: (role, send) for role, send in cluster.record.sends}
    done: set[str] = set()

    def replay(role: Role, send: Send) -> Iterable[Send]:
        if send.kind in done or send.kind not in KINDS:
            return [send]
        done.add(send.kind)
        return [old[send.kind][1], send]

    cluster.wire.rules.append(replay)
    assert cluster.round().settled
    assert done == set(KINDS) - {"NoiseRoot", "NoiseCall", "NoiseReceipt"}  # of both rounds
    refused = [code for counts in cluster.refusals.values() for code in counts]
    assert set(refused) == {"wrong-round"}
    assert sum(n for counts in cluster.refusals.values() for n in counts.values()) == len(done)
    assert cluster.committed == cluster.digest_without()


@pytest.mark.parametrize("kind", [messages.NoiseRoot, messages.NoiseCall])
def test_noise_message__replayed_in_the_next_round__refused(cluster: Run, kind: type) -> None:
    assert cluster.round().settled
    _, old = next((r, s) for r, s in cluster.record.sends if s.kind == kind.__name__)
    recipient = next(r for r in cluster.parties.values() if r.address == old.recipient)
    cluster.insert((cluster.fogs[0], messages.ModelOffer), recipient, lambda: old.data)
    assert cluster.round().settled
    code = "wrong-phase" if kind is messages.NoiseRoot else "wrong-round"
    assert list(cluster.refusals.values()) == [{code: 1}]
    assert cluster.committed == cluster.digest_without()


def test_message__of_another_clusters_party__unknown(clusters: Run) -> None:
    """The fog and a device of cluster 1 meddle with cluster 0."""
    device, fog = clusters.devices[0][1], clusters.fogs[0]
    other_fog, other_device = clusters.fogs[1], clusters.devices[1][1]

    def packet() -> bytes:
        honest = clusters.sent(device, messages.MaskedPacket)[0]
        return clusters.signed(other_device, honest)

    def offer() -> bytes:
        honest = clusters.sent(fog, messages.ModelOffer)[0]
        return clusters.signed(other_fog, honest)

    def cluster_sum() -> bytes:
        honest = clusters.sent(fog, messages.ClusterSum)[0]
        return clusters.signed(other_fog, honest)

    def result() -> bytes:
        honest = clusters.sent(clusters.clouds[0], messages.Result)[0]
        return clusters.signed(other_fog, honest)

    clusters.insert((device, messages.MaskedPacket), fog, packet)
    clusters.insert((fog, messages.ModelOffer), device, offer)
    clusters.insert((fog, messages.ClusterSum), clusters.clouds[0], cluster_sum)
    clusters.insert((clusters.clouds[0], messages.Result), fog, result)
    assert clusters.round().settled
    assert clusters.refusals == {
        "device 0.1": {"unknown-sender": 1},
        "fog 0": {"unknown-sender": 2},
        "cloud 0": {"unknown-sender": 1},
    }
    assert clusters.committed == clusters.digest_without()


def test_message__to_a_role_that_takes_no_such__refused(cluster: Run) -> None:
    """Nodes get, from parties they know, messages that are not for them."""
    assert cluster.round().settled
    sends = {send.kind: send for _, send in cluster.record.sends}
    device, fog, cloud = cluster.devices[0][0], cluster.fogs[0], cluster.clouds[0]
    for kind in KINDS:
        message = cluster.opened(sends[kind])
        to_fog, to_device = kind in TO_FOG, kind in TO_DEVICE
        sender = fog if to_fog else device if to_device else cloud
        receiver = device if to_fog else fog if to_device else device
        # Clouds and fogs hand each other models and sums: there the sender is not one of them.
        known = (to_fog or to_device) and kind != "ModelOffer"
        for role, code in [
            (receiver, "wrong-phase" if known else "unknown-sender"),
            (cloud, "unknown-sender" if kind == "ClusterSum" else "wrong-phase"),
        ]:
            role.rejected.clear()
            cluster.deliver(role, cluster.signed(sender, message))
            assert dict(role.rejected) == {code: 1}, kind
