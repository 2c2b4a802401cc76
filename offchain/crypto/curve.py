"""Points of BLS12-381: validated decoding, Ethereum's encodings, sums of products, pairings.

Points are py-arkworks objects. Everything that comes from outside goes through a `parse_*` function
here, since the library itself accepts, for example, non-canonical encodings of infinity.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from offchain.crypto import pairing
from offchain.crypto.blst import addresses, library
from offchain.crypto.errors import (
    CryptoError,
    InfinityError,
    LengthError,
    NonCanonicalError,
    NotInSubgroupError,
    NotOnCurveError,
)
from offchain.crypto.field import R, scalar_bytes
from offchain.crypto.kernels import decoding, lane_decoding, lanes
from offchain.crypto.kernels.lane_coordinates import BASE_FIELD

G1: TypeAlias = G1Point
G2: TypeAlias = G2Point

G1_BYTES: Final = 48
G2_BYTES: Final = 96
G1_EIP2537_BYTES: Final = 128
G2_EIP2537_BYTES: Final = 256
_COORDINATE_BYTES: Final = 48
_PADDED_BYTES: Final = 64
_COMPRESSED_FLAG: Final = 0x80
_INFINITY_FLAG: Final = 0x40
_FLAGS: Final = 0xE0

G1_GENERATOR: Final = G1Point()
G2_GENERATOR: Final = G2Point()
G1_INFINITY: Final = G1Point.identity()
G2_INFINITY: Final = G2Point.identity()


def _check_compressed(data: bytes, size: int, infinity: bool, field: str) -> bool:
    """Check length, flags and range of a compressed point; return whether it is infinity."""
    if len(data) != size:
        raise LengthError(field, len(data), size)
    if not data[0] & _COMPRESSED_FLAG:
        raise NonCanonicalError(field, "compression flag not set")
    if data[0] & _INFINITY_FLAG:
        if data[0] != _COMPRESSED_FLAG | _INFINITY_FLAG or any(data[1:]):
            raise NonCanonicalError(field, "infinity with other bits set")
        if not infinity:
            raise InfinityError(field)
        return True
    plain = bytes([data[0] & ~_FLAGS & 0xFF]) + data[1:]
    for start in range(0, size, _COORDINATE_BYTES):
        if int.from_bytes(plain[start : start + _COORDINATE_BYTES], "big") >= BASE_FIELD:
            raise NonCanonicalError(field, "coordinate is not below the field modulus")
    return False


def parse_g1(data: bytes, *, infinity: bool = False, field: str = "G1 point") -> G1:
    """Parse a compressed point of G1 (48 bytes, the encoding of Ethereum's consensus layer).

    Raises
    ------
    LengthError, NonCanonicalError, InfinityError, NotOnCurveError, NotInSubgroupError
        One for each way to be wrong. Infinity is an error unless `infinity` is set.
    """
    if _check_compressed(data, G1_BYTES, infinity, field):
        return G1_INFINITY
    try:
        point = G1Point.from_compressed_bytes_unchecked(bytes(data))
    except ValueError:
        raise NotOnCurveError(field) from None
    if not point.is_in_subgroup():
        raise NotInSubgroupError(field)
    return point


def parse_g1_each(
    encodings: Sequence[bytes], *, infinity: bool = False, field: str = "G1 point"
) -> list[G1 | CryptoError]:
    """Parse many compressed points of G1, eight at a time or by blst, outside the interpreter lock.

    Where there is neither, py-arkworks does it.

    Returns
    -------
    list
        For each, the point, or the error that `parse_g1` raises.
    """
    found: list[G1 | CryptoError] = []
    rest: list[int] = []
    for place, data in enumerate(encodings):
        try:
            found.append(G1_INFINITY)
            if not _check_compressed(data, G1_BYTES, infinity, field):
                rest.append(place)
        except CryptoError as error:
            found[place] = error
    joined = np.frombuffer(b"".join([encodings[place] for place in rest]), np.uint8)
    compressed = joined.reshape(-1, G1_BYTES)
    plain = np.empty((len(rest), decoding.PLAIN_BYTES), np.uint8)
    states = np.empty(len(rest), np.uint8)
    blst = library()
    if lanes.available():
        lane_decoding.decode_in_lanes(lane_decoding.CONSTANTS, compressed, plain, states)
    elif blst is not None:
        decoding.decode(addresses(blst, decoding.FUNCTIONS), compressed, plain, states)
    else:
        for place in rest:
            try:
                found[place] = parse_g1(encodings[place], infinity=infinity, field=field)
            except CryptoError as error:
                found[place] = error
        return found
    for place, coordinates, state in zip(rest, plain, states.tolist(), strict=True):
        if state == decoding.GOOD:
            found[place] = G1Point.from_xy_bytes_unchecked_be(coordinates.tobytes())
        elif state == decoding.NOT_ON_CURVE:
            found[place] = NotOnCurveError(field)
        else:
            found[place] = NotInSubgroupError(field)
    return found


def parse_g2(data: bytes, *, infinity: bool = False, field: str = "G2 point") -> G2:
    """Parse a compressed point of G2 (96 bytes); errors as in `parse_g1`."""
    if _check_compressed(data, G2_BYTES, infinity, field):
        return G2_INFINITY
    try:
        point = G2Point.from_compressed_bytes_unchecked(bytes(data))
    except ValueError:
        raise NotOnCurveError(field) from None
    if not point.is_in_subgroup():
        raise NotInSubgroupError(field)
    return point


def g1_to_bytes(point: G1) -> bytes:
    """Return the compressed encoding, 48 bytes."""
    return point.to_compressed_bytes()


def g2_to_bytes(point: G2) -> bytes:
    """Return the compressed encoding, 96 bytes."""
    return point.to_compressed_bytes()


def _pad_coordinates(raw: bytes) -> bytes:
    gap = bytes(_PADDED_BYTES - _COORDINATE_BYTES)
    return b"".join(
        gap + raw[i : i + _COORDINATE_BYTES] for i in range(0, len(raw), _COORDINATE_BYTES)
    )


def _strip_coordinates(data: bytes, size: int, infinity: bool, field: str) -> bytes | None:
    """Check an EIP-2537 encoding and return bare coordinates, or None for infinity."""
    if len(data) != size:
        raise LengthError(field, len(data), size)
    if not any(data):
        if not infinity:
            raise InfinityError(field)
        return None
    for start in range(0, size, _PADDED_BYTES):
        if int.from_bytes(data[start : start + _PADDED_BYTES], "big") >= BASE_FIELD:
            raise NonCanonicalError(field, "coordinate is not below the field modulus")
    gap = _PADDED_BYTES - _COORDINATE_BYTES
    return b"".join(data[i + gap : i + _PADDED_BYTES] for i in range(0, size, _PADDED_BYTES))


def g1_to_eip2537(point: G1) -> bytes:
    """Return x || y, each padded to 64 bytes (EIP-2537); infinity is 128 zero bytes."""
    return _pad_coordinates(point.to_xy_bytes_be())


def g2_to_eip2537(point: G2) -> bytes:
    """Return x.c0 || x.c1 || y.c0 || y.c1, each padded to 64 bytes (EIP-2537)."""
    return _pad_coordinates(point.to_xy_bytes_be())


def parse_g1_eip2537(data: bytes, *, infinity: bool = False, field: str = "G1 point") -> G1:
    """Parse the 128-byte encoding of EIP-2537; errors as in `parse_g1`."""
    raw = _strip_coordinates(data, G1_EIP2537_BYTES, infinity, field)
    if raw is None:
        return G1_INFINITY
    try:
        point = G1Point.from_xy_bytes_unchecked_be(raw)
    except ValueError:
        raise NotOnCurveError(field) from None
    if not point.is_in_subgroup():
        raise NotInSubgroupError(field)
    return point


def parse_g2_eip2537(data: bytes, *, infinity: bool = False, field: str = "G2 point") -> G2:
    """Parse the 256-byte encoding of EIP-2537; errors as in `parse_g1`."""
    raw = _strip_coordinates(data, G2_EIP2537_BYTES, infinity, field)
    if raw is None:
        return G2_INFINITY
    try:
        point = G2Point.from_xy_bytes_unchecked_be(raw)
    except ValueError:
        raise NotOnCurveError(field) from None
    if not point.is_in_subgroup():
        raise NotInSubgroupError(field)
    return point


def to_scalar(value: int) -> Scalar:
    """Convert an integer modulo r for the library (fifty times faster than its constructor)."""
    return Scalar.from_be_bytes(scalar_bytes(value))


def msm_g1(points: Sequence[G1], scalars: Sequence[int]) -> G1:
    """Return sum_i scalars[i] * points[i]. Negative scalars of small magnitude stay cheap.

    Raises
    ------
    LengthError
        If the lengths differ.
    """
    if len(points) != len(scalars):
        raise LengthError("scalars", len(scalars), len(points))
    signed = [-p if s < 0 else p for p, s in zip(points, scalars, strict=True)]
    return G1Point.multiexp_unchecked(signed, [to_scalar(abs(s) % R) for s in scalars])


def msm_g2(points: Sequence[G2], scalars: Sequence[int]) -> G2:
    """Return sum_i scalars[i] * points[i] in G2.

    Raises
    ------
    LengthError
        If the lengths differ.
    """
    if len(points) != len(scalars):
        raise LengthError("scalars", len(scalars), len(points))
    return G2Point.multiexp_unchecked(list(points), [to_scalar(s) for s in scalars])


def multiply_g1(point: G1, factor: int) -> G1:
    """Return factor * point."""
    return point * to_scalar(factor)


def sum_g1(points: Sequence[G1]) -> G1:
    """Return the sum of the points; infinity for none."""
    total = G1_INFINITY
    for point in points:
        total = total + point
    return total


def sum_g2(points: Sequence[G2]) -> G2:
    """Return the sum of the points; infinity for none."""
    total = G2_INFINITY
    for point in points:
        total = total + point
    return total


def pairing_product_is_one(pairs: Sequence[tuple[G1, G2]], *, fixed: bool = False) -> bool:
    """Return whether the product of e(p, q) over the pairs is one.

    With `fixed`, the points of G2 will come again, as the ceremony's do: that is a little faster.
    """
    return pairing.product_is_one(pairs, fixed=fixed)
