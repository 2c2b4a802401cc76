"""Data sets: sizes, labels, ranges, central baselines."""

from __future__ import annotations

import gzip
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from offchain.learning import datasets, packaged, real_sets, tennessee_eastman
from offchain.learning.baseline import central_baseline, standardise
from offchain.learning.datasets import dataset_names, load, register
from offchain.learning.errors import DataFileError, OptionError, ShapeError, UnknownNameError
from offchain.learning.models import ModelKind
from offchain.learning.real_sets import hold_last
from offchain.learning.tasks import Dataset, Origin, Task, public_ranges
from offchain.learning.tennessee_eastman import with_rolling
from tests.offchain.learning.builders import small_dataset


@pytest.mark.parametrize(
    ("name", "train", "test", "features", "classes", "parameters", "simulated"),
    [
        ("fault7", 3_380, 6_720, 52, 7, 371, True),
        ("fault2", 3_380, 6_720, 52, 2, 53, True),
        ("fault18", 8_660, 17_280, 156, 18, 2_826, True),
        ("softsensor", 10_580, 21_120, 33, 0, 34, True),
        ("petrobras", 2_545, 624, 93, 0, 94, False),
        ("shuttle", 36_822, 12_275, 9, 2, 10, False),
    ],
)
def test_load__each_name__has_the_documented_shape(
    name, train, test, features, classes, parameters, simulated
):
    dataset = load(name)
    assert dataset.X_train.shape == (train, features)
    assert dataset.X_test.shape == (test, features)
    assert len(dataset.class_names) == classes
    assert dataset.model().parameter_count == parameters
    assert np.isfinite(dataset.X_train).all()
    assert np.isfinite(dataset.X_test).all()
    assert dataset.origin.simulated is simulated
    assert dataset.origin.describe().startswith("simulated data" if simulated else "real data")
    low, high = dataset.ranges.T
    assert (low <= dataset.X_train.min(axis=0)).all()
    assert (high >= dataset.X_train.max(axis=0)).all()
    assert (np.ptp(dataset.X_train, axis=0) > 0).all()
    assert not dataset.X_train.flags.writeable


def test_load__fault_labels__test_runs_start_normal():
    dataset = load("fault7")
    np.testing.assert_array_equal(np.bincount(dataset.y_train.astype(int)), [500] + [480] * 6)
    np.testing.assert_array_equal(np.bincount(dataset.y_test.astype(int)), [1920] + [800] * 6)
    binary = load("fault2")
    np.testing.assert_array_equal(binary.y_test, dataset.y_test > 0)


def test_load__fault18__classes_are_the_faults_without_3_9_15_and_21():
    dataset = load("fault18")
    np.testing.assert_array_equal(np.bincount(dataset.y_train.astype(int)), [500] + [480] * 17)
    np.testing.assert_array_equal(
        np.bincount(dataset.y_test.astype(int)), [960 + 17 * 160] + [800] * 17
    )
    numbers = [int(name.split(":")[0].removeprefix("fault ")) for name in dataset.class_names[1:]]
    assert numbers == [1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20]


def test_load__fault18__windows_do_not_reach_into_another_run():
    dataset, plain = load("fault18"), load("fault7")
    tags = len(plain.feature_names)
    # Row 500 is the first of the second run: its window holds that row alone.
    np.testing.assert_array_equal(dataset.X_train[500, :tags], plain.X_train[500])
    np.testing.assert_array_equal(dataset.X_train[500, tags : 2 * tags], plain.X_train[500])
    np.testing.assert_array_equal(dataset.X_train[500, 2 * tags :], 0.0)


def test_with_rolling__row_by_row__means_and_deviations_of_the_past():
    rows = np.random.default_rng(0).normal(size=(9, 2))
    rolled = with_rolling(rows, 4)
    for i in range(9):
        window = rows[max(0, i - 3) : i + 1]
        np.testing.assert_allclose(
            rolled[i], np.concatenate([rows[i], window.mean(axis=0), window.std(axis=0)])
        )
    np.testing.assert_allclose(with_rolling(rows[:2], 4), with_rolling(rows[:2], 3))
    with pytest.raises(OptionError, match="window = 0"):
        with_rolling(rows, 0)


def test_load__transposed_file__normal_run_lies_within_the_test_run_of_its_kind():
    # Wrongly read, d00.dat would mix tags whose scales differ by orders of magnitude.
    normal, test = load("fault7").X_train[:500], load("fault7").X_test[:960]
    deviation = test.std(axis=0)
    assert (np.abs(normal.mean(axis=0) - test.mean(axis=0)) < 1.5 * deviation).all()


