import hashlib
import math
import subprocess
import sys
from bisect import bisect_right
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from offchain.crypto.errors import LengthError
from offchain.crypto.field import R
from offchain.crypto.hashing import tagged
from offchain.crypto.layout import SlotLayout
from offchain.crypto.noise import (
    SIGMA_INT,
    NoiseSeed,
    blinding_values,
    invert,
    noise_values,
    noise_vector,
    thresholds,
)
from offchain.crypto.randomness import Randomness

ROOT = Path(__file__).resolve().parents[3]
SEED = NoiseSeed(bytes(range(32)))
P_VALUE = 1e-4
# Frozen: seeds on chain must give the same noise for ever.
FIXED_VALUES = [11659, 2581, 13958, -23353, 26379, 5091]
FIXED_DIGEST = "74931aeb61d51b1771541d68d52147263422e1b21861e44aafcc76c9a223599d"


def exact_gaussian(deviation, cut):
    x = np.arange(-cut, cut + 1)
    weights = np.exp(-(x**2) / (2 * deviation**2))
    return x, weights / weights.sum()


def many_values(count):
    layout = SlotLayout(4096, 1, 1, 1)
    source = Randomness(bytes(32))
    drawn = [noise_values(NoiseSeed.draw(source), layout) for _ in range(-(-count // 4094))]
    return np.concatenate(drawn)[:count]


def test_table__generator__makes_the_stored_files():
    script = ROOT / "tools" / "generate_noise_table.py"
    result = subprocess.run([sys.executable, script, "--check"], capture_output=True, check=False)
    assert (result.returncode, result.stdout) == (0, b"")


def test_table__thresholds__are_symmetric_and_increasing():
    table = [int(v) for v in thresholds()]
    assert len(table) == 640
    assert table == sorted(table)
    # P(X <= k) = 1 - P(X <= -k-1); the top end is held at 2^64 - 1.
    for k in range(320):
        mirrored = 2**64 - table[319 - k]
        assert abs(min(mirrored, 2**64 - 1) - table[320 + k]) <= 1


def test_invert__edges_and_random_words__equals_binary_search():
    table = [int(v) for v in thresholds()]
    edges = [0, 1, 2**63, 2**64 - 2, 2**64 - 1]
    near = [v + d for v in table for d in (-1, 0, 1) if 0 <= v + d < 2**64]
    drawn = np.frombuffer(Randomness(bytes(32)).bytes(80_000), ">u8").tolist()
    words = np.array(edges + near + drawn, np.uint64)
    expected = [bisect_right(table, int(w)) - 320 for w in words]
    assert invert(words).tolist() == expected


def test_noise_vector__slot_by_slot__equals_the_definition():
    layout = SlotLayout(64, 4, 2, 5)
    seed = SEED.reveal()
    table = [int(v) for v in thresholds()]
    found = noise_vector(SEED, layout).centred()
    for j in range(layout.length):
        name = j.to_bytes(4, "big")
        if j % 16 >= 13:
            wide = hashlib.sha256(seed + b"\1" + name).digest()
            wide += hashlib.sha256(seed + b"\2" + name).digest()
            assert found[j] % R == int.from_bytes(wide, "big") % R
        else:
            digest = hashlib.sha256(seed + name).digest()
            x = [
                bisect_right(table, int.from_bytes(digest[8 * i : 8 * i + 8], "big")) - 320
                for i in range(4)
            ]
            assert found[j] == (x[0] + 8 * x[1]) + 64 * (x[2] + 8 * x[3])


def test_noise_vector__fixed_seed__never_changes():
    layout = SlotLayout(64, 1, 1, 5)
    vector = noise_vector(SEED, layout)
    assert vector.centred()[:6] == FIXED_VALUES
    assert vector.keccak().hex() == FIXED_DIGEST
    assert noise_vector(NoiseSeed(bytes(32)), layout) != vector


def test_noise_values__order__skips_the_blinding_slots():
    layout = SlotLayout(64, 4, 2, 5)
    vector = noise_vector(SEED, layout).centred()
    mask = layout.blinding_mask.tolist()
    data = [v for v, m in zip(vector, mask, strict=True) if not m]
    assert noise_values(SEED, layout).tolist() == data
    blinding = [v for v, m in zip(vector, mask, strict=True) if m]
    assert blinding_values(SEED, layout).centred() == blinding


def test_invert__many_uniform_words__are_discrete_gaussian():
    words = np.frombuffer(Randomness(bytes(32)).bytes(8 * 400_000), ">u8").astype(np.uint64)
    drawn = invert(words)
    x, probability = exact_gaussian(32, 320)
    inner = np.abs(x) <= 100
    expected = np.append(probability[inner], probability[~inner].sum()) * len(words)
    counts = np.array([*(np.sum(drawn == v) for v in x[inner]), np.sum(np.abs(drawn) > 100)])
    assert stats.chisquare(counts, expected).pvalue > P_VALUE


def test_noise_values__many__have_the_exact_distribution():
    drawn = many_values(200_000)
    _, single = exact_gaussian(32, 320)
    inner = convolve_scaled(single, single, 8)
    whole = convolve_scaled(inner, inner, 64)
    cut = (len(whole) - 1) // 2
    x = np.arange(-cut, cut + 1)
    assert abs(math.sqrt((whole * x.astype(float) ** 2).sum()) - SIGMA_INT) < 1e-6 * SIGMA_INT
    edges = np.arange(-3.5, 3.51, 0.125) * SIGMA_INT
    expected = np.histogram(x, [-np.inf, *edges, np.inf], weights=whole)[0] * len(drawn)
    counts = np.histogram(drawn, [-np.inf, *edges, np.inf])[0]
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > P_VALUE


def convolve_scaled(a, b, factor):
    """Distribution of A + factor B."""
    spread = np.zeros((len(b) - 1) * factor + 1)
    spread[::factor] = b
    size = len(a) + len(spread) - 1
    product = np.fft.irfft(np.fft.rfft(a, size) * np.fft.rfft(spread, size), size)
    return np.maximum(product, 0) / product.sum()


def test_noise_values__low_digits__are_uniform():
    # The composition must leave no trace of its steps of 8, 64 and 512.
    drawn = many_values(100_000)
    for step in (2, 8, 64, 512):
        counts = np.bincount(drawn % step, minlength=step)
        assert stats.chisquare(counts).pvalue > P_VALUE


def test_noise_values__many__have_the_moments_of_the_normal():
    drawn = many_values(200_000) / SIGMA_INT
    error = 1 / math.sqrt(len(drawn))
    assert abs(drawn.mean()) < 4 * error
    assert abs((drawn**2).mean() - 1) < 4 * math.sqrt(2) * error
    assert abs((drawn**3).mean()) < 4 * math.sqrt(15) * error
    assert abs((drawn**4).mean() - 3) < 4 * math.sqrt(96) * error
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 4 * error


def test_sigma_int__composition__is_its_closed_form():
    assert math.isclose(SIGMA_INT, 32 * math.sqrt(1 + 64) * math.sqrt(1 + 64**2))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_seed__wrong_length__raises(size):
    with pytest.raises(LengthError) as caught:
        NoiseSeed(bytes(size))
    assert (caught.value.actual, caught.value.expected) == (size, 32)


def test_seed__repr_and_hash__hide_the_secret():
    assert repr(SEED) == str(SEED) == "NoiseSeed(<hidden>)"
    assert SEED.seed_hash == tagged("verifog noise seed v1", SEED.reveal())
    assert NoiseSeed(SEED.reveal()) == SEED != NoiseSeed(bytes(32))
    assert len({SEED, NoiseSeed(SEED.reveal())}) == 1
