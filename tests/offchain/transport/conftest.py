"""Brokers, once a session; and the two networks that the conformance suite runs over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.offchain.transport.broker import BrokerProcess, Pki, mosquitto
from tests.offchain.transport.networks import LIMITS, InMemory, Network, OverMqtt


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """The authority of the tests."""
    return Pki(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def start_broker(
    pki: Pki, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., BrokerProcess]]:
    """Starts brokers of the test's own."""
    started: list[BrokerProcess] = []

    def start(**options: Any) -> BrokerProcess:
        mosquitto()
        folder: Path = tmp_path_factory.mktemp("broker")
        broker = BrokerProcess(folder, options.pop("pki", pki), LIMITS, **options)
        started.append(broker)
        return broker

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture
def broker(start_broker: Callable[..., BrokerProcess]) -> BrokerProcess:
    """A fresh broker without persistence."""
    return start_broker()


@pytest.fixture(params=["memory", "mqtt"])
def network(request: pytest.FixtureRequest) -> Network:
    """Each transport in turn."""
    if request.param == "memory":
        return InMemory()
    return OverMqtt(request.getfixturevalue("broker"), request.getfixturevalue("pki"))
