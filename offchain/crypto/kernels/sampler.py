"""The noise sampler: SHA-256 of many short messages side by side, and the table that inverts.

Messages differ in their last four bytes only. The compression is written in LLVM's instructions
over vectors of `LANES` words, which every processor has in some width.
"""

from functools import reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from offchain.crypto.kernels.machine import kernel

LANES: Final = 16
_WORD_BITS: Final = 32
_MESSAGE_BITS: Final = 8 * (32 + 4)
_PADDING: Final = 1 << 31
_word = ir.IntType(_WORD_BITS)
_vector = ir.VectorType(_word, LANES)


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found


def _root_bits(number: int, degree: int) -> int:
    """The first 32 bits behind the point of a root, found by bisection."""
    target, low, high = number << (32 * degree), 0, number << 32
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= target else (low, middle)
    return low & 0xFFFFFFFF


def _compressed(builder: Any, message: list[Any]) -> list[Any]:
    """SHA-256's compression (FIPS 180-4) of one block from the first state, in all lanes."""

    def all_lanes(value: int) -> Any:
        return ir.Constant(_vector, [value] * LANES)

    def turned(x: Any, by: int) -> Any:
        return builder.or_(
            builder.lshr(x, all_lanes(by)), builder.shl(x, all_lanes(_WORD_BITS - by))
        )

    def xor(*terms: Any) -> Any:
        return reduce(builder.xor, terms)

    def plus(*terms: Any) -> Any:
        return reduce(builder.add, terms)

    schedule = list(message)
    for i in range(16, 64):
        x, y = schedule[i - 15], schedule[i - 2]
        s0 = xor(turned(x, 7), turned(x, 18), builder.lshr(x, all_lanes(3)))
        s1 = xor(turned(y, 17), turned(y, 19), builder.lshr(y, all_lanes(10)))
        schedule.append(plus(schedule[i - 16], s0, schedule[i - 7], s1))
    start = [all_lanes(_root_bits(prime, 2)) for prime in _primes(8)]
    a, b, c, d, e, f, g, h = start
    for prime, scheduled in zip(_primes(64), schedule, strict=True):
        s1 = xor(turned(e, 6), turned(e, 11), turned(e, 25))
        choice = xor(g, builder.and_(e, xor(f, g)))
        t1 = plus(h, s1, choice, all_lanes(_root_bits(prime, 3)), scheduled)
        s0 = xor(turned(a, 2), turned(a, 13), turned(a, 22))
        majority = xor(builder.and_(a, xor(b, c)), builder.and_(b, c))
        a, b, c, d, e, f, g, h = plus(t1, s0, majority), a, b, c, plus(d, t1), e, f, g
    return [plus(x, y) for x, y in zip(start, (a, b, c, d, e, f, g, h), strict=True)]


@intrinsic
def _hash_lanes(typing: Any, seed: Any, names: Any, state: Any) -> Any:
    """Hash seed || name for `LANES` names; all arguments are addresses, of 32-bit words."""
    del typing, seed, names, state

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        seed, names, state = arguments
        words = builder.inttoptr(seed, _word.as_pointer())
        message = []
        for i in range(8):
            value = builder.load(builder.gep(words, [ir.Constant(_word, i)]))
            first = builder.insert_element(ir.Constant(_vector, ir.Undefined), value, _place(0))
            zeros = ir.Constant(_vector, [0] * LANES)
            message.append(builder.shuffle_vector(first, first, zeros))
        message.append(builder.load(builder.inttoptr(names, _vector.as_pointer()), align=4))
        padding = [_PADDING, 0, 0, 0, 0, 0, _MESSAGE_BITS]
        message += [ir.Constant(_vector, [value] * LANES) for value in padding]
        out = builder.inttoptr(state, _vector.as_pointer())
        for i, vector in enumerate(_compressed(builder, message)):
            builder.store(vector, builder.gep(out, [_place(i)]), align=4)
        return context.get_dummy_value()

    return types.void(*[types.uint64] * 3), generate


def _place(i: int) -> Any:
    return ir.Constant(_word, i)


@kernel
def digests(
    seed: npt.NDArray[np.uint32], names: npt.NDArray[np.uint32], words: npt.NDArray[np.uint64]
) -> None:
    """Write SHA-256(seed || name) for each name.

    Parameters
    ----------
    seed
        32 bytes as eight words.
    names
        The four bytes behind the seed, as words.
    words
        Shape (names, 4), most significant word first.
    """
    state = np.empty((8, LANES), np.uint32)
    padded = np.zeros((len(names) + LANES - 1) // LANES * LANES, np.uint32)
    padded[: len(names)] = names
    for start in range(0, len(names), LANES):
        _hash_lanes(seed.ctypes.data, padded.ctypes.data + np.uint64(4 * start), state.ctypes.data)
        for lane in range(min(LANES, len(names) - start)):
            for i in range(4):
                high, low = np.uint64(state[2 * i, lane]), np.uint64(state[2 * i + 1, lane])
                words[start + lane, i] = high << np.uint64(32) | low


@kernel
def invert(
    words: npt.NDArray[np.uint64],
    values: npt.NDArray[np.int64],
    undecided: npt.NDArray[np.bool_],
    thresholds: npt.NDArray[np.uint64],
    first: int,
    out: npt.NDArray[np.int64],
) -> None:
    """Write `first` plus the number of thresholds that are not above each word.

    Parameters
    ----------
    words, out
        Shape (N,).
    values, undecided
        For each value of a word's first 16 bits: the answer, and whether later bits decide.
    """
    for i in range(len(words)):
        prefix = words[i] >> np.uint64(48)
        out[i] = values[prefix]
        if undecided[prefix]:
            out[i] = first + np.searchsorted(thresholds, words[i], side="right")
