"""Clusters of separate processes; everything that a test starts, it stops."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from offchain.chain.code import Source
from offchain.nodes.cluster import Cluster, ClusterOptions
from tests.offchain.transport.broker import mosquitto

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[[ClusterOptions], Cluster]


@pytest.fixture(scope="session")
def source(project: Any) -> Source:
    return Source.of(project)


@pytest.fixture
def prepare(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Prepares clusters: chain, broker and kits are there, no node runs yet."""
    made: list[Cluster] = []
    mosquitto()

    def start(options: ClusterOptions) -> Cluster:
        folder: Path = tmp_path_factory.mktemp("cluster")
        cluster = Cluster(folder, ROOT, source, options)
        made.append(cluster)
        cluster.prepare()
        return cluster

    yield start
    for cluster in made:
        cluster.stop()
