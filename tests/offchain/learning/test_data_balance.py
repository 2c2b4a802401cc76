"""Class balance: counted, and from secure sums through the encoding."""

from __future__ import annotations

import numpy as np
import pytest

from offchain.learning.balance import ClassBalance, class_vector
from offchain.learning.errors import OptionError, ShapeError
from offchain.learning.statistics import statistics_encoding, statistics_vector

NAMES = ("normal", "leak", "jam")
TARGETS = [np.array([0.0] * 40 + [1.0] * 3), np.array([0.0] * 30), np.array([0.0] * 9)]


def test_balance__counted__rows_and_devices_per_class():
    balance = ClassBalance.of(NAMES, TARGETS)
    assert (balance.rows, balance.devices) == ((79, 3, 0), (3, 1, 0))
    assert (balance.lone(), balance.absent()) == (("leak",), ("jam",))
    assert balance.describe() == (
        "normal: 79 rows (96.3%) on 3 devices; leak: 3 rows (3.7%) on 1 device; "
        "jam: 0 rows (0.0%) on 0 devices"
    )


def test_balance__from_sums_of_vectors__is_the_counted_one():
    sums = np.sum([class_vector(y, 3, 48) for y in TARGETS], axis=0)
    assert ClassBalance.from_sums(NAMES, sums, 48) == ClassBalance.of(NAMES, TARGETS)
    with pytest.raises(ShapeError, match="sums"):
        ClassBalance.from_sums(NAMES, sums[:-1], 48)
    with pytest.raises(OptionError, match="max_samples"):
        ClassBalance.from_sums(NAMES, sums, 0)


def test_balance__with_the_statistics_through_the_encoding__devices_exact_and_rows_near():
    rng = np.random.default_rng(0)
    devices, columns, most = 32, 6, 160
    targets = [
        rng.choice(3, size=rng.integers(80, 161), p=[0.8, 0.15, 0.05]) for _ in range(devices)
    ]
    targets[0] = np.append(targets[0][:100], 3)
    names = (*NAMES, "lone")
    encoding = statistics_encoding(
        columns + 4, noise_multiplier=1.0, min_samples=80, max_samples=most
    )
    total = np.zeros(1 + 2 * (columns + 4), dtype=np.int64)
    for y in targets:
        X = rng.uniform(-1.0, 1.0, size=(len(y), columns))
        sums = statistics_vector(X, np.tile([-1.0, 1.0], (columns, 1)))
        vector = np.concatenate([sums, class_vector(y, 4, most)])
        assert np.linalg.norm(vector) <= encoding.clip_norm
        total += encoding.encode_update(len(y), vector)
    _, decoded = encoding.decode_sum(total, devices)
    read = ClassBalance.from_sums(names, decoded[2 * columns :], most)
    true = ClassBalance.of(names, targets)
    assert read.devices == true.devices
    assert read.lone() == ("lone",)
    error = devices * encoding.step / 2
    assert np.abs(np.subtract(read.rows, true.rows)).max() <= error + 0.5


def test_class_vector__norm__stays_in_its_bound():
    for y in ([0] * 48, [0, 1, 2] * 16, [0] * 46 + [1, 2]):
        assert np.linalg.norm(class_vector(y, 3, 48)) <= np.sqrt(4) * 48
    with pytest.raises(OptionError, match="a device has more rows"):
        class_vector([0] * 49, 3, 48)
