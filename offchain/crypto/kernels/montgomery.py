"""Single elements of the scalar field F_r.

Arrays hold elements as they travel: 32 big-endian bytes each, seen as four 64-bit words of this
machine, shape (N, 4). Inside a kernel an element is four words, least significant first. A product
is Montgomery's: a b / 2^256 mod r; one factor is multiplied by 2^256 beforehand.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.hashing import SCALAR_ORDER
from offchain.crypto.kernels.machine import (
    WORD_BITS,
    ZERO,
    add_carry,
    kernel,
    multiply_add,
    subtract_borrow,
    swap_bytes,
)

Words = npt.NDArray[np.uint64]


def words(value: int) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Return a number below 2^256 as kernels hold it, least significant word first."""
    a, b, c, d = (np.uint64(value >> (WORD_BITS * i) & (2**WORD_BITS - 1)) for i in range(4))
    return a, b, c, d


ORDER: Final = words(SCALAR_ORDER)
_R0, _R1, _R2, _R3 = ORDER
_HALF: Final = words(SCALAR_ORDER // 2 + 1)
_NEGATIVE_INVERSE: Final = np.uint64(-pow(SCALAR_ORDER, -1, 2**WORD_BITS) % 2**WORD_BITS)
SQUARE: Final = words(pow(2, 512, SCALAR_ORDER))  # of 2^256
NOTHING: Final = (ZERO, ZERO, ZERO, ZERO)


@kernel
def load(elements: Words, i: int) -> Any:
    """Return element i, least significant word first."""
    return (
        swap_bytes(elements[i, 3]),
        swap_bytes(elements[i, 2]),
        swap_bytes(elements[i, 1]),
        swap_bytes(elements[i, 0]),
    )


@kernel
def store(elements: Words, i: int, value: Any) -> None:
    """Write element i."""
    elements[i, 3] = swap_bytes(value[0])
    elements[i, 2] = swap_bytes(value[1])
    elements[i, 1] = swap_bytes(value[2])
    elements[i, 0] = swap_bytes(value[3])


@kernel
def minus(a: Any, b: Any) -> Any:
    """A - b as four words and the borrow."""
    d0, borrow = subtract_borrow(a[0], b[0], ZERO)
    d1, borrow = subtract_borrow(a[1], b[1], borrow)
    d2, borrow = subtract_borrow(a[2], b[2], borrow)
    d3, borrow = subtract_borrow(a[3], b[3], borrow)
    return (d0, d1, d2, d3), borrow


@kernel
def at_least(a: Any, b: Any) -> bool:
    """Return whether a >= b."""
    return minus(a, b)[1] == ZERO


@kernel
def reduced(a: Any) -> Any:
    """Return a, less r if it is not below it."""
    difference, borrow = minus(a, ORDER)
    return difference if borrow == ZERO else a


@kernel
def plus(a: Any, b: Any) -> Any:
    """A + b mod r, of numbers below r."""
    s0, carry = add_carry(a[0], b[0], ZERO)
    s1, carry = add_carry(a[1], b[1], carry)
    s2, carry = add_carry(a[2], b[2], carry)
    s3, carry = add_carry(a[3], b[3], carry)
    return reduced((s0, s1, s2, s3))


@kernel
def difference(a: Any, b: Any) -> Any:
    """A - b mod r, of numbers below r."""
    d, borrow = minus(a, b)
    mask = ZERO - borrow
    d0, carry = add_carry(d[0], _R0 & mask, ZERO)
    d1, carry = add_carry(d[1], _R1 & mask, carry)
    d2, carry = add_carry(d[2], _R2 & mask, carry)
    d3, _ = add_carry(d[3], _R3 & mask, carry)
    return (d0, d1, d2, d3)


@kernel
def step(t: Any, a: Any, b: Any) -> Any:
    """(t + a b) / 2^64 mod r for a word b: below 2 r where t is."""
    t0, high = multiply_add(t[0], a[0], b, ZERO)
    m = t0 * _NEGATIVE_INVERSE
    _, carry = multiply_add(t0, m, _R0, ZERO)
    t1, high = multiply_add(t[1], a[1], b, high)
    t0, carry = multiply_add(t1, m, _R1, carry)
    t2, high = multiply_add(t[2], a[2], b, high)
    t1, carry = multiply_add(t2, m, _R2, carry)
    t3, high = multiply_add(t[3], a[3], b, high)
    t2, carry = multiply_add(t3, m, _R3, carry)
    # No carry is lost: the topmost word of r has a bit to spare.
    return (t0, t1, t2, carry + high)


@kernel
def product(a: Any, b: Any) -> Any:
    """A b / 2^256 mod r, of numbers below r."""
    t = step(NOTHING, a, b[0])
    t = step(t, a, b[1])
    t = step(t, a, b[2])
    return reduced(step(t, a, b[3]))


@kernel
def signed(value: Any) -> Any:
    """Return whether the representative of least magnitude is negative, and its magnitude."""
    if at_least(value, _HALF):
        return True, minus(ORDER, value)[0]
    return False, value
