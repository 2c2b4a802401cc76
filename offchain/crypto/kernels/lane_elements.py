"""Elements of the scalar field F_r eight at a time, for processors with AVX-512 IFMA.

A number is limbs of 52 bits, each of them a vector with a lane for each of eight numbers. A sixth
limb takes what grows beyond 260 bits before a multiple of r is taken away. Factors of products,
which are Montgomery's for 2^260, do without it.
"""

from collections.abc import Sequence
from typing import Any, Final

from llvmlite import ir

from offchain.crypto.hashing import SCALAR_ORDER
from offchain.crypto.kernels.lanes import (
    LANES,
    LIMB_BITS,
    VECTOR,
    VECTOR_BYTES,
    LaneWriter,
    Vectors,
    constant,
    constants,
    limbs,
)
from offchain.crypto.kernels.machine import WORD_BITS

LIMBS: Final = 6
FACTOR_LIMBS: Final = 5
ELEMENT_BYTES: Final = 32
NUMBER_BYTES: Final = LIMBS * VECTOR_BYTES  # of eight numbers
_WORDS: Final = 4

# A number v below 2^306 with upper part u = floor(v / 2^254): floor(u floor(2^306 / r) / 2^52) is
# at most v / r, and less by less than 3: 2^254 / r < 0.6 for what u leaves out, one for what the
# constant does, one for the last floor.
GROWN_BITS: Final = 306
_UPPER_BITS: Final = 254
_RECIPROCAL: Final = 2**GROWN_BITS // SCALAR_ORDER
RESIDUE_BITS: Final = 257  # 3 r is below 2^257

_MONTGOMERY_BITS: Final = FACTOR_LIMBS * LIMB_BITS
_NEGATIVE_INVERSE: Final = -pow(SCALAR_ORDER, -1, 1 << LIMB_BITS) % (1 << LIMB_BITS)
_COLUMNS: Final = 2 * FACTOR_LIMBS - 1


def _constants(value: int, count: int) -> Vectors:
    return constants(limbs(value, count))


