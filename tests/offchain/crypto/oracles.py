"""Independent slow ways to the same results, and points that are wrong in one way each."""

from functools import cache

import ckzg
from py_arkworks_bls12381 import G1Point, G2Point
from py_ecc.bls.g2_primitives import G1_to_pubkey, pubkey_to_G1
from py_ecc.optimized_bls12_381 import Z1, add, multiply

from offchain.crypto.ceremony import ceremony_file
from offchain.crypto.curve import BASE_FIELD, G1_GENERATOR, G2_GENERATOR
from offchain.crypto.field import R

BLOB_ELEMENTS = 4096
# 7 generates the multiplicative group of F_r (consensus specifications, PRIMITIVE_ROOT_OF_UNITY).
ROOT_OF_UNITY = pow(7, (R - 1) // BLOB_ELEMENTS, R)


def lagrange(points, at):
    """Interpolate integers mod r at one place, straight from the definition."""
    total = 0
    for i, (a, value) in enumerate(points):
        numerator = denominator = 1
        for j, (b, _) in enumerate(points):
            if i != j:
                numerator = numerator * (at - b) % R
                denominator = denominator * (a - b) % R
        total += value * numerator * pow(denominator, -1, R)
    return total % R


def evaluate(values, at):
    return sum(value * pow(at, j, R) for j, value in enumerate(values)) % R


def evaluations_at_roots(coefficients, root=ROOT_OF_UNITY):
    """Fast Fourier transform by its recursive definition."""
    if len(coefficients) == 1:
        return list(coefficients)
    square = root * root % R
    even = evaluations_at_roots(coefficients[::2], square)
    odd = evaluations_at_roots(coefficients[1::2], square)
    out = [0] * len(coefficients)
    power, half = 1, len(even)
    for i in range(half):
        turned = power * odd[i]
        out[i] = (even[i] + turned) % R
        out[i + half] = (even[i] - turned) % R
        power = power * root % R
    return out


def blob_of(coefficients):
    """Change of basis: monomial coefficients to a blob over bit-reversed roots of unity."""
    values = evaluations_at_roots([value % R for value in coefficients])
    bits = BLOB_ELEMENTS.bit_length() - 1
    order = [int(f"{i:0{bits}b}"[::-1], 2) for i in range(BLOB_ELEMENTS)]
    return b"".join(values[i].to_bytes(32, "big") for i in order)


@cache
def ckzg_setup():
    return ckzg.load_trusted_setup(str(ceremony_file()), 0)


def py_ecc_commit(powers, coefficients):
    """Return the compressed sum of coefficient times power, by py_ecc alone."""
    total = Z1
    for power, value in zip(powers, coefficients, strict=True):
        point = pubkey_to_G1(power.to_compressed_bytes())
        total = add(total, multiply(point, value % R))
    return bytes(G1_to_pubkey(total))


def _first(decode, size, accept):
    for x in range(1, 200):
        data = bytes([0x80]) + bytes(size - 2) + bytes([x])
        try:
            point = decode(data)
        except ValueError:
            if accept is None:
                return data
            continue
        if accept is not None and accept(point):
            return data
    raise LookupError("no such point")


def outside_subgroup(point):
    return not point.is_in_subgroup()


G1_OFF_CURVE = _first(G1Point.from_compressed_bytes_unchecked, 48, None)
G1_OFF_SUBGROUP = _first(G1Point.from_compressed_bytes_unchecked, 48, outside_subgroup)
G2_OFF_CURVE = _first(G2Point.from_compressed_bytes_unchecked, 96, None)
G2_OFF_SUBGROUP = _first(G2Point.from_compressed_bytes_unchecked, 96, outside_subgroup)


def with_flags(data, flags):
    return bytes([data[0] & 0x1F | flags]) + data[1:]


def compressed_cases(size):
    """Bad compressed encodings: (id, bytes, name of the error)."""
    good = (G1_GENERATOR if size == 48 else G2_GENERATOR).to_compressed_bytes()
    too_big = (BASE_FIELD + 4).to_bytes(48, "big")
    off_curve = G1_OFF_CURVE if size == 48 else G2_OFF_CURVE
    off_subgroup = G1_OFF_SUBGROUP if size == 48 else G2_OFF_SUBGROUP
    cases = [
        ("empty", b"", "LengthError"),
        ("truncated", good[:-1], "LengthError"),
        ("too_long", good + b"\0", "LengthError"),
        ("other_group", bytes(144 - size), "LengthError"),
        ("no_compression_flag", with_flags(good, 0), "NonCanonicalError"),
        ("x_too_big", with_flags(too_big + good[48:], 0x80), "NonCanonicalError"),
        (
            "x_is_modulus",
            with_flags(BASE_FIELD.to_bytes(48, "big") + good[48:], 0x80),
            "NonCanonicalError",
        ),
        ("infinity_with_sign", b"\xe0" + bytes(size - 1), "NonCanonicalError"),
        ("infinity_with_bits", b"\xc0" + bytes(size - 2) + b"\1", "NonCanonicalError"),
        ("infinity", b"\xc0" + bytes(size - 1), "InfinityError"),
        ("off_curve", off_curve, "NotOnCurveError"),
        ("off_subgroup", off_subgroup, "NotInSubgroupError"),
    ]
    if size == 96:
        cases.append(("second_coordinate_too_big", good[:48] + too_big, "NonCanonicalError"))
    return cases


def eip2537_cases(size):
    """Bad EIP-2537 encodings: (id, bytes, name of the error)."""
    first = size == 128
    point = G1_GENERATOR if first else G2_GENERATOR
    decode = (G1Point if first else G2Point).from_compressed_bytes_unchecked
    outside = decode(G1_OFF_SUBGROUP if first else G2_OFF_SUBGROUP)
    good = pad(point.to_xy_bytes_be())
    raised = (int.from_bytes(good[:64], "big") + BASE_FIELD).to_bytes(64, "big")
    return [
        ("empty", b"", "LengthError"),
        ("truncated", good[:-1], "LengthError"),
        ("too_long", good + b"\0", "LengthError"),
        ("unpadded", point.to_xy_bytes_be(), "LengthError"),
        ("top_bytes_set", b"\1" + good[1:], "NonCanonicalError"),
        ("x_not_reduced", raised + good[64:], "NonCanonicalError"),
        ("y_is_modulus", good[:-64] + BASE_FIELD.to_bytes(64, "big"), "NonCanonicalError"),
        ("infinity", bytes(size), "InfinityError"),
        ("off_curve", good[:-1] + bytes([good[-1] ^ 1]), "NotOnCurveError"),
        ("off_subgroup", pad(outside.to_xy_bytes_be()), "NotInSubgroupError"),
    ]


def pad(raw):
    return b"".join(bytes(16) + raw[i : i + 48] for i in range(0, len(raw), 48))
