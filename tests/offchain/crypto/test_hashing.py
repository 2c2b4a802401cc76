import random

import pytest
from eth_abi import encode
from eth_utils import keccak

from offchain.crypto.errors import LengthError, RangeError
from offchain.crypto.field import R
from offchain.crypto.hashing import (
    address_word,
    challenge,
    keccak256,
    keccak256_each,
    parse_digest,
    tagged,
    tagged_each,
    word,
)


@pytest.mark.parametrize("size", [0, 1, 135, 136, 137, 5000])
def test_keccak256__any_length__equals_eth_utils(size):
    assert keccak256(bytes(size)) == keccak(bytes(size))


@pytest.mark.parametrize("size", [0, 1, 65, 134, 135, 136, 137, 272, 5000])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 8, 9, 17])
def test_keccak256_each__any_length_and_number__equals_eth_utils(count, size):
    source = random.Random(size)
    messages = [source.randbytes(size) for _ in range(count)]
    assert keccak256_each(messages) == [keccak(message) for message in messages]


def test_keccak256_each__another_length__raises():
    with pytest.raises(LengthError) as caught:
        keccak256_each([bytes(5)] * 8 + [bytes(6)])
    assert (caught.value.actual, caught.value.expected) == (6, 5)


def test_tagged_each__rows__as_one_by_one():
    rows = [(word(i), bytes(64)) for i in range(9)]
    assert tagged_each("x", rows) == [tagged("x", *row) for row in rows]


def test_tagged__words__equals_abi_encoding():
    a, b = bytes(range(32)), 12345
    encoded = encode(["bytes32", "bytes32", "uint256"], [keccak(text="some tag"), a, b])
    assert tagged("some tag", a, word(b)) == keccak(encoded)


def test_tagged__tag_or_part_changes__changes():
    a, b = bytes(32), word(1)
    found = {tagged("x", a, b), tagged("y", a, b), tagged("x", b, a), tagged("x", a)}
    assert len(found) == 4


def test_tagged__part_is_not_whole_words__raises():
    with pytest.raises(LengthError) as caught:
        tagged("x", bytes(33))
    assert (caught.value.actual, caught.value.expected) == (33, 64)


def test_challenge__any_words__is_the_hash_modulo_r():
    values = [challenge("x", word(i)) for i in range(50)]
    assert values == [int.from_bytes(tagged("x", word(i)), "big") % R for i in range(50)]
    assert all(value < R for value in values)


def test_word__limits__are_accepted_and_one_more_refused():
    assert word(2**256 - 1) == b"\xff" * 32
    for value in (-1, 2**256):
        with pytest.raises(RangeError) as caught:
            word(value)
        assert caught.value.value == value


def test_address_word__twenty_bytes__is_left_padded():
    assert address_word(b"\xaa" * 20) == bytes(12) + b"\xaa" * 20
    with pytest.raises(LengthError):
        address_word(bytes(32))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_parse_digest__wrong_length__raises(size):
    with pytest.raises(LengthError) as caught:
        parse_digest(bytes(size), "root")
    assert (caught.value.field, caught.value.actual) == ("root", size)
