"""Products of pairings, hashing to G2, BLS keys and signatures: by blst, elsewhere py-arkworks.

Both give the same results, py-arkworks in about twice the time. Points are taken to be in their
groups: whoever has them from outside has parsed them. blst runs outside the interpreter lock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, TypeAlias

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from offchain.crypto.blst import library
from offchain.crypto.field import SCALAR_BYTES, scalar_bytes

_Buffer: TypeAlias = ctypes.Array[ctypes.c_char]

_COORDINATE_BYTES: Final = 48
_G1_BYTES: Final = 96  # blst_p1_affine
_G2_BYTES: Final = 192  # blst_p2_affine
_JACOBIAN_BYTES: Final = 288  # blst_p2
_POINT_BYTES: Final = 144  # blst_p1
_PRODUCT_BYTES: Final = 576  # blst_fp12
_LINES_BYTES: Final = 68 * 288  # 68 blst_fp6
_LINES_KEPT: Final = 8


def _turned(encoded: bytes) -> bytes:
    """Turn a point of G2 from py-arkworks' order (x.c0, x.c1, y.c0, y.c1) to blst's, or back."""
    x0, x1, y0, y1 = (
        encoded[i : i + _COORDINATE_BYTES] for i in range(0, _G2_BYTES, _COORDINATE_BYTES)
    )
    return x1 + x0 + y1 + y0


def _placed(decode: Callable[..., int], encodings: Sequence[bytes]) -> _Buffer:
    """Return points in blst's form, one after another; it has the size of their encoding."""
    size = len(encodings[0])
    points = ctypes.create_string_buffer(size * len(encodings))
    for i, encoded in enumerate(encodings):
        if decode(ctypes.byref(points, size * i), encoded):
            raise ValueError(f"point {i} of a product of pairings is not one of its curve")
    return points


@lru_cache(maxsize=_LINES_KEPT)
def _lines(blst: ctypes.CDLL, encoded: bytes) -> _Buffer:
    """Return what depends on the point of G2 alone: the lines through its multiples."""
    lines = ctypes.create_string_buffer(_LINES_BYTES)
    blst.blst_precompute_lines(lines, _placed(blst.blst_p2_deserialize, [encoded]))
    return lines


def _loop_with_lines(blst: ctypes.CDLL, first: Sequence[bytes], second: Sequence[bytes]) -> _Buffer:
    """Return the product before its final exponentiation, by lines that are kept."""
    points = _placed(blst.blst_p1_deserialize, first)
    product, factor = (ctypes.create_string_buffer(_PRODUCT_BYTES) for _ in range(2))
    for i, encoded in enumerate(second):
        point = ctypes.byref(points, _G1_BYTES * i)
        blst.blst_miller_loop_lines(factor if i else product, _lines(blst, encoded), point)
        if i:
            blst.blst_fp12_mul(product, product, factor)
    return product


def _loop(blst: ctypes.CDLL, first: Sequence[bytes], second: Sequence[bytes]) -> _Buffer:
    """Return the product before its final exponentiation; all pairs share the squarings."""
    points = _placed(blst.blst_p1_deserialize, first)
    others = _placed(blst.blst_p2_deserialize, second)
    product = ctypes.create_string_buffer(_PRODUCT_BYTES)
    # One address, then none: the other points follow the first in memory.
    blst.blst_miller_loop_n(
        product,
        (ctypes.c_void_p * 2)(ctypes.addressof(others), None),
        (ctypes.c_void_p * 2)(ctypes.addressof(points), None),
        len(first),
    )
    return product


def product_is_one(pairs: Sequence[tuple[G1Point, G2Point]], *, fixed: bool) -> bool:
    """Return whether the product of e(p, q) over the pairs is one.

    Parameters
    ----------
    pairs
        Points of the groups; a pair with infinity counts as one.
    fixed
        Whether the points of G2 will come again, as the ceremony's do: their lines are then kept.
    """
    blst = library()
    if blst is None:
        return bool(GT.pairing_check([p for p, _ in pairs], [q for _, q in pairs]))
    encoded = [(p.to_xy_bytes_be(), _turned(q.to_xy_bytes_be())) for p, q in pairs]
    # Infinity, which blst's loops do not take, is all zeros; no other point is.
    finite = [(p, q) for p, q in encoded if any(p) and any(q)]
    if not finite:
        return True
    loop = _loop_with_lines if fixed else _loop
    product = loop(blst, [p for p, _ in finite], [q for _, q in finite])
    blst.blst_final_exp(product, product)
    return bool(blst.blst_fp12_is_one(product))


def _hashed(blst: ctypes.CDLL, message: bytes, tag: bytes) -> _Buffer:
    point = ctypes.create_string_buffer(_JACOBIAN_BYTES)
    blst.blst_hash_to_g2(point, message, len(message), tag, len(tag), None, 0)
    return point


def _to_g2(blst: ctypes.CDLL, point: _Buffer) -> G2Point:
    """Return a point of blst's, not infinity, as py-arkworks has it."""
    encoded = ctypes.create_string_buffer(_G2_BYTES)
    blst.blst_p2_serialize(encoded, point)
    return G2Point.from_xy_bytes_unchecked_be(_turned(encoded.raw))


def hash_to_g2(message: bytes, tag: bytes) -> G2Point:
    """Hash a message to G2 as RFC 9380 says, under a domain separation tag."""
    blst = library()
    if blst is None:
        return G2Point.hash_to_curve(message, tag)
    return _to_g2(blst, _hashed(blst, message, tag))


def sign(message: bytes, tag: bytes, secret: int) -> G2Point:
    """Return a secret, from 1 to r - 1, times the message's hash.

    blst takes the same time for all secrets, and the copy made for it is overwritten afterwards.
    Neither holds for py-arkworks, nor for what Python does with integers.
    """
    blst = library()
    if blst is None:
        return G2Point.hash_to_curve(message, tag) * Scalar.from_be_bytes(scalar_bytes(secret))
    hashed = _hashed(blst, message, tag)
    signature = ctypes.create_string_buffer(_JACOBIAN_BYTES)
    with _scalar(secret) as scalar:
        blst.blst_sign_pk_in_g1(signature, hashed, scalar)
    return _to_g2(blst, signature)


def public_point(secret: int) -> G1Point:
    """Return a secret, from 1 to r - 1, times the generator; of its time holds what `sign` says."""
    blst = library()
    if blst is None:
        return G1Point() * Scalar.from_be_bytes(scalar_bytes(secret))
    point, encoded = (ctypes.create_string_buffer(size) for size in (_POINT_BYTES, _G1_BYTES))
    with _scalar(secret) as scalar:
        blst.blst_sk_to_pk_in_g1(point, scalar)
    blst.blst_p1_serialize(encoded, point)
    return G1Point.from_xy_bytes_unchecked_be(encoded.raw)


@contextmanager
def _scalar(secret: int) -> Iterator[_Buffer]:
    """A secret in blst's form, which is overwritten in the end."""
    # A blst_scalar holds its bytes in little-endian order on every machine.
    scalar = ctypes.create_string_buffer(secret.to_bytes(SCALAR_BYTES, "little"), SCALAR_BYTES)
    try:
        yield scalar
    finally:
        ctypes.memset(scalar, 0, SCALAR_BYTES)
