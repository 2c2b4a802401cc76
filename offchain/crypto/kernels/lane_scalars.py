"""Sums over the scalar field for eight elements at a time, on processors with AVX-512 IFMA."""

from typing import Any, Final

import numpy as np
from numba.extending import intrinsic

from offchain.crypto.kernels.lane_elements import (
    ELEMENT_BYTES,
    FACTOR_LIMBS,
    GROWN_BITS,
    LIMBS,
    NUMBER_BYTES,
    RESIDUE_BITS,
    ElementLanes,
)
from offchain.crypto.kernels.lanes import LANES, WORD_BYTES, Vectors, aligned, of_addresses
from offchain.crypto.kernels.machine import ZERO, kernel
from offchain.crypto.kernels.montgomery import Words

_ELEMENT: Final = np.uint64(ELEMENT_BYTES)
_NUMBERS: Final = np.uint64(NUMBER_BYTES)
_WORD: Final = np.uint64(WORD_BYTES)
_STRETCH: Final = 16  # products that are summed before they are reduced


@intrinsic
def _read(typing: Any, numbers: Any, elements: Any) -> Any:
    """Write eight elements as numbers; both arguments are addresses."""
    del typing, numbers, elements

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = ElementLanes(builder)
        writer.store(arguments[0], writer.load_elements(arguments[1]))
        return context.get_dummy_value()

    return of_addresses(2), generate


@intrinsic
def _write(typing: Any, elements: Any, numbers: Any) -> Any:
    """Write eight numbers below 2^306 as elements; both arguments are addresses."""
    del typing, elements, numbers

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = ElementLanes(builder)
        value = writer.residue(writer.load(arguments[1], LIMBS))
        writer.store_elements(arguments[0], writer.canonical(value))
        return context.get_dummy_value()

    return of_addresses(2), generate


@intrinsic
def _reduce(typing: Any, numbers: Any) -> Any:
    """Bring eight numbers below 2^306, which stand at an address, below 3 r."""
    del typing, numbers

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = ElementLanes(builder)
        writer.store(arguments[0], writer.residue(writer.load(arguments[0], LIMBS)))
        return context.get_dummy_value()

    return of_addresses(1), generate


@intrinsic
def _climb(typing: Any, result: Any, start: Any, addend: Any, factor: Any, steps: Any) -> Any:
    """Take eight numbers to addend + factor number, one or more times.

    Arguments but for the last are addresses: of the result, of the numbers to start from, and of
    addends and factor of the first step; those of the following steps stand before them.
    """
    del typing, result, start, addend, factor, steps

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = ElementLanes(builder)
        result, start, addend, factor, steps = arguments

        def step(current: Vectors) -> Vectors:
            addend, factor, *value = current
            total = writer.multiple(writer.load(addend, LIMBS), value, writer.spread(factor))
            return [
                writer.at(addend, -NUMBER_BYTES),
                writer.at(factor, -WORD_BYTES),
                *writer.settle(total),
            ]

        found = writer.loop(steps, [addend, factor, *writer.load(start, LIMBS)], step)
        writer.store(result, found[2:])
        return context.get_dummy_value()

    return of_addresses(5), generate


@kernel
def nested(vectors: Words, length: int, factors: Words, bits: int, out: Words) -> None:
    """Write what `scalars.nested` does, from the same arguments, for vectors of `LANES` or more."""
    count = len(vectors) // length
    period = (GROWN_BITS - RESIDUE_BITS) // max(bits, 1)
    room = aligned(count + 1, LIMBS * LANES)
    for start in range(0, length, LANES):
        first = min(start, length - LANES)  # the last eight may be in part those before them
        # In here, since the room is given back after its name was last used.
        addends = room.ctypes.data
        place = addends + np.uint64(count) * _NUMBERS
        for v in range(count):
            element = vectors.ctypes.data + np.uint64(v * length + first) * _ELEMENT
            _read(addends + np.uint64(v) * _NUMBERS, element)
        for row in range(len(factors)):
            done = addends + np.uint64(count - 1) * _NUMBERS
            left = count - 1
            while left > 0:
                steps = min(period, left)
                if left < count - 1:
                    _reduce(place)
                factor = np.uint64(row * (count - 1) + left - 1) * _WORD
                addend = addends + np.uint64(left - 1) * _NUMBERS
                _climb(place, done, addend, factors.ctypes.data + factor, np.uint64(steps))
                done = place
                left -= steps
            _write(out.ctypes.data + np.uint64(row * length + first) * _ELEMENT, done)


@intrinsic
def _begin_powers(typing: Any, points: Any, powers: Any, elements: Any) -> Any:
    """Write eight points z and, one behind the other, 1 and z^8: in Montgomery's form.

    All arguments are addresses.
    """
    del typing, points, powers, elements

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = ElementLanes(builder)
        points, powers, elements = arguments
        power = writer.to_montgomery(writer.load_elements(elements)[:FACTOR_LIMBS])
        writer.store(points, power)
        for _ in range(LANES.bit_length() - 1):
            power = writer.product(power, power)
        writer.store(powers, writer.one())
        writer.store(writer.at(powers, NUMBER_BYTES), power)
        return context.get_dummy_value()

    return of_addresses(3), generate


