"""Many rounds: memory and disk stay bounded. Many devices: each with a certificate of its own."""

import pytest
from rich.console import Console

from offchain.nodes.soak import Soak, failures, soak_options, soak_table, verdicts
from tests.faults.conftest import Start

ROUNDS, BASE = 100, 20


@pytest.mark.full
def test_soak__a_hundred_rounds__neither_memory_nor_disk_grows(prepare: Start) -> None:
    cluster = prepare(soak_options("fault2", 8, 2, ROUNDS))
    for node in cluster.nodes.values():
        node.start()
    soak = Soak(ROUNDS)
    cluster.run(soak, seconds=2400)
    found = verdicts(soak.samples, BASE)
    Console(width=110).print(soak_table(found, BASE, ROUNDS))
    assert soak.samples[-1].round == ROUNDS
    assert failures(found) == []
