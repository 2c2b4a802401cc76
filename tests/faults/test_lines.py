"""Lines that are dirty or cut, clocks that are off, a chain that is reorganised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.nodes.cluster import Cluster, ClusterOptions
from offchain.nodes.processes import wait_until
from tests.faults.cells import PATIENCE, Trial
from tests.faults.conftest import Start
from tests.faults.lines import Line, clock_library, redirect, with_clock, with_dirt
from tests.faults.records import require_sound

SIZES = {"dataset": "fault2", "devices": 8, "fogs": 2, "rounds": 20}
TASK = {**SIZES, "seed": 3, "secrets": "seed", "selection": "all"}
TERMS = {"anchor_time": 90, "cumulative_time": 60, "aggregate_time": 60}
CUT_OFF = [f"device-1-{index}" for index in range(4)] + ["fog-1"]
MINUTES = 600  # seconds


class Lines:
    """Those of a whole cluster of devices and its fog, to the broker and to the chain."""

    def __init__(self, cluster: Cluster) -> None:
        self.broker, self.chain = Line(cluster.broker_port), Line(cluster.chain.port)
        for name in CUT_OFF:
            kit = cluster.office.kit(name)
            redirect(kit, f"port = {cluster.broker_port}", f"port = {self.broker.port}")
            redirect(kit, f":{cluster.chain.port}", f":{self.chain.port}")

    def cut_for(self, seconds: float, trial: Trial) -> None:
        """Cut both for a time in which nodes must have noticed."""
        self.broker.cut()
        self.chain.cut()
        trial.pause(seconds)
        wait_until(lambda: self.broker.refused > 0 and self.chain.refused > 0, "cut", PATIENCE)
        self.broker.mend()
        self.chain.mend()

    def end(self) -> None:
        self.broker.end()
        self.chain.end()


@pytest.fixture
def running(prepare: Start, tmp_path: Path) -> Iterator[tuple[Cluster, Lines]]:
    cluster = prepare(ClusterOptions(TASK, TERMS, confirmations=2, log_level="debug"))
    lines = Lines(cluster)
    library = clock_library(tmp_path)
    with_dirt(cluster.nodes["device-0-2"])
    with_dirt(cluster.nodes["fog-1"])
    with_clock(cluster.nodes["device-0-3"], library, MINUTES)
    with_clock(cluster.nodes["fog-0"], library, -MINUTES)
    for node in cluster.nodes.values():
        node.start()
    yield cluster, lines
    cluster.stop()
    lines.end()


@pytest.mark.full
def test_faults__of_lines_clocks_and_chain__rounds_settle_and_nobody_is_blamed(
    running: tuple[Cluster, Lines],
) -> None:
    cluster, lines = running
    trial = Trial(cluster)
    packet = ("device-1-0", "sends MaskedPacket")
    try:
        dirt = "frames doubled, cut short, damaged, late"
        trial.next_round("fog-1", "sends Delivery", dirt, lambda: None)
        trial.next_round("device-0-2", "sends Deal", dirt, lambda: None)
        trial.next_round("fog-0", "sends Selection", "clock 10 minutes slow", lambda: None)
        trial.next_round("device-0-3", "sends Deal", "clock 10 minutes fast", lambda: None)
        trial.next_round(*packet, "whole cluster cut off", lambda: lines.cut_for(8, trial))
        trial.next_round(*packet, "whole cluster cut off, long", lambda: lines.cut_for(100, trial))
        mined = ("cloud-0", "transaction openRound mined")
        trial.next_round(*mined, "its block reorganised", lambda: trial.reorganise(2))
    finally:
        trial.show()
    require_sound(cluster)
