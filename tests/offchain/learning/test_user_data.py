"""The user's own data: devices, splits, ranges, notes, and all ways in which files are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from offchain.learning.baseline import central_baseline
from offchain.learning.errors import CellError, DataFileError, OptionError, SchemaMismatch
from offchain.learning.tasks import Task
from tests.offchain.learning.data_builders import (
    HEADER,
    device_folder,
    device_rows,
    loaded,
    notes_of,
    write_csv,
    write_parquet,
)


@pytest.fixture
def folder(tmp_path):
    """Four devices with 12 rows each."""
    return device_folder(tmp_path / "plant")


def all_rows(data):
    return sorted(map(tuple, np.vstack([data.dataset.X_train, data.dataset.X_test]).tolist()))


# ---- where devices come from


def test_load__folder__each_file_is_a_device(folder):
    data = loaded(folder)
    assert data.devices == ("pump0", "pump1", "pump2", "pump3")
    assert [part.count for part in data.parts] == [len(part.y) for part in data.parts]
    assert sum(part.count for part in data.parts) == len(data.dataset.X_train)
    assert len(data.dataset.X_train) + len(data.dataset.X_test) == 48
    assert (data.dataset.feature_names, data.dataset.target_name) == (("temp", "flow"), "state")
    assert data.dataset.class_names == ("fault", "normal")
    assert data.dataset.origin.describe() == "own data; source: plant; licence: the owner's"
    np.testing.assert_array_equal(np.vstack([part.X for part in data.parts]), data.dataset.X_train)
    assert central_baseline(data.dataset).test_score >= 0.75


def test_load__pattern__takes_the_files_that_fit(folder):
    assert loaded(folder / "pump[12].csv").devices == ("pump1", "pump2")
    assert loaded(folder / "*3.csv").devices == ("pump3",)


def test_load__parquet_and_csv__are_the_same_rows(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for device in range(4):
        rows = device_rows(12, device)
        write = write_parquet if device % 2 else write_csv
        write(other / f"pump{device}.{'parquet' if device % 2 else 'csv'}", rows)
    one, two = loaded(folder), loaded(other)
    np.testing.assert_array_equal(one.dataset.X_train, two.dataset.X_train)
    np.testing.assert_array_equal(one.dataset.y_test, two.dataset.y_test)


def test_load__device_column__groups_the_rows_of_all_files(folder, tmp_path):
    both = tmp_path / "both"
    both.mkdir()
    header = ("pump", *HEADER)
    tagged = [(f"pump{d}", *row) for d in range(4) for row in device_rows(12, d)]
    order = np.random.default_rng(0).permutation(len(tagged))
    shuffled = [tagged[i] for i in order]
    write_csv(both / "a.csv", shuffled[:20], header)
    write_csv(both / "b.csv", shuffled[20:], header)
    data = loaded(both, device_column="pump")
    assert data.devices == ("pump0", "pump1", "pump2", "pump3")
    assert data.schema.features == ("temp", "flow")
    assert all_rows(data) == all_rows(loaded(folder))
    single = loaded(write_csv(tmp_path / "all.csv", tagged, header), device_column="pump")
    assert single.devices == data.devices


def test_load__single_file_without_device_column__is_a_pool(tmp_path):
    rows = [row for device in range(4) for row in device_rows(12, device)]
    data = loaded(write_csv(tmp_path / "all.csv", rows))
    assert (data.devices, data.parts) == ((), ())
    assert len(data.dataset.X_train) + len(data.dataset.X_test) == 48
    assert data.dataset.name == "all"


def test_load__same_file_names_in_folders__named_with_their_folders(tmp_path):
    for line in ("line1", "line2"):
        (tmp_path / line).mkdir()
        write_csv(tmp_path / line / "pump.csv", device_rows(12, 0))
    assert loaded(f"{tmp_path}/*/pump.csv").devices == ("line1/pump", "line2/pump")
    write_parquet(tmp_path / "line1" / "pump.parquet", device_rows(12, 0))
    with pytest.raises(DataFileError, match="another file is of device 'pump' too"):
        loaded(tmp_path / "line1")


def test_load__other_files_in_the_folder__are_left_alone(folder):
    (folder / "README.md").write_text("no data")
    (folder / ".hidden.csv").write_text("no data")
    assert len(loaded(folder).devices) == 4


@pytest.mark.parametrize("name", ["nothing", "none*.csv", "empty"])
def test_load__no_file__data_file_error(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataFileError, match=r"no such file|no file ending"):
        loaded(tmp_path / name)


def test_load__device_column_lacking_or_with_gaps__is_named(folder, tmp_path):
    with pytest.raises(SchemaMismatch, match="has no column 'pump'; there is: temp, flow, state"):
        loaded(folder, device_column="pump")
    rows = [("p1", 1, 2, "a"), ("", 1, 2, "b")]
    file = write_csv(tmp_path / "gap.csv", rows, ("pump", *HEADER))
    with pytest.raises(CellError, match=r"gap.csv: row 3, column 'pump': is missing"):
        loaded(file, device_column="pump")


# ---- malformed files, other schemas


def test_load__malformed_file_among_devices__is_named(folder):
    (folder / "pump2.csv").write_text("temp,flow,state\n1,2,normal\n3,4\n")
    with pytest.raises(DataFileError, match=r"pump2.csv: row 3: has 2 cells"):
        loaded(folder)


def test_load__a_device_whose_schema_differs__is_named(folder):
    write_csv(folder / "pump3.csv", device_rows(5, 0), ("temp", "pressure", "state"))
    with pytest.raises(SchemaMismatch, match=r"pump3.csv: has no column 'flow'") as caught:
        loaded(folder)
    assert "pump0.csv has it" in str(caught.value)


def test_load__a_device_with_columns_in_another_order__is_read_by_name(folder):
    before = loaded(folder)
    swapped = [(state, flow, temp) for temp, flow, state in device_rows(12, 3)]
    write_csv(folder / "pump3.csv", swapped, ("state", "flow", "temp"))
    np.testing.assert_array_equal(loaded(folder).dataset.X_train, before.dataset.X_train)


def test_load__text_in_a_feature_of_one_device__names_row_and_column(folder):
    rows = device_rows(6, 1)
    rows[4] = ("Bad", *rows[4][1:])
    write_csv(folder / "pump1.csv", rows)
    with pytest.raises(
        CellError, match=r"pump1.csv: row 6, column 'temp': is no number; "
    ) as caught:
        loaded(folder)
    assert (caught.value.row, caught.value.column) == (6, "temp")
    assert "--missing-marks" in str(caught.value)
    data = loaded(folder, missing_marks="Bad,No Data")
    assert notes_of(data, "missing-rows") == [
        "device pump1: 1 of 6 rows have missing values (temp: 1) and are dropped"
    ]


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e400"])
def test_load__non_finite_value__names_row_and_column(folder, cell):
    rows = device_rows(6, 1)
    rows[2] = (rows[2][0], cell, rows[2][2])
    write_csv(folder / "pump1.csv", rows)
    with pytest.raises(CellError, match=r"pump1.csv: row 4, column 'flow': is infinite"):
        loaded(folder)


# ---- missing values, empty and small devices


def gappy(folder):
    rows = [list(row) for row in device_rows(10, 2)]
    rows[3][0], rows[5][1], rows[5][0], rows[7][2] = "", "NaN", "NA", ""
    write_csv(folder / "pump2.csv", rows)
    return folder


def test_load__missing_values__rows_are_dropped_and_counted(folder):
    data = loaded(gappy(folder))
    (note,) = notes_of(data, "missing-rows")
    assert note.startswith("device pump2: 3 of 10 rows have missing values ")
    assert note.endswith("(temp: 2, flow: 1, state: 1) and are dropped")
    assert len(data.dataset.X_train) + len(data.dataset.X_test) == 36 + 7
    assert np.isfinite(data.dataset.X_train).all()


def test_load__missing_values_refused__names_the_first(folder):
    with pytest.raises(CellError, match=r"pump2.csv: row 5, column 'temp': is missing"):
        loaded(gappy(folder), missing="refuse")
    with pytest.raises(OptionError, match="missing = 'fill': must be one of drop, refuse"):
        loaded(folder, missing="fill")


def test_load__empty_devices__are_left_out_and_said(folder):
    (folder / "pump4.csv").write_text("")
    write_csv(folder / "pump5.csv", [])
    write_csv(folder / "pump6.csv", [("", 1, "normal"), (1, "NA", "fault")])
    data = loaded(folder)
    assert data.devices == ("pump0", "pump1", "pump2", "pump3")
    assert notes_of(data, "empty-device") == [
        "device pump4: its file is empty; it is left out",
        "device pump5: its file has no row; it is left out",
        "device pump6: each of its rows has a missing value; it is left out",
    ]


def test_load__all_devices_empty__data_file_error(tmp_path):
    write_csv(tmp_path / "a.csv", [])
    with pytest.raises(DataFileError, match="no device has a row"):
        loaded(tmp_path)
    write_csv(tmp_path / "a.csv", [("", 1, "normal"), ("", 1, "fault")])
    with pytest.raises(DataFileError, match="every row of every device has a missing value"):
        loaded(tmp_path)


def test_load__device_with_a_single_row__trains_on_it_with_a_warning(folder):
    write_csv(folder / "pump3.csv", [(20.0, 1.0, "normal")])
    data = loaded(folder)
    assert data.parts[3].count == 1
    assert len(notes_of(data, "single-row")) == 1
    assert "device pump3: a single training row" in notes_of(data, "single-row")[0]
    assert notes_of(loaded(device_folder(folder)), "single-row") == []


# ---- classes


def test_load__class_that_one_device_has__warned_by_name(folder):
    write_csv(folder / "pump1.csv", [*device_rows(12, 1), *[(1.0, 2.0, "leak")] * 4])
    data = loaded(folder)
    assert data.dataset.class_names == ("fault", "leak", "normal")
    (warning,) = notes_of(data, "lone-class")
    assert warning.startswith("class 'leak': only one device has it")
    assert "pump1" not in warning
    (balance,) = notes_of(data, "class-balance")
    assert "leak: 3 rows" in balance
    assert "on 1 device;" in balance
    assert not next(n for n in data.notes if n.kind == "class-balance").warning


def test_load__class_that_two_devices_have__no_warning(folder):
    for device in (1, 2):
        rows = [*device_rows(12, device), (1.0, 2.0, "leak")]
        write_csv(folder / f"pump{device}.csv", rows)
    assert notes_of(loaded(folder), "lone-class") == []


def test_load__class_whose_rows_are_all_held_out__warned(folder):
    write_csv(folder / "pump1.csv", [*device_rows(12, 1), (1.0, 2.0, "leak")])
    data = loaded(folder, holdout="last:0.1")
    assert notes_of(data, "absent-class") == [
        "class 'leak': all of its rows are held out for testing"
    ]
    assert notes_of(loaded(folder), "absent-class") == []


def test_load__classes_as_numbers__need_the_task_and_keep_their_order(tmp_path):
    for device in range(3):
        rows = [(i, i % 5, 10 * (i % 3)) for i in range(12)]
        write_csv(tmp_path / f"d{device}.csv", rows)
    with pytest.raises(OptionError, match="say classification or regression"):
        loaded(tmp_path)
    assert loaded(tmp_path, task="classification").dataset.class_names == ("0", "10", "20")
    assert loaded(tmp_path, task="regression").dataset.task is Task.REGRESSION
    with pytest.raises(OptionError, match="task = 'ranking': must be one of"):
        loaded(tmp_path, task="ranking")


# ---- columns and ranges


def regression_folder(folder):
    folder.mkdir(exist_ok=True)
    for device in range(3):
        rng = np.random.default_rng(device)
        rows = [(round(x, 3), 4.0, round(2 * x + 1, 3)) for x in rng.uniform(0, 8, 12).tolist()]
        write_csv(folder / f"d{device}.csv", rows, ("x", "fixed", "y"))
    return folder


def test_load__constant_column__is_named(tmp_path):
    data = loaded(regression_folder(tmp_path / "r"), "y")
    assert notes_of(data, "constant-column") == [
        "constant in all training rows, so without weight: fixed"
    ]
    assert data.dataset.class_names == ()
    assert central_baseline(data.dataset).test_score == pytest.approx(1.0)


def test_load__nothing_varies__data_file_error(tmp_path):
    folder = regression_folder(tmp_path / "r")
    with pytest.raises(DataFileError, match="every feature column is constant"):
        loaded(folder, "y", features="fixed")
    with pytest.raises(DataFileError, match="column 'fixed' is constant in the training rows"):
        loaded(folder, "fixed", task="regression")


def test_load__no_ranges__derived_with_a_warning_that_says_what_it_reveals(tmp_path):
    data = loaded(regression_folder(tmp_path / "r"), "y")
    (warning,) = notes_of(data, "derived-ranges")
    assert "smallest and largest values" in warning
    assert "3 columns" in warning
    low, high = data.dataset.ranges.T
    assert (low <= data.dataset.X_train.min(axis=0)).all()
    assert (high >= data.dataset.X_train.max(axis=0)).all()


def ranges_file(tmp_path, text):
    path = tmp_path / "ranges.csv"
    path.write_text(text)
    return str(path)


def test_load__ranges_file__is_taken_by_name_and_departures_are_counted(tmp_path):
    folder = regression_folder(tmp_path / "r")
    text = "feature,low,high\ny,0,20\nother,0,1\nfixed,0,10\nx,0,4\n"
    data = loaded(folder, "y", ranges=ranges_file(tmp_path, text))
    np.testing.assert_array_equal(data.dataset.ranges, [[0.0, 4.0], [0.0, 10.0]])
    np.testing.assert_array_equal(data.dataset.target_range, [[0.0, 20.0]])
    assert notes_of(data, "derived-ranges") == []
    outside = int((data.dataset.X_train[:, 0] > 4.0).sum())
    (note,) = notes_of(data, "outside-range")
    assert note.startswith(f"column 'x': {outside} of {len(data.dataset.X_train)} training values")


def test_load__range_far_too_wide__warned(tmp_path):
    text = "feature,low,high\ny,0,20\nfixed,0,10\nx,-5000,5000\n"
    data = loaded(regression_folder(tmp_path / "r"), "y", ranges=ranges_file(tmp_path, text))
    (note,) = notes_of(data, "narrow-column")
    assert note.endswith("give a narrower range: x")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name,low,high\nx,0,1\n", "row 1: the columns must be feature, low, high"),
        ("feature,low,high\nx,0,8\n", "has no range for: fixed, y"),
        ("feature,low,high\nx,8,8\n", "row 2, column 'high': must be above low"),
        ("feature,low,high\ny,0,1\nx,,8\n", "row 3, column 'low': is missing"),
        ("feature,low,high\nx,0,inf\n", "row 2, column 'high': is infinite"),
        ("feature,low,high\nx,a,1\n", "row 2, column 'low': is no number"),
        ("feature,low,high\nx,0,1\nx,0,2\n", "row 3, column 'feature': comes twice"),
        ("feature,low,high\n,0,1\n", "row 2, column 'feature': is missing"),
    ],
)
def test_load__bad_ranges_file__names_the_place(tmp_path, text, problem):
    folder = regression_folder(tmp_path / "r")
    with pytest.raises(DataFileError) as caught:
        loaded(folder, "y", ranges=ranges_file(tmp_path, text))
    assert problem in str(caught.value)
    assert caught.value.path.endswith("ranges.csv")


# ---- rows for testing


def test_holdout__random__same_seed_same_rows_and_a_share_of_each_class(folder):
    one, two, other = loaded(folder), loaded(folder), loaded(folder, seed=2)
    np.testing.assert_array_equal(one.dataset.X_test, two.dataset.X_test)
    assert one.dataset.X_test.tolist() != other.dataset.X_test.tolist()
    for part, device in zip(one.parts, range(4), strict=True):
        rows = device_rows(12, device)
        for label, name in enumerate(("fault", "normal")):
            count = sum(state == name for *_, state in rows)
            assert (part.y == label).sum() == count - count // 4


def test_holdout__a_device_more__leaves_the_rows_of_the_others(folder):
    before = loaded(folder)
    write_csv(folder / "pump00.csv", device_rows(12, 9))
    after = loaded(folder)
    assert after.devices[:2] == ("pump0", "pump00")
    np.testing.assert_array_equal(after.parts[0].X, before.parts[0].X)
    np.testing.assert_array_equal(after.parts[2].X, before.parts[1].X)


def test_holdout__last__keeps_the_end_of_each_file(folder):
    data = loaded(folder, holdout="last:0.5")
    expected = [list(row[:2]) for device in range(4) for row in device_rows(12, device)[6:]]
    np.testing.assert_array_equal(data.dataset.X_test, expected)


@pytest.mark.parametrize("text", ["0.25", "random", "random:0", "last:1", "first:0.5", "last:nan"])
def test_holdout__bad_text__option_error(folder, text):
    with pytest.raises(OptionError, match="must be random:SHARE or last:SHARE"):
        loaded(folder, holdout=text)


def test_holdout__no_row_left_to_test__option_error(folder):
    with pytest.raises(OptionError, match="leaves no row to test with"):
        loaded(folder, holdout="random:0.01")


def test_repr__user_data__shows_no_rows(folder):
    data = loaded(folder)
    assert repr(data).startswith("UserData(Dataset(plant: ")
    assert repr(data.parts[0]).startswith("DeviceData(X: (")
