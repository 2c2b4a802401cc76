import ckzg
import numpy as np
import pytest

from offchain.crypto import curve, errors
from offchain.crypto.commitment import (
    Commitment,
    CommitmentKey,
    parse_commitment,
    parse_commitment_eip2537,
    parse_opening,
)
from offchain.crypto.errors import LengthError, RangeError, ScalarOverflowError
from offchain.crypto.field import FieldVector, R
from offchain.crypto.hashing import keccak256
from tests.offchain.crypto.oracles import (
    blob_of,
    ckzg_setup,
    compressed_cases,
    eip2537_cases,
    evaluate,
    py_ecc_commit,
)

GENERATOR = curve.G1_GENERATOR.to_compressed_bytes()


def short_vector(length, randomness, blinding=2):
    drawn = np.frombuffer(randomness.bytes(8 * length), ">i8").astype(np.int64) >> 45
    plain = FieldVector.from_int64(drawn)
    kept = plain.slice(0, length - blinding)
    return FieldVector.concatenate([kept, randomness.field_vector(blinding)])


def kinds(length, randomness):
    """Vectors of every mixture of short and long, positive and negative."""
    long = randomness.field_vector(length)
    return {
        "zero": FieldVector.zeros(length),
        "short": short_vector(length, randomness, 0),
        "short_blinded": short_vector(length, randomness),
        "quarter_long": short_vector(length, randomness, length // 4),
        "long": long,
        "one_long": FieldVector.concatenate([FieldVector.zeros(length - 1), long.slice(0, 1)]),
        "one_minus": FieldVector.from_ints([*[0] * (length - 1), -1]),
        "middling": short_vector(length, randomness, 0).scale(2**100),
        "edges": FieldVector.from_ints([R // 2, R // 2 + 1, 2**128, -(2**128)] * (length // 4)),
    }


def test_commit__every_kind_of_vector__equals_py_ecc(randomness):
    key = CommitmentKey.load(8)
    for name, vector in kinds(8, randomness).items():
        expected = py_ecc_commit(key.ceremony.g1[:8], vector.to_ints())
        assert key.commit(vector).to_bytes() == expected, name


def test_commit__capacity_4096__equals_ckzg_after_change_of_basis(full_key, randomness):
    for name, vector in kinds(4096, randomness).items():
        if name in {"short_blinded", "long", "middling"}:
            expected = ckzg.blob_to_kzg_commitment(blob_of(vector.to_ints()), ckzg_setup())
            assert full_key.commit(vector).to_bytes() == expected, name


def test_open_at__capacity_4096__equals_ckzg(full_key, randomness):
    vector, point = short_vector(4096, randomness), randomness.scalar()
    blob = blob_of(vector.to_ints())
    proof, value = ckzg.compute_kzg_proof(blob, point.to_bytes(32, "big"), ckzg_setup())
    opening = full_key.open_at(vector, point)
    assert opening.to_bytes() == value + proof
    commitment = full_key.commit(vector).to_bytes()
    assert ckzg.verify_kzg_proof(
        commitment, point.to_bytes(32, "big"), value, opening.to_bytes()[32:], ckzg_setup()
    )


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_open_at__chunks__gives_the_value_of_the_long_polynomial(small_key, randomness, chunks):
    vector = randomness.field_vector(64 * chunks)
    for point in (0, 1, randomness.scalar()):
        assert small_key.open_at(vector, point).value == evaluate(vector.to_ints(), point)


def test_commit__sum_and_multiple__are_homomorphic(small_key, randomness):
    u, v = short_vector(128, randomness), randomness.field_vector(128)
    a, b = small_key.commit(u), small_key.commit(v)
    assert a + b == small_key.commit(u + v) == Commitment.sum([a, b])
    assert a - b == small_key.commit(u - v)
    assert a.scale(-7) == small_key.commit(u.scale(-7))
    assert a + b != a


def test_encodings__two_chunks__round_trip_and_digest(small_key, randomness):
    commitment = small_key.commit(randomness.field_vector(128))
    assert len(commitment.to_bytes()) == 96
    assert len(commitment.to_eip2537()) == 256
    assert parse_commitment(commitment.to_bytes(), 2) == commitment
    assert parse_commitment_eip2537(commitment.to_eip2537(), 2) == commitment
    assert commitment.digest == keccak256(commitment.to_eip2537())


@pytest.mark.parametrize(
    ("data", "error"), [(d, e) for n, d, e in compressed_cases(48) if len(d) == 48]
)
def test_parse_commitment__second_point_bad__raises_its_error(data, error):
    with pytest.raises(getattr(errors, error)):
        parse_commitment(GENERATOR + data, 2)


@pytest.mark.parametrize(
    ("data", "error"), [(d, e) for n, d, e in eip2537_cases(128) if len(d) == 128]
)
def test_parse_commitment_eip2537__point_bad__raises_its_error(data, error):
    with pytest.raises(getattr(errors, error)):
        parse_commitment_eip2537(data, 1)


@pytest.mark.parametrize(
    ("parse", "size"), [(parse_commitment, 48), (parse_commitment_eip2537, 128)]
)
def test_parse_commitment__wrong_number_of_chunks__raises(parse, size):
    for length in (0, size, 2 * size - 1, 2 * size + 1, 3 * size):
        with pytest.raises(LengthError) as caught:
            parse(bytes(length), 2)
        assert (caught.value.actual, caught.value.expected) == (length, 2 * size)


def test_parse_commitment__infinity_allowed__is_the_zero_vector(small_key):
    zero = small_key.commit(FieldVector.zeros(64))
    assert parse_commitment(zero.to_bytes(), 1, infinity=True) == zero


def test_parse_opening__bytes__round_trip_or_raise(small_key, randomness):
    opening = small_key.open_at(randomness.field_vector(64), 5)
    data = opening.to_bytes()
    assert parse_opening(data) == opening
    constant = small_key.open_at(FieldVector.from_ints([9, *[0] * 63]), 5)
    assert parse_opening(constant.to_bytes()) == constant
    assert constant.proof == curve.G1_INFINITY
    for size in (0, 79, 81):
        with pytest.raises(LengthError):
            parse_opening((data + data)[:size])
    with pytest.raises(ScalarOverflowError):
        parse_opening(R.to_bytes(32, "big") + data[32:])
    for name, point, error in compressed_cases(48):
        if len(point) == 48 and name != "infinity":
            with pytest.raises(getattr(errors, error)):
                parse_opening(data[:32] + point)


def test_commit__length_is_not_whole_chunks__raises(small_key):
    for length in (0, 63, 65):
        with pytest.raises(LengthError):
            small_key.commit(FieldVector.zeros(length))
        with pytest.raises(LengthError):
            small_key.open_at(FieldVector.zeros(length), 1)


def test_arithmetic__chunks_differ__raises(small_key):
    one, two = small_key.commit(FieldVector.zeros(64)), small_key.commit(FieldVector.zeros(128))
    for operation in (lambda: one + two, lambda: one - two, lambda: Commitment.sum([])):
        with pytest.raises(LengthError):
            operation()


@pytest.mark.parametrize("capacity", [0, -1, 4097])
def test_load__capacity_out_of_range__raises(capacity):
    with pytest.raises(RangeError) as caught:
        CommitmentKey.load(capacity)
    assert caught.value.value == capacity
