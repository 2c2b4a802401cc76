"""What a fog keeps of its devices' noise: roots of each batch, and the rounds that they missed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from offchain.crypto.merkle import MerkleTree
from offchain.protocol import messages
from offchain.protocol.errors import Equivocation, WrongRound
from offchain.protocol.role import ClusterRoster, Task


@dataclass(frozen=True)
class OwedRound:
    """A round that a device missed though its noise was committed: its noise is still to be seen.

    Without this a device could commit to a false candidate and send only when that one is drawn,
    since silence is no offence (specification, section 4, decision 13).
    """

    round: int
    batch: int
    root: bytes
    beacon: bytes


class NoiseDebts:
    """Which rounds each device owes the noise of. Kept by the fog; never forgiven."""

    def __init__(self) -> None:
        self._owed: dict[int, dict[int, OwedRound]] = {}

    def of(self, index: int) -> tuple[OwedRound, ...]:
        """What a device owes, oldest first."""
        return tuple(owed for _, owed in sorted(self._owed.get(index, {}).items()))

    @property
    def batches(self) -> set[int]:
        """The batches that somebody owes noise of."""
        return {owed.batch for rounds in self._owed.values() for owed in rounds.values()}

    def incur(self, index: int, owed: OwedRound) -> None:
        """The device missed a round."""
        self._owed.setdefault(index, {})[owed.round] = owed

    def settle(self, index: int) -> None:
        """The device has shown everything."""
        self._owed.pop(index, None)


@dataclass
class _Collection:
    roots: dict[int, bytes] = field(default_factory=dict)
    accounts: dict[int, bytes] = field(default_factory=dict)
    tree: MerkleTree | None = None  # once closed: nobody comes or goes any more


class ClusterNoise:
    """The noise roots of a cluster: collected by its fog, recorded with S, handed back."""

    def __init__(self, task: Task, roster: ClusterRoster) -> None:
        self._task = task
        self._roster = roster
        self._batches: dict[int, _Collection] = {}
        self._recorded: set[int] = set()
        self.pending = 0

    def start(self, batch: int) -> None:
        """Begin to collect roots for a batch; forget those that cover no round any more."""
        self.pending = batch
        oldest = batch - 2 * self._task.parameters.noise_rounds
        self._batches = {b: kept for b, kept in self._batches.items() if b > oldest}
        self._recorded = {b for b in self._recorded if b > oldest}
        self._batches.setdefault(batch, _Collection())

    @property
    def collected(self) -> int:
        """How many roots of active devices have come for the pending batch."""
        return len(self._batches[self.pending].roots.keys() & self._roster.members.keys())

    @property
    def complete(self) -> bool:
        """Whether every active device has sent its root."""
        return self._batches[self.pending].roots.keys() >= self._roster.members.keys()

    def add(self, message: messages.NoiseRoot) -> None:
        """Take a device's root.

        Raises
        ------
        WrongRound, Equivocation
            When it is for another batch, or not the one that the device sent before.
        """
        collection = self._batches[self.pending]
        if message.round != self.pending or collection.tree is not None:
            raise WrongRound(f"noise root: for batch {message.round}, due is {self.pending}")
        before = collection.roots.setdefault(message.index, message.root)
        if before != message.root:
            raise Equivocation(f"noise root: device {message.index} sent two")

    def close(self) -> bytes:
        """Stop collecting; the root to record. Who leaves later changes nothing in it."""
        collection = self._batches[self.pending]
        members = self._roster.members
        collection.roots = {i: r for i, r in sorted(collection.roots.items()) if i in members}
        collection.accounts = {i: members[i].account for i in collection.roots}
        collection.tree = MerkleTree(
            [
                messages.noise_root_leaf(i, collection.accounts[i], root)
                for i, root in collection.roots.items()
            ]
        )
        return collection.tree.root

    def receipts(self, batch: int, root: bytes) -> list[tuple[bytes, messages.NoiseReceipt]]:
        """Once S holds the root: what each device gets."""
        collection = self._batches.get(batch)
        if collection is None or collection.tree is None or collection.tree.root != root:
            return []
        self._recorded.add(batch)
        return [
            (
                collection.accounts[index],
                messages.NoiseReceipt(
                    round=batch,
                    cluster=self._roster.cluster,
                    position=position,
                    count=len(collection.roots),
                    root=root,
                    path=collection.tree.path(position),
                ),
            )
            for position, index in enumerate(collection.roots)
        ]

    def batch_for(self, round_number: int) -> int | None:
        """The newest recorded batch that covers a round."""
        span = self._task.parameters.noise_rounds
        covering = [b for b in self._recorded if b <= round_number < b + span]
        return max(covering, default=None)

    def members(self, batch: int) -> list[int]:
        """Devices that take part in a batch."""
        return sorted(self._batches[batch].roots)

    def roots(self, batch: int) -> Mapping[int, bytes]:
        """Each device's root of a batch."""
        return self._batches[batch].roots
