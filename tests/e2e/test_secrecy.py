"""No secret appears in logs, notes, errors or representations, even where every check fails."""

import base64
import logging
import re
from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import fields, replace

from offchain.crypto.field import FieldVector
from offchain.learning.models import ModelKind
from offchain.protocol import messages
from offchain.protocol.device import Device
from offchain.protocol.messages import MaskedPacket, Message
from offchain.protocol.role import Role, Send
from tests.e2e.builders import Run, Shape, World
from tests.e2e.learning import Learning, learning, shape

DEVICES = (4,)


def spoilt(message: Message) -> Iterable[Message]:
    """The message with one field after another made wrong."""
    for field in fields(message):
        value = getattr(message, field.name)
        wrong: list[object] = []
        match value:
            case bytes():
                wrong = [bytes([value[0] ^ 1]) + value[1:], value[:-1] + bytes([value[-1] ^ 1])]
                wrong += [bytes(len(value)), b"\xff" * len(value)]
            case int():
                wrong = [value + 1]
            case tuple():
                wrong = [value[1:], value[::-1], (*value, *value[-1:])]
        yield from (replace(message, **{field.name: one}) for one in wrong)


def spoil_everything_first(run: Run, culprit: Device, victim: Device) -> None:
    """All that one device sends, and all that another gets, comes in every wrong form first."""

    def rule(role: Role, send: Send) -> Iterable[Send]:
        if role is not culprit and send.recipient != victim.address:
            return [send]
        true = run.opened(send)
        wrong = [run.signed(role, false) for false in spoilt(true)] + [send.data[:-1], b""]
        return [*(Send(send.recipient, send.kind, data) for data in wrong), send]

    run.wire.rules.append(rule)


def spoil_sums_and_results(run: Run) -> None:
    """What fog and cloud hand to each other comes in every wrong form first."""

    def rule(role: Role, send: Send) -> Iterable[Send]:
        if send.kind not in ("ClusterSum", "Result"):
            return [send]
        wrong = [run.signed(role, false) for false in spoilt(run.opened(send))]
        return [*(Send(send.recipient, send.kind, data) for data in wrong), send]

    run.wire.rules.append(rule)


def forms(secret: bytes) -> list[str]:
    """How a byte string might be written."""
    number = int.from_bytes(secret, "big")
    shown = [secret.hex(), str(number), hex(number)[2:], base64.b64encode(secret).decode()]
    shown += [str(int.from_bytes(secret, "little")), repr(secret)[2:-1]]
    return [form for form in shown if len(form) >= 16]


def elements(vector: FieldVector) -> list[bytes]:
    """The elements that are no small integers or zeros."""
    data = vector.to_bytes()
    every = [data[i : i + 32] for i in range(0, len(data), 32)]
    return [e for e in every if any(e[:16])]


def secrets_of(run: Run, made: Learning) -> dict[str, list[str]]:
    """Everything that no output may hold, in all its forms."""
    identities = run.sim.identities
    keys = [identities.authority, *identities.clouds, *identities.fogs]
    opened = {
        seed
        for device in run.devices[0]
        for packet in run.sent(device, MaskedPacket)
        for seed in packet.seeds
    }
    found: dict[str, list[bytes]] = {
        "signing keys": [key.secret() for key in keys],
        "streams of randomness": [role._randomness._seed for role in (*run.devices[0], *run.fogs)],
        "BLS keys": [],
        "sealing keys": [],
        "noise seeds": [],
        "shares": [],
        "updates": [],
    }
    for device in run.devices[0]:
        state = device._round
        assert state is not None
        found["signing keys"].append(device._keys.signing.secret())
        found["BLS keys"].append(device._keys.attestation.to_bytes())
        found["sealing keys"].append(device._keys.sealing.to_bytes())
        seeds = [s.reveal() for b in device._batches.values() for s in b.candidates.seeds]
        found["noise seeds"] += [seed for seed in seeds if seed not in opened]
        for share in state.accepted.values():
            found["shares"] += elements(share)
        if state.update is not None:
            found["updates"] += elements(state.update.vector)
    written = {kind: [f for one in every for f in forms(one)] for kind, every in found.items()}
    numbers = [repr(float(x)) for part in made.parts for x in part.X.ravel()]
    written["rows"] = [number[:12] for number in numbers]
    written["values of updates"] = [
        str(abs(value))
        for device in run.devices[0]
        if device._round is not None and device._round.update is not None
        for value in run.shape.layout.extract(device._round.update.vector)
        if abs(value) > 10**6
    ]
    return written


def everything_said(run: Run, logged: str) -> str:
    """Logs, notes, errors in them, receipts, events, and every node as it shows itself."""
    roles = list(run.parties.values())
    said = [logged, repr(run.record.notes), repr(run.record.receipts), repr(run.record.events)]
    said += [repr(role) for role in roles]
    said += [repr(run.sim), repr(run.sim.identities), repr(run.task)]
    said += [repr(trainer) for members in run.trainers for trainer in members]
    for role in roles:
        own = {name: value for name, value in vars(role).items() if name != "_deferred"}
        said.append(repr({k: repr(v) for k, v in own.items()}))
        said.append(str(role.rejected))
    return "\n".join(said)


def leaks(text: str, secrets: dict[str, list[str]]) -> set[str]:
    return {kind for kind, every in secrets.items() if any(one in text for one in every)}


def test_secrets__with_every_check_failing_at_debug_level__appear_nowhere(
    found: Callable[[Shape], World],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = learning(ModelKind.LINEAR, sum(DEVICES), 0.001)
    world = found(shape(DEVICES))
    run = world.run(made.trainers(DEVICES), value_bound=made.value_bound)
    culprit, victim = run.devices[0][0], run.devices[0][3]
    spoil_everything_first(run, culprit, victim)
    spoil_sums_and_results(run)
    with caplog.at_level(logging.DEBUG):
        assert run.round().settled
        assert run.round().settled
    assert all(device._round is not None and device._round.update for device in run.devices[0])

    secrets = secrets_of(run, made)
    assert all(secrets.values()), "every kind of secret is looked for"
    text = everything_said(run, caplog.text + "".join(capfd.readouterr()))
    codes = set(re.findall(r"'reason': '([\w-]+)'", text))
    assert len(codes) >= 12, codes
    assert victim.address.hex() in text
    assert leaks(text, secrets) == set()


def test_secrets__planted__are_found(cluster: Run) -> None:
    """The search itself: each kind of secret, in one of its forms, is noticed."""
    made = learning(ModelKind.LINEAR, 5, 0.001)
    device = cluster.devices[0][1]
    cluster.trainers = []
    assert cluster.round().settled
    secrets = secrets_of(cluster, made)
    state = device._round
    assert state is not None
    share = elements(state.accepted[0])[0]
    assert leaks(f"share {share.hex()}", secrets) == {"shares"}
    assert leaks(f"share {int.from_bytes(share, 'big')}", secrets) == {"shares"}
    assert leaks(repr(device._keys.sealing.to_bytes()), secrets) == {"sealing keys"}
    assert leaks(repr(made.parts[0].X.tolist()), secrets) == {"rows"}
    assert messages.NoiseRoot.__name__ not in secrets
