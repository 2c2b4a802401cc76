"""What all roles share: counted refusals, messages once, early ones kept, effects handed out."""

import msgspec
import pytest

from offchain.crypto.field import FieldVector
from offchain.protocol import messages
from offchain.protocol.chain import (
    BeaconDrawn,
    MemberAdmitted,
    MemberRemoved,
    ResultAccepted,
    RoundOpened,
)
from offchain.protocol.cloud import Cloud
from offchain.protocol.device import Device
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.fog import Fog
from offchain.protocol.messages import Message, ModelOffer, seal_envelope
from offchain.protocol.role import Note, Role, Send
from offchain.protocol.selecting import KeepAll
from tests.offchain.protocol.builders import BEACON, CLUSTER, Cluster, signing_key
from tests.offchain.protocol.samples import SAMPLES

CLOUD = signing_key(2)
MODEL = FieldVector.zeros(64)


class NoTrainer:
    def update(self, model: object, *, updates_model: bool) -> object:
        raise AssertionError("a round without noise is not trained for")

    def absorb(self, statistics: object) -> None:
        raise AssertionError


@pytest.fixture
def device(cluster: Cluster) -> Device:
    return Device(
        cluster.task,
        cluster.roster.copy(),
        1,
        cluster.keys[1],
        NoTrainer(),
        cluster.randomness.child(b"device"),
    )


@pytest.fixture
def fog_node(cluster: Cluster, fog: SigningKey) -> Fog:
    return Fog(
        cluster.task,
        cluster.roster.copy(),
        {CLOUD.address},
        fog,
        MODEL,
        KeepAll(),
        cluster.randomness.child(b"fog"),
    )


@pytest.fixture
def cloud(cluster: Cluster, fog: SigningKey) -> Cloud:
    return Cloud(cluster.task, {CLUSTER: fog.address}, CLOUD, MODEL)


def opened(cluster: Cluster, number: int = 1, model: FieldVector = MODEL) -> RoundOpened:
    return RoundOpened(
        round=number,
        beacon_block=5,
        anchor_deadline=2_000,
        cumulative_deadline=3_000,
        aggregate_deadline=4_000,
        clusters=1,
        updates_model=True,
        model_digest=cluster.task.key.commit(model).digest,
        opened_at=0,
    )


def offer(number: int = 1, model: FieldVector = MODEL) -> ModelOffer:
    return ModelOffer(round=number, cluster=CLUSTER, model=model.to_bytes())


def signed(cluster: Cluster, key: SigningKey, message: Message) -> bytes:
    return seal_envelope(cluster.separator, key, message)


def reasons(role: Role) -> dict[str, int]:
    return dict(role.rejected)


def test_refusal__counted_and_noted_with_its_code(
    cluster: Cluster, device: Device, stranger: SigningKey
) -> None:
    (note,) = device.receive(signed(cluster, stranger, offer()))
    assert isinstance(note, Note)
    assert (note.kind, note.fields["reason"]) == ("rejected", "unknown-sender")
    assert "0x" + stranger.address.hex() in note.fields["detail"]
    device.receive(signed(cluster, stranger, offer()))
    assert reasons(device) == {"unknown-sender": 2}


class Recorder(Role):
    def _on_message(self, sender: bytes, message: Message, data: bytes) -> None:
        self._note("taken", sender=sender)


def test_message__taken_before__has_no_second_effect(cluster: Cluster, fog: SigningKey) -> None:
    role = Recorder(cluster.task, signing_key(9))
    data = [signed(cluster, fog, offer(number)) for number in (1, 2)]
    taken = [Note("taken", {"sender": fog.address})]
    assert [role.receive(one) for one in (*data, *data)] == [taken, taken, [], []]
    assert reasons(role) == {}


def test_message__altered_copy_of_one_taken__is_refused_and_counted(
    cluster: Cluster, fog: SigningKey
) -> None:
    """Whichever comes first: what was altered never stands in the way of what was signed."""
    data = signed(cluster, fog, offer())
    middle = len(data) // 2
    altered = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    taken = Note("taken", {"sender": fog.address})
    for order in ((data, altered, data), (altered, data, data)):
        role = Recorder(cluster.task, signing_key(9))
        effects = [effect for one in order for effect in role.receive(one)]
        assert [effect for effect in effects if effect == taken] == [taken]
        assert reasons(role) == {"bad-signature": 1}


def test_message__ahead_of_the_chain__kept_and_taken_after_the_event(
    cluster: Cluster, device: Device, fog: SigningKey
) -> None:
    data = signed(cluster, fog, offer())
    assert device.receive(data) == []
    assert device.receive(data) == []
    assert (reasons(device), device._round) == ({}, None)
    device.observe(opened(cluster))
    assert device._round is not None
    assert device._round.model == MODEL
    assert (reasons(device), device._deferred) == ({}, [])


def test_message__ahead_by_two_rounds__kept_until_its_own(
    cluster: Cluster, device: Device, fog: SigningKey
) -> None:
    device.receive(signed(cluster, fog, offer(2)))
    device.observe(opened(cluster, 1))
    assert len(device._deferred) == 1
    device.observe(opened(cluster, 2))
    assert device._round is not None
    assert (device._round.model, device._deferred) == (MODEL, [])


def test_message__kept_and_then_too_old__refused(
    cluster: Cluster, device: Device, fog: SigningKey
) -> None:
    device.receive(signed(cluster, fog, offer(1)))
    device.observe(opened(cluster, 2))
    assert reasons(device) == {"wrong-round": 1}


def test_message__kept_and_then_false__refused(
    cluster: Cluster, device: Device, fog: SigningKey
) -> None:
    device.receive(signed(cluster, fog, offer(1, FieldVector.from_ints(range(64)))))
    device.observe(opened(cluster))
    assert reasons(device) == {"false-model": 1}


