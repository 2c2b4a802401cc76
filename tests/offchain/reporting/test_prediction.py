"""Predictions for the rows of a file, and the command that makes them."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from click.testing import CliRunner

from offchain.learning.errors import CellError, SchemaMismatch
from offchain.learning.models import ModelKind
from offchain.learning.tables import read_table
from offchain.reporting.errors import ReportFileError
from offchain.reporting.model_file import encode_model, write_model
from offchain.reporting.prediction import Gaps, predict_table, write_predictions
from scripts.predict import cli
from tests.offchain.reporting.builders import make_model_file

FEATURES = ("tag 0", "tag 1", "tag 2", "tag 3")
X = np.random.default_rng(5).normal(2.0, 3.0, size=(6, 4)).round(3)


@pytest.fixture
def data(tmp_path):
    """A file of rows with its columns in another order, and one more column."""

    def write(rows=X, extra=None, names=FEATURES):
        path = tmp_path / "data.csv"
        header = [*reversed(names), "note", *(extra or {})]
        lines = [",".join(f'"{name}"' for name in header)]
        for i, row in enumerate(rows):
            cells = [*reversed([str(v) for v in row]), "text"]
            lines.append(",".join([*cells, *(str(v[i]) for v in (extra or {}).values())]))
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture
def run(tmp_path):
    """Runs the command on a model of a kind; returns click's result."""

    def invoke(data, *arguments, kind=ModelKind.SOFTMAX):
        model = tmp_path / "model.json"
        write_model(make_model_file(kind), model)
        words = ["--model", str(model), "--data", str(data), *arguments]
        return CliRunner(mix_stderr=False).invoke(cli, words)

    return invoke


@pytest.mark.parametrize("kind", list(ModelKind))
def test_predict_table__any_kind__is_what_the_model_says_for_the_named_columns(data, kind):
    model = make_model_file(kind)
    made = predict_table(model, read_table(data()))
    expected = model.predict(X)
    if kind is ModelKind.LINEAR:
        np.testing.assert_array_equal(made.predicted, expected)
        assert made.probabilities is None
    else:
        assert made.predicted == tuple(model.class_names[int(c)] for c in expected)
        np.testing.assert_array_equal(made.probabilities, model.probabilities(X))
    np.testing.assert_array_equal(made.rows, [2, 3, 4, 5, 6, 7])
    assert (made.missing, made.score) == (0, None)
    assert repr(made) == "Predictions(6 rows)"


def test_predict_table__missing_feature_value__empty_or_refused(data):
    rows = X.astype(object)
    rows[3, 1] = "NA"
    model, table = make_model_file(), read_table(data(rows))
    made = predict_table(model, table)
    assert made.missing == 1
    assert made.predicted[3] is None
    lines = list(csv.reader(io.StringIO(made.to_csv())))
    assert lines[0] == ["row", "prediction", *(f"probability class {i}" for i in range(3))]
    assert lines[4] == ["5", "", "", "", ""]
    assert float(lines[1][2]) == model.probabilities(X)[0, 0]
    assert made.to_list()[3] == {"row": 5, "prediction": None, "probabilities": None}
    with pytest.raises(CellError, match="row 5, column 'tag 1': is missing"):
        predict_table(model, table, Gaps.REFUSE)


def test_predict_table__target_in_the_file__is_scored(data):
    model = make_model_file()
    truth = [model.class_names[int(c)] for c in model.predict(X)]
    truth[0], truth[1], truth[2] = "class 0" if truth[0] != "class 0" else "class 1", "", "other"
    score = predict_table(model, read_table(data(extra={"fault": truth}))).score
    assert score is not None
    assert (score.metric, score.value, score.rows) == ("accuracy", 0.6, 5)
    linear = make_model_file(ModelKind.LINEAR)
    values = linear.predict(X) + np.array([1.0, -1.0, 0.0, 0.0, 0.0, 0.0])
    score = predict_table(linear, read_table(data(extra={"fault": values}))).score
    assert score is not None
    assert score.metric == "R2"
    assert score.value == pytest.approx(1.0 - 2.0 / np.square(values - values.mean()).sum())
    assert predict_table(model, read_table(data(extra={"fault": [""] * 6}))).score is None


def test_predict_table__no_rows__no_predictions(data):
    made = predict_table(make_model_file(), read_table(data(rows=X[:0])))
    assert (made.predicted, made.score) == ((), None)


def test_predict_table__column_missing_or_wrong__is_named(data):
    model = make_model_file()
    with pytest.raises(SchemaMismatch, match=r"data.csv: has no column 'tag 3'; there is: tag x"):
        predict_table(model, read_table(data(names=(*FEATURES[:3], "tag x"))))
    rows = X.astype(object)
    rows[1, 2] = "Bad"
    with pytest.raises(CellError, match="row 3, column 'tag 2': is no number"):
        predict_table(model, read_table(data(rows)))
    rows[1, 2] = "inf"
    with pytest.raises(CellError, match="row 3, column 'tag 2': is infinite"):
        predict_table(model, read_table(data(rows)))


def test_write_predictions__folder_missing__report_file_error(data, tmp_path):
    made = predict_table(make_model_file(), read_table(data()))
    with pytest.raises(ReportFileError, match="cannot be written"):
        write_predictions(made, tmp_path / "no" / "out.csv")
    write_predictions(made, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == made.to_csv()


def test_command__no_output__csv_on_standard_output_and_a_summary_beside(data, run):
    result = run(data())
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("row,prediction,probability class 0")
    assert len(result.stdout.splitlines()) == 7
    assert result.stderr == "'fault' predicted: 6 rows\n"


def test_command__output_and_json__summary_without_rows(data, run, tmp_path):
    truth = ["class 0"] * 6
    output = tmp_path / "out.csv"
    result = run(data(extra={"fault": truth}), "--output", str(output), "--json")
    content = json.loads(result.stdout)
    predicted = [row["prediction"] for row in csv.DictReader(output.read_text().splitlines())]
    assert content["score"] == {
        "metric": "accuracy",
        "value": predicted.count("class 0") / 6,
        "rows": 6,
    }
    assert content["output"] == str(output)
    assert "predictions" not in content
    rows = json.loads(run(data(), "--json").stdout)["predictions"]
    assert [row["prediction"] for row in rows] == predicted
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1.0)


def test_command__wrong_files__one_line_that_names_them(data, run, tmp_path):
    result = run(data(names=("a", "b", "c", "d")))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "data.csv: has no column 'tag 0'" in result.stderr
    result = run(data(), "--output", str(tmp_path / "model.json"))
    assert result.exit_code == 1
    assert "model.json: is read by this command" in result.stderr
    result = run(data(), "--missing-marks", ",")
    assert "missing-marks" in result.stderr
    assert run(tmp_path / "none.csv").exit_code == 2


def test_command__altered_model_file__is_refused(data, tmp_path):
    content = json.loads(encode_model(make_model_file()))
    content["feature_names"][0] = "tag 9"
    (tmp_path / "altered.json").write_text(json.dumps(content))
    arguments = ["--model", str(tmp_path / "altered.json"), "--data", str(data())]
    result = CliRunner(mix_stderr=False).invoke(cli, arguments)
    assert result.exit_code == 1
    assert "altered" in result.stderr
