"""Reading tables: numbers, classes, missing values, and errors that name file, row and column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from offchain.learning.errors import CellError, DataFileError, NotANumber
from offchain.learning.tables import read_table


@pytest.fixture
def read(tmp_path):
    def reader(content: bytes | str, *, name: str = "a.csv", marks=()):
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
        return read_table(tmp_path / name, marks)

    return reader


@pytest.fixture
def parquet(tmp_path):
    def reader(**columns):
        pq.write_table(pa.table(columns), tmp_path / "a.parquet")
        return read_table(tmp_path / "a.parquet")

    return reader


def test_csv__numbers__as_plants_write_them(read):
    table = read("a\n1\n+1.5\n 2 \n1e3\n-.5\n7.\n")
    np.testing.assert_array_equal(table.numbers("a"), [1.0, 1.5, 2.0, 1000.0, -0.5, 7.0])
    np.testing.assert_array_equal(table.rows, [2, 3, 4, 5, 6, 7])


@pytest.mark.parametrize("mark", ["", " ", "NA", "nan", "N/A", "null", "#n/a", "Bad", "bad"])
def test_csv__missing_marks__become_nan(read, mark):
    table = read(f"a,b\n{mark},x\n2,{mark}\n", marks=["Bad", "No Data"])
    np.testing.assert_array_equal(table.numbers("a"), [np.nan, 2.0])
    codes, names = table.classes("b")
    assert (codes.tolist(), names) == ([0, -1], ("x",))


@pytest.mark.parametrize("cell", ["Bad", "1,5", "1_000", "0x10", "none", "12 bar", "1.2.3", "--1"])
def test_csv__text_among_numbers__names_file_row_and_column_and_hides_the_cell(read, cell):
    table = read(f'time,temp\n1,2\n2,"{cell}"\n')
    with pytest.raises(NotANumber) as caught:
        table.numbers("temp")
    assert (caught.value.row, caught.value.column) == (3, "temp")
    assert caught.value.path.endswith("a.csv")
    assert str(caught.value).endswith("a.csv: row 3, column 'temp': is no number")
    assert cell not in str(caught.value).rpartition("column")[2]


@pytest.mark.parametrize("cell", ["inf", "-inf", "Infinity", "1e999"])
def test_csv__infinite_number__cell_error(read, cell):
    table = read(f"temp\n1\n{cell}\n")
    with pytest.raises(CellError, match="row 3, column 'temp': is infinite") as caught:
        table.numbers("temp")
    assert not isinstance(caught.value, NotANumber)


def test_csv__semicolons__take_decimal_commas(read):
    table = read('a;b\n1,5;"x;y"\n-2;z\n')
    np.testing.assert_array_equal(table.numbers("a"), [1.5, -2.0])
    assert table.classes("b")[1] == ("x;y", "z")
    np.testing.assert_array_equal(read("a\tb\n1,5\t2\n").numbers("a"), [1.5])


def test_csv__blank_lines__are_no_rows_and_keep_row_numbers(read):
    table = read("a,b\n\n1,2\n,\n\n3,x\n\n\n")
    np.testing.assert_array_equal(table.rows, [3, 6])
    with pytest.raises(NotANumber, match="row 6"):
        table.numbers("b")


def test_csv__byte_order_mark_and_crlf__are_taken_off(read):
    table = read(b"\xef\xbb\xbftemp , flow\r\n1,2\r\n")
    assert table.names == ("temp", "flow")
    np.testing.assert_array_equal(table.numbers("flow"), [2.0])


def test_csv__unnamed_column__is_named_by_position(read):
    assert read(",a\n0,1\n").names == ("column 1", "a")


@pytest.mark.parametrize("content", ["a,b", "a,b\n", "a,b\n\n\n"])
def test_csv__header_only__has_no_rows(read, content):
    table = read(content)
    assert table.names == ("a", "b")
    assert table.numbers("a").shape == (0,)
    assert table.classes("b")[1] == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,b\n1,2\n3\n", "row 3: has 1 cells, the header 2; or a quote is not closed"),
        ("a,b\n1,2,3\n", "row 2: has 3 cells, the header 2"),
        ('a,b\n1,2\n"3,4\n5,6\n', "row 3: has 1 cells"),
        ('a,b\n1,"2\n3,4\n', "row 2, column 'b': goes over several lines; is a quote not closed"),
        ("a,a\n1,2\n", "row 1: two columns are named 'a'"),
        (b"a,b\n1,2\n1,\xff\n", "row 3, column 'b': is not UTF-8 text"),
        (b"t\xb0,b\n1,2\n", "row 1: is not UTF-8 text"),
        ("a,b\n1,2\n".encode("utf-16"), "row 1: is not UTF-8 text"),
        (b"PK\x03\x04\0\0\0\0\n", "row 1: is not text"),
    ],
)
def test_csv__malformed__names_the_place(read, content, problem):
    with pytest.raises(DataFileError) as caught:
        read(content)
    assert problem in str(caught.value)
    assert caught.value.path.endswith("a.csv")


def test_csv__error_beyond_the_first_block__has_the_right_row(read):
    lines = "1.25,2.5\n" * 200_000
    with pytest.raises(DataFileError, match="row 200002: has 1 cells"):
        read("a,b\n" + lines + "1\n")
    with pytest.raises(NotANumber, match="row 200002, column 'b'"):
        read("a,b\n" + lines + "1,x\n").numbers("b")


def test_classes__whole_numbers__are_the_same_text_in_every_file(read, parquet):
    for table in (read("a\n1\n1.0\n02.\nx\n"), parquet(a=["1", "1.00", "02.", "x"])):
        codes, names = table.classes("a")
        assert (codes.tolist(), names) == ([0, 0, 1, 2], ("1", "02", "x"))
    assert parquet(a=[1, None, 2]).classes("a")[1] == ("1", "2")
    assert parquet(a=[1.0, float("nan"), 2.0]).classes("a")[1] == ("1", "2")
    assert parquet(a=[True, False]).classes("a")[1] == ("true", "false")


def test_parquet__kinds_of_columns__become_numbers(parquet):
    table = parquet(
        whole=pa.array([1, None, 3], pa.int32()),
        real=[1.5, float("nan"), -2.0],
        flag=[True, None, False],
        text=pa.array(["1", "NA", "+3"]).dictionary_encode(),
        decimal=pa.array([1, 2, None]).cast(pa.decimal128(21, 2)),
        wide=pa.array(["4", "", "6"], pa.large_string()),
    )
    nan = np.nan
    for name, expected in {
        "whole": [1.0, nan, 3.0],
        "real": [1.5, nan, -2.0],
        "flag": [1.0, nan, 0.0],
        "text": [1.0, nan, 3.0],
        "decimal": [1.0, 2.0, nan],
        "wide": [4.0, nan, 6.0],
    }.items():
        np.testing.assert_array_equal(table.numbers(name), expected, err_msg=name)
    np.testing.assert_array_equal(table.rows, [1, 2, 3])


def test_parquet__time_or_infinite__cell_error(parquet):
    table = parquet(time=pa.array([1, 2], pa.timestamp("s")), real=[1.0, float("inf")])
    with pytest.raises(
        CellError, match=r"row 1, column 'time': is of type timestamp.*not a number"
    ):
        table.numbers("time")
    with pytest.raises(CellError, match="row 2, column 'real': is infinite"):
        table.numbers("real")


def test_parquet__index_of_pandas__is_left_out(parquet):
    assert parquet(a=[1], __index_level_0__=[7]).names == ("a",)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
def test_parquet__damaged__data_file_error(read, content):
    with pytest.raises(DataFileError, match="cannot be read as Parquet"):
        read(content, name="a.parquet")


def test_read_table__missing_file_or_unknown_ending__data_file_error(read, tmp_path):
    with pytest.raises(DataFileError, match=r"none\.csv: cannot be read"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataFileError, match=r"none\.parquet: cannot be read"):
        read_table(tmp_path / "none.parquet")
    with pytest.raises(DataFileError, match=r"must end in one of \.csv"):
        read("a\n1\n", name="a.xlsx")


def test_take__some_rows__keep_their_numbers(read):
    table = read("a\n1\n2\n3\n").take(np.array([0, 2]))
    np.testing.assert_array_equal(table.rows, [2, 4])
    np.testing.assert_array_equal(table.numbers("a"), [1.0, 3.0])


def test_repr__table__shows_no_cells(read):
    assert repr(read("a\n98765\n")).endswith("a.csv: 1 rows, 1 columns)")