def test_hold_last__gaps__take_the_value_above_or_the_first_below():
    nan = np.nan
    held = hold_last(np.array([[nan, 1.0], [2.0, nan], [nan, nan], [3.0, 4.0]]))
    np.testing.assert_array_equal(held, [[2.0, 1.0], [2.0, 1.0], [2.0, 1.0], [3.0, 4.0]])
    with pytest.raises(DataFileError, match="column 1 has no value"):
        hold_last(np.array([[1.0, nan], [2.0, nan]]))


@pytest.mark.parametrize(
    ("name", "metric", "score", "train"),
    [
        ("fault7", "accuracy", 0.940, 0.930),
        ("fault2", "accuracy", 0.974, 0.964),
        ("fault18", "accuracy", 0.714, 0.998),
        ("softsensor", "R2", 0.948, 0.938),
        ("petrobras", "R2", 0.936, 0.900),
        ("shuttle", "accuracy", 0.996, 0.995),
    ],
)
def test_central_baseline__scikit_learn__matches_the_table(name, metric, score, train):
    baseline = central_baseline(load(name))
    assert baseline.metric == metric
    assert baseline.test_score == pytest.approx(score, abs=0.0006)
    assert baseline.train_score > train
    assert "scikit-learn" in baseline.description


def test_shuttle__area_under_the_curve__matches_the_table():
    dataset = load("shuttle")
    data = standardise(dataset)
    estimator = LogisticRegression(C=1.0, max_iter=5000).fit(data.X_train, data.y_train)
    area = roc_auc_score(data.y_test, estimator.decision_function(data.X_test))
    assert area == pytest.approx(0.985, abs=0.001)
    assert dataset.y_train.mean() == pytest.approx(0.072, abs=0.001)


def test_central_baseline__model_of_another_task__option_error():
    with pytest.raises(OptionError) as caught:
        central_baseline(load("softsensor"), ModelKind.SOFTMAX)
    assert (caught.value.option, caught.value.value) == ("model", "softmax")


def test_load__unknown_name__lists_what_there_is():
    with pytest.raises(UnknownNameError) as caught:
        load("fault9")
    assert caught.value.known == dataset_names()
    assert dataset_names() == ("fault18", "fault2", "fault7", "petrobras", "shuttle", "softsensor")


@pytest.mark.parametrize(
    ("name", "package"), [("fault7", "bibmon"), ("petrobras", "bibmon"), ("shuttle", "river")]
)
def test_load__package_missing__says_what_to_install(monkeypatch, name, package):
    tennessee_eastman._read.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataFileError, match=f"pip install --no-deps {package}=="):
        load(name)


@pytest.mark.parametrize(
    ("content", "problem"), [("1 2 3", "has 3 numbers"), ("1 x", "cannot be read")]
)
def test_load__damaged_simulation_file__names_it(monkeypatch, tmp_path, content, problem):
    tennessee_eastman._read.cache_clear()
    (tmp_path / "d00.dat").write_text(content)
    monkeypatch.setattr(tennessee_eastman, "_folder", lambda: tmp_path)
    with pytest.raises(DataFileError, match=problem) as caught:
        load("fault7")
    assert caught.value.path.endswith("d00.dat")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"f1,anomaly\n1,0\n", "has 1 rows, not 2"),
        (b"f1,anomaly\n1,0\n2\n", "line 3 has 1 cells, not 2"),
        (b"f1,anomaly\n1,0\n2,x\n", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_load__damaged_csv_file__names_it(monkeypatch, tmp_path, content, problem):
    folder = tmp_path / "datasets"
    folder.mkdir()
    plain = b"no gzip" if content is None else gzip.compress(content)
    (folder / "shuttle.csv.gz").write_bytes(plain)
    monkeypatch.setattr(real_sets, "package_folder", lambda *_: tmp_path)
    monkeypatch.setattr(real_sets, "_SHUTTLE_ROWS", 2)
    with pytest.raises(DataFileError, match=problem) as caught:
        load("shuttle")
    assert caught.value.path.endswith("shuttle.csv.gz")


def test_pins__versions_in_messages__are_the_installed_ones():
    pins = (Path(__file__).parents[3] / "requirements-data.in").read_text().splitlines()
    for package, version in (tennessee_eastman.BIBMON, real_sets.RIVER):
        assert f"{package}=={version}" in pins
        assert metadata.version(package) == version


def test_package_folder__package_is_there__is_not_imported(monkeypatch):
    import sys

    folder = packaged.package_folder("river", "0.26.1")
    assert (folder / "datasets" / "shuttle.csv.gz").is_file()
    assert "river" not in sys.modules


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
