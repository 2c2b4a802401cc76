"""No secret appears in logs, notes, errors or representations, even where every check fails.

All tests of this folder are looked through for the secrets of their runs, see `conftest.py`; here
logs are at debug level, devices have rows of their own, and every element of a share counts.
"""

import logging
import re
from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import fields, replace

from offchain.learning.models import ModelKind
from offchain.nodes.dropout import STEPS
from offchain.protocol import messages
from offchain.protocol.messages import ClusterSum, Message, Qualified, Result, Selection
from offchain.protocol.role import Role, Send
from tests.e2e.builders import Run, Shape, World
from tests.e2e.learning import Learning, learning, shape
from tests.e2e.secrecy import elements, everything_said, leaks, secrets_of

DEVICES = (6,)


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


def spoil(run: Run, meant: Callable[[Role, Send], bool]) -> None:
    """Some messages come in every wrong form first, signed by their senders."""

    def rule(role: Role, send: Send) -> Iterable[Send]:
        if not meant(role, send):
            return [send]
        wrong = [run.signed(role, false) for false in spoilt(run.opened(send))]
        wrong += [send.data[:-1], b""]
        return [*(Send(send.recipient, send.kind, data) for data in wrong), send]

    run.wire.rules.append(rule)


def rows_and_values(run: Run, made: Learning) -> dict[str, list[str]]:
    numbers = [repr(float(x)) for part in made.parts for x in part.X.ravel()]
    updates = [device._round.update for device in run.devices[0] if device._round is not None]
    values = [v for u in updates if u for v in run.shape.layout.extract(u.vector)]
    return {
        "rows": [number[:12] for number in numbers],
        "values": [str(abs(value)) for value in values if abs(value) > 10**6],
    }


def test_secrets__with_every_message_spoilt_at_debug_level__appear_nowhere(
    found: Callable[[Shape], World],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = learning(ModelKind.LINEAR, sum(DEVICES), 0.001)
    run = found(shape(DEVICES)).run(made.trainers(DEVICES), value_bound=made.value_bound)
    victim = run.devices[0][2]
    approvals = (Selection.__name__, Qualified.__name__)
    spoil(run, lambda _, send: send.recipient == victim.address and send.kind not in approvals)
    spoil(run, lambda role, send: send.kind == ClusterSum.__name__)
    for device, step in zip(run.devices[0], STEPS, strict=True):
        spoil(run, lambda role, send, d=device, s=step: role is d and send.kind == s)
    with caplog.at_level(logging.DEBUG):
        assert run.round().settled
        assert run.round().settled
        spoil(run, lambda _, send: send.kind in (*approvals, Result.__name__))
        assert not run.round().settled  # it has cost the cloud its stake

    secrets = secrets_of(run) | rows_and_values(run, made)
    assert all(secrets.values())
    text = everything_said(run, caplog.text + "".join(capfd.readouterr()))
    codes = set(re.findall(r"'reason': '([\w-]+)'", text))
    assert len(codes) >= 15, sorted(codes)
    assert victim.address.hex() in text
    assert leaks(text, secrets) == set()


def test_secrets__planted__are_found(cluster: Run) -> None:
    """The search itself: secrets of each kind, in one form or another, are noticed."""
    made = learning(ModelKind.LINEAR, 5, 0.001)
    device = cluster.devices[0][1]
    assert cluster.round().settled
    secrets = secrets_of(cluster) | {"rows": rows_and_values(cluster, made)["rows"]}
    state = device._round
    assert state is not None
    share = elements(state.accepted[0])[0]
    assert leaks(f"share {share.hex()}", secrets) == {"shares"}
    assert leaks(f"share {int.from_bytes(share, 'big')}", secrets) == {"shares"}
    assert leaks(repr(device._keys.sealing.to_bytes()), secrets) == {"sealing keys"}
    assert leaks(repr(made.parts[0].X.tolist()), secrets) == {"rows"}
    seed = device._batches[1].candidates.seeds[-1].reveal()
    assert leaks(repr(messages.NoiseLeaf(seed, seed, ())), secrets) == {"noise seeds"}
