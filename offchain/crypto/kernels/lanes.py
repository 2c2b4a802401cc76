"""The base field of BLS12-381 eight numbers at a time, for processors with AVX-512 IFMA.

These instructions multiply 52-bit numbers in eight lanes and add the lower or the upper half of
the product. A number is eight limbs of 52 bits, in Montgomery's form for 2^416; eight numbers are
eight vectors, one for each limb. Since 2^416 is far above the field's order p, a product of numbers
below 2^390 comes out below 1.01 p, and nothing needs to be reduced but carries.

What is here writes LLVM's instructions; the modules beside this one put loops around it.
"""

from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any, Final

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

BASE_FIELD: Final = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)
LANES: Final = 8
LIMBS: Final = 8
LIMB_BITS: Final = 52
MONTGOMERY_BITS: Final = LIMBS * LIMB_BITS
LIMB_MASK: Final = (1 << LIMB_BITS) - 1

_word = ir.IntType(64)
_vector = ir.VectorType(_word, LANES)
_Vectors = list[Any]


@lru_cache(maxsize=1)
def available() -> bool:
    """Return whether this processor has the instructions."""
    features = llvm.get_host_cpu_features()
    return bool(features.get("avx512ifma")) and bool(features.get("avx512f"))


def _limbs(value: int) -> list[int]:
    return [value >> (LIMB_BITS * i) & LIMB_MASK for i in range(LIMBS)]


def _all(value: int) -> Any:
    return ir.Constant(_vector, [value] * LANES)


_ORDER: Final = _limbs(BASE_FIELD)
_TWICE: Final = _limbs(2 * BASE_FIELD)
_NEGATIVE_INVERSE: Final = -pow(BASE_FIELD, -1, 1 << LIMB_BITS) % (1 << LIMB_BITS)


