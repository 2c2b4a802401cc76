"""Only who holds a node's certificate speaks and hears as that node."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiomqtt
import pytest

from offchain.transport.base import Credentials, Identity, account_name
from offchain.transport.certificates import write_private
from offchain.transport.courier import Courier
from offchain.transport.errors import (
    BrokerRefused,
    BrokerUnreachable,
    CredentialsError,
    TransportError,
)
from offchain.transport.frames import Data, Shape, encode, message_digest
from offchain.transport.mqtt import MqttCarrier, probe, tls_context, topic
from tests.offchain.transport.broker import (
    HOST,
    TASK,
    BrokerProcess,
    Pki,
    account,
    free_port,
    now,
    run,
    until,
)
from tests.offchain.transport.networks import LIMITS, OverMqtt

NOT_AUTHORISED = 0x87
ONE, TWO, THREE = account(1), account(2), account(3)


@asynccontextmanager
async def raw_client(broker: BrokerProcess, identity: Identity, **options: Any) -> Any:
    """A client that keeps to none of our rules."""
    client = aiomqtt.Client(
        HOST,
        broker.port,
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=tls_context(identity),
        **options,
    )
    async with client:
        yield client


async def refusal(client: aiomqtt.Client, where: str, data: bytes) -> int:
    """Publish, and return the reason code with which the broker answers."""
    codes: list[int] = []
    usual = client._client.on_publish

    def listen(paho: Any, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        codes.append(reason.value)
        usual(paho, userdata, mid, reason, properties)

    client._client.on_publish = listen
    try:
        await client.publish(where, data, qos=1)
    finally:
        client._client.on_publish = usual
    return codes[0]


async def disconnected(client: aiomqtt.Client) -> None:
    """Wait until the broker has ended the connection."""
    with pytest.raises(aiomqtt.MqttError):
        await anext(aiter(client.messages))


def frame(data: bytes) -> bytes:
    return encode(Data(message_digest(data), Shape(len(data), LIMITS.part), 0, data))


def connect(broker: BrokerProcess, identity: Identity) -> TransportError:
    """Why a node cannot connect."""

    async def scenario() -> TransportError:
        transport = Courier(MqttCarrier(broker.address, LIMITS), LIMITS)
        with pytest.raises(TransportError) as caught:
            await transport.connect(identity)
        await transport.close()
        return caught.value

    return run(scenario())


# ---- who may connect


def test_connect__own_certificate__is_taken(broker: BrokerProcess, pki: Pki) -> None:
    async def scenario() -> None:
        async with OverMqtt(broker, pki).nodes(1) as (one,):
            assert one.transport.connected

    run(scenario())
    name = account_name(ONE)
    assert f"as {name} (p5, c0, k30, u'{name}')" in broker.log


def test_connect__anothers_certificate__is_refused_before_anything_is_sent(
    broker: BrokerProcess, pki: Pki
) -> None:
    thief = replace(pki.node(1), account=TWO)
    error = connect(broker, thief)
    assert isinstance(error, CredentialsError)
    assert f"belongs to '{account_name(ONE)}', this node is {account_name(TWO)}" in str(error)


def test_connect__no_certificate__is_refused(broker: BrokerProcess, pki: Pki) -> None:
    error = connect(broker, Identity(ONE))
    assert isinstance(error, CredentialsError)
    assert "no certificate, and the broker asks for one" in str(error)


def test_broker__client_without_certificate__refuses_it(broker: BrokerProcess, pki: Pki) -> None:
    context = ssl.create_default_context(cafile=str(pki.broker().authority))
    with pytest.raises(BrokerRefused, match="certificate required"):
        run(probe(broker.address, context))


def test_broker__expired_certificate__refuses_it(broker: BrokerProcess, pki: Pki) -> None:
    error = connect(broker, pki.node(1, expired=True))
    assert isinstance(error, BrokerRefused)
    assert "certificate expired" in str(error)


def test_broker__certificate_of_another_authority__refuses_it(
    broker: BrokerProcess, pki: Pki, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Pki(tmp_path_factory.mktemp("strangers")).node(1)
    assert stranger.credentials is not None
    trusting = replace(stranger.credentials, authority=pki.broker().authority)
    error = connect(broker, Identity(ONE, trusting))
    assert isinstance(error, BrokerRefused)
    assert "unknown ca" in str(error)


def test_connect__broker_of_another_authority__is_refused_by_the_node(
    broker: BrokerProcess, pki: Pki, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Pki(tmp_path_factory.mktemp("strangers")).node(1)
    error = connect(broker, stranger)
    assert isinstance(error, BrokerRefused)
    assert "its certificate: " in str(error)


def test_broker__certificate_of_a_broker__is_no_nodes(broker: BrokerProcess, pki: Pki) -> None:
    with pytest.raises(BrokerRefused, match="unsupported certificate"):
        run(probe(broker.address, tls_context(Identity(ONE, pki.broker()))))


def test_broker__revoked_certificate__refuses_it(
    start_broker: Callable[..., BrokerProcess], pki: Pki
) -> None:
    identity = pki.node(77)
    assert identity.credentials is not None
    listed = pki.authority.revoke([identity.credentials.certificate.read_bytes()], now())
    path = pki.folder / "revoked.pem"
    write_private(path, listed)
    broker = start_broker(revoked=path)
    error = connect(broker, identity)
    assert isinstance(error, BrokerRefused)
    assert "certificate revoked" in str(error)
    network = OverMqtt(broker, pki)

    async def others() -> None:
        async with network.nodes(78) as (node,):
            assert node.transport.connected

    run(others())


def test_connect__nobody_there__says_where(broker: BrokerProcess, pki: Pki) -> None:
    port = free_port()
    transport = Courier(MqttCarrier(replace(broker.address, port=port), LIMITS))
    with pytest.raises(BrokerUnreachable, match=f"broker 127.0.0.1:{port}: "):
        run(transport.connect(pki.node(1)))


def test_connect__key_file_missing__names_it(broker: BrokerProcess, pki: Pki) -> None:
    files = pki.node(1).credentials
    assert files is not None
    broken = Credentials(files.certificate, files.key.with_name("gone.key"), files.authority)
    error = connect(broker, Identity(ONE, broken))
    assert isinstance(error, CredentialsError)
    assert "gone.key" in str(error)


# ---- who may say and read what


def test_publish__as_another__reaches_nobody(broker: BrokerProcess, pki: Pki) -> None:
    async def scenario() -> None:
        async with OverMqtt(broker, pki).nodes(1) as (one,):
            async with raw_client(broker, pki.node(2)) as two:
                as_three = topic(TASK, account_name(ONE), account_name(THREE))
                assert await refusal(two, as_three, frame(b"I am three")) == NOT_AUTHORISED
                as_two = topic(TASK, account_name(ONE), account_name(TWO))
                assert await refusal(two, as_two, frame(b"I am two")) < NOT_AUTHORISED
            await one.has(1)
            assert [(m.sender, m.data) for m in one.got] == [(TWO, b"I am two")]

    run(scenario())


def test_publish__outside_the_tasks_topics__reaches_nobody(broker: BrokerProcess, pki: Pki) -> None:
    async def scenario() -> None:
        async with raw_client(broker, pki.node(1)) as one:
            own = account_name(ONE)
            task = f"verifog/{TASK}"
            for where in ("elsewhere", task, f"{task}/{own}", f"verifog/other/{own}/{own}"):
                assert await refusal(one, where, b"x") == NOT_AUTHORISED

    run(scenario())


@pytest.mark.parametrize(
    "wanted", ["#", f"verifog/{TASK}/#", f"verifog/{TASK}/+/+", topic(TASK, account_name(ONE), "+")]
)
def test_subscribe__to_anothers_inbox__hears_nothing(
    broker: BrokerProcess, pki: Pki, wanted: str
) -> None:
    async def scenario() -> None:
        async with (
            OverMqtt(broker, pki).nodes(1, 2) as (one, two),
            raw_client(broker, pki.node(3)) as three,
        ):
            await three.subscribe(wanted, qos=1)
            two.transport.send(ONE, b"for one only")
            await one.has(1)
            two.transport.send(THREE, b"for three")
            await three.subscribe(topic(TASK, account_name(THREE), "+"), qos=1)
            heard = await anext(aiter(three.messages))
            assert str(heard.topic) == topic(TASK, account_name(THREE), account_name(TWO))

    run(scenario())


def test_connect__with_anothers_client_name__takes_nobodys_session(
    broker: BrokerProcess, pki: Pki
) -> None:
    async def scenario() -> None:
        async with (
            OverMqtt(broker, pki).nodes(1, 2) as (one, two),
            raw_client(broker, pki.node(3), identifier=account_name(ONE)) as three,
        ):
            two.transport.send(ONE, b"for one")
            await one.has(1)
            assert one.transport.statistics.connections == 1
            assert len(three.messages) == 0
        own = account_name(THREE)
        assert f"as {own} (p5, c1, k60, u'{own}')" in broker.log

    run(scenario())


def test_publish__retained__is_kept_for_nobody(broker: BrokerProcess, pki: Pki) -> None:
    async def scenario() -> None:
        own = topic(TASK, account_name(TWO), account_name(ONE))
        async with raw_client(broker, pki.node(1)) as one:
            one._client.publish(own, frame(b"stays"), qos=1, retain=True)
            await disconnected(one)
        async with OverMqtt(broker, pki).nodes(1, 2) as (first, two):
            first.transport.send(TWO, b"afterwards")
            await two.has(1)
            assert two.data == [b"afterwards"]

    run(scenario())


def test_will__as_another__is_not_taken(broker: BrokerProcess, pki: Pki) -> None:
    as_three = topic(TASK, account_name(ONE), account_name(THREE))

    async def scenario() -> None:
        async with OverMqtt(broker, pki).nodes(1, 2) as (one, two):
            will = aiomqtt.Will(as_three, frame(b"last words"), qos=1)
            try:
                async with raw_client(broker, pki.node(4), will=will) as four:
                    four._client._sock_close()  # without a word: the broker speaks its will
            except aiomqtt.MqttError:
                pass
            await until(
                lambda: (
                    "Client " + account_name(account(4)) in broker.log
                    or "denied" in broker.log.lower()
                )
            )
            two.transport.send(ONE, b"after it")
            await one.has(1)
            assert one.data == [b"after it"]

    run(scenario())


def test_publish__larger_than_a_frame__ends_the_connection_of_its_sender_only(
    broker: BrokerProcess, pki: Pki
) -> None:
    async def scenario() -> None:
        async with OverMqtt(broker, pki).nodes(1, 2) as (one, two):
            own = topic(TASK, account_name(ONE), account_name(THREE))
            async with raw_client(broker, pki.node(3)) as three:
                three._client.publish(own, bytes(2 * LIMITS.part), qos=1)
                await disconnected(three)
            two.transport.send(ONE, b"still here")
            await one.has(1)
            assert one.transport.statistics.connections == 1

    run(scenario())
