"""Compiles all kernels by using each once: `python -m offchain.crypto.warm`.

Numba keeps what it has compiled, so this takes half a minute once, and less than a second later.
`make setup` does it, so that no node compiles in the middle of a round; and who forks processes
does, so that not each of them loads the same code.
"""

import numpy as np

from offchain.crypto.commitment import CommitmentKey, parse_commitment
from offchain.crypto.field import FieldVector
from offchain.crypto.layout import SlotLayout
from offchain.crypto.noise import NoiseSeed, noise_vector
from offchain.crypto.opening import OpeningClaim, locate_bad_openings
from offchain.crypto.randomness import Randomness
from offchain.crypto.sharing import (
    ReceivedShare,
    SharingParameters,
    check_shares,
    deal,
    parse_witness,
    reconstruct,
)

_CAPACITY = 64
_DEVICES = 5


def warm_up() -> None:
    """Deal, check and reconstruct a small vector of noise, and read one without."""
    randomness = Randomness.from_os()
    layout = SlotLayout(_CAPACITY, 2, 1, 1)
    key = CommitmentKey.load(_CAPACITY)
    vector = noise_vector(NoiseSeed.draw(randomness), layout)
    commitment = parse_commitment(key.commit(vector).to_bytes(), 1)
    parameters = SharingParameters(layout, 2, tuple(range(1, _DEVICES + 1)))
    context, dealer = bytes(32), bytes(20)
    dealt = deal(
        key, parameters, vector, commitment, context=context, dealer=dealer, randomness=randomness
    )
    witness = parse_witness(dealt.witness.to_bytes(), parameters.needed)
    received = [
        ReceivedShare(dealer, dealt.shares[1], dealt.path(1), witness, commitment)
    ] * _DEVICES
    checked = check_shares(parameters, 1, received, context=context)
    claims = [claim for claim in checked if isinstance(claim, OpeningClaim)]
    locate_bad_openings(key, claims, randomness)
    found = reconstruct(layout, 2, dealt.shares)
    found.dot(FieldVector.sum([found, found]) - found)
    layout.extract(layout.without_blinding(np.arange(2)))


if __name__ == "__main__":
    warm_up()
