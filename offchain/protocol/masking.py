"""Steps 2 and 3: committed noise, the masked packet, and what the fog checks of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offchain.crypto import candidates
from offchain.crypto.commitment import Commitment, parse_commitment
from offchain.crypto.errors import CryptoError, RangeError
from offchain.crypto.field import FieldVector, parse_field_vector
from offchain.crypto.hashing import Digest
from offchain.crypto.noise import NoiseSeed, noise_vector
from offchain.crypto.opening import check_vectors
from offchain.crypto.randomness import Randomness
from offchain.errors import VerifogError
from offchain.protocol import messages
from offchain.protocol.errors import (
    MaskedRangeError,
    MaskMismatch,
    NoiseChoiceMismatch,
    NoiseOwed,
    NoisePathMismatch,
    NoiseRootMismatch,
    NoiseSeedMismatch,
    WrongRound,
)
from offchain.protocol.noise_book import NoiseDebts, OwedRound
from offchain.protocol.role import ClusterRoster, Task

NOISE_REACH = 320 * (1 + 8) * (1 + 64)  # the largest noise of a slot: 187,200


@dataclass(frozen=True, repr=False)
class NoiseBatch:
    """A device's noise candidates for the rounds of a batch. Hides itself."""

    start: int
    candidates: candidates.NoiseCandidates

    @property
    def root(self) -> bytes:
        """What the device commits to before any beacon of the batch exists."""
        return self.candidates.root


def noise_shape(task: Task) -> candidates.NoiseShape:
    """E rounds with K candidates each."""
    return candidates.NoiseShape(task.parameters.noise_rounds, task.parameters.candidates)


def make_noise_batch(task: Task, start: int, randomness: Randomness) -> NoiseBatch:
    """Draw and commit to the noise of a batch."""
    drawn = candidates.NoiseCandidates.draw(task.key, task.layout, noise_shape(task), randomness)
    return NoiseBatch(start, drawn)


@dataclass(frozen=True, repr=False)
class MaskedUpdate:
    """A device's update, its commitment and its mask. Hides itself."""

    vector: FieldVector
    commitment: Commitment
    masked: FieldVector
    candidate: int


def mask_update(
    task: Task,
    device: bytes,
    values: NDArray[np.int64],
    batch: NoiseBatch,
    round_number: int,
    beacon: bytes,
    randomness: Randomness,
) -> MaskedUpdate:
    """Place ``[count, values...]`` in its slots, commit to it, and mask it.

    Raises
    ------
    CryptoError
        When the values do not fit the layout.
    """
    padded = np.zeros(1 + task.layout.values, np.int64)
    padded[: len(values)] = values
    vector = task.layout.place(padded, randomness)
    place = round_number - batch.start
    candidate = candidates.choose(beacon, device, place, task.parameters.candidates)
    noise = noise_vector(batch.candidates.seed(place, candidate), task.layout)
    return MaskedUpdate(vector, task.key.commit(vector), vector + noise, candidate)


def _opened(
    drawn: candidates.NoiseCandidates, place: int, candidate: int
) -> tuple[tuple[messages.NoiseLeaf, ...], tuple[bytes, ...]]:
    """All K leaves of a round, and the seeds of the candidates that were not drawn."""
    per_round = range(drawn.shape.per_round)
    leaves = tuple(
        messages.NoiseLeaf(
            drawn.leaf(place, k).commitment.to_bytes(),
            drawn.leaf(place, k).seed_hash,
            drawn.path(place, k),
        )
        for k in per_round
    )
    return leaves, tuple(drawn.seed(place, k).reveal() for k in per_round if k != candidate)


def past_noise(batch: NoiseBatch, round_number: int, candidate: int) -> messages.PastNoise:
    """What a device opens of a round that it missed: never the seed that was drawn."""
    leaves, seeds = _opened(batch.candidates, round_number - batch.start, candidate)
    return messages.PastNoise(round_number, leaves, seeds)


