import pytest

from offchain.protocol.eip712 import SigningKey
from tests.offchain.protocol.builders import Cluster, signing_key


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Five devices, quorum 3, two noise candidates."""
    return Cluster.of(5)


@pytest.fixture(scope="session")
def fog() -> SigningKey:
    return signing_key(1)


@pytest.fixture(scope="session")
def stranger() -> SigningKey:
    return signing_key(999)