def test_model__of_a_later_round__is_checked_against_what_s_holds(
    cluster: Cluster, device: Device, fog: SigningKey
) -> None:
    """The device commits to the change of the model it holds; nothing else passes for all that."""
    factor, total = 2**40 // 7, FieldVector.from_ints(range(64))
    model = MODEL - total.scale(factor)
    device.observe(opened(cluster, 1))
    device.receive(signed(cluster, fog, offer(1)))
    device.observe(
        ResultAccepted(1, CLOUD.address, (CLUSTER,), bytes(32), bytes(32), 7, factor, bytes(32))
    )
    device.observe(opened(cluster, 2, model))
    state = device._round
    assert state is not None
    one = FieldVector.from_ints([1] + [0] * 63)
    for false in (MODEL, model + one, MODEL - (total + one).scale(factor), MODEL + total):
        device.receive(signed(cluster, fog, offer(2, false)))
        assert state.model is None
    assert reasons(device) == {"false-model": 4}
    device.receive(signed(cluster, fog, offer(2, model)))
    assert state.model == model
    assert reasons(device) == {"false-model": 4}


def test_messages__more_ahead_than_are_kept__refused(
    cluster: Cluster, device: Device, fog: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Device, "MAX_DEFERRED", 2)
    for number in (5, 6, 7, 8):
        device.receive(signed(cluster, fog, offer(number)))
    assert (reasons(device), len(device._deferred)) == ({"too-early": 2}, 2)


def test_round__opened_twice_or_an_older_one__changes_nothing(
    cluster: Cluster, device: Device, fog: SigningKey
) -> None:
    device.observe(opened(cluster, 2))
    device.receive(signed(cluster, fog, offer(2)))
    before = device._round
    device.observe(opened(cluster, 2))
    device.observe(opened(cluster, 1))
    assert device._round is before


def test_beacon__second__the_first_stays(cluster: Cluster, device: Device) -> None:
    device.observe(opened(cluster))
    device.observe(BeaconDrawn(1, BEACON))
    device.observe(BeaconDrawn(1, bytes(32)))
    device.observe(BeaconDrawn(2, bytes(32)))
    assert device._round is not None
    assert device._round.beacon == BEACON


def test_tick__back_in_time__time_stays(device: Device, fog_node: Fog, cloud: Cloud) -> None:
    for role in (device, fog_node, cloud):
        role.tick(10)
        role.tick(5)
        assert role.now == 10
        assert role.next_wake() is None


@pytest.mark.parametrize("message", SAMPLES, ids=lambda m: type(m).__name__)
def test_any_message__from_anybody_known__no_role_fails(
    cluster: Cluster,
    device: Device,
    fog_node: Fog,
    cloud: Cloud,
    fog: SigningKey,
    message: Message,
) -> None:
    """Well-formed nonsense, before a round and in one: refused, kept or answered, never raised."""
    senders = [fog, CLOUD, cluster.keys[1].signing, cluster.keys[4].signing]
    for role in (device, fog_node, cloud):
        for number in (0, 1, 3):
            nonsense = msgspec.structs.replace(message, round=number, cluster=CLUSTER)
            for sender in senders:
                role.receive(signed(cluster, sender, nonsense))
            role.observe(opened(cluster, number))
            role.observe(BeaconDrawn(number, BEACON))
            for sender in senders:
                role.receive(signed(cluster, sender, nonsense))
        role.tick(5_000)
    assert device.rejected.total() > 0
    assert cloud.rejected.total() > 0


def test_member__removed__unknown_from_the_next_round_on(
    cluster: Cluster, device: Device, fog_node: Fog, cloud: Cloud, fog: SigningKey
) -> None:
    account = cluster.keys[4].signing.address
    root = messages.NoiseRoot(round=1, cluster=CLUSTER, index=4, root=bytes(32))
    fog_node.call_noise()
    for role in (device, fog_node, cloud):
        role.observe(MemberRemoved(account))
        role.observe(MemberRemoved(account))
        role.observe(MemberRemoved(b"\7" * 20))
    fog_node.receive(signed(cluster, cluster.keys[4].signing, root))
    assert reasons(fog_node) == {"unknown-sender": 1}
    assert 4 not in device.roster.members
    cloud.observe(MemberRemoved(fog.address))
    assert cloud.fogs == {}
    assert cloud.active
    cloud.observe(MemberRemoved(CLOUD.address))
    assert not cloud.active


def test_member__admitted__called_for_noise_from_then_on(cluster: Cluster, fog_node: Fog) -> None:
    newcomer = signing_key(500)
    own = cluster.roster.members[0]
    event = MemberAdmitted(CLUSTER, 5, newcomer.address, own.public_key, own.sealing_key)
    fog_node.observe(event)
    fog_node.observe(MemberAdmitted(CLUSTER + 1, 6, b"\7" * 20, own.public_key, own.sealing_key))
    called = [effect.recipient for effect in fog_node.call_noise() if isinstance(effect, Send)]
    accounts = [member.account for member in cluster.roster.members.values()]
    assert called == [*accounts, newcomer.address]


def test_roles__shown__hide_what_they_hold(
    device: Device, fog_node: Fog, cloud: Cloud, cluster: Cluster
) -> None:
    device.observe(opened(cluster))
    for role in (device, fog_node, cloud):
        shown = repr(role) + repr({name: repr(value) for name, value in vars(role).items()})
        for keys in cluster.keys:
            assert keys.signing.secret().hex() not in shown
            assert keys.attestation.to_bytes().hex() not in shown
            assert keys.sealing.to_bytes().hex() not in shown
        assert cluster.randomness._seed.hex() not in shown
