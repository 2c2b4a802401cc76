"""Inner products over F_r as exact floating-point matrix products of 16-bit limbs.

A product of two limbs is below 2^32, so sums of up to 2^21 of them are exact in double precision,
and the linear algebra library under numpy adds them many times faster than a loop over integers.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.hashing import SCALAR_ORDER as R

_LIMBS: Final = 16
_GIANT_STEPS: Final = 64
_DOT_BYTES: Final = 2 * _LIMBS << 16  # 16 sums of 2^16 products stay below 2^53


def _float_limbs(data: bytes) -> npt.NDArray[np.float64]:
    """Return the 16-bit limbs of canonical elements, shape (N, 16), most significant first."""
    return np.frombuffer(data, ">u2").reshape(-1, _LIMBS).astype(np.float64)


def dot(left: bytes, right: bytes) -> int:
    """Return sum_j left_j right_j of two vectors of canonical elements of one length."""
    total = 0
    for start in range(0, len(left), _DOT_BYTES):
        rows = _float_limbs(left[start : start + _DOT_BYTES])
        columns = _float_limbs(right[start : start + _DOT_BYTES])
        total += _combine((rows.T @ columns)[:, None, :])[0]
    return total % R


def horner_blocks(data: bytes, point: int, size: int) -> list[int]:
    """Return sum_q v_{b size + q} point^q for every block b of `size` elements.

    Notes
    -----
    Baby steps, giant steps: q = a B + b. The sums over a are one matrix product of limbs weighted
    by (point^B)^a; the sum over b is Horner's rule over B integers.
    """
    baby = -(-size // _GIANT_STEPS)
    giant = -(-size // baby)
    limbs = _float_limbs(data).reshape(-1, size, _LIMBS)
    if giant * baby != size:
        limbs = np.pad(limbs, ((0, 0), (0, giant * baby - size), (0, 0)))
    weights = _float_limbs(_powers(pow(point, baby, R), giant)).T
    products = weights @ limbs.reshape(-1, giant, baby * _LIMBS)
    return [_horner(_combine(block.reshape(_LIMBS, baby, _LIMBS)), point) for block in products]


def _powers(base: int, count: int) -> bytes:
    value, out = 1, []
    for _ in range(count):
        out.append(value.to_bytes(2 * _LIMBS, "big"))
        value = value * base % R
    return b"".join(out)


def _horner(coefficients: Sequence[int], point: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * point + coefficient) % R
    return value


def _combine(products: npt.NDArray[np.float64]) -> list[int]:
    """Carry limb products back into integers modulo r.

    Parameters
    ----------
    products
        Shape (16, K, 16): limb i of the left factor times limb j of the right, for K results, all
        below 2^53.
    """
    count = products.shape[1]
    sums = np.zeros((count, 2 * _LIMBS))
    for i in range(_LIMBS):
        sums[:, i + 1 : i + 1 + _LIMBS] += products[i]
    whole = sums.astype(np.uint64)
    out = [0] * count
    for shift in (48, 32, 16, 0):
        part = ((whole >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(">u2").tobytes()
        for k in range(count):
            out[k] += int.from_bytes(part[64 * k : 64 * k + 64], "big") << shift
    return [value % R for value in out]
