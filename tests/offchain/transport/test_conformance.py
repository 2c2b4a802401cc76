"""What every transport keeps to, whatever carries it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from offchain.transport.base import Identity
from offchain.transport.courier import Courier
from offchain.transport.errors import MessageRefused
from tests.conftest import Preset
from tests.offchain.transport.broker import account, run, until
from tests.offchain.transport.networks import LIMITS, Bent, Network

ONE, TWO = account(1), account(2)


def blob(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def test_send__undisturbed__everything_comes_once_and_in_order(network: Network) -> None:
    async def scenario() -> None:
        async with network.nodes(1, 2) as (one, two):
            sent = [b"message %d" % i for i in range(200)]
            for data in sent:
                one.transport.send(TWO, data)
            two.transport.send(ONE, b"the other way")
            await two.has(len(sent))
            await one.has(1)
            assert two.data == sent
            assert {message.sender for message in two.got} == {ONE}
            assert one.data == [b"the other way"]
            assert await one.transport.drain(30)
            assert one.transport.statistics.sent == len(sent)
            assert two.transport.statistics.received == len(sent)
            assert not one.transport.statistics.refused

    run(scenario())


def test_send__sizes_around_a_part_and_many_parts__arrive_whole(
    network: Network, preset: Preset
) -> None:
    part = LIMITS.part
    large = (24 if preset == "full" else 8) * 1024 * 1024
    sizes = [1, 2, part - 1, part, part + 1, 3 * part, large]

    async def scenario() -> None:
        async with network.nodes(1, 2) as (one, two):
            sent = [blob(size, seed=size) for size in sizes]
            for data in sent:
                one.transport.send(TWO, data)
            await two.has(len(sent))
            assert Counter(two.data) == Counter(sent)
            assert await one.transport.drain(30)

    run(scenario())


@pytest.mark.parametrize("size", [0, LIMITS.message + 1])
def test_send__empty_or_too_large__is_refused(network: Network, size: int) -> None:
    async def scenario() -> None:
        async with network.nodes(1) as (one,):
            text = f"message: {size} bytes, from 1 to {LIMITS.message}"
            with pytest.raises(MessageRefused, match=text):
                one.transport.send(TWO, bytes(size))
            assert one.transport.outstanding == 0

    run(scenario())


def test_send__same_bytes_again__arrive_once(network: Network) -> None:
    async def scenario() -> None:
        async with network.nodes(1, 2) as (one, two):
            one.transport.send(TWO, b"same")
            one.transport.send(TWO, b"same")
            assert await one.transport.drain(30)
            one.transport.send(TWO, b"same")
            assert await one.transport.drain(30)
            one.transport.send(TWO, b"last")
            await until(lambda: b"last" in two.data)
            assert two.data == [b"same", b"last"]

    run(scenario())


@pytest.mark.parametrize(
    "trouble",
    [
        {"repeat": 0.5},
        {"delay": 0.4},
        {"loss": 0.3},
        {"cut": 0.3},
        {"falsify": 0.2},
        {"loss": 0.15, "repeat": 0.2, "delay": 0.2, "cut": 0.1, "falsify": 0.1},
    ],
    ids="+".join,
)
def test_send__frames_lost_repeated_reordered_or_damaged__everything_comes_and_nothing_else(
    network: Network, trouble: dict[str, Any]
) -> None:
    def bend(carrier: Any) -> Bent:
        return Bent(carrier, 7, **trouble)

    async def scenario() -> None:
        async with network.nodes(1, 2, bend=bend) as (one, two):
            sent = [blob(100 + i, seed=i) for i in range(20)] + [blob(9 * LIMITS.part, seed=99)]
            for data in sent:
                one.transport.send(TWO, data)
                two.transport.send(ONE, data)
            await two.has(len(sent))
            await one.has(len(sent))
            assert set(two.data) == set(one.data) == set(sent)
            await until(lambda: one.transport.outstanding + two.transport.outstanding == 0)
            refused = one.transport.statistics.refused + two.transport.statistics.refused
            assert set(refused) <= {"malformed", "truncated", "too-large", "inconsistent", "digest"}

    run(scenario())


def test_send__part_lost__only_what_is_missing_is_sent_again(network: Network) -> None:
    lost: list[bytes] = []

    class LosesOne(Bent):
        async def publish(self, recipient: bytes, frame: bytes, *, lasting: bool) -> None:
            if lasting and not lost and len(frame) > LIMITS.part:
                lost.append(frame)
                return
            await self._carrier.publish(recipient, frame, lasting=lasting)

    async def scenario() -> None:
        async with network.nodes(1, 2, bend=lambda carrier: LosesOne(carrier, 0)) as (one, two):
            data = blob(20 * LIMITS.part)
            one.transport.send(TWO, data)
            await two.has(1)
            assert two.data == [data]
            assert await one.transport.drain(30)
            assert one.transport.statistics.sent_bytes == len(data) + LIMITS.part

    run(scenario())


def test_send__many_devices__each_is_heard_and_answered(network: Network, preset: Preset) -> None:
    devices = 200 if preset == "full" or network.name == "memory" else 40

    async def scenario() -> None:
        async with network.nodes(1) as (fog,):
            nodes = await asyncio.gather(*(network.join(100 + i) for i in range(devices)))
            for i, node in enumerate(nodes):
                node.transport.send(ONE, blob(20_000, seed=i))
            await fog.has(devices)
            senders = {message.sender: message.data for message in fog.got}
            assert senders == {account(100 + i): blob(20_000, seed=i) for i in range(devices)}
            for message in fog.got:
                fog.transport.send(message.sender, b"heard " + message.sender)
            await asyncio.gather(*(node.has(1) for node in nodes))
            assert [n.data for n in nodes] == [
                [b"heard " + account(100 + i)] for i in range(devices)
            ]
            await asyncio.gather(*(node.leave() for node in nodes))

    run(scenario())


def test_send__recipient_away__gets_it_when_it_comes(network: Network) -> None:
    async def scenario() -> None:
        async with network.nodes(1) as (one,):
            one.transport.send(TWO, b"early")
            one.transport.send(TWO, blob(5 * LIMITS.part))
            async with network.nodes(2) as (two,):
                await two.has(2)
                assert set(two.data) == {b"early", blob(5 * LIMITS.part)}

    run(scenario())


def test_broker__killed_with_its_queue__everything_comes_in_the_end(network: Network) -> None:
    async def scenario() -> None:
        async with network.nodes(1, 2) as (one, two):
            sent = [blob(1000, seed=i) for i in range(10)] + [blob(12 * LIMITS.part)]
            one.transport.send(account(3), b"for one that is away")
            await until(lambda: one.transport.statistics.sent_bytes > 0)
            for data in sent:
                one.transport.send(TWO, data)
            network.kill()
            await until(lambda: not (one.transport.connected or two.transport.connected))
            one.transport.send(TWO, b"while it is down")
            network.restart()
            await two.has(len(sent) + 1)
            assert set(two.data) == {*sent, b"while it is down"}
            async with network.nodes(3) as (three,):
                await three.has(1)
                assert three.data == [b"for one that is away"]
            assert await one.transport.drain(30)
            assert one.transport.statistics.connections == 2

    run(scenario())


def test_receiver__restarted_before_it_acknowledged__gets_it_again(network: Network) -> None:
    async def scenario() -> None:
        async with network.nodes(1) as (one,):
            first = await network.join(2, acknowledging=False)
            one.transport.send(TWO, blob(3 * LIMITS.part))
            await first.has(1)
            await first.leave()
            assert one.transport.outstanding == 1
            async with network.nodes(2) as (two,):
                await two.has(1)
                assert two.data == [blob(3 * LIMITS.part)]
                assert await one.transport.drain(30)

    run(scenario())


def test_receiver__slow_to_acknowledge__is_asked_but_not_sent_again(network: Network) -> None:
    async def scenario() -> None:
        async with network.nodes(1, 2, acknowledging=False) as (one, two):
            data = blob(3 * LIMITS.part)
            one.transport.send(TWO, data)
            await two.has(1)
            await until(lambda: one.transport.statistics.asked >= 3)
            assert one.transport.statistics.sent_bytes == len(data)
            two.transport.acknowledge(two.got[0])
            assert await one.transport.drain(30)
            assert len(two.got) == 1

    run(scenario())


def test_sender__restarted__asks_first_and_sends_only_what_is_missing(network: Network) -> None:
    async def scenario() -> None:
        async with network.nodes(2) as (two,):
            before = await network.join(1)
            before.transport.send(TWO, blob(3 * LIMITS.part))
            assert await before.transport.drain(30)
            await before.leave()
            async with network.nodes(1) as (one,):
                one.transport.send(TWO, blob(3 * LIMITS.part), ask_first=True)
                one.transport.send(TWO, b"never sent before", ask_first=True)
                await two.has(2)
                assert await one.transport.drain(30)
                assert one.transport.statistics.sent_bytes == len(b"never sent before")
                assert two.data == [blob(3 * LIMITS.part), b"never sent before"]

    run(scenario())


def test_forget_before__round_is_over__only_older_messages_are_given_up(network: Network) -> None:
    async def scenario() -> None:
        async with network.nodes(1) as (one,):
            network.kill()
            await until(lambda: not one.transport.connected)
            one.transport.send(TWO, b"of round 3", until=3)
            one.transport.send(TWO, b"of round 4", until=4)
            one.transport.send(TWO, b"always")
            one.transport.forget_before(4)
            assert one.transport.outstanding == 2
            network.restart()
            async with network.nodes(2) as (two,):
                await two.has(2)
                assert set(two.data) == {b"of round 4", b"always"}

    run(scenario())


def test_outbox__full__oldest_messages_are_given_up(network: Network) -> None:
    limits = replace(LIMITS, outbox=2500)

    async def scenario() -> None:
        async with network.nodes(1, limits=limits) as (one,):
            network.kill()
            await until(lambda: not one.transport.connected)
            for i in range(4):
                one.transport.send(TWO, blob(1000, seed=i))
            one.transport.send(account(3), b"to another")
            assert one.transport.statistics.given_up == 2
            network.restart()
            async with network.nodes(2, 3) as (two, three):
                await two.has(2)
                await three.has(1)
                assert set(two.data) == {blob(1000, seed=2), blob(1000, seed=3)}

    run(scenario())


def test_receive__from_no_peer_of_this_node__is_dropped(network: Network) -> None:
    async def scenario() -> None:
        async with network.nodes(1, 3) as (one, stranger):
            two = await network.join(2, knows=lambda sender: sender == ONE)
            stranger.transport.send(TWO, b"hello")
            one.transport.send(TWO, b"known")
            await two.has(1)
            await until(lambda: two.transport.statistics.refused["unknown-sender"] > 0)
            assert two.data == [b"known"]
            await two.leave()

    run(scenario())


def test_close__with_a_reader_waiting__ends_the_messages(network: Network) -> None:
    async def scenario() -> list[bytes]:
        transport = Courier(network.carrier(LIMITS), LIMITS)
        identity: Identity = network.identity(1)
        await transport.connect(identity)

        async def read() -> list[bytes]:
            return [message.data async for message in transport.received()]

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        await transport.close()
        return await reading

    assert run(scenario()) == []
