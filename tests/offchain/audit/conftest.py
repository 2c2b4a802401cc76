"""Each task is played once a session, on a node of its own: tests only read what it left."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from web3 import Web3
from web3.types import RPCEndpoint

from offchain.audit.task import Artifacts, Compiled
from offchain.chain.artifact import Artifact
from tests.e2e.builders import Shape, World
from tests.offchain.audit import cases
from tests.offchain.audit.cases import FRAUDULENT_SHAPE, QUIET_SHAPE, SHAPE, Case
from tests.plain_node import plain_node


@pytest.fixture(scope="session")
def artifacts(project: Any) -> Artifacts:
    return Artifacts(
        contract=Compiled.of(project.ContractS.contract_type),
        verifier=Compiled.of(project.Verifier.contract_type),
        noise_sampler=Compiled.of(project.NoiseSampler.contract_type),
        judge=Compiled.of(project.Judge.contract_type),
        extension=Compiled.of(project.Extension.contract_type),
    )


@pytest.fixture(scope="session")
def node() -> Iterator[Web3]:
    """A local chain that no other test touches."""
    with plain_node() as web3:
        yield web3


@pytest.fixture(scope="session")
def played(node: Web3, artifacts: Artifacts, project: Any) -> Callable[..., Case]:
    """Plays a task from its foundation on, and takes the chain back there."""
    worlds: dict[Shape, World] = {}

    def play(script: Callable[..., Case], shape: Shape = SHAPE) -> Case:
        if shape not in worlds:
            worlds[shape] = World.found(node, Artifact.of(project), shape)
        founded = ask(node, "evm_snapshot")
        try:
            return script(worlds[shape], artifacts)
        finally:
            ask(node, "evm_revert", founded)

    return play


def ask(node: Web3, method: str, *parameters: Any) -> Any:
    return node.provider.make_request(RPCEndpoint(method), list(parameters))["result"]


@pytest.fixture(scope="session")
def undisturbed(played: Callable[..., Case]) -> Case:
    """Two clusters, a statistics round, three rounds."""
    return played(cases.undisturbed)


@pytest.fixture(scope="session")
def dropped_out(played: Callable[..., Case]) -> Case:
    """The same with devices and a fog that fall silent."""
    return played(cases.dropped_out)


@pytest.fixture(scope="session")
def eventful(played: Callable[..., Case]) -> Case:
    """A rejected result, a withdrawn model, exits, all kinds of claims."""
    return played(cases.eventful)


@pytest.fixture(scope="session")
def fraudulent(played: Callable[..., Case]) -> Case:
    """Noise, shares, witnesses, anchors and two statements, each false and slashed."""
    return played(cases.fraudulent, FRAUDULENT_SHAPE)


@pytest.fixture(scope="session")
def quiet(played: Callable[..., Case]) -> Case:
    """A voted model, silence and its fees, a successor, what nobody claims."""
    return played(cases.quiet, QUIET_SHAPE)
