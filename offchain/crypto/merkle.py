"""Merkle trees over Keccak-256, as Contract S checks them.

A leaf is keccak(0x00 || data), a node keccak(0x01 || left || right): neither can stand for the
other. Leaves are ordered by index and filled up to the next power of two with 32 zero bytes, a
value that nobody can present as a leaf since that would need a preimage of zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.crypto.errors import LengthError, MerklePathError, RangeError
from offchain.crypto.hashing import WORD_BYTES, Digest, keccak256, keccak256_each, parse_digest

EMPTY_LEAF: Final = Digest(bytes(WORD_BYTES))


def leaf_hash(data: bytes) -> Digest:
    """Hash 32 bytes of leaf data.

    Raises
    ------
    LengthError
        If there are not exactly 32 bytes.
    """
    return keccak256(_leaf_message(data))


def _leaf_message(data: bytes) -> bytes:
    return b"\x00" + parse_digest(data, "leaf data")


def _node_message(left: bytes, right: bytes) -> bytes:
    return b"\x01" + left + right


def path_length(count: int) -> int:
    """Return the number of siblings in a path of a tree with `count` leaves.

    Raises
    ------
    RangeError
        If there is no leaf.
    """
    if count < 1:
        raise RangeError("leaves", count, 1, 2**32)
    return (count - 1).bit_length()


@dataclass(frozen=True, slots=True)
class MerkleTree:
    """A tree over 32-byte leaf data.

    Attributes
    ----------
    leaves
        Leaf data in order, 32 bytes each, at least one.
    """

    leaves: tuple[bytes, ...]
    _levels: tuple[tuple[Digest, ...], ...] = field(init=False, repr=False, compare=False)

    def __init__(self, leaves: Sequence[bytes]) -> None:
        depth = path_length(len(leaves))
        level = keccak256_each([_leaf_message(data) for data in leaves])
        level += [EMPTY_LEAF] * ((1 << depth) - len(level))
        levels = [tuple(level)]
        while len(level) > 1:
            level = keccak256_each(
                [_node_message(*level[i : i + 2]) for i in range(0, len(level), 2)]
            )
            levels.append(tuple(level))
        object.__setattr__(self, "leaves", tuple(leaves))
        object.__setattr__(self, "_levels", tuple(levels))

    @property
    def root(self) -> Digest:
        """The root of the tree."""
        return self._levels[-1][0]

    def path(self, index: int) -> tuple[Digest, ...]:
        """Return the siblings of leaf `index`, from the leaf upwards.

        Raises
        ------
        RangeError
            If there is no such leaf.
        """
        if not 0 <= index < len(self.leaves):
            raise RangeError("leaf index", index, 0, len(self.leaves) - 1)
        return tuple(level[(index >> depth) ^ 1] for depth, level in enumerate(self._levels[:-1]))


def parse_path(data: bytes, count: int) -> tuple[Digest, ...]:
    """Parse a path of a tree with `count` leaves from the concatenation of its siblings.

    Raises
    ------
    LengthError
        If the length is not the one that `count` gives.
    """
    size = WORD_BYTES * path_length(count)
    if len(data) != size:
        raise LengthError("Merkle path", len(data), size)
    return tuple(Digest(data[i : i + WORD_BYTES]) for i in range(0, size, WORD_BYTES))


def verify_path(root: bytes, index: int, count: int, leaf: bytes, path: Sequence[bytes]) -> None:
    """Check that leaf data stands at `index` of the tree with this root and number of leaves.

    Raises
    ------
    LengthError
        If the path or one of its parts has the wrong length.
    RangeError
        If the index is not below the count.
    MerklePathError
        If the path leads to another root.
    """
    check_path(index, count, path)
    if roots_of(index, [leaf], [path]) != [root]:
        raise MerklePathError(f"path of leaf {index} of {count} does not lead to the root")


def check_path(index: int, count: int, path: Sequence[bytes]) -> None:
    """Check the form of a path; errors as in `verify_path`."""
    depth = path_length(count)
    if not 0 <= index < count:
        raise RangeError("leaf index", index, 0, count - 1)
    if len(path) != depth:
        raise LengthError("Merkle path", len(path), depth)
    for sibling in path:
        parse_digest(sibling, "Merkle sibling")


def roots_of(index: int, leaves: Sequence[bytes], paths: Sequence[Sequence[bytes]]) -> list[Digest]:
    """Return where paths lead from leaf data at one `index` of several trees of one size.

    Parameters
    ----------
    paths
        Of good form: see `check_path`.

    Raises
    ------
    LengthError
        If leaf data is not 32 bytes long.
    """
    nodes = keccak256_each([_leaf_message(leaf) for leaf in leaves])
    for level, siblings in enumerate(zip(*paths, strict=True)):
        pairs = zip(siblings, nodes, strict=True)
        nodes = keccak256_each(
            [
                _node_message(sibling, node) if index >> level & 1 else _node_message(node, sibling)
                for sibling, node in pairs
            ]
        )
    return nodes
