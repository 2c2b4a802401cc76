"""Separate processes come to the very model that one process comes to."""

from typing import Any

import pytest

from offchain.chain.artifact import Artifact
from offchain.nodes.cluster import Cluster, ClusterOptions, Ending, say_nothing
from offchain.nodes.options import TrainOptions, plan
from offchain.nodes.training import TrainingRun, TrainResult
from tests.faults.conftest import Start

SMALL = {"dataset": "fault2", "devices": 6, "fogs": 2, "seed": 5, "secrets": "seed"}
TASKS = {
    "local": {**SMALL, "dataset": "fault7", "devices": 8, "rounds": 3},
    "newton": {**SMALL, "method": "newton", "rounds": 2},
    "ridge": {**SMALL, "dataset": "softsensor", "method": "ridge", "rounds": 4},
    # 3 rounds at noise multiplier 30, one of them for the statistics
    "budget": {**SMALL, "rounds": 6, "noise_multiplier": 30.0, "max_epsilon": 0.42},
}
ENDS = {
    "local": "all rounds settled",
    "newton": "all rounds settled",
    "ridge": "converged",
    "budget": "privacy budget: it allows 3 rounds, 3 settled",
}


def run_processes(cluster: Cluster) -> Ending:
    for node in cluster.nodes.values():
        node.start()
    ending = cluster.run(lambda running: say_nothing(""), seconds=900)
    assert set(cluster.stop().values()) == {0}
    return ending


def run_one_process(task: dict[str, Any], chain: Any, project: Any) -> TrainResult:
    run = TrainingRun(plan(TrainOptions(**task)), chain.provider.web3, Artifact.of(project))
    return run.run()


@pytest.mark.full
@pytest.mark.parametrize("name", TASKS)
def test_cluster__of_separate_processes__ends_with_the_model_of_one_process(
    prepare: Start, project: Any, chain: Any, name: str
) -> None:
    ending = run_processes(prepare(ClusterOptions(TASKS[name])))
    result = run_one_process(TASKS[name], chain, project)
    assert result.model is not None
    assert ending.digest == result.model.commitment_digest
    assert result.record.comparison is not None
    assert ending.score == result.record.comparison.federated.value
    assert ending.rounds == len(result.record.rounds)
    assert ending.why == ENDS[name]
