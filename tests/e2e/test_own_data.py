"""Training on the user's own files, on the protocol: odd devices, and the guide's commands."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import ape
import numpy as np
import pytest

from offchain.chain.artifact import Artifact
from offchain.learning.balance import ClassBalance
from offchain.learning.user_data import UserDataOptions
from offchain.nodes.options import OptionRefused, TrainOptions, plan
from offchain.nodes.training import TrainingRun
from tests.offchain.learning.data_builders import device_folder, device_rows, write_csv

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six devices: one with a single row, one with a class of its own, two more without rows."""
    folder = device_folder(tmp_path / "plant", devices=4, rows=20)
    write_csv(folder / "pump4.csv", [(20.0, 1.0, "normal")])
    write_csv(folder / "pump5.csv", [*device_rows(20, 5), *[(1.0, 2.0, "leak")] * 8])
    write_csv(folder / "pump6.csv", [])
    (folder / "pump7.csv").write_text("")
    return folder


def test_train__odd_devices__settles_and_reports_the_class_balance(folder: Path) -> None:
    checked = plan(TrainOptions(own=UserDataOptions(str(folder), "state"), rounds=2))
    assert [part.count for part in checked.parts][4] == 1
    assert checked.clusters == (3, 3)
    artifact = Artifact.of(ape.project)
    run = TrainingRun(checked, ape.networks.provider.web3, artifact)
    result = run.run()
    assert result.record.model is not None
    assert result.record.model.matches
    assert result.model is not None
    assert result.model.class_names == ("fault", "leak", "normal")
    expected = ClassBalance.of(result.model.class_names, [part.y for part in checked.parts])
    said = {note.kind for note in result.record.rounds[0].notes}
    assert {"single-row", "lone-class", "empty-device", "class-sums"} <= said
    assert str(folder.parent) not in str(result.record.head.options)
    assert run.balance is not None
    assert run.balance.devices == expected.devices
    assert run.balance.lone() == ("leak",)
    assert np.abs(np.subtract(run.balance.rows, expected.rows)).max() <= 1


def test_plan__own_data_refused__names_the_option(folder: Path) -> None:
    with pytest.raises(OptionRefused, match="--holdout: never: must be random"):
        plan(TrainOptions(own=UserDataOptions(str(folder), "state", holdout="never")))


@pytest.mark.slow
def test_guide__commands__run_as_they_stand(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "data.md").read_text()
    made, commands = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    script = (made + commands).replace(".venv/bin/python", shlex.quote(sys.executable))
    script = script.replace(".venv/bin/ape", shlex.quote(shutil.which("ape") or "ape"))
    script = script.replace("reports/example", str(tmp_path / "example"))
    subprocess.run(["bash", "-euc", script], cwd=ROOT, check=True, timeout=300)
    lines = (tmp_path / "example" / "predictions.csv").read_text().splitlines()
    assert lines[0] == "row,prediction,probability good,probability worn"
    assert lines[8] == "9,,,"
    assert len(lines) == 21
