import ctypes

import pytest
from py_arkworks_bls12381 import GT, G1Point, G2Point

from offchain.crypto import curve, pairing
from offchain.crypto.attestation import (
    SIGNATURE_DST,
    BlsSecretKey,
    BlsSignature,
    aggregate,
    aggregate_keys,
    hash_to_g2,
    verify,
    verify_batch,
)
from offchain.crypto.blst import library
from offchain.crypto.ceremony import default_ceremony
from offchain.crypto.curve import G1_GENERATOR, G1_INFINITY, G2_GENERATOR, G2_INFINITY
from offchain.crypto.errors import OpeningError, SignatureError
from offchain.crypto.field import R
from offchain.crypto.opening import verify_opening

needs_blst = pytest.mark.skipif(library() is None, reason="ckzg exports no blst here")


@pytest.fixture(params=[pytest.param("blst", marks=needs_blst), "py_arkworks"])
def way(request, monkeypatch):
    """Either library that the module goes through."""
    if request.param == "py_arkworks":
        monkeypatch.setattr(pairing, "library", lambda: None)
    return request.param


@pytest.fixture(params=[True, False], ids=["lines_kept", "lines_not_kept"])
def fixed(request):
    return request.param


def times1(factor):
    return curve.multiply_g1(G1_GENERATOR, factor)


def times2(factor):
    return G2_GENERATOR * curve.to_scalar(factor)


def balanced(count, randomness):
    """Pairs of random points, the last one such that their product is one."""
    a, b = ([randomness.scalar() for _ in range(count)] for _ in range(2))
    b[-1] = 1 + b[-1] % (R - 1)
    rest = sum(x * y for x, y in zip(a[:-1], b[:-1], strict=True))
    a[-1] = -rest * pow(b[-1], -1, R) % R
    return [(times1(x), times2(y)) for x, y in zip(a, b, strict=True)]


