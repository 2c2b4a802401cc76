"""A site's broker and the central one, with a bridge between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from offchain.transport.base import Identity, account_name
from offchain.transport.broker_config import Bridge, Site
from offchain.transport.mqtt import topic
from tests.offchain.transport.broker import HOST, TASK, BrokerProcess, Pki, account, run, until
from tests.offchain.transport.networks import LIMITS, Node, OverMqtt
from tests.offchain.transport.test_access import NOT_AUTHORISED, frame, raw_client, refusal

DEVICE, FOG, CLOUD, OTHER_FOG = 1, 10, 20, 11
SITE = Site("north", inside=(account(FOG),), outside=(account(CLOUD),))


@dataclass
class Sites:
    """A centre, and one site bridged to it."""

    centre: BrokerProcess
    site: BrokerProcess
    pki: Pki

    @asynccontextmanager
    async def nodes(self) -> AsyncIterator[tuple[Node, Node, Node]]:
        """Device and fog at the site, the cloud at the centre."""
        at_site, at_centre = OverMqtt(self.site, self.pki), OverMqtt(self.centre, self.pki)
        async with at_site.nodes(DEVICE, FOG) as (device, fog), at_centre.nodes(CLOUD) as (cloud,):
            yield device, fog, cloud


@pytest.fixture
def sites(start_broker: Callable[..., BrokerProcess], pki: Pki) -> Sites:
    centre = start_broker(sites=(SITE,))
    bridge = Bridge(SITE, HOST, centre.port, pki.bridge("north"))
    return Sites(centre, start_broker(bridges=(bridge,)), pki)


def test_bridge__fog_and_cloud__speak_across_it_in_both_directions(sites: Sites) -> None:
    async def scenario() -> None:
        async with sites.nodes() as (device, fog, cloud):
            large = bytes(range(256)) * (20 * LIMITS.part // 256)
            fog.transport.send(account(CLOUD), large)
            cloud.transport.send(account(FOG), b"result")
            device.transport.send(account(FOG), b"packet")
            await cloud.has(1)
            await fog.has(2)
            assert [(m.sender, m.data) for m in cloud.got] == [(account(FOG), large)]
            assert {m.sender: m.data for m in fog.got} == {
                account(CLOUD): b"result",
                account(DEVICE): b"packet",
            }
            assert await fog.transport.drain(30)
            assert await cloud.transport.drain(30)

    run(scenario())


def test_bridge__accounts_that_it_was_not_given__stay_on_their_side(sites: Sites) -> None:
    async def scenario() -> None:
        async with sites.nodes() as (device, fog, cloud):
            device.transport.send(account(CLOUD), b"past my fog")
            cloud.transport.send(account(DEVICE), b"past its fog")
            fog.transport.send(account(CLOUD), b"as it should be")
            await cloud.has(1)
            assert [m.data for m in cloud.got] == [b"as it should be"]
            assert device.got == []

    run(scenario())


def test_bridge__speaking_for_an_account_of_another_site__is_refused(sites: Sites) -> None:
    bridge = Identity(account(FOG), sites.pki.bridge("north"))

    async def scenario() -> None:
        sites.site.kill()  # its bridge has the same name
        async with OverMqtt(sites.centre, sites.pki).nodes(CLOUD) as (cloud,):
            async with raw_client(sites.centre, bridge) as stolen:
                to_cloud = account_name(account(CLOUD))
                for number in (OTHER_FOG, CLOUD, DEVICE):
                    where = topic(TASK, to_cloud, account_name(account(number)))
                    assert await refusal(stolen, where, frame(b"false")) == NOT_AUTHORISED
                own = topic(TASK, to_cloud, account_name(account(FOG)))
                assert await refusal(stolen, own, frame(b"for its own fog")) < NOT_AUTHORISED
            await cloud.has(1)
            assert [(m.sender, m.data) for m in cloud.got] == [(account(FOG), b"for its own fog")]

    run(scenario())


def test_bridge__centre_killed_with_its_queue__everything_comes_in_the_end(sites: Sites) -> None:
    async def scenario() -> None:
        async with sites.nodes() as (_, fog, cloud):
            fog.transport.send(account(CLOUD), b"first")
            await cloud.has(1)
            sites.centre.kill()
            await until(lambda: not cloud.transport.connected)
            fog.transport.send(account(CLOUD), b"second")
            sites.centre.start()
            await cloud.has(2)
            assert cloud.data == [b"first", b"second"]
            assert await fog.transport.drain(60)

    run(scenario())
