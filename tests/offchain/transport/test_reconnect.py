"""A line that breaks mends itself."""

from __future__ import annotations

from dataclasses import replace

from offchain.transport.courier import Courier
from offchain.transport.mqtt import MqttCarrier
from tests.offchain.transport.broker import BrokerProcess, Pki, account, run, until
from tests.offchain.transport.networks import LIMITS, Node, OverMqtt
from tests.offchain.transport.proxy import Proxy


async def behind(proxy: Proxy, broker: BrokerProcess, pki: Pki, number: int) -> Node:
    transport = Courier(MqttCarrier(replace(broker.address, port=proxy.port), LIMITS), LIMITS)
    await transport.connect(pki.node(number))
    return Node(transport)


def test_line__cut_in_the_middle_of_a_message__message_arrives(
    broker: BrokerProcess, pki: Pki
) -> None:
    data = bytes(range(256)) * (40 * LIMITS.part // 256)

    async def scenario() -> None:
        async with Proxy(broker.port).running() as proxy, OverMqtt(broker, pki).nodes(2) as (two,):
            one = await behind(proxy, broker, pki, 1)
            before = proxy.passed
            one.transport.send(account(2), data)
            await until(lambda: proxy.passed > before + 3 * LIMITS.part)
            proxy.cut()
            await until(lambda: not one.transport.connected)
            assert two.got == []
            proxy.mend()
            await two.has(1)
            assert two.data == [data]
            assert await one.transport.drain(30)
            assert one.transport.statistics.connections == 2
            await one.leave()

    run(scenario())


def test_line__cut_again_and_again__both_directions_get_through(
    broker: BrokerProcess, pki: Pki
) -> None:
    async def scenario() -> None:
        async with Proxy(broker.port).running() as proxy, OverMqtt(broker, pki).nodes(2) as (two,):
            one = await behind(proxy, broker, pki, 1)
            for turn in range(4):
                one.transport.send(account(2), b"there %d" % turn)
                proxy.cut()
                await until(lambda: not one.transport.connected)
                two.transport.send(account(1), b"back %d" % turn)
                proxy.mend()
                await two.has(turn + 1)
                await one.has(turn + 1)
            assert two.data == [b"there %d" % turn for turn in range(4)]
            assert one.data == [b"back %d" % turn for turn in range(4)]
            await one.leave()

    run(scenario())


def test_broker__down_for_several_attempts__node_tries_until_it_is_back(
    broker: BrokerProcess, pki: Pki
) -> None:
    async def scenario() -> None:
        async with Proxy(broker.port).running() as proxy:
            one = await behind(proxy, broker, pki, 1)
            tried = proxy.refused
            proxy.cut()
            await until(lambda: proxy.refused >= tried + 3)
            assert not one.transport.connected
            proxy.mend()
            await until(lambda: one.transport.connected)
            await one.leave()

    run(scenario())
