"""Cut-and-choose over committed noise (protocol, section 4).

For an epoch of E rounds a device commits to E x K candidate seeds in one Merkle tree. In each round
the beacon picks the candidate that becomes the mask; the seeds of the other K - 1 are opened and
checked. A device that cheats on one candidate is caught with probability 1 - 1/K.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from offchain.crypto.commitment import Commitment, CommitmentKey
from offchain.crypto.errors import NoiseError, RangeError
from offchain.crypto.field import FieldVector
from offchain.crypto.hashing import Digest, address_word, challenge, parse_digest, tagged, word
from offchain.crypto.layout import SlotLayout
from offchain.crypto.merkle import MerkleTree, verify_path
from offchain.crypto.noise import NoiseSeed, noise_vector
from offchain.crypto.opening import check_vectors
from offchain.crypto.randomness import Randomness

# The built-in `map`, or one that has others compute: `Crew.map` of offchain.nodes.
Spread: TypeAlias = Callable[
    [Callable[[NoiseSeed, SlotLayout], FieldVector], Sequence[NoiseSeed], Sequence[SlotLayout]],
    Iterable[FieldVector],
]

LEAF_TAG: Final = "verifog noise candidate v1"
CHOICE_TAG: Final = "verifog noise choice v1"


@dataclass(frozen=True, slots=True)
class NoiseShape:
    """How many candidates an epoch has.

    Attributes
    ----------
    rounds
        E, rounds in the epoch.
    per_round
        K, candidates in a round; at least 2, or nothing is ever checked.

    Raises
    ------
    RangeError
        If a number is out of range.
    """

    rounds: int
    per_round: int

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= 1 << 16:
            raise RangeError("rounds of an epoch", self.rounds, 1, 1 << 16)
        if not 2 <= self.per_round <= 256:
            raise RangeError("candidates of a round", self.per_round, 2, 256)

    @property
    def leaves(self) -> int:
        """Number of leaves of the tree, E * K."""
        return self.rounds * self.per_round

    def index(self, round_in_epoch: int, candidate: int) -> int:
        """Return the place of a candidate in the tree.

        Raises
        ------
        RangeError
            If there is no such candidate.
        """
        if not 0 <= round_in_epoch < self.rounds:
            raise RangeError("round in epoch", round_in_epoch, 0, self.rounds - 1)
        if not 0 <= candidate < self.per_round:
            raise RangeError("candidate", candidate, 0, self.per_round - 1)
        return round_in_epoch * self.per_round + candidate


@dataclass(frozen=True, slots=True)
class CandidateLeaf:
    """What a device has committed to for one candidate.

    Attributes
    ----------
    round_in_epoch, candidate
        Its place.
    seed_hash
        Hash of the seed.
    commitment
        COM(noise).
    """

    round_in_epoch: int
    candidate: int
    seed_hash: Digest
    commitment: Commitment

    @property
    def data(self) -> Digest:
        """The 32 bytes of leaf data."""
        return tagged(
            LEAF_TAG,
            word(self.round_in_epoch),
            word(self.candidate),
            self.seed_hash,
            self.commitment.digest,
        )


@dataclass(frozen=True, slots=True)
class NoiseCandidates:
    """A device's candidates for one epoch. Holds secret seeds, hidden in the repr.

    Attributes
    ----------
    shape
        E and K.
    seeds
        E * K seeds, round by round.
    leaves
        What is committed to, in the same order.
    """

    shape: NoiseShape
    seeds: tuple[NoiseSeed, ...] = field(repr=False)
    leaves: tuple[CandidateLeaf, ...] = field(repr=False)
    _tree: MerkleTree = field(repr=False, compare=False)

    @staticmethod
    def draw(
        key: CommitmentKey,
        layout: SlotLayout,
        shape: NoiseShape,
        randomness: Randomness,
    ) -> NoiseCandidates:
        """Draw fresh seeds and commit to their noise: a commitment of short elements each."""
        seeds = tuple(NoiseSeed.draw(randomness) for _ in range(shape.leaves))
        return NoiseCandidates.from_seeds(key, layout, shape, seeds)

    @staticmethod
    def from_seeds(
        key: CommitmentKey,
        layout: SlotLayout,
        shape: NoiseShape,
        seeds: Sequence[NoiseSeed],
    ) -> NoiseCandidates:
        """Rebuild the candidates from stored seeds.

        Raises
        ------
        RangeError
            If the number of seeds is not E * K.
        """
        if len(seeds) != shape.leaves:
            raise RangeError("noise seeds", len(seeds), shape.leaves, shape.leaves)
        leaves = tuple(
            CandidateLeaf(
                *divmod(i, shape.per_round), seed.seed_hash, key.commit(noise_vector(seed, layout))
            )
            for i, seed in enumerate(seeds)
        )
        return NoiseCandidates(
            shape, tuple(seeds), leaves, MerkleTree([leaf.data for leaf in leaves])
        )

    @property
    def root(self) -> Digest:
        """The root that the device records with S."""
        return self._tree.root

    def seed(self, round_in_epoch: int, candidate: int) -> NoiseSeed:
        """Return one seed."""
        return self.seeds[self.shape.index(round_in_epoch, candidate)]

    def leaf(self, round_in_epoch: int, candidate: int) -> CandidateLeaf:
        """Return one leaf."""
        return self.leaves[self.shape.index(round_in_epoch, candidate)]

    def path(self, round_in_epoch: int, candidate: int) -> tuple[Digest, ...]:
        """Return the Merkle path of one leaf."""
        return self._tree.path(self.shape.index(round_in_epoch, candidate))


def choose(beacon: bytes, device: bytes, round_in_epoch: int, per_round: int) -> int:
    """Return which of K candidates masks this device's update.

    Parameters
    ----------
    beacon
        The round's 32 random bytes from S.
    device
        Ethereum address, 20 bytes.

    Raises
    ------
    LengthError
        If the beacon or the address has the wrong length.
    RangeError
        If K is out of range.
    """
    if not 2 <= per_round <= 256:
        raise RangeError("candidates of a round", per_round, 2, 256)
    drawn = challenge(
        CHOICE_TAG, parse_digest(beacon, "beacon"), address_word(device), word(round_in_epoch)
    )
    return drawn % per_round


def verify_candidate(
    root: bytes, shape: NoiseShape, leaf: CandidateLeaf, path: Sequence[bytes]
) -> None:
    """Check that a leaf is in a device's tree.

    Raises
    ------
    RangeError
        If the shape has no such candidate.
    LengthError, MerklePathError
        If the path does not lead from the leaf to the root.
    """
    index = shape.index(leaf.round_in_epoch, leaf.candidate)
    verify_path(root, index, shape.leaves, leaf.data, path)


def locate_bad_candidates(
    key: CommitmentKey,
    layout: SlotLayout,
    opened: Sequence[tuple[NoiseSeed, CandidateLeaf]],
    randomness: Randomness,
    spread: Spread = map,
) -> list[int]:
    """Return the indices of opened seeds that do not give their leaf's hash and commitment.

    Takes the candidates of many devices together: all noise is recomputed, through `spread`, but
    one sum of products checks all commitments where they are right.
    """
    wrong_hash = {
        i
        for i, (seed, leaf) in enumerate(opened)
        if seed.seed_hash != leaf.seed_hash or leaf.commitment.chunks != layout.chunks
    }
    rest = [i for i in range(len(opened)) if i not in wrong_hash]
    vectors = spread(noise_vector, [opened[i][0] for i in rest], [layout] * len(rest))
    claims = [(vector, opened[i][1].commitment) for i, vector in zip(rest, vectors, strict=True)]
    wrong = {rest[i] for i in check_vectors(key, claims, randomness)}
    return sorted(wrong_hash | wrong)


def verify_opened(
    key: CommitmentKey,
    layout: SlotLayout,
    shape: NoiseShape,
    root: bytes,
    chosen: int,
    opened: Sequence[tuple[NoiseSeed, CandidateLeaf, Sequence[bytes]]],
    randomness: Randomness,
) -> None:
    """Check everything that one device opens in one round: K - 1 seeds with leaves and paths.

    Raises
    ------
    NoiseError
        If the opened candidates are not exactly those not chosen, of one round, or a seed does not
        give its leaf.
    RangeError, LengthError, MerklePathError
        If a leaf is not in the tree.
    """
    rounds = {leaf.round_in_epoch for _, leaf, _ in opened}
    expected = [k for k in range(shape.per_round) if k != chosen]
    if len(rounds) != 1 or sorted(leaf.candidate for _, leaf, _ in opened) != expected:
        raise NoiseError(f"opened candidates are not exactly {expected} of one round")
    for _, leaf, path in opened:
        verify_candidate(root, shape, leaf, path)
    wrong = locate_bad_candidates(
        key, layout, [(seed, leaf) for seed, leaf, _ in opened], randomness
    )
    if wrong:
        raise NoiseError(f"opened seeds {wrong} do not give what was committed")
