"""Vectors of eight 64-bit words, for processors with AVX-512 IFMA.

These instructions multiply 52-bit numbers in eight lanes and add the lower or the upper half of
the product. A number is limbs of 52 bits; eight numbers are as many vectors as one has limbs.

What is here writes LLVM's instructions, whatever the field; those of one are written by the modules
beside this one, which put loops around them too.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types

from offchain.crypto.kernels.machine import kernel

LANES: Final = 8
LIMB_BITS: Final = 52
LIMB_MASK: Final = (1 << LIMB_BITS) - 1
WORD_BYTES: Final = 8
VECTOR_BYTES: Final = LANES * WORD_BYTES

WORD: Final = ir.IntType(64)
VECTOR: Final = ir.VectorType(WORD, LANES)
_INDEX: Final = ir.IntType(32)

Vectors = list[Any]


@lru_cache(maxsize=1)
def available() -> bool:
    """Return whether this processor has the instructions."""
    features = llvm.get_host_cpu_features()
    return bool(features.get("avx512ifma")) and bool(features.get("avx512f"))


def limbs(value: int, count: int) -> list[int]:
    """Cut a number into limbs, the lowest first."""
    return [value >> (LIMB_BITS * i) & LIMB_MASK for i in range(count)]


def constant(value: int) -> Any:
    """One value in all lanes."""
    return ir.Constant(VECTOR, [value] * LANES)


def constants(values: Sequence[int]) -> Vectors:
    """Each value in all lanes of a vector."""
    return [constant(value) for value in values]


def of_addresses(count: int) -> Any:
    """The signature of a function that takes addresses and returns nothing."""
    return types.void(*[types.uint64] * count)


@kernel
def aligned(rows: int, words: int) -> npt.NDArray[np.uint64]:
    """Return room that begins with a line of the cache, so that vectors of 64 bytes do too."""
    room = np.empty(rows * words + 8, np.uint64)
    missing = np.int64((np.uint64(64) - room.ctypes.data % np.uint64(64)) % np.uint64(64)) // 8
    return room[missing : missing + rows * words].reshape(rows, words)


class LaneWriter:
    """Writes vector instructions into a function that is being compiled."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        declare = builder.module.declare_intrinsic
        self._low = declare("llvm.x86.avx512.vpmadd52l.uq.512", (), kind)
        self._high = declare("llvm.x86.avx512.vpmadd52h.uq.512", (), kind)

    def at(self, address: Any, offset: int) -> Any:
        """The address so many bytes further on, or back."""
        return self._builder.add(address, ir.Constant(WORD, offset))

    def _place(self, address: Any, offset: int) -> Any:
        return self._builder.inttoptr(self.at(address, offset), VECTOR.as_pointer())

    def row(self, address: Any, offset: int = 0) -> Any:
        """One vector."""
        return self._builder.load(self._place(address, offset), align=8)

    def put_row(self, address: Any, offset: int, vector: Any) -> None:
        """The contrary of `row`."""
        self._builder.store(vector, self._place(address, offset), align=8)

    def load(self, address: Any, count: int) -> Vectors:
        """Vectors that stand one behind the other."""
        return [self.row(address, VECTOR_BYTES * i) for i in range(count)]

    def store(self, address: Any, vectors: Sequence[Any]) -> None:
        """The contrary of `load`."""
        for i, vector in enumerate(vectors):
            self.put_row(address, VECTOR_BYTES * i, vector)

    def spread(self, address: Any) -> Any:
        """One word in all lanes."""
        word = self._builder.load(self._builder.inttoptr(address, WORD.as_pointer()))
        first = self._builder.insert_element(constant(0), word, ir.Constant(_INDEX, 0))
        return self.pick(first, first, [0] * LANES)

    def addresses(self, base: Any, offsets: Any) -> list[Any]:
        """Base plus eight offsets in bytes that stand at an address."""
        row = self.row(offsets)
        return [
            self._builder.add(base, self._builder.extract_element(row, ir.Constant(_INDEX, lane)))
            for lane in range(LANES)
        ]

    def pick(self, a: Any, b: Any, places: Sequence[int]) -> Any:
        """Lanes of two vectors; those of the second count from eight on."""
        kind = ir.VectorType(_INDEX, LANES)
        return self._builder.shuffle_vector(a, b, ir.Constant(kind, list(places)))

    def turn(self, rows: Sequence[Any]) -> Vectors:
        """Turn eight numbers with their limbs in a row into lanes, or back: a transposition."""
        for size in (1, 2, 4):
            out = list(rows)
            for i in range(LANES):
                if i & size:
                    continue
                a, b = rows[i], rows[i + size]
                first = [k if not k & size else LANES + (k ^ size) for k in range(LANES)]
                second = [k | size if not k & size else LANES + k for k in range(LANES)]
                out[i], out[i + size] = self.pick(a, b, first), self.pick(a, b, second)
            rows = out
        return list(rows)

    def plus(self, a: Sequence[Any], b: Sequence[Any]) -> Vectors:
        """Limb by limb, carries left where they are."""
        return [self._builder.add(x, y) for x, y in zip(a, b, strict=True)]

    def minus(self, a: Sequence[Any], b: Sequence[Any]) -> Vectors:
        """Limb by limb; limbs may be negative until `settle`."""
        return [self._builder.sub(x, y) for x, y in zip(a, b, strict=True)]

    def settle(self, a: Sequence[Any]) -> Vectors:
        """Carry, so that all limbs have 52 bits, but for the sign of the uppermost."""
        out: Vectors = []
        total = a[0]
        for limb in a[1:]:
            out.append(self._builder.and_(total, constant(LIMB_MASK)))
            total = self._builder.add(limb, self._builder.ashr(total, constant(LIMB_BITS)))
        return [*out, total]

    def lessened(self, a: Sequence[Any], amount: Sequence[Any]) -> Vectors:
        """A settled number, less an amount where it is not below that."""
        less = self.settle(self.minus(a, amount))
        below = self._builder.icmp_signed("<", less[-1], constant(0))
        return [self._builder.select(below, x, y) for x, y in zip(a, less, strict=True)]

    def plus_low(self, addend: Any, x: Any, y: Any) -> Any:
        """Addend + the lower 52 bits of x y."""
        return self._builder.call(self._low, [addend, x, y])

    def plus_high(self, addend: Any, x: Any, y: Any) -> Any:
        """Addend + x y / 2^52."""
        return self._builder.call(self._high, [addend, x, y])

    def loop(
        self, rounds: Any, start: Sequence[Any], body: Callable[[Vectors], Vectors]
    ) -> Vectors:
        """Take values from round to round, at least one, and return what the last one gives."""
        builder, before = self._builder, self._builder.block
        loop, end = builder.append_basic_block("round"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        first = [rounds, *start]
        current = [builder.phi(value.type) for value in first]
        following = [self.at(current[0], -1), *body(current[1:])]
        for phi, early, late in zip(current, first, following, strict=True):
            phi.add_incoming(early, before)
            phi.add_incoming(late, loop)
        more = builder.icmp_unsigned("!=", following[0], ir.Constant(WORD, 0))
        builder.cbranch(more, loop, end)
        builder.position_at_end(end)
        return following[1:]
