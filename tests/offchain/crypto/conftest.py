import pytest

from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.randomness import Randomness


@pytest.fixture
def randomness():
    return Randomness(b"tests of the crypto package 0001")


@pytest.fixture(scope="session")
def small_key():
    """Commitment key of capacity 64."""
    return CommitmentKey.load(64)


@pytest.fixture(scope="session")
def full_key():
    """Commitment key of capacity 4096."""
    return CommitmentKey.load(4096)