class Lanes:
    """Writes vector instructions into a function that is being compiled."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder
        kind = ir.FunctionType(_vector, [_vector] * 3)
        declare = builder.module.declare_intrinsic
        self._low = declare("llvm.x86.avx512.vpmadd52l.uq.512", (), kind)
        self._high = declare("llvm.x86.avx512.vpmadd52h.uq.512", (), kind)

    def load(self, address: Any) -> _Vectors:
        """Eight vectors that stand one behind the other."""
        return [self.row(address, 64 * i) for i in range(LIMBS)]

    def store(self, address: Any, vectors: _Vectors) -> None:
        """The contrary of `load`."""
        for i, vector in enumerate(vectors):
            self._put(address, 64 * i, vector)

    def at(self, address: Any, offset: int) -> Any:
        """The address so many bytes further on."""
        return self._builder.add(address, ir.Constant(_word, offset))

    def _place(self, address: Any, offset: int) -> Any:
        return self._builder.inttoptr(self.at(address, offset), _vector.as_pointer())

    def constant(self, value: int) -> Any:
        """One value in all lanes."""
        return _all(value)

    def row(self, address: Any, offset: int = 0) -> Any:
        """One vector."""
        return self._builder.load(self._place(address, offset), align=8)

    def _put(self, address: Any, offset: int, vector: Any) -> None:
        self._builder.store(vector, self._place(address, offset), align=8)

    def addresses(self, base: Any, offsets: Any) -> list[Any]:
        """Base plus eight offsets in bytes that stand at an address."""
        row = self.row(offsets, 0)
        index = ir.IntType(32)
        return [
            self._builder.add(base, self._builder.extract_element(row, ir.Constant(index, lane)))
            for lane in range(LANES)
        ]

    def rows(self, addresses: Sequence[Any], offset: int) -> _Vectors:
        """One number from each of eight addresses, its limbs in a row: not yet lane by lane."""
        return [self.row(address, offset) for address in addresses]

    def put_rows(self, addresses: Sequence[Any], offset: int, rows: _Vectors) -> None:
        """The contrary of `rows`."""
        for address, row in zip(addresses, rows, strict=True):
            self._put(address, offset, row)

    def turn(self, rows: _Vectors) -> _Vectors:
        """Turn eight numbers with their limbs in a row into lanes, or back: a transposition."""
        for size in (1, 2, 4):
            out: _Vectors = [None] * LANES
            for i in range(LANES):
                if i & size:
                    continue
                a, b = rows[i], rows[i + size]
                first = [k if not k & size else LANES + (k ^ size) for k in range(LANES)]
                second = [k | size if not k & size else LANES + k for k in range(LANES)]
                out[i], out[i + size] = self._pick(a, b, first), self._pick(a, b, second)
            rows = out
        return rows

    def _pick(self, a: Any, b: Any, places: Sequence[int]) -> Any:
        kind = ir.VectorType(ir.IntType(32), LANES)
        return self._builder.shuffle_vector(a, b, ir.Constant(kind, list(places)))

    def plus(self, a: _Vectors, b: _Vectors) -> _Vectors:
        """Limb by limb, carries left where they are."""
        return [self._builder.add(x, y) for x, y in zip(a, b, strict=True)]

    def minus(self, a: _Vectors, b: _Vectors) -> _Vectors:
        """Limb by limb; limbs may be negative until `settle`."""
        return [self._builder.sub(x, y) for x, y in zip(a, b, strict=True)]

    def times(self, a: _Vectors, factor: int) -> _Vectors:
        """Each limb by a factor from 1 to 2^8, carries left where they are."""
        shifts = [k for k in range(factor.bit_length()) if factor >> k & 1]
        parts = [[self._builder.shl(x, _all(k)) for x in a] if k else a for k in shifts]
        return reduce(self.plus, parts)

    def lifted(self, a: _Vectors, times: int = 1) -> _Vectors:
        """A + 2 p times, so that a difference is not negative."""
        return [self._builder.add(x, _all(times * limb)) for x, limb in zip(a, _TWICE, strict=True)]

    def settle(self, a: _Vectors) -> _Vectors:
        """Carry, so that all limbs have 52 bits; the number must not be negative."""
        out: _Vectors = []
        total = a[0]
        for limb in a[1:]:
            out.append(self._builder.and_(total, _all(LIMB_MASK)))
            total = self._builder.add(limb, self._builder.ashr(total, _all(LIMB_BITS)))
        return [*out, total]

    def lowered(self, a: _Vectors, times: int = 1) -> _Vectors:
        """A settled number, less 2 p times where it is not below that."""
        less = self.settle(
            [self._builder.sub(x, _all(times * limb)) for x, limb in zip(a, _TWICE, strict=True)]
        )
        below = self._builder.icmp_signed("<", less[-1], _all(0))
        return [self._builder.select(below, x, y) for x, y in zip(a, less, strict=True)]

    def product(self, a: _Vectors, b: _Vectors) -> _Vectors:
        """A b / 2^416 mod p of settled numbers below 2^390; below 1.01 p, settled."""
        builder, low, high = self._builder, self._low, self._high
        total = [_all(0)] * LIMBS
        for factor in b:
            total = [builder.call(low, [t, x, factor]) for t, x in zip(total, a, strict=True)]
            m = builder.call(low, [_all(0), total[0], _all(_NEGATIVE_INVERSE)])
            total = [builder.call(low, [t, _all(p), m]) for t, p in zip(total, _ORDER, strict=True)]
            # The lowest limb is a multiple of 2^52 now: what is above it moves on with the rest.
            carry = builder.lshr(total[0], _all(LIMB_BITS))
            total = [builder.add(total[1], carry), *total[2:], _all(0)]
            total = [builder.call(high, [t, x, factor]) for t, x in zip(total, a, strict=True)]
            total = [
                builder.call(high, [t, _all(p), m]) for t, p in zip(total, _ORDER, strict=True)
            ]
        return self.settle(total)


def of_addresses(count: int) -> Any:
    """The signature of a function that takes addresses and returns nothing."""
    return types.void(*[types.uint64] * count)


Y: Final = 64  # bytes behind x


@intrinsic
def multiply_lanes(typing: Any, result: Any, a: Any, b: Any) -> Any:
    """Write eight products; all arguments are addresses."""
    del typing, result, a, b

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = Lanes(builder)
        result, a, b = arguments
        lanes.store(result, lanes.product(lanes.load(a), lanes.load(b)))
        return context.get_dummy_value()

    return of_addresses(3), generate


@intrinsic
def add_lanes(typing: Any, result: Any, a: Any, b: Any) -> Any:
    """Write eight sums, settled; all arguments are addresses."""
    del typing, result, a, b

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = Lanes(builder)
        result, a, b = arguments
        lanes.store(result, lanes.settle(lanes.plus(lanes.load(a), lanes.load(b))))
        return context.get_dummy_value()

    return of_addresses(3), generate


@intrinsic
def subtract_lanes(typing: Any, result: Any, a: Any, b: Any) -> Any:
    """Write a - b + 4 p for eight pairs, b below 4 p, settled; all arguments are addresses."""
    del typing, result, a, b

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = Lanes(builder)
        result, a, b = arguments
        difference = lanes.minus(lanes.load(a), lanes.load(b))
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
        lanes = Lanes(builder)
        difference, points, left, right = arguments
        x1 = lanes.rows(lanes.addresses(points, left), 0)
        x2 = lanes.rows(lanes.addresses(points, right), 0)
        rows = lanes.turn([builder.sub(b, a) for a, b in zip(x1, x2, strict=True)])
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
        lanes = Lanes(builder)
        results, targets, points, left, right, inverse = arguments
        p, q = lanes.addresses(points, left), lanes.addresses(points, right)
        x1, x2 = lanes.turn(lanes.rows(p, 0)), lanes.turn(lanes.rows(q, 0))
        y1, y2 = lanes.turn(lanes.rows(p, Y)), lanes.turn(lanes.rows(q, Y))
        rise = lanes.settle(lanes.lifted(lanes.minus(y2, y1)))
        slope = lanes.product(rise, lanes.load(inverse))
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
