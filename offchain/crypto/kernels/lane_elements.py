"""Elements of the scalar field F_r eight at a time, for processors with AVX-512 IFMA.

A number is limbs of 52 bits, each of them a vector with a lane for each of eight numbers. A sixth
limb takes what grows beyond 260 bits before a multiple of r is taken away. Factors of
products, which are Montgomery's for 2^260, do without it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir

from offchain.crypto.hashing import SCALAR_ORDER
from offchain.crypto.kernels import lanes

LANES: Final = lanes.LANES
LIMBS: Final = 6
FACTOR_LIMBS: Final = 5
_LIMB_BITS: Final = 52
_WORDS: Final = 4
_WORD_BITS: Final = 64
_VECTOR_BYTES: Final = 64
NUMBER_BYTES: Final = LIMBS * _VECTOR_BYTES  # of eight numbers

# A number v below 2^306 with upper part u = floor(v / 2^254): floor(u floor(2^306 / r) / 2^52) is
# at most v / r, and less by less than 3: 2^254 / r < 0.6 for what u leaves out, one for what the
# constant does, one for the last floor.
GROWN_BITS: Final = 306
_UPPER_BITS: Final = 254
_RECIPROCAL: Final = 2**GROWN_BITS // SCALAR_ORDER
RESIDUE_BITS: Final = 257  # 3 r is below 2^257

MONTGOMERY_BITS: Final = FACTOR_LIMBS * _LIMB_BITS
_NEGATIVE_INVERSE: Final = -pow(SCALAR_ORDER, -1, 1 << _LIMB_BITS) % (1 << _LIMB_BITS)
_COLUMNS: Final = 2 * FACTOR_LIMBS - 1

_word = ir.IntType(_WORD_BITS)
_vector = ir.VectorType(_word, LANES)


def _all(value: int) -> Any:
    return ir.Constant(_vector, [value] * LANES)


def _limbs(value: int, count: int = LIMBS) -> list[Any]:
    mask = (1 << _LIMB_BITS) - 1
    return [_all(value >> (_LIMB_BITS * i) & mask) for i in range(count)]


class ElementLanes:
    """Writes vector instructions into a function that is being compiled."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder
        declare = builder.module.declare_intrinsic
        kind = ir.FunctionType(_vector, [_vector] * 3)
        self._low = declare("llvm.x86.avx512.vpmadd52l.uq.512", (), kind)
        self._high = declare("llvm.x86.avx512.vpmadd52h.uq.512", (), kind)
        self._swap = declare("llvm.bswap.v8i64", (), ir.FunctionType(_vector, [_vector]))

    def load(self, address: Any, count: int) -> list[Any]:
        """Vectors that stand one behind the other."""
        return [
            self._builder.load(self._place(address, _VECTOR_BYTES * i), align=8)
            for i in range(count)
        ]

    def store(self, address: Any, vectors: Sequence[Any]) -> None:
        """The contrary of `load`."""
        for i, vector in enumerate(vectors):
            self._builder.store(vector, self._place(address, _VECTOR_BYTES * i), align=8)

    def everywhere(self, address: Any) -> Any:
        """One word in all lanes."""
        word = self._builder.load(self._builder.inttoptr(address, _word.as_pointer()))
        first = self._builder.insert_element(_all(0), word, ir.Constant(ir.IntType(32), 0))
        return self._pick(first, first, [0] * LANES)

    def broadcast(self, address: Any, count: int) -> list[Any]:
        """A lane of each limb of a number, in all lanes."""
        return [
            self.everywhere(self._builder.add(address, ir.Constant(_word, _VECTOR_BYTES * i)))
            for i in range(count)
        ]

    def loop(
        self, rounds: Any, start: Sequence[Any], body: Callable[[list[Any]], list[Any]]
    ) -> list[Any]:
        """Take values from round to round, at least one, and return what the last one gives."""
        builder, before = self._builder, self._builder.block
        loop, end = builder.append_basic_block("round"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        first = [rounds, *start]
        current = [builder.phi(value.type) for value in first]
        following = [builder.sub(current[0], ir.Constant(_word, 1)), *body(current[1:])]
        for phi, early, late in zip(current, first, following, strict=True):
            phi.add_incoming(early, before)
            phi.add_incoming(late, loop)
        more = builder.icmp_unsigned("!=", following[0], ir.Constant(_word, 0))
        builder.cbranch(more, loop, end)
        builder.position_at_end(end)
        return following[1:]

    def _place(self, address: Any, offset: int) -> Any:
        whole = self._builder.add(address, ir.Constant(_word, offset))
        return self._builder.inttoptr(whole, _vector.as_pointer())

    def _pick(self, a: Any, b: Any, places: Sequence[int]) -> Any:
        kind = ir.VectorType(ir.IntType(32), LANES)
        return self._builder.shuffle_vector(a, b, ir.Constant(kind, list(places)))

    def multiple(self, addend: Sequence[Any], value: Sequence[Any], factor: Any) -> list[Any]:
        """Addend + value factor, carries left where they are."""
        call = self._builder.call
        total = [call(self._low, [a, v, factor]) for a, v in zip(addend, value, strict=True)]
        carried = [
            call(self._high, [t, v, factor]) for t, v in zip(total[1:], value[:-1], strict=True)
        ]
        return [total[0], *carried]

    def settle(self, value: Sequence[Any]) -> list[Any]:
        """Carry, so that all limbs have 52 bits, but for the sign of the uppermost."""
        builder, out, total = self._builder, [], value[0]
        for limb in value[1:]:
            out.append(builder.and_(total, _all((1 << _LIMB_BITS) - 1)))
            total = builder.add(limb, builder.ashr(total, _all(_LIMB_BITS)))
        return [*out, total]

    def minus(self, a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
        """A - b, settled."""
        return self.settle([self._builder.sub(x, y) for x, y in zip(a, b, strict=True)])

    def residue(self, value: Sequence[Any]) -> list[Any]:
        """A number below 3 r that is congruent to one below 2^306."""
        builder, place = self._builder, _UPPER_BITS - (LIMBS - 2) * _LIMB_BITS
        upper = builder.or_(
            builder.shl(value[-1], _all(_LIMB_BITS - place)), builder.lshr(value[-2], _all(place))
        )
        times = builder.call(self._high, [_all(0), upper, _all(_RECIPROCAL)])
        return self.minus(value, self.multiple([_all(0)] * LIMBS, _limbs(SCALAR_ORDER), times))

    def canonical(self, value: Sequence[Any]) -> list[Any]:
        """A number below 4 r mod r."""
        for times in (2, 1):
            less = self.minus(value, _limbs(times * SCALAR_ORDER, len(value)))
            below = self._builder.icmp_signed("<", less[-1], _all(0))
            value = [self._builder.select(below, x, y) for x, y in zip(value, less, strict=True)]
        return list(value)

    def no_sum(self) -> list[Any]:
        """What a sum of products begins with: lower halves by columns, then upper ones."""
        return [_all(0)] * (2 * _COLUMNS)

    def plus_product(self, total: Sequence[Any], a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
        """Total + a b, of settled numbers of five limbs; columns have room for 200 of them."""
        low, high = list(total[:_COLUMNS]), list(total[_COLUMNS:])
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                low[i + j] = self._builder.call(self._low, [low[i + j], x, y])
                high[i + j] = self._builder.call(self._high, [high[i + j], x, y])
        return [*low, *high]

    def reduce_sum(self, total: Sequence[Any]) -> list[Any]:
        """A sum of products s divided by 2^260, mod r: below s / 2^260 + r, settled."""
        builder, order = self._builder, _limbs(SCALAR_ORDER, FACTOR_LIMBS)
        low, high = [*total[:_COLUMNS], _all(0)], [_all(0), *total[_COLUMNS:]]
        columns = [builder.add(x, y) for x, y in zip(low, high, strict=True)]
        for i in range(FACTOR_LIMBS):
            m = builder.call(self._low, [_all(0), columns[i], _all(_NEGATIVE_INVERSE)])
            for j, limb in enumerate(order):
                columns[i + j] = builder.call(self._low, [columns[i + j], limb, m])
                columns[i + j + 1] = builder.call(self._high, [columns[i + j + 1], limb, m])
            # The column is a multiple of 2^52 now.
            carry = builder.lshr(columns[i], _all(_LIMB_BITS))
            columns[i + 1] = builder.add(columns[i + 1], carry)
        return self.settle(columns[FACTOR_LIMBS:])

    def product(self, a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
        """A b / 2^260 mod r of settled numbers; below 1.2 r if both are below 2 r."""
        return self.reduce_sum(self.plus_product(self.no_sum(), a, b))

    def to_montgomery(self, a: Sequence[Any]) -> list[Any]:
        """A 2^260 mod r, below 1.2 r."""
        square = pow(2, 2 * MONTGOMERY_BITS, SCALAR_ORDER)
        return self.product(a, _limbs(square, FACTOR_LIMBS))

    def one(self) -> list[Any]:
        """One in Montgomery's form."""
        return _limbs(2**MONTGOMERY_BITS % SCALAR_ORDER, FACTOR_LIMBS)

    def turn(self, rows: Sequence[Any]) -> list[Any]:
        """Transpose eight vectors."""
        rows = list(rows)
        for size in (1, 2, 4):
            out = list(rows)
            for i in range(LANES):
                if i & size:
                    continue
                first = [k if not k & size else LANES + (k ^ size) for k in range(LANES)]
                second = [k | size if not k & size else LANES + k for k in range(LANES)]
                out[i] = self._pick(rows[i], rows[i + size], first)
                out[i + size] = self._pick(rows[i], rows[i + size], second)
            rows = out
        return rows

    def load_elements(self, address: Any) -> list[Any]:
        """Eight elements that stand one behind the other as they travel."""
        rows = self.load(address, _WORDS)
        words = []
        for word in reversed(range(_WORDS)):
            places = [word, word + _WORDS, word + LANES, word + LANES + _WORDS]
            first, last = (self._pick(rows[i], rows[i + 1], places * 2) for i in (0, 2))
            both = self._pick(first, last, [*range(_WORDS), *range(LANES, LANES + _WORDS)])
            words.append(self._builder.call(self._swap, [both]))
        return self._resized(words, _WORD_BITS, _LIMB_BITS, LIMBS)

    def store_elements(self, address: Any, value: Sequence[Any]) -> None:
        """The contrary of `load_elements`, for numbers below 2^256."""
        words = self._resized(value[:FACTOR_LIMBS], _LIMB_BITS, _WORD_BITS, _WORDS)
        a, b, c, d = (self._builder.call(self._swap, [word]) for word in reversed(words))
        rows = []
        for lane in range(0, LANES, 2):
            pairs = [lane, LANES + lane, lane + 1, LANES + lane + 1] * 2
            upper, lower = self._pick(a, b, pairs), self._pick(c, d, pairs)
            rows.append(self._pick(upper, lower, [0, 1, 8, 9, 2, 3, 10, 11]))
        self.store(address, rows)

    def _resized(self, parts: Sequence[Any], bits: int, new_bits: int, count: int) -> list[Any]:
        """Cut numbers that consist of parts of some bits, lowest first, into parts of others."""
        builder, out = self._builder, []
        for first in range(0, count * new_bits, new_bits):
            total = _all(0)
            for i, part in enumerate(parts):
                shift = bits * i - first
                if 0 <= shift < new_bits:
                    total = builder.or_(total, builder.shl(part, _all(shift)))
                elif -bits < shift < 0:
                    total = builder.or_(total, builder.lshr(part, _all(-shift)))
            out.append(builder.and_(total, _all((1 << new_bits) - 1)))
        return out
