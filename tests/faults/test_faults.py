"""Every role killed in every phase, and what else happens to machines: the model does not change.

The rounds' times are long: nobody is given up, so that each round ends with everybody in it, and
the whole run with the very model of an undisturbed run.
"""

from typing import Any

import pytest

from offchain.chain.artifact import Artifact
from offchain.nodes.cluster import ClusterOptions, say_nothing
from offchain.nodes.options import TrainOptions, plan
from offchain.nodes.training import TrainingRun
from tests.faults.cells import KILLS, Trial
from tests.faults.conftest import Start
from tests.faults.records import require_sound

TASK = {"dataset": "fault2", "devices": 4, "fogs": 1, "seed": 3, "secrets": "seed"}
OTHERS = 6


@pytest.mark.full
def test_faults__each_role_in_each_phase__rounds_settle_and_the_model_is_the_same(
    prepare: Start, project: Any, chain: Any
) -> None:
    cells = [(name, moment) for name, moments in KILLS.items() for moment in moments]
    rounds = 2 * (len(cells) + OTHERS)  # a kill may need the next round's moment
    cluster = prepare(ClusterOptions({**TASK, "rounds": rounds}, log_level="debug"))
    for node in cluster.nodes.values():
        node.start()
    trial = Trial(cluster)
    try:
        for name, moment in cells:
            trial.next_round(name, moment, "kill -9, restart", lambda name=name: trial.kill(name))
        packet = ("device-0-0", "sends MaskedPacket")
        trial.next_round(*packet, "broker killed, queue lost", trial.lose_queue)
        trial.next_round(*packet, "provider stalls", lambda: trial.stall_provider(8.0))
        trial.next_round(*packet, "line cut", lambda: trial.cut_off("device-0-2", 8.0))
        trial.next_round("fog-0", "sends Selection", "line cut", lambda: trial.cut_off("fog-0", 8))
        trial.next_round("fog-0", "sends ModelOffer", "disk full", lambda: trial.fill_disk("fog-0"))
        said: list[str] = []
        again = lambda: said.append(trial.second_instance("device-0-3"))  # noqa: E731
        trial.next_round(*packet, "second instance", again)
        assert "used by another instance of this node" in said[0]
        ending = cluster.run(lambda running: say_nothing(""), seconds=900)
    finally:
        trial.show()
    require_sound(cluster)
    run = TrainingRun(
        plan(TrainOptions(**TASK, rounds=rounds)), chain.provider.web3, Artifact.of(project)
    )
    result = run.run()
    assert result.model is not None
    assert ending.digest == result.model.commitment_digest