def by_py_arkworks(pairs):
    return GT.pairing_check([p for p, _ in pairs], [q for _, q in pairs])


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 17, 40])
def test_product_is_one__random_pairs__as_py_arkworks_says(way, fixed, count, randomness):
    pairs = balanced(count, randomness)
    assert by_py_arkworks(pairs)
    assert pairing.product_is_one(pairs, fixed=fixed)
    for i in {0, count // 2, count - 1}:
        p, q = pairs[i]
        for other in ((p + G1_GENERATOR, q), (p, q + G2_GENERATOR), (p + G1_GENERATOR, -q)):
            changed = [*pairs[:i], other, *pairs[i + 1 :]]
            expected = count == 1 and other[0] == G1_INFINITY
            assert by_py_arkworks(changed) == expected
            assert pairing.product_is_one(changed, fixed=fixed) == expected


def test_product_is_one__signs_turned__is_one_only_for_both(way, fixed, randomness):
    p, q = times1(randomness.scalar()), times2(randomness.scalar())
    assert pairing.product_is_one([(p, q), (-p, q)], fixed=fixed)
    assert pairing.product_is_one([(p, q), (p, -q)], fixed=fixed)
    assert not pairing.product_is_one([(p, q), (p, q)], fixed=fixed)
    assert not pairing.product_is_one([(p, q), (-p, -q)], fixed=fixed)


def test_product_is_one__infinity_on_either_side__counts_as_one(way, fixed, randomness):
    p, q = times1(randomness.scalar()), times2(randomness.scalar())
    nothing = [(G1_INFINITY, q), (p, G2_INFINITY), (G1_INFINITY, G2_INFINITY)]
    for i, pair in enumerate(nothing):
        assert pairing.product_is_one([pair], fixed=fixed)
        assert pairing.product_is_one(nothing[: i + 1], fixed=fixed)
        assert not pairing.product_is_one([pair, (p, q)], fixed=fixed)
        assert not pairing.product_is_one([(p, q), pair], fixed=fixed)
        assert pairing.product_is_one([(p, q), pair, (-p, q)], fixed=fixed)
    cancelled = (p - p, q - q)
    assert pairing.product_is_one([cancelled], fixed=fixed)


def test_product_is_one__no_pairs__holds(way, fixed):
    assert by_py_arkworks([])
    assert pairing.product_is_one([], fixed=fixed)


@needs_blst
def test_product_is_one__more_fixed_points_than_are_kept__stays_right(randomness):
    pairing._lines.cache_clear()
    groups = [balanced(3, randomness) for _ in range(pairing._LINES_KEPT)]
    for _ in range(2):
        for (p, q), *rest in groups:
            assert pairing.product_is_one([(p, q), *rest], fixed=True)
            assert not pairing.product_is_one([(p + p, q), *rest], fixed=True)
    assert pairing._lines.cache_info().currsize == pairing._LINES_KEPT


@needs_blst
def test_product_is_one__points_of_the_ceremony__keeps_their_lines(randomness):
    pairing._lines.cache_clear()
    one, tau = default_ceremony().g2
    power = default_ceremony().g1
    for j in range(3):
        assert pairing.product_is_one([(power[j], tau), (-power[j + 1], one)], fixed=True)
        assert not pairing.product_is_one([(power[j], one), (-power[j + 1], tau)], fixed=True)
    p, q = times1(5), times2(randomness.scalar())
    assert pairing.product_is_one([(p, q), (-p, q)], fixed=False)
    assert pairing._lines.cache_info().misses == 2


@needs_blst
def test_product_is_one__coordinates_off_the_curve__raises(fixed):
    class Off:
        def __init__(self, size):
            self.size = size

        def to_xy_bytes_be(self):
            return bytes(self.size - 1) + b"\x01"

    for pair in ((Off(96), times2(3)), (times1(3), Off(192))):
        with pytest.raises(ValueError, match="not one of its curve"):
            pairing.product_is_one([pair], fixed=fixed)


@needs_blst
def test_sizes__structures_of_blst__are_as_it_says():
    for name, size in (
        ("blst_p1_affine", pairing._G1_BYTES),
        ("blst_p2_affine", pairing._G2_BYTES),
        ("blst_p2", pairing._JACOBIAN_BYTES),
        ("blst_fp12", pairing._PRODUCT_BYTES),
    ):
        measure = getattr(library(), f"{name}_sizeof")
        measure.restype = ctypes.c_size_t
        assert measure() == size, name


@pytest.mark.parametrize("size", [0, 1, 32, 31, 33, 200])
@pytest.mark.parametrize("tag", [SIGNATURE_DST, b"OTHER_TAG"])
def test_hash_to_g2__any_message__equals_py_arkworks(way, size, tag, randomness):
    for _ in range(5):
        message = randomness.bytes(size)
        assert pairing.hash_to_g2(message, tag) == G2Point.hash_to_curve(message, tag)


def test_sign__any_secret__equals_multiplication_by_py_arkworks(way, randomness):
    edges = [1, 2, 3, (1 << 64) - 1, 1 << 128, 1 << 254, R // 2, R - 2, R - 1]
    for secret in (*edges, *(1 + randomness.below(R - 1) for _ in range(20))):
        message = randomness.bytes(32)
        hashed = G2Point.hash_to_curve(message, SIGNATURE_DST)
        expected = hashed * curve.to_scalar(secret)
        assert pairing.sign(message, SIGNATURE_DST, secret) == expected
        assert BlsSecretKey(secret).sign(message) == BlsSignature(expected)


def test_public_point__any_secret__equals_multiplication_by_py_arkworks(way, randomness):
    for secret in (1, 2, 2**128, R - 2, R - 1, *(1 + randomness.below(R - 1) for _ in range(3))):
        expected = G1Point() * curve.to_scalar(secret)
        assert pairing.public_point(secret) == expected
        assert BlsSecretKey(secret).public_key.point == expected


@needs_blst
@pytest.mark.parametrize("fails", [False, True])
def test_sign__done_or_failed__overwrites_the_secret(monkeypatch, fails):
    class Watched:
        """blst, but remembers the buffer that the secret came in."""

        def __getattr__(self, name):
            return getattr(library(), name)

        def blst_sign_pk_in_g1(self, signature, hashed, scalar):
            self.scalar, self.seen = scalar, scalar.raw
            if fails:
                raise MemoryError
            library().blst_sign_pk_in_g1(signature, hashed, scalar)

    watched = Watched()
    monkeypatch.setattr(pairing, "library", lambda: watched)
    if fails:
        with pytest.raises(MemoryError):
            pairing.sign(bytes(32), SIGNATURE_DST, R - 5)
    else:
        pairing.sign(bytes(32), SIGNATURE_DST, R - 5)
    assert watched.seen == (R - 5).to_bytes(32, "little")
    assert watched.scalar.raw == bytes(32)


def test_hash_and_signature__either_library__are_points_of_py_arkworks(way):
    hashed, signature = hash_to_g2(bytes(32)), BlsSecretKey(7).sign(bytes(32)).point
    for point in (hashed, signature):
        assert isinstance(point, G2Point)
        assert point.is_in_subgroup()
        assert curve.parse_g2(curve.g2_to_bytes(point)) == point
    assert isinstance(BlsSecretKey(7).public_key.point, G1Point)
    assert signature == hashed * curve.to_scalar(7)


def test_attestation__through_either_library__verifies_and_refuses(way, randomness):
    keys = [BlsSecretKey.draw(randomness) for _ in range(4)]
    digests = [randomness.bytes(32) for _ in range(3)]
    items = [
        (key.public_key, digest, key.sign(digest))
        for key, digest in zip(keys, [*digests, digests[0]], strict=True)
    ]
    verify_batch(items, randomness)
    with pytest.raises(SignatureError):
        verify_batch([*items[:3], (items[3][0], digests[1], items[3][2])], randomness)
    total = aggregate([key.sign(digests[0]) for key in keys])
    public_keys = aggregate_keys([key.public_key for key in keys])
    verify(public_keys, digests[0], total)
    with pytest.raises(SignatureError):
        verify(public_keys, digests[1], total)


def test_opening__through_either_library__verifies_and_refuses(way, small_key, randomness):
    vector = randomness.field_vector(64)
    commitment, opening = small_key.commit(vector), small_key.open_at(vector, 9)
    verify_opening(small_key, commitment, 9, opening)
    with pytest.raises(OpeningError):
        verify_opening(small_key, commitment, 10, opening)
