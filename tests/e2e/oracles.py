"""Commitments by ckzg, which the product does not use for them."""

from collections.abc import Sequence

import ckzg

from tests.offchain.crypto.oracles import BLOB_ELEMENTS, blob_of, ckzg_setup


def ckzg_commitment(slots: Sequence[int]) -> bytes:
    """Commit to at most 4096 slots, integers of either sign, lowest power first.

    Returns
    -------
    bytes
        One compressed point, 48 bytes. The change of basis is a Fourier transform in plain Python.
    """
    padded = [*slots, *([0] * (BLOB_ELEMENTS - len(slots)))]
    return bytes(ckzg.blob_to_kzg_commitment(blob_of(padded), ckzg_setup()))
