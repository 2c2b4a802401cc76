"""The guide of docs/data.md: its example is made, read and learnt from as it says.

The commands' options are taken from the page; training is simulated here, without a chain.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from offchain.learning.baseline import central_baseline, simulate, standardise
from offchain.learning.data_rows import feature_matrix
from offchain.learning.defaults import own_data_defaults
from offchain.learning.partition import Even
from offchain.learning.tables import read_table
from offchain.learning.user_data import UserData, UserDataOptions, load_user_data
from tests.offchain.learning.data_builders import notes_of

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
MAKE, COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
(SAID,) = re.findall(r"before the first round:\n\n```\n(.*?)```", PAGE, re.DOTALL)


def commands() -> dict[str, dict[str, str]]:
    """Options of each command of the guide, by command."""
    found = {}
    for line in COMMANDS.replace("\\\n", " ").strip().splitlines():
        _, run, command, *words = shlex.split(line)
        assert run == "run"
        names = [word.removeprefix("--").replace("-", "_") for word in words[::2]]
        found[command] = dict(zip(names, words[1::2], strict=True))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the guide's first block was run."""
    folder = tmp_path_factory.mktemp("guide")
    script = MAKE.replace(".venv/bin/python", shlex.quote(sys.executable))
    subprocess.run(["bash", "-euc", script], cwd=folder, check=True, timeout=60)
    return folder


@pytest.fixture
def data(folder, monkeypatch) -> UserData:
    monkeypatch.chdir(folder)
    options = commands()["train"]
    own = {name: value for name, value in options.items() if name in fields_of(UserDataOptions)}
    assert set(options) - set(own) == {"rounds", "report"}
    return load_user_data(UserDataOptions(**own), seed=1)


def fields_of(kind: type) -> set[str]:
    return set(kind.__dataclass_fields__)


def test_guide__files__are_read_with_the_notes_it_shows(data):
    assert data.devices == tuple(f"pump{i}" for i in range(8))
    assert data.schema.features == ("load", "temperature", "vibration", "current")
    shown = [f"{'Warning' if n.warning else 'Note'}: {n.text}" for n in data.notes]
    first, dots, last = SAID.strip().splitlines()
    assert dots == "..."
    assert [shown[0], shown[-1]] == [first, last]
    assert len(shown) == 9
    assert len(notes_of(data, "missing-rows")) == 8


def test_guide__training__ends_where_it_says(data):
    stated, central = re.search(r"accuracy of (0\.\d+) \(central: (0\.\d+)\)", PAGE).groups()
    baseline = central_baseline(data.dataset).test_score
    assert baseline == pytest.approx(float(central), abs=0.005)
    parameters = own_data_defaults(data.dataset.model(), len(data.dataset.X_train) // 8)
    rounds = int(commands()["train"]["rounds"])
    run = simulate(data.dataset, parameters, devices=8, split=Even(), seed=1, rounds=rounds)
    assert run.rounds[-1].score == pytest.approx(float(stated), abs=0.02)


def test_guide__new_rows__have_the_models_columns_and_the_gap_it_names(data):
    options = commands()["predict"]
    assert set(options) == {"model", "data", "missing_marks", "output"}
    table = read_table(Path(options["data"]), [options["missing_marks"]])
    X = feature_matrix(table, data.schema.features)
    gaps = table.rows[np.isnan(X).any(axis=1)].tolist()
    assert f"Row {gaps[0]} has no vibration" in PAGE
    assert len(gaps) == 1
    assert standardise(data.dataset).features.mean.shape == (X.shape[1],)


@pytest.mark.parametrize("head", ["| name |", "| set |"])
def test_guide__tables_of_sets__name_every_set(head: str):
    from offchain.learning.datasets import dataset_names

    table = PAGE[PAGE.index(head) :].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert tuple(sorted(rows)) == dataset_names()


def test_guide__options__are_those_of_the_module():
    named = set(re.findall(r"--([a-z][a-z-]+)", PAGE.split("### Options")[1].split("### What")[0]))
    known = {name.replace("_", "-") for name in fields_of(UserDataOptions)}
    assert known - {"data", "device-column"} <= named
    assert named <= known | {"seed"}
