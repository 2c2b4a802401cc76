import pytest
from eth_utils import keccak

from offchain.crypto.errors import LengthError, MerklePathError, RangeError
from offchain.crypto.merkle import EMPTY_LEAF, MerkleTree, leaf_hash, parse_path, verify_path


def leaves(count):
    return [keccak(bytes([i])) for i in range(count)]


def test_root__three_leaves__equals_hashing_by_hand():
    a, b, c = (keccak(b"\0" + leaf) for leaf in leaves(3))
    left, right = keccak(b"\1" + a + b), keccak(b"\1" + c + bytes(32))
    assert MerkleTree(leaves(3)).root == keccak(b"\1" + left + right)
    assert bytes(32) == EMPTY_LEAF


def test_root__one_leaf__is_its_hash():
    tree = MerkleTree(leaves(1))
    assert tree.root == leaf_hash(leaves(1)[0])
    verify_path(tree.root, 0, 1, leaves(1)[0], tree.path(0))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9, 33])
def test_verify_path__every_leaf__passes_and_any_change_fails(count):
    data = leaves(count)
    tree = MerkleTree(data)
    for i, leaf in enumerate(data):
        path = tree.path(i)
        verify_path(tree.root, i, count, leaf, path)
        assert parse_path(b"".join(path), count) == path
        with pytest.raises(MerklePathError):
            verify_path(tree.root, i, count, keccak(b"other"), path)
        with pytest.raises(MerklePathError):
            verify_path(bytes(32), i, count, leaf, path)
        if count > 1:
            with pytest.raises(MerklePathError):
                verify_path(tree.root, (i + 1) % count, count, leaf, path)
            with pytest.raises(MerklePathError):
                verify_path(tree.root, i, count, leaf, (keccak(path[0]), *path[1:]))


def test_verify_path__inner_node_as_leaf__fails_for_length():
    data = leaves(4)
    tree = MerkleTree(data)
    node = keccak(b"\1" + leaf_hash(data[0]) + leaf_hash(data[1]))
    with pytest.raises(LengthError) as caught:
        verify_path(tree.root, 0, 4, node, tree.path(0)[1:])
    assert (caught.value.actual, caught.value.expected) == (1, 2)
    with pytest.raises(MerklePathError):
        verify_path(tree.root, 0, 2, node, tree.path(0)[1:])


def test_verify_path__padding_leaf__is_out_of_range():
    tree = MerkleTree(leaves(3))
    with pytest.raises(RangeError) as caught:
        verify_path(tree.root, 3, 3, EMPTY_LEAF, tree.path(2))
    assert (caught.value.value, caught.value.high) == (3, 2)
    with pytest.raises(MerklePathError):  # nor does it hash to the empty leaf
        verify_path(tree.root, 3, 4, EMPTY_LEAF, (leaf_hash(leaves(3)[2]), tree.path(2)[1]))


def test_verify_path__wrong_sizes__raise():
    tree = MerkleTree(leaves(4))
    with pytest.raises(LengthError):
        verify_path(tree.root, 0, 4, leaves(4)[0], (*tree.path(0), bytes(32)))
    with pytest.raises(LengthError):
        verify_path(tree.root, 0, 4, leaves(4)[0], (bytes(31), bytes(32)))
    with pytest.raises(LengthError):
        verify_path(tree.root, 0, 4, bytes(31), tree.path(0))
    with pytest.raises(RangeError):
        verify_path(tree.root, -1, 4, leaves(4)[0], tree.path(0))


@pytest.mark.parametrize("size", [0, 32, 63, 65, 96])
def test_parse_path__wrong_length__raises(size):
    with pytest.raises(LengthError) as caught:
        parse_path(bytes(size), 4)
    assert (caught.value.actual, caught.value.expected) == (size, 64)


def test_tree__no_leaf_or_no_such_leaf__raises():
    with pytest.raises(RangeError):
        MerkleTree([])
    with pytest.raises(RangeError):
        MerkleTree(leaves(3)).path(3)