def packet(
    update: MaskedUpdate,
    batch: NoiseBatch,
    round_number: int,
    cluster: int,
    index: int,
    past: tuple[messages.PastNoise, ...] = (),
) -> messages.MaskedPacket:
    """The packet of a masked update, with the noise of rounds missed before."""
    leaves, seeds = _opened(batch.candidates, round_number - batch.start, update.candidate)
    return messages.MaskedPacket(
        round=round_number,
        cluster=cluster,
        index=index,
        batch=batch.start,
        commitment=update.commitment.to_bytes(),
        masked=update.masked.to_bytes(),
        noise_root=batch.root,
        leaves=leaves,
        seeds=seeds,
        past=past,
    )


@dataclass(frozen=True)
class OpenedCandidate:
    """A seed that a device has opened, with the leaf that it belongs to and its path."""

    batch: int
    seed: NoiseSeed
    leaf: candidates.CandidateLeaf
    path: tuple[bytes, ...]


@dataclass(frozen=True)
class Verified:
    """Commitments and masked slots of the packets that hold; why the others were refused."""

    commitments: Mapping[int, Commitment]
    masked: Mapping[int, NDArray[np.int64]]
    refused: tuple[tuple[int, VerifogError], ...]
    audited: frozenset[int] = frozenset()  # whose opened noise holds, whatever else does not
    false_noise: tuple[tuple[int, OpenedCandidate], ...] = ()  # evidence, one for each device


@dataclass
class _Parsed:
    commitment: Commitment
    masked: FieldVector
    slots: NDArray[np.int64]
    mask: Commitment
    opened: list[OpenedCandidate]


def verify_packets(
    task: Task,
    roster: ClusterRoster,
    noise_roots: Mapping[int, bytes],
    round_number: int,
    batch: int,
    beacon: bytes,
    packets: Mapping[int, messages.MaskedPacket],
    randomness: Randomness,
    debts: NoiseDebts | None = None,
    spread: candidates.Spread = map,
) -> Verified:
    """Check all packets of a cluster; bad ones are named, the others go on.

    Parsing, paths and ranges packet by packet; opened noise (computed through `spread`) and masks
    of all devices in two random linear combinations.
    """
    refused: dict[int, VerifogError] = {}
    parsed: dict[int, _Parsed] = {}
    for index, message in sorted(packets.items()):
        try:
            device = roster.members[index].account
            root = noise_roots.get(index)
            if root is None or root != message.noise_root:
                raise NoiseRootMismatch(f"device {index}: its noise root is not the recorded one")
            if message.batch != batch:
                raise WrongRound(f"device {index}: batch {message.batch}, in force is {batch}")
            entry = _parse(task, index, device, round_number, batch, beacon, message)
            for owed in debts.of(index) if debts else ():
                entry.opened += _parse_owed(task, index, device, owed, message)
            parsed[index] = entry
        except VerifogError as error:
            refused[index] = error
    false_noise = _check_noise(task, parsed, refused, randomness.child(b"noise"), spread)
    audited = frozenset(parsed)
    _check_masks(task, parsed, refused, randomness.child(b"masks"))
    _check_copies(parsed, refused)
    return Verified(
        {index: entry.commitment for index, entry in parsed.items()},
        {index: entry.slots for index, entry in parsed.items()},
        tuple(sorted(refused.items())),
        audited,
        tuple(sorted(false_noise.items())),
    )


def _parse_owed(
    task: Task, index: int, device: bytes, owed: OwedRound, message: messages.MaskedPacket
) -> list[OpenedCandidate]:
    """The opened noise of a round that the device missed."""
    past = next((entry for entry in message.past if entry.round == owed.round), None)
    if past is None:
        raise NoiseOwed(f"device {index}: does not open the noise of round {owed.round}")
    chosen, leaves, opened = _parse_noise(
        task, index, device, owed.round, owed.batch, owed.beacon, owed.root, past
    )
    del chosen, leaves
    return opened


def _parse(
    task: Task,
    index: int,
    device: bytes,
    round_number: int,
    batch: int,
    beacon: bytes,
    message: messages.MaskedPacket,
) -> _Parsed:
    chosen, leaves, opened = _parse_noise(
        task, index, device, round_number, batch, beacon, message.noise_root, message
    )
    masked = parse_field_vector(message.masked, task.layout.length)
    return _Parsed(
        commitment=parse_commitment(message.commitment, task.layout.chunks),
        masked=masked,
        slots=_masked_slots(task, index, masked),
        mask=leaves[chosen].commitment,
        opened=opened,
    )


