"""Horner's rule with small factors for eight slots at a time, on processors with AVX-512 IFMA.

A number is limbs of 52 bits, each of them a vector with a lane for each of eight numbers. A sixth
limb takes what grows beyond 260 bits before a multiple of r is taken away.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from offchain.crypto.hashing import SCALAR_ORDER
from offchain.crypto.kernels import lanes
from offchain.crypto.kernels.machine import kernel
from offchain.crypto.kernels.montgomery import Words
from offchain.crypto.kernels.points import aligned

AVAILABLE: Final = lanes.available()  # asking the processor takes longer than a sum
LANES: Final = lanes.LANES
_LIMBS: Final = 6
_LIMB_BITS: Final = 52
_WORDS: Final = 4
_WORD_BITS: Final = 64
_VECTOR_BYTES: Final = 64
_ELEMENT: Final = np.uint64(32)  # bytes
_NUMBERS: Final = np.uint64(_LIMBS * _VECTOR_BYTES)
_WORD: Final = np.uint64(8)

# A number v below 2^306 with upper part u = floor(v / 2^254): floor(u floor(2^306 / r) / 2^52) is
# at most v / r, and less by less than 3: 2^254 / r < 0.6 for what u leaves out, one for what the
# constant does, one for the last floor.
_GROWN_BITS: Final = 306
_UPPER_BITS: Final = 254
_RECIPROCAL: Final = 2**_GROWN_BITS // SCALAR_ORDER
_RESIDUE_BITS: Final = 257  # 3 r is below 2^257

_word = ir.IntType(_WORD_BITS)
_vector = ir.VectorType(_word, LANES)


def _all(value: int) -> Any:
    return ir.Constant(_vector, [value] * LANES)


def _limbs(value: int) -> list[Any]:
    mask = (1 << _LIMB_BITS) - 1
    return [_all(value >> (_LIMB_BITS * i) & mask) for i in range(_LIMBS)]


class _Writer:
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
        builder, place = self._builder, _UPPER_BITS - (_LIMBS - 2) * _LIMB_BITS
        upper = builder.or_(
            builder.shl(value[-1], _all(_LIMB_BITS - place)), builder.lshr(value[-2], _all(place))
        )
        times = builder.call(self._high, [_all(0), upper, _all(_RECIPROCAL)])
        return self.minus(value, self.multiple([_all(0)] * _LIMBS, _limbs(SCALAR_ORDER), times))

    def canonical(self, value: Sequence[Any]) -> list[Any]:
        """A number below 3 r mod r."""
        for times in (2, 1):
            less = self.minus(value, _limbs(times * SCALAR_ORDER))
            below = self._builder.icmp_signed("<", less[-1], _all(0))
            value = [self._builder.select(below, x, y) for x, y in zip(value, less, strict=True)]
        return list(value)

    def load_elements(self, address: Any) -> list[Any]:
        """Eight elements that stand one behind the other as they travel."""
        rows = self.load(address, _WORDS)
        words = []
        for word in reversed(range(_WORDS)):
            places = [word, word + _WORDS, word + LANES, word + LANES + _WORDS]
            first, last = (self._pick(rows[i], rows[i + 1], places * 2) for i in (0, 2))
            both = self._pick(first, last, [*range(_WORDS), *range(LANES, LANES + _WORDS)])
            words.append(self._builder.call(self._swap, [both]))
        return self._resized(words, _WORD_BITS, _LIMB_BITS, _LIMBS)

    def store_elements(self, address: Any, value: Sequence[Any]) -> None:
        """The contrary of `load_elements`, for numbers below 2^256."""
        words = self._resized(value[:-1], _LIMB_BITS, _WORD_BITS, _WORDS)
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


@intrinsic
def _read(typing: Any, numbers: Any, elements: Any) -> Any:
    """Write eight elements as numbers; both arguments are addresses."""
    del typing, numbers, elements

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = _Writer(builder)
        writer.store(arguments[0], writer.load_elements(arguments[1]))
        return context.get_dummy_value()

    return types.void(*[types.uint64] * 2), generate


@intrinsic
def _write(typing: Any, elements: Any, numbers: Any) -> Any:
    """Write eight numbers below 2^306 as elements; both arguments are addresses."""
    del typing, elements, numbers

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = _Writer(builder)
        value = writer.residue(writer.load(arguments[1], _LIMBS))
        writer.store_elements(arguments[0], writer.canonical(value))
        return context.get_dummy_value()

    return types.void(*[types.uint64] * 2), generate


@intrinsic
def _reduce(typing: Any, numbers: Any) -> Any:
    """Bring eight numbers below 2^306, which stand at an address, below 3 r."""
    del typing, numbers

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = _Writer(builder)
        writer.store(arguments[0], writer.residue(writer.load(arguments[0], _LIMBS)))
        return context.get_dummy_value()

    return types.void(types.uint64), generate


@intrinsic
def _climb(typing: Any, result: Any, start: Any, addend: Any, factor: Any, steps: Any) -> Any:
    """Take eight numbers to addend + factor number, one or more times.

    Arguments but for the last are addresses: of the result, of the numbers to start from, and of
    addends and factor of the first step; those of the following steps stand before them.
    """
    del typing, result, start, addend, factor, steps

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        writer = _Writer(builder)
        result, start, addend, factor, steps = arguments
        before, value = builder.block, writer.load(start, _LIMBS)
        loop, end = builder.append_basic_block("step"), builder.append_basic_block("climbed")
        builder.branch(loop)
        builder.position_at_end(loop)
        kinds = [*[_word] * 3, *[_vector] * _LIMBS]
        current = [builder.phi(kind) for kind in kinds]
        total = writer.multiple(
            writer.load(current[0], _LIMBS), current[3:], writer.everywhere(current[1])
        )
        following = [
            builder.sub(current[0], ir.Constant(_word, int(_NUMBERS))),
            builder.sub(current[1], ir.Constant(_word, int(_WORD))),
            builder.sub(current[2], ir.Constant(_word, 1)),
            *writer.settle(total),
        ]
        for phi, first, later in zip(
            current, [addend, factor, steps, *value], following, strict=True
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(later, loop)
        more = builder.icmp_unsigned("!=", following[2], ir.Constant(_word, 0))
        builder.cbranch(more, loop, end)
        builder.position_at_end(end)
        writer.store(result, following[3:])
        return context.get_dummy_value()

    return types.void(*[types.uint64] * 5), generate


@kernel
def nested(vectors: Words, length: int, factors: Words, bits: int, out: Words) -> None:
    """Write what `scalars.nested` does, from the same arguments, for vectors of `LANES` or more."""
    count = len(vectors) // length
    period = (_GROWN_BITS - _RESIDUE_BITS) // max(bits, 1)
    room = aligned(count + 1, _LIMBS * LANES)
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
