"""The base field of BLS12-381 eight numbers at a time, for processors with AVX-512 IFMA.

A number is eight limbs, in Montgomery's form for 2^416. Since 2^416 is far above the field's order
p, a product of numbers below 2^390 comes out below 1.01 p, and nothing needs to be reduced but
carries.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any, Final

from numba.extending import intrinsic

from offchain.crypto.kernels.lanes import (
    LIMB_BITS,
    VECTOR_BYTES,
    LaneWriter,
    Vectors,
    constant,
    constants,
    limbs,
    of_addresses,
)

BASE_FIELD: Final = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)
LIMBS: Final = 8
MONTGOMERY_BITS: Final = LIMBS * LIMB_BITS
Y: Final = VECTOR_BYTES  # bytes behind x

ORDER: Final = limbs(BASE_FIELD, LIMBS)
TWICE: Final = limbs(2 * BASE_FIELD, LIMBS)
_NEGATIVE_INVERSE: Final = -pow(BASE_FIELD, -1, 1 << LIMB_BITS) % (1 << LIMB_BITS)


class CoordinateLanes(LaneWriter):
    """Writes arithmetic in the base field."""

    def rows(self, addresses: Sequence[Any], offset: int) -> Vectors:
        """One number from each of eight addresses, its limbs in a row: not yet lane by lane."""
        return [self.row(address, offset) for address in addresses]

    def put_rows(self, addresses: Sequence[Any], offset: int, rows: Vectors) -> None:
        """The contrary of `rows`."""
        for address, row in zip(addresses, rows, strict=True):
            self.put_row(address, offset, row)

    def times(self, a: Vectors, factor: int) -> Vectors:
        """Each limb by a factor from 1 to 2^8, carries left where they are."""
        shifts = [k for k in range(factor.bit_length()) if factor >> k & 1]
        parts = [[self._builder.shl(x, constant(k)) for x in a] if k else a for k in shifts]
        return reduce(self.plus, parts)

    def lifted(self, a: Vectors, times: int = 1) -> Vectors:
        """A + 2 p times, so that a difference is not negative."""
        return self.plus(a, constants([times * limb for limb in TWICE]))

    def lowered(self, a: Vectors, times: int = 1) -> Vectors:
        """A settled number, less 2 p times where it is not below that."""
        return self.lessened(a, constants([times * limb for limb in TWICE]))

    def product(self, a: Vectors, b: Vectors) -> Vectors:
        """A b / 2^416 mod p of settled numbers below 2^390; below 1.01 p, settled."""
        return self.products((a, b))

    def products(self, *pairs: tuple[Vectors, Vectors]) -> Vectors:
        """The sum of a few products: as `product`, reduced once."""
        builder, order = self._builder, constants(ORDER)
        total = [constant(0)] * LIMBS
        for i in range(LIMBS):
            for a, b in pairs:
                total = [self.plus_low(t, x, b[i]) for t, x in zip(total, a, strict=True)]
            m = self.plus_low(constant(0), total[0], constant(_NEGATIVE_INVERSE))
            total = [self.plus_low(t, p, m) for t, p in zip(total, order, strict=True)]
            # The lowest limb is a multiple of 2^52 now: what is above it moves on with the rest.
            carry = builder.lshr(total[0], constant(LIMB_BITS))
            total = [builder.add(total[1], carry), *total[2:], constant(0)]
            for a, b in pairs:
                total = [self.plus_high(t, x, b[i]) for t, x in zip(total, a, strict=True)]
            total = [self.plus_high(t, p, m) for t, p in zip(total, order, strict=True)]
        return self.settle(total)


@intrinsic
def multiply_lanes(typing: Any, result: Any, a: Any, b: Any) -> Any:
    """Write eight products; all arguments are addresses."""
    del typing, result, a, b

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = CoordinateLanes(builder)
        result, a, b = arguments
        lanes.store(result, lanes.product(lanes.load(a, LIMBS), lanes.load(b, LIMBS)))
        return context.get_dummy_value()

    return of_addresses(3), generate


@intrinsic
def add_lanes(typing: Any, result: Any, a: Any, b: Any) -> Any:
    """Write eight sums, settled; all arguments are addresses."""
    del typing, result, a, b

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = CoordinateLanes(builder)
        result, a, b = arguments
        lanes.store(result, lanes.settle(lanes.plus(lanes.load(a, LIMBS), lanes.load(b, LIMBS))))
        return context.get_dummy_value()

    return of_addresses(3), generate


@intrinsic
def subtract_lanes(typing: Any, result: Any, a: Any, b: Any) -> Any:
    """Write a - b + 4 p for eight pairs, b below 4 p, settled; all arguments are addresses."""
    del typing, result, a, b

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = CoordinateLanes(builder)
        result, a, b = arguments
        difference = lanes.minus(lanes.load(a, LIMBS), lanes.load(b, LIMBS))
        lanes.store(result, lanes.settle(lanes.lifted(difference, 2)))
        return context.get_dummy_value()

    return of_addresses(3), generate


@intrinsic
def subtract_first(typing: Any, difference: Any, points: Any, left: Any, right: Any) -> Any:
    """Write x2 - x1 + 2 p for eight pairs of points with coordinates below 2 p.

    Arguments are addresses: of the result, of the points, and of each pair's two offsets in bytes.
    """
    del typing, difference, points, left, right

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = CoordinateLanes(builder)
        difference, points, left, right = arguments
        x1 = lanes.rows(lanes.addresses(points, left), 0)
        x2 = lanes.rows(lanes.addresses(points, right), 0)
        rows = lanes.turn(lanes.minus(x2, x1))
        lanes.store(difference, lanes.settle(lanes.lifted(rows)))
        return context.get_dummy_value()

    return of_addresses(4), generate


@intrinsic
def add_pairs(
    typing: Any, results: Any, targets: Any, points: Any, left: Any, right: Any, inverse: Any
) -> Any:
    """Write the sums of eight pairs of points, given 1 / (x2 - x1).

    Arguments are addresses: of the results and the sums' offsets in bytes, of the points and each
    pair's two offsets, and of the inverses. With s = (y2 - y1) / (x2 - x1):
    x3 = s^2 - x1 - x2, y3 = s (x1 - x3) - y1.
    """
    del typing, results, targets, points, left, right, inverse

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = CoordinateLanes(builder)
        results, targets, points, left, right, inverse = arguments
        p, q = lanes.addresses(points, left), lanes.addresses(points, right)
        x1, x2 = lanes.turn(lanes.rows(p, 0)), lanes.turn(lanes.rows(q, 0))
        y1, y2 = lanes.turn(lanes.rows(p, Y)), lanes.turn(lanes.rows(q, Y))
        rise = lanes.settle(lanes.lifted(lanes.minus(y2, y1)))
        slope = lanes.product(rise, lanes.load(inverse, LIMBS))
        # Coordinates are below 2 p, and products below 1.01 p: so are these again.
        x3 = lanes.minus(lanes.product(slope, slope), lanes.plus(x1, x2))
        x3 = lanes.lowered(lanes.lowered(lanes.settle(lanes.lifted(x3, 2)), 2))
        back = lanes.settle(lanes.lifted(lanes.minus(x1, x3)))
        y3 = lanes.minus(lanes.product(slope, back), y1)
        y3 = lanes.lowered(lanes.settle(lanes.lifted(y3)))
        out = lanes.addresses(results, targets)
        lanes.put_rows(out, 0, lanes.turn(x3))
        lanes.put_rows(out, Y, lanes.turn(y3))
        return context.get_dummy_value()

    return of_addresses(6), generate
