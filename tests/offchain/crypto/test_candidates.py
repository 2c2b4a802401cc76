from dataclasses import replace

import pytest

from offchain.crypto.candidates import (
    NoiseCandidates,
    NoiseShape,
    choose,
    locate_bad_candidates,
    verify_candidate,
    verify_opened,
)
from offchain.crypto.errors import LengthError, MerklePathError, NoiseError, RangeError
from offchain.crypto.field import FieldVector
from offchain.crypto.hashing import challenge, tagged, word
from offchain.crypto.layout import SlotLayout
from offchain.crypto.merkle import MerkleTree
from offchain.crypto.noise import NoiseSeed, noise_vector
from offchain.crypto.randomness import Randomness

LAYOUT = SlotLayout(64, 2, 2, 9)
SHAPE = NoiseShape(3, 4)
DEVICE = b"\x33" * 20


@pytest.fixture(scope="module")
def device(small_key):
    return NoiseCandidates.draw(small_key, LAYOUT, SHAPE, Randomness(bytes(32)))


def opened(device, round_in_epoch, chosen):
    return [
        (
            device.seed(round_in_epoch, k),
            device.leaf(round_in_epoch, k),
            device.path(round_in_epoch, k),
        )
        for k in range(SHAPE.per_round)
        if k != chosen
    ]


def cheating(key, honest, round_in_epoch, candidate):
    """A device that commits to its own noise instead of its seed's."""
    i = SHAPE.index(round_in_epoch, candidate)
    own = honest.leaves[i].commitment + key.commit(FieldVector.from_ints([1] + [0] * 127))
    leaves = list(honest.leaves)
    leaves[i] = replace(leaves[i], commitment=own)
    tree = MerkleTree([leaf.data for leaf in leaves])
    return NoiseCandidates(SHAPE, honest.seeds, tuple(leaves), tree)


def check(key, device, chosen, items, root=None):
    verify_opened(key, LAYOUT, SHAPE, root or device.root, chosen, items, Randomness(bytes(32)))


def test_draw__again__same_leaves(small_key, device):
    assert NoiseCandidates.draw(small_key, LAYOUT, SHAPE, Randomness(bytes(32))) == device
    assert NoiseCandidates.from_seeds(small_key, LAYOUT, SHAPE, device.seeds) == device
    leaf = device.leaf(2, 1)
    assert leaf.commitment == small_key.commit(noise_vector(device.seed(2, 1), LAYOUT))
    assert leaf.data == tagged(
        "verifog noise candidate v1",
        word(2),
        word(1),
        device.seed(2, 1).seed_hash,
        leaf.commitment.digest,
    )


@pytest.mark.parametrize("round_in_epoch", [0, 2])
@pytest.mark.parametrize("chosen", [0, 3])
def test_verify_opened__honest_device__passes(small_key, device, round_in_epoch, chosen):
    check(small_key, device, chosen, opened(device, round_in_epoch, chosen))
    verify_candidate(
        device.root,
        SHAPE,
        device.leaf(round_in_epoch, chosen),
        device.path(round_in_epoch, chosen),
    )


def test_verify_opened__one_false_candidate__is_caught_unless_chosen(small_key, device):
    liar = cheating(small_key, device, 1, 2)
    for chosen in range(4):
        items = opened(liar, 1, chosen)
        if chosen == 2:
            check(small_key, liar, chosen, items)
        else:
            with pytest.raises(NoiseError, match="do not give what was committed"):
                check(small_key, liar, chosen, items)


def test_locate_bad_candidates__many_devices__names_exactly_the_false(small_key, device):
    liar = cheating(small_key, device, 1, 2)
    batch = [(s, leaf) for s, leaf, _ in opened(device, 1, 0) + opened(liar, 1, 0)]
    batch.append((NoiseSeed(bytes(32)), device.leaf(0, 0)))
    found = locate_bad_candidates(small_key, LAYOUT, batch, Randomness(bytes(32)))
    assert found == [4, 6]
    assert locate_bad_candidates(small_key, LAYOUT, batch[:3], Randomness(bytes(32))) == []


def test_locate_bad_candidates__commitment_of_other_size__is_false(small_key, device):
    leaf = replace(device.leaf(0, 0), commitment=small_key.commit(FieldVector.zeros(64)))
    batch = [(device.seed(0, 0), leaf), (device.seed(0, 1), device.leaf(0, 1))]
    assert locate_bad_candidates(small_key, LAYOUT, batch, Randomness(bytes(32))) == [0]


def test_verify_opened__wrong_selection__raises(small_key, device):
    items = opened(device, 1, 0)
    for wrong in (items[1:], [*items, items[0]], [items[0], items[0], items[1]], []):
        with pytest.raises(NoiseError, match=r"not exactly \[1, 2, 3\]"):
            check(small_key, device, 0, wrong)
    with pytest.raises(NoiseError, match=r"not exactly \[0, 2, 3\]"):
        check(small_key, device, 1, items)
    mixed = [*items[:2], *opened(device, 2, 0)[2:]]
    with pytest.raises(NoiseError, match="of one round"):
        check(small_key, device, 0, mixed)


def test_verify_opened__leaf_not_in_the_tree__raises(small_key, device):
    liar = cheating(small_key, device, 1, 2)
    with pytest.raises(MerklePathError):
        check(small_key, device, 0, opened(liar, 1, 0), device.root)
    moved = replace(device.leaf(1, 0), candidate=1)
    with pytest.raises(MerklePathError):
        verify_candidate(device.root, SHAPE, moved, device.path(1, 0))


def test_choose__beacon_device_and_round__decide_together():
    def drawn(i):
        return choose(bytes([i]) * 32, DEVICE, 5, 4)

    assert {drawn(i) for i in range(40)} == {0, 1, 2, 3}
    words = b"\7" * 32, bytes(12) + DEVICE, word(5)
    assert drawn(7) == challenge("verifog noise choice v1", *words) % 4
    assert len({choose(bytes(32), bytes([i]) * 20, 5, 256) for i in range(20)}) > 10
    assert len({choose(bytes(32), DEVICE, i, 256) for i in range(20)}) > 10


def test_choose__bad_input__raises():
    with pytest.raises(LengthError):
        choose(bytes(31), DEVICE, 0, 4)
    with pytest.raises(LengthError):
        choose(bytes(32), bytes(32), 0, 4)
    with pytest.raises(RangeError):
        choose(bytes(32), DEVICE, 0, 1)


def test_shape__out_of_range__raises(small_key):
    for arguments in ((0, 4), (1, 1), (1, 257)):
        with pytest.raises(RangeError):
            NoiseShape(*arguments)
    for place in ((3, 0), (-1, 0), (0, 4), (0, -1)):
        with pytest.raises(RangeError):
            SHAPE.index(*place)
    with pytest.raises(RangeError):
        NoiseCandidates.from_seeds(small_key, LAYOUT, SHAPE, [NoiseSeed(bytes(32))])


def test_repr__seeds__are_hidden(device):
    assert device.seeds[0].reveal().hex() not in repr(device)
    assert "seeds" not in repr(device)
