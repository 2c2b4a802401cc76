"""The sampler of Contract S against the definition of section 4, written here a second time."""

import random
from bisect import bisect_right
from decimal import Decimal, localcontext
from functools import lru_cache
from hashlib import sha256

import ape
import pytest

from offchain.crypto.noise import thresholds as product_thresholds
from tests.contracts.builders import R
from tests.contracts.deployed import Task

DEVIATION = 32
FIRST, THRESHOLDS = -320, 640
PAIRS, RUN = 2_000, 20


@lru_cache(maxsize=1)
def thresholds() -> list[int]:
    """round(2^64 P(X <= k)), at most 2^64 - 1, for k from -320 on: the exact discrete Gaussian."""
    with localcontext() as context:
        context.prec = 60
        weights = {
            k: (Decimal(-k * k) / (2 * DEVIATION * DEVIATION)).exp() for k in range(-700, 701)
        }
        total = sum(weights.values())
        below = sum((weights[k] for k in range(-700, FIRST)), Decimal(0))
        found = []
        for k in range(FIRST, FIRST + THRESHOLDS):
            below += weights[k]
            found.append(min(int((below / total * 2**64).to_integral_value()), 2**64 - 1))
    return found


def noise(seed: bytes, slot: int) -> int:
    digest = sha256(seed + slot.to_bytes(4, "big")).digest()
    words = [int.from_bytes(digest[i : i + 8], "big") for i in range(0, 32, 8)]
    x0, x1, x2, x3 = (FIRST + bisect_right(thresholds(), word) for word in words)
    return (x0 + 8 * x1) + 64 * (x2 + 8 * x3)


def blinding(seed: bytes, slot: int) -> int:
    parts = (sha256(seed + bytes([half]) + slot.to_bytes(4, "big")).digest() for half in (1, 2))
    return int.from_bytes(b"".join(parts), "big") % R


def test_thresholds__of_the_product__are_the_exact_ones() -> None:
    assert [int(threshold) for threshold in product_thresholds()] == thresholds()


def test_sample_noise__2000_random_pairs__as_defined(task: Task) -> None:
    source = random.Random("noise")
    for _ in range(PAIRS // RUN):
        seed = source.randbytes(32)
        start = source.choice([0, source.randrange(4096), source.randrange(2**32 - RUN)])
        values = task.contract.sampleNoise(seed, start, start + RUN)
        assert values == [noise(seed, slot) for slot in range(start, start + RUN)]


def test_blinding_noise__random_pairs__as_defined(task: Task) -> None:
    source = random.Random("blinding")
    for _ in range(50):
        seed, slot = source.randbytes(32), source.randrange(2**32)
        assert task.contract.blindingNoise(seed, slot) == blinding(seed, slot)


def test_sample_noise__a_whole_vector__in_one_call(task: Task) -> None:
    seed = b"\x07" * 32
    values = task.contract.sampleNoise(seed, 0, 1024)
    assert values == [noise(seed, slot) for slot in range(1024)]


def test_sample_noise__empty_range__nothing(task: Task) -> None:
    assert task.contract.sampleNoise(bytes(32), 5, 5) == []


@pytest.mark.parametrize(("start", "end"), [(5, 4), (0, 2**32 + 1), (2**256 - 1, 2**256 - 1)])
def test_sample_noise__slots_out_of_range__refused(task: Task, start: int, end: int) -> None:
    with ape.reverts(task.contract.SlotsOutOfRange, **{"from": start, "to": end}):
        task.contract.sampleNoise(bytes(32), start, end)


def test_blinding_noise__slot_out_of_range__refused(task: Task) -> None:
    with ape.reverts(task.contract.SlotsOutOfRange, to=2**32 + 1):
        task.contract.blindingNoise(bytes(32), 2**32)
