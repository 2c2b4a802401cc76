"""Contract S on the node that Ape starts, without members."""

from typing import Any

import pytest
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.chain.contract import ContractS
from offchain.chain.translate import parameter_tuple
from offchain.nodes.simulation import give_ether
from offchain.protocol.eip712 import SigningKey
from tests.offchain.chain.builders import PARAMETERS
from tests.offchain.protocol.builders import signing_key


@pytest.fixture(scope="session")
def artifact(project: Any) -> Artifact:
    return Artifact.of(project)


@pytest.fixture(scope="session")
def web3(chain: Any) -> Web3:
    return chain.provider.web3


@pytest.fixture(scope="session")
def authority(web3: Web3) -> SigningKey:
    key = signing_key(71)
    give_ether(web3, [key.address])
    return key


@pytest.fixture(scope="session", autouse=True)
def founded(web3: Web3, artifact: Artifact, authority: SigningKey) -> ContractS:
    parameters = parameter_tuple(PARAMETERS)
    return ContractS.deploy(web3, artifact, authority, parameters, bytes(128))


@pytest.fixture
def contract(web3: Web3, artifact: Artifact, founded: ContractS) -> ContractS:
    """A client of its own: nonces start anew, as the chain does."""
    return ContractS(web3, founded.address, artifact.abi, founded.deployed_at)
