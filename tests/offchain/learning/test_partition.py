"""Partitions: every row once, sizes, skew, seeds."""

from __future__ import annotations

import numpy as np
import pytest

from offchain.learning.errors import OptionError
from offchain.learning.partition import Dirichlet, Even, parse_split, partition
from offchain.learning.tasks import Task
from tests.offchain.learning.builders import small_dataset


def rng(seed=0):
    return np.random.default_rng(seed)


def sorted_rows(X):
    return X[np.lexsort(X.T)]


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("split", [Even(), Dirichlet(0.3)])
def test_partition__any_split__gives_every_row_to_one_device(task, split):
    dataset = small_dataset(task)
    parts = partition(dataset, 7, split, rng=rng(), minimum=5)
    assert len(parts) == 7
    assert min(part.count for part in parts) >= 5
    rows = np.vstack([np.column_stack([part.X, part.y]) for part in parts])
    whole = np.column_stack([dataset.X_train, dataset.y_train])
    np.testing.assert_array_equal(sorted_rows(rows), sorted_rows(whole))


def test_even__classification__sizes_and_classes_are_level():
    dataset = small_dataset()
    parts = partition(dataset, 7, Even(), rng=rng())
    assert {part.count for part in parts} <= {17, 18}
    share = np.bincount(dataset.y_train.astype(int), minlength=3) / 7
    for part in parts:
        counts = np.bincount(part.y.astype(int), minlength=3)
        assert (np.abs(counts - share) < 1.01).all()


def test_dirichlet__small_alpha__skews_classes_and_large_does_not():
    dataset = small_dataset()

    def worst(alpha):
        parts = partition(dataset, 4, Dirichlet(alpha), rng=rng(), minimum=1)
        shares = [np.bincount(p.y.astype(int), minlength=3) / p.count for p in parts]
        return max(share.max() for share in shares)

    assert worst(0.05) > 0.9
    assert worst(1e4) < 0.6


def test_partition__same_seed__same_rows_other_seed_others():
    dataset = small_dataset()
    first, again, other = (
        partition(dataset, 3, Dirichlet(0.5), rng=rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first[0].X, again[0].X)
    assert not np.array_equal(first[0].X, other[0].X)


def test_dirichlet__bounds__hold_however_skewed():
    for seed in range(20):
        parts = partition(
            small_dataset(), 10, Dirichlet(0.02), rng=rng(seed), minimum=11, maximum=13
        )
        sizes = [part.count for part in parts]
        assert sum(sizes) == 120
        assert min(sizes) >= 11
        assert max(sizes) <= 13


def test_partition__too_many_devices__option_error_with_bound():
    with pytest.raises(OptionError) as caught:
        partition(small_dataset(), 16, Even(), rng=rng(), minimum=8)
    assert (caught.value.option, caught.value.value) == ("devices", 16)
    assert caught.value.bound == "must be at most 15: 120 rows, at least 8 each"


def test_partition__maximum_below_share__option_error():
    with pytest.raises(OptionError) as caught:
        partition(small_dataset(), 7, Even(), rng=rng(), maximum=17)
    assert (caught.value.option, caught.value.bound) == (
        "maximum",
        "must be at least 18 for 120 rows",
    )


@pytest.mark.parametrize(("devices", "minimum", "option"), [(0, 1, "devices"), (2, 0, "minimum")])
def test_partition__below_one__option_error(devices, minimum, option):
    with pytest.raises(OptionError) as caught:
        partition(small_dataset(), devices, Even(), rng=rng(), minimum=minimum)
    assert caught.value.option == option


def test_device_data__repr_shows_shapes_only_and_rows_are_copies():
    dataset = small_dataset()
    part = partition(dataset, 3, Even(), rng=rng())[0]
    assert repr(part) == "DeviceData(X: (40, 4), y: (40,))"
    assert not np.shares_memory(part.X, dataset.X_train)


def test_parse_split__known_forms__round_trip():
    assert parse_split("even") == Even()
    assert parse_split("dirichlet:0.5") == Dirichlet(0.5)
    assert str(parse_split("dirichlet:0.5")) == "dirichlet:0.5"


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("odd", "must be even or dirichlet:ALPHA"),
        ("even:2", "must be even or dirichlet:ALPHA"),
        ("dirichlet", "ALPHA must be a number"),
        ("dirichlet:x", "ALPHA must be a number"),
        ("dirichlet:0", "ALPHA must be finite and above 0"),
        ("dirichlet:nan", "ALPHA must be finite and above 0"),
    ],
)
def test_parse_split__malformed__option_error(text, bound):
    with pytest.raises(OptionError) as caught:
        parse_split(text)
    assert (caught.value.option, caught.value.bound) == ("split", bound)
