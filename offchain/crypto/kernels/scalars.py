"""Arithmetic in the scalar field F_r over arrays of elements, shape (N, 4), as they travel."""

from typing import Any, Final

import numpy as np

from offchain.crypto.hashing import SCALAR_ORDER
from offchain.crypto.kernels.machine import (
    WORD_BITS,
    ZERO,
    add_carry,
    kernel,
    multiply_add,
)
from offchain.crypto.kernels.montgomery import (
    NOTHING,
    ORDER,
    SQUARE,
    Words,
    at_least,
    difference,
    load,
    minus,
    plus,
    product,
    reduced,
    signed,
    step,
    store,
    words,
)

# A number below 2^318 with upper words t = floor(v / 2^256): floor(t floor(2^318 / r) / 2^62) is at
# most floor(v / r), and less by no more than 5: 2^256 / r < 2.3 for what t leaves out, one for what
# the constant does, one for each floor.
_RECIPROCAL: Final = np.uint64(2**318 // SCALAR_ORDER)
_RECIPROCAL_BITS: Final = np.uint64(62)
_NESTED_BITS: Final = 318
_RESIDUE_BITS: Final = 258  # 6 r is below 2^258
MOST_FACTOR_BITS: Final = 48
_NO_SUM: Final = (ZERO,) * 9
_ONE: Final = words(2**256 % SCALAR_ORDER)  # as a factor of `product`
_STRETCH: Final = 16
_LOWEST: Final = np.uint64(1)
_SIGN: Final = np.uint64(WORD_BITS - 1)  # place of the sign's bit


@kernel
def first_not_canonical(elements: Words) -> int:
    """Return the place of the first element that is not below r; -1 if there is none."""
    for i in range(len(elements)):
        if at_least(load(elements, i), ORDER):
            return i
    return -1


@kernel
def keep_canonical(candidates: Words, kept: Words) -> int:
    """Copy those below r, as many as there is room for, and return their number."""
    count = 0
    for i in range(len(candidates)):
        if count == len(kept):
            break
        # The next one takes the place of one that is not below r: no branch to guess wrongly.
        _set_row(kept, count, _row(candidates, i))
        count += 0 if at_least(load(candidates, i), ORDER) else 1
    return count


@kernel
def from_int64(values: Words, out: Words) -> None:
    """Write signed 64-bit integers, given as words, modulo r.

    Parameters
    ----------
    values
        Shape (N,), in two's complement.
    """
    for i in range(len(values)):
        value = values[i]
        # r + value where the sign is set; the lowest word of r is above 2^63: nothing is borrowed.
        mask = ZERO - (value >> _SIGN)
        lowest = (ORDER[0] & mask) + value
        store(out, i, (lowest, ORDER[1] & mask, ORDER[2] & mask, ORDER[3] & mask))


@kernel
def to_int64(elements: Words, out: Words) -> int:
    """Write the representatives nearest to zero as signed 64-bit integers, in two's complement.

    Returns
    -------
    int
        The place of the first one whose magnitude is not below 2^63, at which writing ends; -1 if
        there is none.
    """
    for i in range(len(elements)):
        negative, magnitude = signed(load(elements, i))
        if magnitude[3] | magnitude[2] | magnitude[1] | (magnitude[0] >> _SIGN) != ZERO:
            return i
        out[i] = ZERO - magnitude[0] if negative else magnitude[0]
    return -1


@kernel
def sum_vectors(vectors: Words, length: int, out: Words) -> None:
    """Add vectors that stand one behind the other."""
    for i in range(length):
        total = load(vectors, i)
        for start in range(length, len(vectors), length):
            total = plus(total, load(vectors, start + i))
        store(out, i, total)


@kernel
def subtract(left: Words, right: Words, out: Words) -> None:
    """Write left_j - right_j."""
    for i in range(len(left)):
        store(out, i, difference(load(left, i), load(right, i)))


@kernel
def _residue(value: Any) -> Any:
    """A number below 6 r that is congruent to five words below 2^318."""
    low, high = multiply_add(ZERO, value[4], _RECIPROCAL, ZERO)
    q = high << (np.uint64(WORD_BITS) - _RECIPROCAL_BITS) | low >> _RECIPROCAL_BITS
    p0, high = multiply_add(ZERO, q, ORDER[0], ZERO)
    p1, high = multiply_add(ZERO, q, ORDER[1], high)
    p2, high = multiply_add(ZERO, q, ORDER[2], high)
    p3, p4 = multiply_add(ZERO, q, ORDER[3], high)
    low, borrow = minus((value[0], value[1], value[2], value[3]), (p0, p1, p2, p3))
    return (low[0], low[1], low[2], low[3], value[4] - p4 - borrow)


@kernel
def _canonical(value: Any) -> Any:
    """Five words below 2^318 mod r."""
    rest = _residue(value)
    low, top = (rest[0], rest[1], rest[2], rest[3]), rest[4]
    while True:
        less, borrow = minus(low, ORDER)
        if top < borrow:
            return low
        low, top = less, top - borrow


@kernel
def _plus_product(total: Any, a: Any, b: Any) -> Any:
    """Total + a b, nine words: no sum of products of elements below r fills them."""
    s0, s1, s2, s3, s4, s5, s6, s7, s8 = total
    s0, high = multiply_add(s0, a[0], b[0], ZERO)
    s1, high = multiply_add(s1, a[1], b[0], high)
    s2, high = multiply_add(s2, a[2], b[0], high)
    s3, top = multiply_add(s3, a[3], b[0], high)
    s1, high = multiply_add(s1, a[0], b[1], ZERO)
    s2, high = multiply_add(s2, a[1], b[1], high)
    s3, high = multiply_add(s3, a[2], b[1], high)
    s4, next_top = multiply_add(s4, a[3], b[1], high)
    s4, carry = add_carry(s4, top, ZERO)
    s2, high = multiply_add(s2, a[0], b[2], ZERO)
    s3, high = multiply_add(s3, a[1], b[2], high)
    s4, high = multiply_add(s4, a[2], b[2], high)
    s5, top = multiply_add(s5, a[3], b[2], high)
    s5, carry = add_carry(s5, next_top, carry)
    s3, high = multiply_add(s3, a[0], b[3], ZERO)
    s4, high = multiply_add(s4, a[1], b[3], high)
    s5, high = multiply_add(s5, a[2], b[3], high)
    s6, next_top = multiply_add(s6, a[3], b[3], high)
    s6, carry = add_carry(s6, top, carry)
    s7, carry = add_carry(s7, next_top, carry)
    return (s0, s1, s2, s3, s4, s5, s6, s7, s8 + carry)


@kernel
def _reduce_sum(total: Any) -> Any:
    """A sum of products divided by 2^256, mod r."""
    t = (total[0], total[1], total[2], total[3])
    for _ in range(4):
        t = step(t, NOTHING, ZERO)
    # Each product adds less than r^2 / 2^256 to the upper words: far from 2^318 for any array.
    upper = _canonical((total[4], total[5], total[6], total[7], total[8]))
    return plus(reduced(t), upper)


@kernel
def _row(elements: Words, i: int) -> Any:
    """Row i of an array of a kernel's own, as it is."""
    return (elements[i, 0], elements[i, 1], elements[i, 2], elements[i, 3])


@kernel
def _set_row(elements: Words, i: int, value: Any) -> None:
    """Write row i of an array of a kernel's own."""
    elements[i, 0], elements[i, 1], elements[i, 2], elements[i, 3] = value


@kernel
def _sum(sums: Words, i: int) -> Any:
    """Row i of an array of sums of products."""
    return (*_row(sums, i), sums[i, 4], sums[i, 5], sums[i, 6], sums[i, 7], sums[i, 8])


@kernel
def _set_sum(sums: Words, i: int, total: Any) -> None:
    """Write row i of an array of sums of products."""
    sums[i, 0], sums[i, 1], sums[i, 2], sums[i, 3] = total[:4]
    sums[i, 4], sums[i, 5], sums[i, 6], sums[i, 7], sums[i, 8] = total[4:]


_COLUMNS: Final = 64  # sums that are kept at once


@kernel
def linear_map(matrix: Words, vectors: Words, length: int, out: Words) -> None:
    """Write sum_v matrix[row, v] vector_v for every row, one behind the other.

    Parameters
    ----------
    matrix
        Elements, row by row.
    vectors, out
        Vectors of `length` elements, one behind the other.
    """
    count, rows = len(vectors) // length, len(out) // length
    factors = np.empty((len(matrix), 4), np.uint64)
    for i in range(len(matrix)):
        _set_row(factors, i, product(load(matrix, i), SQUARE))
    columns = np.empty((count * _COLUMNS, 4), np.uint64)
    sums = np.empty((_COLUMNS, 9), np.uint64)
    for start in range(0, length, _COLUMNS):
        width = min(_COLUMNS, length - start)
        for v in range(count):
            for i in range(width):
                _set_row(columns, v * _COLUMNS + i, load(vectors, v * length + start + i))
        for row in range(rows):
            sums[:width] = ZERO
            for v in range(count):
                factor = _row(factors, row * count + v)
                for i in range(width):
                    element = _row(columns, v * _COLUMNS + i)
                    _set_sum(sums, i, _plus_product(_sum(sums, i), element, factor))
            for i in range(width):
                store(out, row * length + start + i, _reduce_sum(_sum(sums, i)))


@kernel
def divided_differences(vectors: Words, length: int, factors: Words, out: Words) -> None:
    """Write vector_0, the first difference at 0, the second one, ..., each times its factor.

    Parameters
    ----------
    vectors, out
        Vectors of `length` elements, one behind the other, as many as there are factors. The first
        difference is vector_0 - vector_1.
    """
    count = len(factors)
    column, turned = np.empty((count, 4), np.uint64), np.empty((count, 4), np.uint64)
    for k in range(count):
        _set_row(turned, k, product(load(factors, k), SQUARE))
    for i in range(length):
        for k in range(count):
            _set_row(column, k, load(vectors, k * length + i))
        for k in range(1, count):
            for p in range(count - 1, k - 1, -1):
                _set_row(column, p, difference(_row(column, p - 1), _row(column, p)))
        for k in range(count):
            store(out, k * length + i, product(_row(column, k), _row(turned, k)))


@kernel
def dot(left: Words, right: Words, out: Words) -> None:
    """Write sum_j left_j right_j."""
    total = _NO_SUM
    for i in range(len(left)):
        total = _plus_product(total, load(left, i), load(right, i))
    store(out, 0, product(_reduce_sum(total), SQUARE))


@kernel
def _times_plus(value: Any, factor: Any, addend: Any) -> Any:
    """Value factor + addend, five words."""
    v0, high = multiply_add(addend[0], value[0], factor, ZERO)
    v1, high = multiply_add(addend[1], value[1], factor, high)
    v2, high = multiply_add(addend[2], value[2], factor, high)
    v3, high = multiply_add(addend[3], value[3], factor, high)
    return (v0, v1, v2, v3, value[4] * factor + high)


@kernel
def nested(vectors: Words, length: int, factors: Words, bits: int, out: Words) -> None:
    """Write v_0 + f_0 (v_1 + f_1 (v_2 + ...)) for every row f of factors, one behind the other.

    Parameters
    ----------
    vectors
        Vectors of `length` elements, one behind the other.
    factors
        Below 2^bits, shape (rows, vectors - 1).
    bits
        Up to `MOST_FACTOR_BITS`.
    """
    count = len(vectors) // length
    # After so many steps a number that was below 2^258 may have grown to 2^318: each multiplies
    # by less than 2^bits and adds less than 2^255, which makes it no longer than a bit more.
    period = (_NESTED_BITS - _RESIDUE_BITS) // (bits + 1)
    column = np.empty((count, 4), np.uint64)
    for i in range(length):
        for v in range(count):
            column[v, 0], column[v, 1], column[v, 2], column[v, 3] = load(vectors, v * length + i)
        for row in range(len(factors)):
            last = count - 1
            value = (column[last, 0], column[last, 1], column[last, 2], column[last, 3], ZERO)
            steps = 0
            for v in range(count - 2, -1, -1):
                if steps == period:
                    value, steps = _residue(value), 0
                steps += 1
                addend = (column[v, 0], column[v, 1], column[v, 2], column[v, 3])
                value = _times_plus(value, factors[row, v], addend)
            store(out, row * length + i, _canonical(value))


@kernel
def horner_blocks(elements: Words, size: int, points: Words, out: Words) -> None:
    """Write sum_q element_{b size + q} z^q for every block b of `size` elements.

    Parameters
    ----------
    points
        z for all blocks, or one for each.

    Notes
    -----
    Horner's rule over stretches of elements: within one, products with the powers of z are summed
    before they are reduced, which costs half of what a product in F_r does.
    """
    width = min(size, _STRETCH)
    powers = np.empty((width, 4), np.uint64)
    for block in range(len(out)):
        z = product(load(points, block if len(points) > 1 else 0), SQUARE)
        power = _ONE
        for q in range(width):
            _set_row(powers, q, power)
            power = product(power, z)
        first = block * size
        value = NOTHING
        for start in range((size - 1) // width * width, -1, -width):
            total = _NO_SUM
            for q in range(min(width, size - start)):
                total = _plus_product(total, load(elements, first + start + q), _row(powers, q))
            value = plus(product(value, power), _reduce_sum(total))
        store(out, block, value)


@kernel
def power(elements: Words, exponent: np.uint64, out: Words) -> None:
    """Raise every element to one power."""
    for i in range(len(elements)):
        value, base, rest = _ONE, product(load(elements, i), SQUARE), exponent
        while rest != ZERO:
            if rest & _LOWEST != ZERO:
                value = product(value, base)
            base = product(base, base)
            rest >>= _LOWEST
        store(out, i, product(value, (_LOWEST, ZERO, ZERO, ZERO)))


@kernel
def divide(elements: Words, point: Words, quotient: Words) -> None:
    """Divide a polynomial by X - point: remainder first, then the quotient, lowest power first.

    Parameters
    ----------
    elements
        Its coefficients, lowest power first.
    quotient
        Of the same shape: the remainder, which is the value at the point, stands in row 0.
    """
    z = product(load(point, 0), SQUARE)
    step = NOTHING
    for i in range(len(elements) - 1, -1, -1):
        step = plus(product(step, z), load(elements, i))
        store(quotient, i, step)
