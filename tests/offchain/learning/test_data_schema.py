"""What devices agree on: columns, order, task, classes; and what they are told when they do not."""

from __future__ import annotations

import json

import pytest

from offchain.learning.errors import DataFileError, OptionError, SchemaMismatch
from offchain.learning.schema import MAX_CLASSES, Request, agree, parse_names
from offchain.learning.tables import read_table
from offchain.learning.tasks import Task
from tests.offchain.learning.data_builders import HEADER, device_rows, write_csv


@pytest.fixture
def tables(tmp_path):
    """Tables of devices from (header, rows) pairs."""

    def make(*devices):
        paths = [
            write_csv(tmp_path / f"d{i}.csv", rows, header)
            for i, (header, rows) in enumerate(devices)
        ]
        return [read_table(path) for path in paths]

    return make


def target_tables(tables, *targets):
    """One device per list of targets, beside a feature."""
    return tables(*((("x", "y"), [(i, y) for i, y in enumerate(ys)]) for ys in targets))


def test_agree__same_columns__order_of_the_first_device(tables):
    swapped = [(state, flow, temp) for temp, flow, state in device_rows(5, 1)]
    schema = agree(
        tables((HEADER, device_rows(5, 0)), (("state", "flow", "temp"), swapped)), Request("state")
    )
    assert schema.features == ("temp", "flow")
    assert (schema.task, schema.class_names) == (Task.CLASSIFICATION, ("fault", "normal"))
    assert json.loads(schema.canonical())["features"] == [["temp", "number"], ["flow", "number"]]


def test_canonical__any_part_differs__other_bytes(tables):
    made = tables((HEADER, device_rows(5, 0)))
    base = agree(made, Request("state"))
    assert base.canonical() == agree(made, Request("state")).canonical()
    others = [
        agree(made, Request("state", features=("flow", "temp"))),
        agree(made, Request("state", features=("temp",))),
        agree(made, Request("flow", ignore=("state",))),
        agree(tables((HEADER, [*device_rows(5, 0), (1, 2, "x")])), Request("state")),
    ]
    assert len({schema.canonical() for schema in (base, *others)}) == 5


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (("temp", "state"), "d1.csv: has no column 'flow'; "),
        (("temp", "Flow", "state"), "d1.csv: has no column 'flow'; "),
        (("temp", "flow", "state", "level"), "d1.csv: has a column 'level', "),
        (("temp", "flow", "status"), "d1.csv: has no column 'state'; there is: temp, flow, status"),
    ],
)
def test_agree__a_device_has_other_columns__names_its_file_and_the_column(tables, header, problem):
    rows = [tuple("7" for _ in header)] * 3
    with pytest.raises(SchemaMismatch) as caught:
        agree(tables((HEADER, device_rows(5, 0)), (header, rows)), Request("state"))
    assert problem in str(caught.value)
    assert caught.value.path.endswith("d1.csv")


def test_agree__listed_features__other_columns_may_differ(tables):
    wider = [(*row, 7) for row in device_rows(5, 1)]
    made = tables((HEADER, device_rows(5, 0)), ((*HEADER, "level"), wider))
    assert agree(made, Request("state", features=("temp",))).features == ("temp",)
    assert agree(made, Request("state", ignore=("level*",), features=("*",))).features == (
        "temp",
        "flow",
    )


def test_agree__stars__stand_for_columns_of_the_first_device(tables):
    header = ("tag1", "x [bar]", "tag2", "t*", "state")
    made = tables((header, [(1, 2, 3, 4, "a"), (1, 2, 3, 4, "b")]))
    assert agree(made, Request("state", features=("tag*", "x [bar]"))).features == (
        "tag1",
        "tag2",
        "x [bar]",
    )
    assert agree(made, Request("state", features=("t*",))).features == ("t*",)
    assert agree(made, Request("state", ignore=("tag*", "t*"))).features == ("x [bar]",)
    with pytest.raises(OptionError, match=r"ignore = 'time': no such column; there is: tag1, x \["):
        agree(made, Request("state", ignore=("time",)))
    with pytest.raises(OptionError, match="no column is left to learn from"):
        agree(made, Request("state", ignore=("*",)))


