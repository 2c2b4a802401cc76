"""Decoding of many compressed points of G1 by blst, outside the interpreter lock."""

from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.kernels.machine import ask_one, ask_two, call_two, kernel
from offchain.crypto.kernels.points import POINT_WORDS

# Addresses that the kernel is given, in this order.
FUNCTIONS: Final = ("blst_p1_uncompress", "blst_p1_affine_in_g1", "blst_p1_affine_serialize")
_UNCOMPRESS, _IN_G1, _SERIALIZE = range(len(FUNCTIONS))
_POINT_NOT_IN_GROUP: Final = 3  # of BLST_ERROR
COMPRESSED_BYTES: Final = 48
PLAIN_BYTES: Final = 96
GOOD, NOT_ON_CURVE, NOT_IN_SUBGROUP = range(3)


@kernel
def decode(
    calls: npt.NDArray[np.uint64],
    compressed: npt.NDArray[np.uint8],
    plain: npt.NDArray[np.uint8],
    states: npt.NDArray[np.uint8],
) -> None:
    """Write the coordinates of points, and what is wrong with them.

    Parameters
    ----------
    calls
        Addresses of `FUNCTIONS`.
    compressed
        Shape (N, 48): canonical encodings, none of infinity.
    plain
        Shape (N, 96): x and y of those that are good.
    states
        Shape (N,): `GOOD`, `NOT_ON_CURVE` or `NOT_IN_SUBGROUP`.
    """
    point = np.empty(POINT_WORDS, np.uint64)
    for i in range(len(compressed)):
        here = point.ctypes.data
        source = compressed.ctypes.data + np.uint64(COMPRESSED_BYTES * i)
        failure = ask_two(calls[_UNCOMPRESS], here, source)
        # blst notices by itself that the two points with x = 0 are outside the group.
        if failure == _POINT_NOT_IN_GROUP or (failure == 0 and not ask_one(calls[_IN_G1], here)):
            states[i] = NOT_IN_SUBGROUP
        elif failure:
            states[i] = NOT_ON_CURVE
        else:
            states[i] = GOOD
            call_two(calls[_SERIALIZE], plain.ctypes.data + np.uint64(PLAIN_BYTES * i), here)