def _parse_noise(
    task: Task,
    index: int,
    device: bytes,
    round_number: int,
    batch: int,
    beacon: bytes,
    root: bytes,
    shown: messages.MaskedPacket | messages.PastNoise,
) -> tuple[int, list[candidates.CandidateLeaf], list[OpenedCandidate]]:
    """The drawn candidate, all leaves, and the opened seeds with theirs; paths are checked."""
    shape = noise_shape(task)
    place = round_number - batch
    if len(shown.leaves) != shape.per_round or len(shown.seeds) != shape.per_round - 1:
        raise NoiseChoiceMismatch(f"device {index}: {len(shown.seeds)} seeds are opened")
    chosen = candidates.choose(beacon, device, place, shape.per_round)
    leaves = []
    for k, claimed in enumerate(shown.leaves):
        commitment = parse_commitment(claimed.commitment, task.layout.chunks, field="noise")
        leaf = candidates.CandidateLeaf(place, k, Digest(claimed.seed_hash), commitment)
        try:
            candidates.verify_candidate(root, shape, leaf, claimed.path)
        except CryptoError:
            raise NoisePathMismatch(
                f"device {index}: candidate {k} does not lie under its noise root"
            ) from None
        leaves.append(leaf)
    others = [k for k in range(shape.per_round) if k != chosen]
    opened = [
        OpenedCandidate(batch, NoiseSeed(seed), leaves[k], shown.leaves[k].path)
        for seed, k in zip(shown.seeds, others, strict=True)
    ]
    if leaves[chosen].seed_hash in {entry.seed.seed_hash for entry in opened}:
        raise NoiseChoiceMismatch(f"device {index}: opened the candidate that masks")
    return chosen, leaves, opened


def _masked_slots(task: Task, index: int, masked: FieldVector) -> NDArray[np.int64]:
    """The data slots of a masked vector, each within what an honest device can reach."""
    bound = task.value_bound + NOISE_REACH
    try:
        slots = task.layout.extract_int64(masked)
    except (CryptoError, RangeError):
        raise MaskedRangeError(f"device {index}: a masked slot passes {bound}") from None
    count_bound = task.parameters.max_samples + NOISE_REACH
    if abs(int(slots[0])) > count_bound or (np.abs(slots[1:]) > bound).any():
        raise MaskedRangeError(f"device {index}: a masked slot passes {bound}")
    return slots


def _check_noise(
    task: Task,
    parsed: dict[int, _Parsed],
    refused: dict[int, VerifogError],
    randomness: Randomness,
    spread: candidates.Spread,
) -> dict[int, OpenedCandidate]:
    """Refuse whose opened noise is false; return what proves it, where the seed is the leaf's."""
    owners = [index for index, entry in parsed.items() for _ in entry.opened]
    opened = [one for entry in parsed.values() for one in entry.opened]
    bad = candidates.locate_bad_candidates(
        task.key, task.layout, [(one.seed, one.leaf) for one in opened], randomness, spread
    )
    proofs: dict[int, OpenedCandidate] = {}
    for place in bad:
        if opened[place].seed.seed_hash == opened[place].leaf.seed_hash:
            proofs.setdefault(owners[place], opened[place])
    for index in {owners[place] for place in bad}:
        del parsed[index]
        refused[index] = NoiseSeedMismatch(
            f"device {index}: an opened seed does not give its committed noise"
        )
    return proofs


def _check_masks(
    task: Task,
    parsed: dict[int, _Parsed],
    refused: dict[int, VerifogError],
    randomness: Randomness,
) -> None:
    order = list(parsed)
    claims = [(parsed[i].masked, parsed[i].commitment + parsed[i].mask) for i in order]
    for place in check_vectors(task.key, claims, randomness):
        index = order[place]
        del parsed[index]
        refused[index] = MaskMismatch(f"device {index}: COM(masked) is not COM(u) + COM(noise)")


def _check_copies(parsed: dict[int, _Parsed], refused: dict[int, VerifogError]) -> None:
    """Two devices with one commitment. After the masks, which a mere copy does not pass."""
    first: dict[bytes, int] = {}
    for index in sorted(parsed):
        owner = first.setdefault(parsed[index].commitment.to_bytes(), index)
        if owner != index:
            del parsed[index]
            refused[index] = MaskMismatch(f"device {index}: the commitment of device {owner}")