@pytest.mark.parametrize(
    ("targets", "task", "expected"),
    [
        ((["a", "b"],), None, Task.CLASSIFICATION),
        ((["1", "b"],), None, Task.CLASSIFICATION),
        ((["1", "2.5"],), None, Task.REGRESSION),
        ((["1", "2"], ["1", "2.5"]), None, Task.REGRESSION),
        ((["1", "2"],), Task.CLASSIFICATION, Task.CLASSIFICATION),
        ((["1", "2"],), Task.REGRESSION, Task.REGRESSION),
        ((["1", "2"], ["", "NA"]), Task.REGRESSION, Task.REGRESSION),
        ((["", "NA"], ["a", "b"]), None, Task.CLASSIFICATION),
        ((["1", "2"], ["a", "b"]), Task.CLASSIFICATION, Task.CLASSIFICATION),
    ],
)
def test_agree__task__asked_for_or_as_the_target_says(tables, targets, task, expected):
    assert agree(target_tables(tables, *targets), Request("y", task=task)).task is expected


def test_agree__whole_numbers_and_no_task__asks_for_it(tables):
    with pytest.raises(OptionError, match="'y' holds whole numbers: say classification or regr"):
        agree(target_tables(tables, ["0", "1"]), Request("y"))


def test_agree__fractions_as_classes__option_error(tables):
    request = Request("y", task=Task.CLASSIFICATION)
    with pytest.raises(OptionError, match="'y' holds numbers with fractions"):
        agree(target_tables(tables, ["0.5", "1.5"]), request)


def test_agree__target_text_in_one_device_and_numbers_in_another__names_both(tables):
    with pytest.raises(SchemaMismatch) as caught:
        agree(target_tables(tables, ["1", "2"], ["a", "b"]), Request("y"))
    assert caught.value.path.endswith("d1.csv")
    assert "d0.csv whole numbers" in str(caught.value)


def test_agree__target_missing_everywhere__data_file_error(tables):
    with pytest.raises(DataFileError, match="column 'y' has no value at all"):
        agree(target_tables(tables, ["", "NA"]), Request("y"))


def test_agree__classes__are_all_devices_classes_in_order(tables):
    request = Request("y", task=Task.CLASSIFICATION)
    made = target_tables(tables, ["10", "9"], ["-1", "9"])
    assert agree(made, request).class_names == ("-1", "9", "10")
    made = target_tables(tables, ["10", "b"], ["a", "9"])
    assert agree(made, request).class_names == ("10", "9", "a", "b")


def test_agree__one_class_or_too_many__data_file_error(tables):
    with pytest.raises(DataFileError, match="all rows of all devices have one class"):
        agree(target_tables(tables, ["a", "a"], ["a"]), Request("y"))
    many = [f"c{i}" for i in range(MAX_CLASSES + 1)]
    with pytest.raises(
        DataFileError, match=f"has {MAX_CLASSES + 1} classes, at most {MAX_CLASSES}"
    ):
        agree(target_tables(tables, many), Request("y"))
    assert len(agree(target_tables(tables, many[1:]), Request("y")).class_names) == MAX_CLASSES


def test_parse_names__commas_and_quotes__split(tables):
    assert parse_names("features", 'a, b c,"x, y"') == ("a", "b c", "x, y")
    assert parse_names("features", None) == ()


@pytest.mark.parametrize("text", ["", "a,", ",a", " "])
def test_parse_names__an_empty_name__option_error(text):
    with pytest.raises(OptionError, match="must be names with commas between them"):
        parse_names("features", text)


def test_parse_names__twice_the_same__option_error():
    with pytest.raises(OptionError, match="a name comes twice"):
        parse_names("ignore", "a,b,a")
