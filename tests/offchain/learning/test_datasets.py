"""Data sets: sizes, labels, ranges, central baselines."""

from __future__ import annotations

import numpy as np
import pytest

from offchain.learning import datasets
from offchain.learning.baseline import central_baseline
from offchain.learning.datasets import dataset_names, load, register
from offchain.learning.errors import DataFileError, OptionError, ShapeError, UnknownNameError
from offchain.learning.models import ModelKind
from offchain.learning.tasks import Dataset, Origin, Task, public_ranges
from tests.offchain.learning.builders import small_dataset


@pytest.mark.parametrize(
    ("name", "train", "test", "features", "classes", "parameters"),
    [
        ("fault7", 3_380, 6_720, 52, 7, 371),
        ("fault2", 3_380, 6_720, 52, 2, 53),
        ("softsensor", 10_580, 21_120, 33, 0, 34),
    ],
)
def test_load__each_name__has_the_documented_shape(
    name, train, test, features, classes, parameters
):
    dataset = load(name)
    assert dataset.X_train.shape == (train, features)
    assert dataset.X_test.shape == (test, features)
    assert len(dataset.class_names) == classes
    assert dataset.model().parameter_count == parameters
    assert np.isfinite(dataset.X_train).all()
    assert np.isfinite(dataset.X_test).all()
    assert dataset.origin.simulated
    assert "simulated" in dataset.origin.describe()
    low, high = dataset.ranges.T
    assert (low <= dataset.X_train.min(axis=0)).all()
    assert (high >= dataset.X_train.max(axis=0)).all()
    assert not dataset.X_train.flags.writeable


def test_load__fault_labels__test_runs_start_normal():
    dataset = load("fault7")
    np.testing.assert_array_equal(np.bincount(dataset.y_train.astype(int)), [500] + [480] * 6)
    np.testing.assert_array_equal(np.bincount(dataset.y_test.astype(int)), [1920] + [800] * 6)
    binary = load("fault2")
    np.testing.assert_array_equal(binary.y_test, dataset.y_test > 0)


def test_load__transposed_file__normal_run_lies_within_the_test_run_of_its_kind():
    # Wrongly read, d00.dat would mix tags whose scales differ by orders of magnitude.
    normal, test = load("fault7").X_train[:500], load("fault7").X_test[:960]
    deviation = test.std(axis=0)
    assert (np.abs(normal.mean(axis=0) - test.mean(axis=0)) < 1.5 * deviation).all()


@pytest.mark.parametrize(
    ("name", "metric", "score"),
    [("fault7", "accuracy", 0.940), ("fault2", "accuracy", 0.974), ("softsensor", "R2", 0.948)],
)
def test_central_baseline__scikit_learn__matches_the_table(name, metric, score):
    baseline = central_baseline(load(name))
    assert baseline.metric == metric
    assert baseline.test_score == pytest.approx(score, abs=0.0006)
    assert baseline.train_score > score - 0.01
    assert "scikit-learn" in baseline.description


def test_central_baseline__model_of_another_task__option_error():
    with pytest.raises(OptionError) as caught:
        central_baseline(load("softsensor"), ModelKind.SOFTMAX)
    assert (caught.value.option, caught.value.value) == ("model", "softmax")


def test_load__unknown_name__lists_what_there_is():
    with pytest.raises(UnknownNameError) as caught:
        load("fault9")
    assert caught.value.known == dataset_names() == ("fault2", "fault7", "softsensor")


def test_load__package_missing__says_what_to_install(monkeypatch):
    datasets._read.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataFileError, match="pip install --no-deps bibmon"):
        load("fault7")


@pytest.mark.parametrize(
    ("content", "problem"), [("1 2 3", "has 3 numbers"), ("1 x", "cannot be read")]
)
def test_load__damaged_file__names_it(monkeypatch, tmp_path, content, problem):
    datasets._read.cache_clear()
    (tmp_path / "d00.dat").write_text(content)
    monkeypatch.setattr(datasets, "_tennessee_eastman_folder", lambda: tmp_path)
    with pytest.raises(DataFileError, match=problem) as caught:
        load("fault7")
    assert caught.value.path.endswith("d00.dat")


def test_register__new_name_loads_and_taken_name__option_error(monkeypatch):
    monkeypatch.setattr(datasets, "_LOADERS", dict(datasets._LOADERS))
    register("small", small_dataset)
    assert load("small").name == "small"
    with pytest.raises(OptionError, match="already registered"):
        register("small", small_dataset)


def test_dataset__model_kind__suits_the_task():
    assert small_dataset().model().kind is ModelKind.SOFTMAX
    assert small_dataset(Task.REGRESSION).model().kind is ModelKind.LINEAR
    assert load("fault2").model(ModelKind.SOFTMAX).parameter_count == 106
    with pytest.raises(OptionError, match="needs 2 classes, small has 3"):
        small_dataset().model(ModelKind.LOGISTIC)
    with pytest.raises(OptionError, match="does not suit classification"):
        small_dataset().model(ModelKind.LINEAR)


def test_dataset__columns_do_not_fit__shape_error():
    matrix, vector = np.zeros((3, 2)), np.zeros(3)
    with pytest.raises(ShapeError, match="X_train"):
        Dataset(
            name="bad",
            task=Task.REGRESSION,
            origin=Origin("none", "none", simulated=True),
            X_train=matrix,
            y_train=vector,
            X_test=matrix,
            y_test=vector,
            feature_names=("a",),
            class_names=(),
            target_name="y",
            ranges=np.array([[0.0, 1.0]]),
            target_range=np.array([[0.0, 1.0]]),
        )


def test_public_ranges__two_digits_of_the_width__rounded_outward():
    X = np.array([[119.723, 0.0, 5.0, -0.0153], [120.834, 46_294.0, 5.0, 0.0541]])
    expected = [[119.7, 120.9], [0.0, 47_000.0], [4.0, 6.0], [-0.016, 0.055]]
    np.testing.assert_allclose(public_ranges(X), expected)


def test_repr__dataset__shows_no_rows():
    assert repr(small_dataset()) == "Dataset(small: 120 train, 40 test, 4 features, 3 classes)"
