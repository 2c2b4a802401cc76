from __future__ import annotations

import pytest

from offchain.crypto.attestation import BlsSecretKey
from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.field import FieldVector
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness
from offchain.crypto.sealing import SealingKey
from offchain.protocol.cloud import Cloud
from offchain.protocol.device import Device, DeviceKeys
from offchain.protocol.eip712 import Domain, SigningKey
from offchain.protocol.fog import Fog
from offchain.protocol.role import ClusterRoster, Task, TaskParameters
from offchain.protocol.selecting import KeepAll
from tests.offchain.reporting.builders import CONTRACT, make_model_file, make_record


class StillClock:
    """A clock that goes on only when told to."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture(scope="session")
def record():
    return make_record()


@pytest.fixture(scope="session")
def model_file():
    return make_model_file()


@pytest.fixture(scope="session")
def task() -> Task:
    sizes = dict.fromkeys(TaskParameters.__dataclass_fields__, 1)
    parameters = TaskParameters(**{**sizes, "capacity": 64, "threshold": 2})
    layout = SlotLayout(64, 1, 1, 4)
    return Task(parameters, Domain(31337, CONTRACT), layout, CommitmentKey.load(64), 1 << 20)


@pytest.fixture(scope="session")
def randomness() -> Randomness:
    return Randomness(b"tests of the reporting package 1")


@pytest.fixture
def fog(task, randomness) -> Fog:
    key = SigningKey(bytes([1]) * 32)
    model = FieldVector.zeros(task.layout.length)
    roster = ClusterRoster(0, key.address)
    return Fog(task, roster, set(), key, model, KeepAll(), randomness)


@pytest.fixture
def cloud(task) -> Cloud:
    model = FieldVector.zeros(task.layout.length)
    return Cloud(task, {}, SigningKey(bytes([2]) * 32), model)


@pytest.fixture
def device(task, fog, randomness) -> Device:
    keys = DeviceKeys(
        SigningKey(bytes([3]) * 32),
        BlsSecretKey.draw(randomness.child(b"attestation")),
        SealingKey.draw(randomness.child(b"sealing")),
    )
    return Device(task, fog.roster, 5, keys, None, randomness.child(b"device"))