@intrinsic
def _multiply(typing: Any, result: Any, a: Any, b: Any) -> Any:
    """Write eight products; all arguments are addresses."""
    del typing, result, a, b

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = ElementLanes(builder)
        a, b = (writer.load(address, FACTOR_LIMBS) for address in arguments[1:])
        writer.store(arguments[0], writer.product(a, b))
        return context.get_dummy_value()

    return of_addresses(3), generate


@intrinsic
def _fold(typing: Any, value: Any, beyond: Any, elements: Any, powers: Any, steps: Any) -> Any:
    """Take eight numbers v to v beyond + sum_q elements_q powers_q.

    Arguments but for the last are addresses: of the numbers, of a factor, of eight elements for
    each q, and of the powers; of a factor or a power it is that of its lane in the lowest limb.
    """
    del typing, value, beyond, elements, powers, steps

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = ElementLanes(builder)
        value, beyond, elements, powers, steps = arguments

        def step(current: Vectors) -> Vectors:
            elements, power, *total = current
            factors = writer.load_elements(elements)[:FACTOR_LIMBS]
            return [
                writer.at(elements, LANES * ELEMENT_BYTES),
                writer.at(power, NUMBER_BYTES),
                *writer.plus_product(total, factors, writer.broadcast(power, FACTOR_LIMBS)),
            ]

        found = writer.loop(steps, [elements, powers, *writer.no_sum()], step)
        # Last, since it may not be known yet when all others are.
        before = writer.load(value, FACTOR_LIMBS)
        total = writer.plus_product(found[2:], before, writer.broadcast(beyond, FACTOR_LIMBS))
        writer.store(value, writer.reduce_sum(total))
        return context.get_dummy_value()

    return of_addresses(5), generate


@intrinsic
def _join(typing: Any, elements: Any, totals: Any, points: Any) -> Any:
    """Write sum_q total_q z^q as elements, for eight totals of eight lanes and a point for each.

    All arguments are addresses.
    """
    del typing, elements, totals, points

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = ElementLanes(builder)
        elements, totals, points = arguments
        addresses = [writer.at(totals, NUMBER_BYTES * lane) for lane in range(LANES)]
        rows = [writer.load(address, FACTOR_LIMBS) for address in addresses]
        turned = [writer.turn(limb) for limb in zip(*rows, strict=True)]
        *others, value = (list(number) for number in zip(*turned, strict=True))
        point = writer.load(points, FACTOR_LIMBS)
        for number in reversed(others):
            product = writer.product(value, point)
            value = writer.settle(writer.plus(product, number))  # below 1.2 r + 2 r
        writer.store_elements(elements, writer.canonical(value))
        return context.get_dummy_value()

    return of_addresses(3), generate


_TOTALS, _POWERS = 1, 1 + LANES  # rows of the room of `horner_blocks`, behind the points


@kernel
def horner_blocks(elements: Words, size: int, points: Words, out: Words) -> None:
    """Write what `scalars.horner_blocks` does, for sizes that `LANES` divides.

    Notes
    -----
    Lane l takes the elements q of a block with q = l mod 8, by powers of z^8, and what comes out of
    eight blocks is then taken together by powers of z. Products of a stretch are summed before they
    are reduced: 16 of elements with powers below 1.2 r, and one of what was before, give less than
    2 r, since 2^260 is above 35 r.
    """
    count, width = len(out), min(size // LANES, _STRETCH)
    room = aligned(_POWERS + 1 + width, LIMBS * LANES)
    given, found = np.empty((LANES, 4), np.uint64), np.empty((LANES, 4), np.uint64)
    for first in range(0, count, LANES):
        # In here, since the room is given back after its name was last used.
        at = room.ctypes.data
        powers = at + np.uint64(_POWERS) * _NUMBERS
        if first == 0 or len(points) > 1:
            for lane in range(LANES):
                given[lane] = points[min(first + lane, len(points) - 1)]
            _begin_powers(at, powers, given.ctypes.data)
            for k in range(2, width + 1):
                half, rest = np.uint64(k // 2) * _NUMBERS, np.uint64(k - k // 2) * _NUMBERS
                _multiply(powers + np.uint64(k) * _NUMBERS, powers + half, powers + rest)
        last = min(count - first, LANES)  # what lanes behind it hold reaches no other
        for lane in range(last):
            room[_TOTALS + lane] = ZERO
            total = at + np.uint64(_TOTALS + lane) * _NUMBERS
            power = powers + np.uint64(lane) * _WORD
            beyond = power + np.uint64(width) * _NUMBERS
            block = elements.ctypes.data + np.uint64((first + lane) * size) * _ELEMENT
            for start in range((size // LANES - 1) // width * width, -1, -width):
                steps = np.uint64(min(width, size // LANES - start))
                place = block + np.uint64(LANES * start) * _ELEMENT
                _fold(total, beyond, place, power, steps)
        _join(found.ctypes.data, at + np.uint64(_TOTALS) * _NUMBERS, at)
        out[first : first + last] = found[:last]
