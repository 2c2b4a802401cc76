"""The statistics round: sums against central mean and deviation."""

from __future__ import annotations

import numpy as np
import pytest

from offchain.learning.baseline import federated_standardiser, standardise
from offchain.learning.datasets import load
from offchain.learning.errors import OptionError, RangeError, ShapeError
from offchain.learning.partition import Dirichlet, partition
from offchain.learning.statistics import (
    Standardiser,
    statistics_encoding,
    statistics_vector,
    variance_resolution,
)
from offchain.learning.tasks import Task
from tests.offchain.learning.builders import small_dataset


@pytest.mark.parametrize("name", ["fault7", "softsensor"])
def test_sums__over_devices__reproduce_central_mean_and_deviation(name):
    dataset = load(name)
    parts = partition(dataset, 16, Dirichlet(0.5), rng=np.random.default_rng(0))
    joined = federated_standardiser(parts, dataset)
    columns = dataset.X_train
    if dataset.task is Task.REGRESSION:
        columns = np.column_stack([columns, dataset.y_train])
    deviation = columns.std(axis=0)
    constant = list(joined.constant)
    varying = np.setdiff1d(np.arange(columns.shape[1]), constant)
    assert (deviation[constant] < 1e-6).all()
    np.testing.assert_allclose(joined.mean, columns.mean(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(joined.deviation[varying], deviation[varying], rtol=1e-9)


def test_sums__one_device_missing__give_another_mean():
    dataset = load("fault7")
    parts = partition(dataset, 16, Dirichlet(0.5), rng=np.random.default_rng(0))
    partial = federated_standardiser(parts[1:], dataset)
    assert np.abs(partial.mean - dataset.X_train.mean(axis=0)).max() > 1e-6


def test_sums__through_the_encoding__agree_within_the_resolution():
    dataset = load("fault7")
    parts = partition(dataset, 16, Dirichlet(0.5), rng=np.random.default_rng(0))
    counts = [part.count for part in parts]
    encoding = statistics_encoding(
        52, noise_multiplier=0.01, min_samples=min(counts), max_samples=max(counts)
    )
    assert encoding.clip_norm == pytest.approx(np.sqrt(104) * max(counts))
    vectors = [statistics_vector(part.X, dataset.ranges) for part in parts]
    assert all(np.linalg.norm(vector) <= encoding.clip_norm for vector in vectors)
    encoded = [encoding.encode_update(c, v) for c, v in zip(counts, vectors, strict=True)]
    count, sums = encoding.decode_sum(np.sum(encoded, axis=0), 16)
    resolution = variance_resolution(encoding, 16, count)
    joined = Standardiser.from_sums(count, sums, dataset.ranges, resolution=resolution)
    assert joined.constant == ()
    deviation = dataset.X_train.std(axis=0)
    half = (dataset.ranges[:, 1] - dataset.ranges[:, 0]) / 2
    error = np.abs(np.square(joined.deviation / half) - np.square(deviation / half))
    assert error.max() <= resolution
    np.testing.assert_allclose(joined.deviation, deviation, rtol=0.05)


def test_standardiser__applied__has_mean_zero_and_deviation_one():
    dataset = small_dataset()
    X = Standardiser.from_rows(dataset.X_train, dataset.ranges).apply(dataset.X_train)
    np.testing.assert_allclose(X.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(X.std(axis=0), 1.0)


def test_standardiser__constant_column__weight_zero_and_named():
    X = np.column_stack([np.arange(6.0), np.full(6, 3.3)])
    standardiser = Standardiser.from_rows(X, [[0.0, 10.0], [2.0, 4.0]])
    assert standardiser.constant == (1,)
    assert standardiser.names_of_constant(("flow", "level")) == ("level",)
    np.testing.assert_array_equal(standardiser.apply([[9.0, 99.0]])[:, 1], 0.0)
    assert Standardiser.from_rows(X[:, :1], [[0.0, 10.0]]).constant == ()


def test_standardiser__columns_and_column__are_parts_of_the_whole():
    X = np.column_stack([np.arange(6.0), np.full(6, 3.3)])
    whole = Standardiser.from_rows(X, [[0.0, 10.0], [2.0, 4.0]])
    features, target = whole.columns(1), whole.column(-1)
    np.testing.assert_array_equal(features.apply(X[:, :1]), whole.apply(X)[:, :1])
    assert (features.constant, target.constant) == ((), (0,))
    assert target.mean == pytest.approx(3.3)


def test_vector__values_outside_the_range__are_clipped():
    vector = statistics_vector([[100.0], [-100.0], [100.0]], [[0.0, 1.0]])
    np.testing.assert_array_equal(vector, [1.0, 3.0])


def test_vector__bad_ranges_or_rows__named_errors():
    with pytest.raises(RangeError) as caught:
        statistics_vector([[1.0, 1.0]], [[0.0, 1.0], [2.0, 2.0]])
    assert (caught.value.field, caught.value.index) == ("ranges", 1)
    with pytest.raises(ShapeError, match=r"must be \(rows, 1\)"):
        statistics_vector([[1.0, 1.0]], [[0.0, 1.0]])
    with pytest.raises(ShapeError, match="at least one row"):
        statistics_vector(np.zeros((0, 1)), [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("sums", "column"),
    [([0.0, 11.0, 5.0, 11.0], 1), ([0.0, 0.0, 5.0, 11.0], 1), ([9.0, 0.0, 1.0, 1.0], 0)],
)
def test_from_sums__impossible_sums__range_error(sums, column):
    with pytest.raises(RangeError) as caught:
        Standardiser.from_sums(10, sums, [[0.0, 1.0], [0.0, 1.0]])
    assert (caught.value.field, caught.value.index) == ("sums", column)


def test_from_sums__bad_count_or_resolution__option_error():
    with pytest.raises(OptionError, match="count"):
        Standardiser.from_sums(0, [0.0, 0.0], [[0.0, 1.0]])
    with pytest.raises(OptionError, match="resolution"):
        Standardiser.from_sums(1, [0.0, 0.0], [[0.0, 1.0]], resolution=-1.0)


def test_standardise__regression__standardises_the_target_too():
    data = standardise(small_dataset(Task.REGRESSION))
    assert data.y_train.mean() == pytest.approx(0.0, abs=1e-12)
    assert data.y_train.std() == pytest.approx(1.0)
    assert standardise(small_dataset()).target is None
