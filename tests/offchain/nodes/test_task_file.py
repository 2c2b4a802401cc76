"""The task file: what the Authority signed, and nothing else, makes a task."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from offchain.nodes.errors import TaskRefused
from offchain.nodes.options import TrainOptions, plan
from offchain.nodes.task_file import TaskFile, learning_of, read_task, write_task
from offchain.nodes.training import account, divide, task_parameters
from tests.offchain.protocol.builders import signing_key

AUTHORITY = signing_key(7)


def _options(dataset: str) -> dict[str, Any]:
    methods = {"fault2": "newton", "petrobras": "ridge"}
    options = {"dataset": dataset, "devices": 4, "fogs": 1, "max_epsilon": 50.0, "delta": 1e-6}
    if dataset == "softsensor":
        options |= {"release_noise": 0.5, "release_colluders": 1}
    return {**options, "method": methods.get(dataset, "local")}


@pytest.fixture(scope="module", params=["fault2", "softsensor", "petrobras"])
def task(request: pytest.FixtureRequest) -> TaskFile:
    checked = plan(TrainOptions(**_options(request.param)))
    _, learning = divide(checked)
    return TaskFile(
        version=1,
        chain_id=11_155_111,
        contract="0x" + "ab" * 20,
        toolbox="0x" + "cd" * 20,
        authority="0x" + AUTHORITY.address.hex(),
        deployed_at=5,
        created_by="0x" + "ef" * 32,
        parameters=asdict(task_parameters(checked, learning)),
        learning=learning_of(checked, learning),
    )


@pytest.fixture
def path(tmp_path: Path, task: TaskFile) -> Path:
    write_task(tmp_path / "task.json", task, AUTHORITY)
    return tmp_path / "task.json"


def test_task__written_and_read__gives_the_same_learning(path: Path, task: TaskFile) -> None:
    read = read_task(path)
    assert read == task
    options = TrainOptions(**_options(task.learning.dataset))
    checked = plan(options)
    _, learning = divide(checked)
    mine = read.learning_task
    assert (mine.model, mine.encoding, mine.statistics) == (
        learning.model,
        learning.encoding,
        learning.statistics,
    )
    assert mine.hyperparameters == learning.hyperparameters
    assert (mine.digits, mine.release) == (learning.digits, learning.release)
    assert read.accountant == account(checked, learning)
    assert (mine.ranges == learning.ranges).all()
    assert read.layout == checked.layout
    assert read.task_parameters == task_parameters(checked, learning)


Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["task"]["learning"].update(rounds=16), "signed by 0x"),
        (lambda d: d["task"].update(contract="0x" + "00" * 20), "signed by 0x"),
        (lambda d: d.update(signature="0x" + "00" * 65), "signature"),
        (lambda d: d["task"].update(contract="0x12"), r"\$\.task\.contract"),
        (lambda d: d["task"].update(more=1), "unknown field `more`"),
        (lambda d: d["task"]["learning"].update(rounds=0), "rounds"),
    ],
)
def test_task__altered__refused(path: Path, change: Change, told: str) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(TaskRefused, match=told):
        read_task(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda terms, what: terms.pop("rate"), "rate"),
        (lambda terms, what: what.update(method={"name": "magic"}), "learning.method: 'magic'"),
        (lambda terms, what: what.update(method={"name": "local", "epochs": 0}), "learning.method"),
        (lambda terms, what: what.update(method={"name": "newton", "step": 1}), "learning.method"),
        (
            lambda terms, what: what.update(max_epsilon=1.0),
            r"learning.max_epsilon = 1.0: at least \d+\.\d+, for the statistics and a round",
        ),
        (lambda terms, what: what.update(ranges=[[0, 1]]), "learning.ranges: 1,"),
    ],
)
def test_task__signed_but_senseless__refused(
    tmp_path: Path, task: TaskFile, change: Callable[..., None], told: str
) -> None:
    content = msgspec.to_builtins(task)
    change(content["parameters"], content["learning"])
    bad = msgspec.convert(content, TaskFile)
    write_task(tmp_path / "bad.json", bad, AUTHORITY)
    with pytest.raises(TaskRefused, match=told):
        read_task(tmp_path / "bad.json")