class ElementLanes(LaneWriter):
    """Writes arithmetic in the scalar field."""

    def __init__(self, builder: Any) -> None:
        super().__init__(builder)
        kind = ir.FunctionType(VECTOR, [VECTOR])
        self._swap = builder.module.declare_intrinsic("llvm.bswap.v8i64", (), kind)

    def broadcast(self, address: Any, count: int) -> Vectors:
        """A lane of each limb of a number, in all lanes."""
        return [self.spread(self.at(address, VECTOR_BYTES * i)) for i in range(count)]

    def multiple(self, addend: Sequence[Any], value: Sequence[Any], factor: Any) -> Vectors:
        """Addend + value factor, carries left where they are."""
        total = [self.plus_low(a, v, factor) for a, v in zip(addend, value, strict=True)]
        carried = [self.plus_high(t, v, factor) for t, v in zip(total[1:], value[:-1], strict=True)]
        return [total[0], *carried]

    def residue(self, value: Sequence[Any]) -> Vectors:
        """A number below 3 r that is congruent to one below 2^306."""
        builder, place = self._builder, _UPPER_BITS - (LIMBS - 2) * LIMB_BITS
        first = builder.shl(value[-1], constant(LIMB_BITS - place))
        upper = builder.or_(first, builder.lshr(value[-2], constant(place)))
        times = self.plus_high(constant(0), upper, constant(_RECIPROCAL))
        less = self.multiple([constant(0)] * LIMBS, _constants(SCALAR_ORDER, LIMBS), times)
        return self.settle(self.minus(value, less))

    def canonical(self, value: Sequence[Any]) -> Vectors:
        """A number below 4 r mod r."""
        for times in (2, 1):
            value = self.lessened(value, _constants(times * SCALAR_ORDER, len(value)))
        return list(value)

    def no_sum(self) -> Vectors:
        """What a sum of products begins with: lower halves by columns, then upper ones."""
        return [constant(0)] * (2 * _COLUMNS)

    def plus_product(self, total: Sequence[Any], a: Sequence[Any], b: Sequence[Any]) -> Vectors:
        """Total + a b, of settled numbers of five limbs; columns have room for 200 of them."""
        low, high = list(total[:_COLUMNS]), list(total[_COLUMNS:])
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                low[i + j] = self.plus_low(low[i + j], x, y)
                high[i + j] = self.plus_high(high[i + j], x, y)
        return [*low, *high]

    def reduce_sum(self, total: Sequence[Any]) -> Vectors:
        """A sum of products s divided by 2^260, mod r: below s / 2^260 + r, settled."""
        builder, order = self._builder, _constants(SCALAR_ORDER, FACTOR_LIMBS)
        low, high = [*total[:_COLUMNS], constant(0)], [constant(0), *total[_COLUMNS:]]
        columns = [builder.add(x, y) for x, y in zip(low, high, strict=True)]
        for i in range(FACTOR_LIMBS):
            m = self.plus_low(constant(0), columns[i], constant(_NEGATIVE_INVERSE))
            for j, limb in enumerate(order):
                columns[i + j] = self.plus_low(columns[i + j], limb, m)
                columns[i + j + 1] = self.plus_high(columns[i + j + 1], limb, m)
            # The column is a multiple of 2^52 now.
            carry = builder.lshr(columns[i], constant(LIMB_BITS))
            columns[i + 1] = builder.add(columns[i + 1], carry)
        return self.settle(columns[FACTOR_LIMBS:])

    def product(self, a: Sequence[Any], b: Sequence[Any]) -> Vectors:
        """A b / 2^260 mod r of settled numbers; below 1.2 r if both are below 2 r."""
        return self.reduce_sum(self.plus_product(self.no_sum(), a, b))

    def to_montgomery(self, a: Sequence[Any]) -> Vectors:
        """A 2^260 mod r, below 1.2 r."""
        square = pow(2, 2 * _MONTGOMERY_BITS, SCALAR_ORDER)
        return self.product(a, _constants(square, FACTOR_LIMBS))

    def one(self) -> Vectors:
        """One in Montgomery's form."""
        return _constants(2**_MONTGOMERY_BITS % SCALAR_ORDER, FACTOR_LIMBS)

    def load_elements(self, address: Any) -> Vectors:
        """Eight elements that stand one behind the other as they travel."""
        rows = self.load(address, _WORDS)
        words = []
        for word in reversed(range(_WORDS)):
            places = [word, word + _WORDS, word + LANES, word + LANES + _WORDS]
            first, last = (self.pick(rows[i], rows[i + 1], places * 2) for i in (0, 2))
            both = self.pick(first, last, [*range(_WORDS), *range(LANES, LANES + _WORDS)])
            words.append(self._builder.call(self._swap, [both]))
        return self._resized(words, WORD_BITS, LIMB_BITS, LIMBS)

    def store_elements(self, address: Any, value: Sequence[Any]) -> None:
        """The contrary of `load_elements`, for numbers below 2^256."""
        words = self._resized(value[:FACTOR_LIMBS], LIMB_BITS, WORD_BITS, _WORDS)
        a, b, c, d = (self._builder.call(self._swap, [word]) for word in reversed(words))
        rows = []
        for lane in range(0, LANES, 2):
            pairs = [lane, LANES + lane, lane + 1, LANES + lane + 1] * 2
            upper, lower = self.pick(a, b, pairs), self.pick(c, d, pairs)
            rows.append(self.pick(upper, lower, [0, 1, 8, 9, 2, 3, 10, 11]))
        self.store(address, rows)

    def _resized(self, parts: Sequence[Any], bits: int, new_bits: int, count: int) -> Vectors:
        """Cut numbers that consist of parts of some bits, lowest first, into parts of others."""
        builder, out = self._builder, []
        for first in range(0, count * new_bits, new_bits):
            total = constant(0)
            for i, part in enumerate(parts):
                shift = bits * i - first
                if 0 <= shift < new_bits:
                    total = builder.or_(total, builder.shl(part, constant(shift)))
                elif -bits < shift < 0:
                    total = builder.or_(total, builder.lshr(part, constant(-shift)))
            out.append(builder.and_(total, constant((1 << new_bits) - 1)))
        return out
