"""Buckets: points by the digit that multiplies them, and the sum of all, each times its digit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from offchain.crypto.kernels.machine import WORD_BITS, ZERO, call_three, call_two, kernel
from offchain.crypto.kernels.montgomery import load, signed
from offchain.crypto.kernels.points import (
    JACOBIAN,
    P1_ADD,
    P1_ADD_AFFINE,
    P1_DOUBLE,
    POINT,
    Words,
    is_infinity,
)


@kernel
def digits(
    elements: Words,
    row: int,
    window: int,
    buckets: npt.NDArray[np.int32],
    references: npt.NDArray[np.uint32],
) -> int:
    """Write elements in signed digits of `window` bits, those that are not zero.

    Digit k of element j, sign apart, goes to `buckets`, and with it 2 (k row + j) + (1 if
    negative) to `references`. Each element is taken as its representative of least magnitude, so
    that small ones of either sign have few digits.

    Returns
    -------
    int
        The number of digits, at most 255 // window + 1 for each element.
    """
    count = 0
    half, mask = 1 << (window - 1), np.uint64((1 << window) - 1)
    for j in range(len(elements)):
        negative, m = signed(load(elements, j))
        place, carry = j, 0
        m0, m1, m2, m3 = m
        while (m0 | m1 | m2 | m3) != ZERO or carry:
            digit = np.int64(m0 & mask) + carry
            down, up = np.uint64(window), np.uint64(WORD_BITS - window)
            m0 = m0 >> down | m1 << up
            m1 = m1 >> down | m2 << up
            m2 = m2 >> down | m3 << up
            m3 = m3 >> down
            carry = 0
            sign = negative
            if digit > half:
                digit = 2 * half - digit
                carry = 1
                sign = not negative
            if digit:
                buckets[count] = digit
                references[count] = 2 * place + (1 if sign else 0)
                count += 1
            place += row
    return count


@kernel
def group_digits(
    buckets: npt.NDArray[np.int32], references: npt.NDArray[np.uint32], count: int, groups: int
) -> Any:
    """Sort references by bucket: those of bucket b are from starts[b - 1] up to starts[b].

    Parameters
    ----------
    buckets, references
        What is used of them: the first `count`; buckets from 1 to `groups`.
    """
    starts = np.zeros(groups + 1, np.int64)
    for i in range(count):
        starts[buckets[i]] += 1
    for b in range(1, groups + 1):
        starts[b] += starts[b - 1]
    ends = starts.copy()
    ordered = np.empty(count, np.uint32)
    for i in range(count - 1, -1, -1):
        bucket = buckets[i]
        ends[bucket] -= 1
        ordered[ends[bucket]] = references[i]
    return ordered, starts


@kernel
def lines_of_buckets(sums: Words, shift: int) -> Any:
    """Group buckets b = 1, 2, ... by b >> shift, then by the last `shift` bits, empty ones apart.

    sum_b b B_b is 2^shift times the sum over the first groups, each times its number, and the sum
    over the second ones, each times its number.
    """
    rows = max(((len(sums)) >> shift) + 1, 1 << shift)
    mask = (1 << shift) - 1
    starts = np.zeros(2 * rows + 1, np.int64)
    for b in range(1, len(sums) + 1):
        if not is_infinity(sums, b - 1):
            starts[(b >> shift) + 1] += 1
            starts[rows + (b & mask) + 1] += 1
    for line in range(2 * rows):
        starts[line + 1] += starts[line]
    references = np.empty(starts[2 * rows], np.uint32)
    ends = starts.copy()
    for b in range(1, len(sums) + 1):
        if not is_infinity(sums, b - 1):
            for line in (b >> shift, rows + (b & mask)):
                references[ends[line]] = np.uint32(2 * (b - 1))
                ends[line] += 1
    return references, starts


@kernel
def weighted_sum(calls: Words, sums: Words, shift: int, total: Words) -> None:
    """Write 2^shift sum_i i sums[i] + sum_j j sums[rows + j]; `sums` has as many of both.

    Parameters
    ----------
    sums
        Shape (2 rows, 12).
    total
        Room for three points in Jacobian coordinates, shape (3, 18); the first is the result.
    """
    rows = len(sums) // 2
    at = total.ctypes.data
    running, part = at + JACOBIAN, at + JACOBIAN * np.uint64(2)
    total[:] = ZERO
    for half in range(2):
        total[1:] = ZERO
        for i in range(rows - 1, 0, -1):
            place = sums.ctypes.data + np.uint64(half * rows + i) * POINT
            call_three(calls[P1_ADD_AFFINE], running, running, place)
            call_three(calls[P1_ADD], part, part, running)
        call_three(calls[P1_ADD], at, at, part)
        if half == 0:
            for _ in range(shift):
                call_two(calls[P1_DOUBLE], at, at)
