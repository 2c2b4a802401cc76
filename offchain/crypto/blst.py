"""blst, the curve library inside `ckzg`.

`ckzg` comes with `eth-account`, for all platforms, and its extension module exports the public
functions of blst (`blst.h`). Where it does not (Windows), callers go through py-arkworks.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.kernels import decoding, points

_LOG = logging.getLogger(__name__)
_pointer = ctypes.c_void_p
_size = ctypes.c_size_t
_SIGNATURES: Final = {
    "blst_final_exp": (None, (_pointer, _pointer)),
    "blst_fp12_is_one": (ctypes.c_int, (_pointer,)),
    "blst_fp12_mul": (None, (_pointer, _pointer, _pointer)),
    "blst_hash_to_g2": (None, (_pointer, _pointer, _size, _pointer, _size, _pointer, _size)),
    "blst_miller_loop_lines": (None, (_pointer, _pointer, _pointer)),
    "blst_miller_loop_n": (None, (_pointer, _pointer, _pointer, _size)),
    "blst_p1_deserialize": (ctypes.c_int, (_pointer, _pointer)),
    "blst_p1_from_affine": (None, (_pointer, _pointer)),
    "blst_p1_mult": (None, (_pointer, _pointer, _pointer, _size)),
    "blst_p1_serialize": (None, (_pointer, _pointer)),
    "blst_p1s_to_affine": (None, (_pointer, _pointer, _size)),
    "blst_p2_deserialize": (ctypes.c_int, (_pointer, _pointer)),
    "blst_p2_serialize": (None, (_pointer, _pointer)),
    "blst_precompute_lines": (None, (_pointer, _pointer)),
    "blst_sign_pk_in_g1": (None, (_pointer, _pointer, _pointer)),
    "blst_sk_to_pk_in_g1": (None, (_pointer, _pointer)),
}
# Those that kernels call.
_KERNEL_FUNCTIONS: Final = (*points.FUNCTIONS, *decoding.FUNCTIONS)


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """Return blst with its functions declared, or None where it cannot be reached."""
    spec = find_spec("ckzg")
    if spec is None or spec.origin is None:
        return None
    try:
        blst = ctypes.CDLL(spec.origin)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(blst, name)
            function.restype, function.argtypes = result, arguments
        for name in _KERNEL_FUNCTIONS:
            getattr(blst, name)
    except (OSError, AttributeError):
        _LOG.info("blst cannot be reached through ckzg: points go through py-arkworks")
        return None
    return blst


def addresses(blst: ctypes.CDLL, names: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return where functions stand in memory, as kernels take them."""
    found = [ctypes.cast(getattr(blst, name), _pointer).value for name in names]
    return np.array(found, np.uint64)
