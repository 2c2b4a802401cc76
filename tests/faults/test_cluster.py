"""Separate processes come to the very model that one process comes to."""

from typing import Any

import pytest

from offchain.chain.artifact import Artifact
from offchain.nodes.cluster import ClusterOptions, say_nothing
from offchain.nodes.options import TrainOptions, plan
from offchain.nodes.training import TrainingRun
from tests.faults.conftest import Start

TASK = {"dataset": "fault7", "devices": 8, "fogs": 2, "rounds": 3, "seed": 5, "secrets": "seed"}


@pytest.mark.full
def test_cluster__of_separate_processes__ends_with_the_model_of_one_process(
    prepare: Start, project: Any, chain: Any
) -> None:
    cluster = prepare(ClusterOptions(TASK))
    for node in cluster.nodes.values():
        node.start()
    ending = cluster.run(lambda running: say_nothing(""), seconds=900)
    statuses = cluster.stop()
    assert set(statuses.values()) == {0}
    run = TrainingRun(plan(TrainOptions(**TASK)), chain.provider.web3, Artifact.of(project))
    result = run.run()
    assert result.model is not None
    assert ending.digest == result.model.commitment_digest
    assert result.record.comparison is not None
    assert ending.score == result.record.comparison.federated.value
    assert ending.rounds == 4
