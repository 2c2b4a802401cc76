"""What no output may hold, and where it is looked for."""

import base64
from collections.abc import Iterable

from offchain.crypto.field import FieldVector
from offchain.protocol.messages import MaskedPacket
from tests.e2e.builders import Run


def forms(secret: bytes) -> list[str]:
    """How a byte string might be written."""
    number = int.from_bytes(secret, "big")
    shown = [secret.hex(), str(number), hex(number)[2:], base64.b64encode(secret).decode()]
    shown += [str(int.from_bytes(secret, "little")), repr(secret)[2:-1]]
    return [form for form in shown if len(form) >= 16]


def elements(vector: FieldVector, *, every: bool = True) -> list[bytes]:
    """The elements that are no small integers or zeros; or of those the first and the last."""
    data = vector.to_bytes()
    found = [e for i in range(0, len(data), 32) if any((e := data[i : i + 32])[:16])]
    return found if every else [*found[:1], *found[-1:]]


def secrets_of(run: Run, *, every: bool = True) -> dict[str, list[str]]:
    """Keys, streams, unopened seeds, shares and unmasked updates of a run, in all their forms."""
    identities = run.sim.identities
    keys = [identities.authority, *identities.clouds, *identities.fogs]
    devices = [device for members in run.devices for device in members]
    opened = {
        seed for d in devices for packet in run.sent(d, MaskedPacket) for seed in packet.seeds
    }
    found: dict[str, list[bytes]] = {
        "signing keys": [key.secret() for key in keys],
        "streams of randomness": [role._randomness._seed for role in (*devices, *run.fogs)],
        "BLS keys": [device._keys.attestation.to_bytes() for device in devices],
        "sealing keys": [device._keys.sealing.to_bytes() for device in devices],
        "noise seeds": [],
        "shares": [],
        "updates": [],
    }
    for device in devices:
        found["signing keys"].append(device._keys.signing.secret())
        seeds = [s.reveal() for b in device._batches.values() for s in b.candidates.seeds]
        found["noise seeds"] += [seed for seed in seeds if seed not in opened]
        state = device._round
        if state is None or state.update is None:
            continue
        found["updates"] += elements(state.update.vector, every=every)
        for share in state.accepted.values():
            found["shares"] += elements(share, every=every)
    return {kind: [form for one in found[kind] for form in forms(one)] for kind in found}


def everything_said(run: Run, logged: str) -> str:
    """Logs, notes with the errors in them, receipts, events, and every node as it shows itself."""
    said: list[object] = [run.record.notes, run.record.receipts, run.record.events]
    said += [run.sim, run.sim.identities, run.task]
    said += [trainer for members in run.trainers for trainer in members]
    for role in run.parties.values():
        said += [role, {name: repr(value) for name, value in vars(role).items()}]
    return "\n".join([logged, *map(repr, said)])


def leaks(text: str, secrets: dict[str, list[str]]) -> set[str]:
    """Which kinds of secret a text holds."""
    return {kind for kind, every in secrets.items() if _any_in(every, text)}


def _any_in(every: Iterable[str], text: str) -> bool:
    return any(one in text for one in every)
