"""Many rounds: memory and disk stay bounded. Many devices: each with a certificate of its own."""

import asyncio
import datetime as dt
import re
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from offchain.nodes.cluster import Cluster, ClusterOptions, say_nothing
from offchain.nodes.cluster_table import memory_by_role
from offchain.nodes.kit import credentials, read_keys
from offchain.nodes.soak import Soak, failures, soak_options, soak_table, verdicts
from offchain.store.keyring import KeyFile
from offchain.transport.base import Identity, account_name
from offchain.transport.certificates import Authority
from offchain.transport.errors import BrokerRefused, CredentialsError
from offchain.transport.mqtt import Broker, MqttCarrier, probe, tls_context
from tests.faults.conftest import Start

ROUNDS, BASE = 100, 20
DEVICES, FOGS = 200, 4


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


@pytest.mark.full
def test_cluster__of_200_devices__finishes_rounds_each_under_its_own_certificate(
    prepare: Start, tmp_path: Path
) -> None:
    task = {"dataset": "fault2", "devices": DEVICES, "fogs": FOGS, "rounds": 2}
    cluster = prepare(ClusterOptions(task, block_time=2, poll=4.0, shared=True))
    for node in cluster.nodes.values():
        node.start()
    ending = cluster.run(lambda running: say_nothing(""), seconds=1800)
    used = {role: f"{size / 1e6:.1f} MB" for role, size in memory_by_role(cluster).items()}
    Console().print(f"{ending.rounds} rounds in {ending.seconds:.0f} s; memory of one: {used}")
    assert ending.rounds == 3
    assert cluster.broker is not None
    named = re.findall(
        r"as (0x[0-9a-f]{40}) \(p5, c0, k\d+, u'(0x[0-9a-f]{40})'\)", cluster.broker.said()
    )
    accounts = {account_name(_identity(cluster, name).account) for name in cluster.office.names()}
    assert len(accounts) == DEVICES + FOGS + 1
    assert {client for client, _ in named} == accounts
    assert all(client == certified for client, certified in named)
    asyncio.run(_require_refusals(cluster, tmp_path))


async def _require_refusals(cluster: Cluster, folder: Path) -> None:
    """Another device's certificate, none, and an expired one, at the broker that has served all."""
    broker = Broker("127.0.0.1", cluster.broker_port, "task")
    own = _identity(cluster, "device-0-0")
    anothers = replace(own, credentials=_identity(cluster, "device-0-1").credentials)
    for identity in (anothers, Identity(own.account)):
        with pytest.raises(CredentialsError):
            await MqttCarrier(broker).open(identity, _Deaf())
    assert own.credentials is not None
    without = ssl.create_default_context(cafile=str(own.credentials.authority))
    with pytest.raises(BrokerRefused, match="certificate required"):
        await probe(broker, without)
    office = cluster.office
    assert isinstance(office.unlock, KeyFile)
    authority = Authority.load(office.own, office.unlock.path.read_text().strip().encode())
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    issued = authority.issue_node(own.account, since, days=1)
    expired = Identity(own.account, issued.write(folder, "expired", authority.certificate))
    with pytest.raises(BrokerRefused, match="certificate expired"):
        await probe(broker, tls_context(expired))
    await probe(broker, tls_context(own))


class _Deaf:
    def frame(self, sender: bytes, frame: bytes) -> None:
        raise AssertionError

    def up(self) -> None:
        raise AssertionError

    def down(self) -> None:
        raise AssertionError


def _identity(cluster: Cluster, name: str) -> Identity:
    keys = read_keys(cluster.office.kit(name), cluster.office.kit_unlock(name))
    return Identity(keys.signing.address, credentials(cluster.office.kit(name)))
