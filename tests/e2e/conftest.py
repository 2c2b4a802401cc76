"""One deployment of each shape, once a session; Ape's isolation takes every test back to it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from web3 import Web3

from offchain.chain.artifact import Artifact
from tests.e2e.builders import Run, Shape, World
from tests.e2e.secrecy import everything_said, leaks, secrets_of
from tests.e2e.wire import KeptConnection

ONE_CLUSTER = Shape(clusters=(5,))
TWO_CLUSTERS = Shape(clusters=(4, 4), threshold=2, clouds=2)
PACKED = Shape(clusters=(6,), packing=2)


@pytest.fixture(scope="session")
def artifact(project: Any) -> Artifact:
    return Artifact.of(project)


@pytest.fixture(scope="session")
def web3(chain: Any) -> Web3:
    """The node that Ape has started."""
    return Web3(KeptConnection(chain.provider.uri), middleware=[])


@pytest.fixture(scope="session", autouse=True)
def worlds(web3: Web3, artifact: Artifact) -> dict[Shape, World]:
    shapes = (ONE_CLUSTER, TWO_CLUSTERS, PACKED)
    return {shape: World.found(web3, artifact, shape) for shape in shapes}


@pytest.fixture
def found(web3: Web3, artifact: Artifact, worlds: dict[Shape, World]) -> Callable[[Shape], World]:
    """The deployment of a shape: the session's, or one of the test's own."""

    def choose(shape: Shape) -> World:
        world = worlds.get(shape)
        if world is None or not world.stands:
            world = World.found(web3, artifact, shape)
        return world

    return choose


@pytest.fixture(autouse=True)
def secrets_kept(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Look through all that the nodes of a test said, whatever it did to them."""
    Run.started.clear()
    yield
    for run in Run.started:
        assert leaks(everything_said(run, caplog.text), secrets_of(run, every=False)) == set()


@pytest.fixture
def cluster(found: Callable[[Shape], World]) -> Run:
    """One cluster of five devices, quorum 3."""
    return found(ONE_CLUSTER).run()


@pytest.fixture
def packed_cluster(found: Callable[[Shape], World]) -> Run:
    """One cluster of six devices, two blocks on each polynomial, quorum 4."""
    return found(PACKED).run()


@pytest.fixture
def clusters(found: Callable[[Shape], World]) -> Run:
    """Two clusters of four devices and two clouds."""
    return found(TWO_CLUSTERS).run()
