import pickle

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from offchain.crypto.errors import LengthError, RangeError
from offchain.crypto.field import R, parse_field_vector
from offchain.crypto.randomness import Randomness

SEED = bytes(range(32))


def test_bytes__fixed_seed__are_the_chacha20_key_stream():
    stream = Cipher(algorithms.ChaCha20(SEED, bytes(16)), mode=None).encryptor()
    source = Randomness(SEED)
    assert source.bytes(5) + source.bytes(95) == stream.update(bytes(100))


def test_bytes__zero_key__are_the_published_vector():
    # RFC 8439, appendix A.1, test vector 1.
    assert Randomness(bytes(32)).bytes(16).hex() == "76b8e0ada0f13d90405d6ae55386bd28"


def test_field_vector__same_seed__same_canonical_elements():
    first, second = Randomness(SEED).field_vector(5000), Randomness(SEED).field_vector(5000)
    assert first == second
    assert parse_field_vector(first.to_bytes(), 5000) == first
    assert len(set(first.to_ints())) == 5000


def test_field_vector__many_elements__are_uniform():
    ints = Randomness(SEED).field_vector(16000).to_ints()
    counts = np.bincount([16 * v // R for v in ints], minlength=16)
    assert ((counts - 1000) ** 2 / 1000).sum() < 44  # chi-square, 15 degrees, p = 1e-4


def test_child__labels__separate_streams_and_leave_the_parent_alone():
    parent, twin = Randomness(SEED), Randomness(SEED)
    child, other = parent.child(b"share"), parent.child(b"mask")
    assert parent.bytes(32) == twin.bytes(32)
    assert child.bytes(32) == twin.child(b"share").bytes(32) != other.bytes(32)


def test_below__small_bound__reaches_all_values_only():
    source = Randomness(SEED)
    assert {source.below(5) for _ in range(200)} == {0, 1, 2, 3, 4}
    assert source.below(1) == 0
    with pytest.raises(RangeError):
        source.below(0)


def test_scalar_and_coefficient__drawn__are_in_range():
    source = Randomness(SEED)
    assert all(0 <= source.scalar() < R for _ in range(20))
    assert all(0 < source.coefficient() < 2**128 for _ in range(20))


def test_from_os__twice__differs():
    assert Randomness.from_os().bytes(32) != Randomness.from_os().bytes(32)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_seed__wrong_length__raises(size):
    with pytest.raises(LengthError) as caught:
        Randomness(bytes(size))
    assert (caught.value.actual, caught.value.expected) == (size, 32)


def test_counts__negative__raise():
    with pytest.raises(RangeError):
        Randomness(SEED).bytes(-1)
    with pytest.raises(RangeError):
        Randomness(SEED).field_vector(-1)


def test_repr_and_pickle__seed__is_hidden():
    assert repr(Randomness(SEED)) == "Randomness(<hidden>)"
    with pytest.raises(TypeError):
        pickle.dumps(Randomness(SEED))
