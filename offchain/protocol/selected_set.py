"""Step 5 of a round: the signed selection, and what dealings over it are bound to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from offchain.crypto import sharing
from offchain.crypto.commitment import Commitment, parse_commitments
from offchain.crypto.hashing import tagged, word
from offchain.crypto.merkle import MerkleTree
from offchain.protocol import messages
from offchain.protocol.errors import SelectionMismatch
from offchain.protocol.role import ClusterRoster, Task


def coordinate(index: int) -> int:
    """The x-coordinate at which a device holds its share."""
    return index + 1


@dataclass(frozen=True)
class SelectedSet:
    """The selected devices with their commitments, in the order of index."""

    commitments: Mapping[int, Commitment]
    accounts: Mapping[int, bytes]

    @cached_property
    def indices(self) -> tuple[int, ...]:
        """The selected indices, rising."""
        return tuple(sorted(self.commitments))

    @cached_property
    def _roots(self) -> dict[tuple[int, ...], bytes]:
        return {}

    @cached_property
    def _leaves(self) -> dict[int, bytes]:
        return {
            index: messages.selected_leaf(
                index, self.accounts[index], self.commitments[index].digest
            )
            for index in self.indices
        }

    @cached_property
    def root(self) -> bytes:
        """The root that the fog signs."""
        return self.root_of(self.indices)

    def root_of(self, indices: Sequence[int]) -> bytes:
        """The root over some of the selected, in the order of index: R for the qualified set."""
        key = tuple(sorted(indices))
        root = self._roots.get(key)
        if root is None:
            root = self._roots[key] = MerkleTree([self._leaves[index] for index in key]).root
        return root

    def require_member(self, index: int, account: bytes, commitment: Commitment) -> None:
        """Check that a device stands here with its own commitment.

        Raises
        ------
        SelectionMismatch
            When it does not.
        """
        if self.accounts.get(index) != account or self.commitments[index] != commitment:
            raise SelectionMismatch(
                f"selection: device {index} stands in it with another commitment"
            )

    def message(self, round_number: int, cluster: int) -> messages.Selection:
        """The message that the fog signs."""
        return messages.Selection(
            round=round_number,
            cluster=cluster,
            root=self.root,
            members=tuple(
                messages.Selected(index, self.commitments[index].to_bytes())
                for index in self.indices
            ),
        )

    def sharing_parameters(self, task: Task) -> sharing.SharingParameters:
        """Recipients and threshold of this round's dealings."""
        return sharing.SharingParameters(
            task.layout, task.parameters.threshold, tuple(coordinate(i) for i in self.indices)
        )

    def context(self, task: Task, round_number: int, cluster: int) -> bytes:
        """What binds a dealing to chain, contract, round, cluster and recipients."""
        return tagged(
            "verifog context v1", task.separator, word(round_number), word(cluster), self.root
        )


def select(roster: ClusterRoster, commitments: Mapping[int, Commitment]) -> SelectedSet:
    """The selection of a fog."""
    return SelectedSet(
        dict(commitments), {index: roster.members[index].account for index in commitments}
    )


def parse_selection(task: Task, roster: ClusterRoster, message: messages.Selection) -> SelectedSet:
    """Check a fog's selection.

    Raises
    ------
    SelectionMismatch
        When indices do not rise or are unknown, two devices share a commitment, the root is not
        that of the members, or too few are selected to reconstruct.
    """
    indices = [member.index for member in message.members]
    if indices != sorted(set(indices)):
        raise SelectionMismatch("selection: indices must rise")
    unknown = [index for index in indices if index not in roster.members]
    if unknown:
        raise SelectionMismatch(f"selection: devices {unknown} are not active in this cluster")
    if len({member.commitment for member in message.members}) != len(indices):
        raise SelectionMismatch("selection: two devices have the same commitment")
    least = max(task.parameters.quorum, task.parameters.min_qualified)
    if len(indices) < least:
        raise SelectionMismatch(f"selection: {len(indices)} devices, at least {least} are needed")
    commitments = parse_commitments(
        [member.commitment for member in message.members], task.layout.chunks
    )
    selected = select(roster, dict(zip(indices, commitments, strict=True)))
    if selected.root != message.root:
        raise SelectionMismatch("selection: the root is not that of its members")
    return selected
