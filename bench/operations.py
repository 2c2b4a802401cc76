"""Single operations beside the bare sum of products, their limit: processor milliseconds."""

import argparse
import json
from typing import Any

import numpy as np
from py_arkworks_bls12381 import G1Point, Scalar

from bench.measure import repeat
from offchain.crypto.candidates import CandidateLeaf, locate_bad_candidates
from offchain.crypto.commitment import Commitment, CommitmentKey
from offchain.crypto.field import FieldVector
from offchain.crypto.layout import SlotLayout
from offchain.crypto.noise import NoiseSeed, noise_vector
from offchain.crypto.opening import locate_bad_openings
from offchain.crypto.randomness import Randomness
from offchain.crypto.sharing import (
    ReceivedShare,
    SharingParameters,
    check_shares,
    deal,
    reconstruct,
)

WHO = {"context": bytes(32), "dealer": bytes(20)}
CANDIDATES = 4


def of_capacity(capacity: int, randomness: Randomness) -> dict[str, Any]:
    """Commitments, openings and the audit of noise."""
    key, portable = CommitmentKey.load(capacity), CommitmentKey.portable(capacity)
    layout = SlotLayout(capacity, 1, 1, capacity - 4)
    long = randomness.field_vector(capacity)
    seeds = [NoiseSeed.draw(randomness) for _ in range(CANDIDATES)]
    noises = [noise_vector(seed, layout) for seed in seeds]
    leaves = [
        CandidateLeaf(0, k, seed.seed_hash, key.commit(noise))
        for k, (seed, noise) in enumerate(zip(seeds, noises, strict=True))
    ]
    opened = list(zip(seeds, leaves, strict=True))[1:]
    points = list(key.ceremony.g1[:capacity])
    scalars = [Scalar.from_be_bytes(value.to_bytes(32, "big")) for value in long.to_ints()]
    point = randomness.scalar()
    return {
        "capacity": capacity,
        "bare sum, py-arkworks": repeat(lambda: G1Point.multiexp_unchecked(points, scalars)),
        "commit, full": repeat(lambda: key.commit(long)),
        "commit, full, py-arkworks": repeat(lambda: portable.commit(long)),
        "commit, noise": repeat(lambda: key.commit(noises[0])),
        "commit, noise, py-arkworks": repeat(lambda: portable.commit(noises[0])),
        "draw noise": repeat(lambda: noise_vector(seeds[0], layout)),
        "open": repeat(lambda: key.open_at(long, point)),
        f"audit of {CANDIDATES - 1} candidates": repeat(
            lambda: locate_bad_candidates(key, layout, opened, randomness)
        ),
    }


def of_sharing(capacity: int, devices: int, packing: int, randomness: Randomness) -> dict[str, Any]:
    """Dealing to all, checking the shares of all, reconstruction."""
    key = CommitmentKey.load(capacity)
    layout = SlotLayout(capacity, packing, 1, 1)
    threshold = max(2, -(-2 * devices // 3) - packing + 1)
    parameters = SharingParameters(layout, threshold, tuple(range(1, devices + 1)))
    vector = layout.place(np.array([1, 2]), randomness)
    commitment = key.commit(vector)

    def dealing() -> Any:
        return deal(key, parameters, vector, commitment, randomness=randomness, **WHO)

    made = dealing()

    def check() -> None:
        """What one recipient does with the shares of all the others."""
        received = ReceivedShare(
            WHO["dealer"],
            FieldVector(made.shares[1].to_bytes()),
            made.path(1),
            made.witness,
            Commitment(commitment.points),
        )
        claims = check_shares(parameters, 1, [received] * (devices - 1), context=WHO["context"])
        locate_bad_openings(key, claims, randomness)

    return {
        "capacity": capacity,
        "devices": devices,
        "packing": packing,
        "threshold": threshold,
        "deal to all": repeat(dealing),
        "check the shares of all": repeat(check),
        "reconstruct": repeat(lambda: reconstruct(layout, threshold, made.shares)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args().full
    randomness = Randomness.from_os()
    capacities = (64, 256, 1024, 4096)
    shapes = [(4096, 8, 1), (4096, 32, 1), (4096, 32, 8), (4096, 64, 16)]
    if full:
        shapes += [(1024, 64, 16), (4096, 16, 1), (4096, 16, 4), (4096, 32, 16), (4096, 64, 1)]
    print(
        json.dumps(
            {
                "capacities": [of_capacity(capacity, randomness) for capacity in capacities],
                "sharing": [of_sharing(*shape, randomness) for shape in shapes],
            }
        )
    )


if __name__ == "__main__":
    main()
