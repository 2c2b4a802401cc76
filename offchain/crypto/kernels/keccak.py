"""Keccak-256 of many messages of one length, eight side by side.

The permutation is written in LLVM's instructions over vectors of eight words, which every processor
has in some width.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from offchain.crypto.kernels.machine import ZERO, kernel

Words = npt.NDArray[np.uint64]

LANES: Final = 8
RATE: Final = 136  # bytes that a message is taken by
_RATE_WORDS: Final = RATE // 8
_ROUNDS: Final = 24
_STATE_WORDS: Final = 25

_word = ir.IntType(64)
_vector = ir.VectorType(_word, LANES)


def _round_constants() -> list[int]:
    """The constants of the step iota, from their linear feedback shift register."""
    constants, register = [], 1
    for _ in range(_ROUNDS):
        constant = 0
        for j in range(7):
            if register & 1:
                constant |= 1 << ((1 << j) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


def _moves() -> dict[int, tuple[int, int]]:
    """Where the steps rho and pi take each word, and by how much they turn it."""
    moves = {0: (0, 0)}
    x, y = 1, 0
    for t in range(_STATE_WORDS - 1):
        place, turn = x + 5 * y, (t + 1) * (t + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
        moves[place] = (x + 5 * y, turn)
    return moves


def _permuted(builder: Any, state: list[Any]) -> list[Any]:
    """Keccak-f[1600] (FIPS 202) on eight states: theta, rho and pi, chi, iota."""
    xor = builder.xor

    def turned(a: Any, by: int) -> Any:
        if by == 0:
            return a
        left, right = (ir.Constant(_vector, [n] * LANES) for n in (by, 64 - by))
        return builder.or_(builder.shl(a, left), builder.lshr(a, right))

    for constant in _round_constants():
        columns = []
        for x in range(5):
            column = state[x]
            for place in range(x + 5, _STATE_WORDS, 5):
                column = xor(column, state[place])
            columns.append(column)
        theta = [xor(columns[(x + 4) % 5], turned(columns[(x + 1) % 5], 1)) for x in range(5)]
        moved: list[Any] = [None] * _STATE_WORDS
        for place, (target, turn) in _moves().items():
            moved[target] = turned(xor(state[place], theta[place % 5]), turn)
        state = [
            xor(
                moved[y + x],
                builder.and_(builder.not_(moved[y + (x + 1) % 5]), moved[y + (x + 2) % 5]),
            )
            for y in range(0, _STATE_WORDS, 5)
            for x in range(5)
        ]
        state[0] = xor(state[0], ir.Constant(_vector, [constant] * LANES))
    return state


@intrinsic
def _permute(typing: Any, address: Any) -> Any:
    """Keccak-f[1600] on the eight states at an address, shape (25, LANES)."""
    del typing, address

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        first = builder.inttoptr(arguments[0], _vector.as_pointer())
        places = [builder.gep(first, [ir.Constant(_word, i)]) for i in range(_STATE_WORDS)]
        state = _permuted(builder, [builder.load(place, align=8) for place in places])
        for place, vector in zip(places, state, strict=True):
            builder.store(vector, place, align=8)
        return context.get_dummy_value()

    return types.void(types.uint64), generate


@kernel
def _absorb(messages: Words, first: int, state: Words) -> None:
    """Take eight messages in; behind the last one, it repeats."""
    count, words = messages.shape
    state[:] = ZERO
    for start in range(0, words, _RATE_WORDS):
        for lane in range(LANES):
            message = min(first + lane, count - 1)
            for word in range(_RATE_WORDS):
                state[word, lane] ^= messages[message, start + word]
        _permute(state.ctypes.data)


@kernel
def digests(messages: Words, out: Words) -> None:
    """Write the digests of padded messages.

    Parameters
    ----------
    messages
        Shape (N, words), a multiple of `RATE` bytes each.
    out
        Shape (N, 4).
    """
    state = np.empty((_STATE_WORDS, LANES), np.uint64)
    count = len(messages)
    for first in range(0, count, LANES):
        _absorb(messages, first, state)
        for lane in range(min(LANES, count - first)):
            for word in range(4):
                out[first + lane, word] = state[word, lane]
