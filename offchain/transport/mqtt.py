"""Over an MQTT 5 broker: TLS with client certificates, one inbox topic for each pair of nodes.

A frame from X to Y is published to ``verifog/<task>/<Y>/<X>``. The broker takes a node's name from
its certificate and lets only X publish below ``.../X`` and only Y read ``.../Y/+``
(``broker_config``), so that the last level of the topic says truly who sent.
"""

import asyncio
import logging
import re
import secrets
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from offchain.transport.base import Identity, Limits, account_name, parse_account
from offchain.transport.carrier import Listener, stop
from offchain.transport.certificates import require_owner
from offchain.transport.errors import (
    BrokerRefused,
    BrokerUnreachable,
    CarrierDown,
    ConfigurationError,
    CredentialsError,
    TransportError,
)
from offchain.transport.frames import OVERHEAD

_LOG = logging.getLogger(__name__)
ROOT: Final = "verifog"
_TASK_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_PING: Final = b"\xc0\x00"
_ALERT_TIME: Final = 2.0
_TOPIC_ROOM: Final = 256  # of a packet, for topic and properties
_IN_FLIGHT: Final = 64  # as many as the broker is configured for
_REFUSED: Final = 0x80  # reason codes from here on are refusals


def task_name(separator: bytes) -> str:
    """The name of a task in topics: the first 16 digits of the domain separator of S."""
    return separator[:8].hex()


def topic(task: str, recipient: str, sender: str) -> str:
    """Where frames from one account to another are published."""
    return f"{ROOT}/{task}/{recipient}/{sender}"


def require_task_name(task: str) -> str:
    """Check that a name can stand in a topic.

    Raises
    ------
    ConfigurationError
        When it has other characters than small letters, digits and dashes, or is too long.
    """
    if not _TASK_NAME.fullmatch(task):
        raise ConfigurationError(f"task: {task!r}: 1 to 64 small letters, digits and dashes")
    return task


@dataclass(frozen=True)
class Broker:
    """Where a broker is and how to stay connected to it. Times are seconds.

    Attributes
    ----------
    host, port
        Its address; the host must stand in its certificate.
    task
        Name of the task in topics.
    keepalive
        Silence after which either side takes the connection for lost.
    session_expiry
        How long the broker keeps the session, and lasting frames, of a node that is away.
    timeout
        For connecting, and for the broker's answer to a frame.
    retry_first, retry_longest
        Pauses between attempts to connect: doubled each time, with a random part.
    """

    host: str
    port: int
    task: str
    keepalive: int = 30
    session_expiry: int = 7 * 86_400
    timeout: float = 15.0
    retry_first: float = 0.25
    retry_longest: float = 30.0


def tls_context(identity: Identity) -> ssl.SSLContext:
    """TLS with the node's certificate, trusting the task's authority and nobody else.

    Raises
    ------
    CredentialsError
        When a file is missing or is not what it should be.
    """
    if identity.credentials is None:
        raise CredentialsError(f"{identity.name}: no certificate, and the broker asks for one")
    files = identity.credentials
    try:
        context = ssl.create_default_context(cafile=str(files.authority))
        context.load_cert_chain(str(files.certificate), str(files.key))
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(str(p) for p in (files.certificate, files.key, files.authority))
        raise CredentialsError(f"{identity.name}: {named}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def probe(broker: Broker, context: ssl.SSLContext) -> None:
    """Find out, without MQTT, whether the broker is there and takes this certificate.

    In TLS 1.3 a refusal comes only with the first read. A ping without a session makes a broker
    that has taken the certificate close the connection, and touches nobody's session. One that has
    refused it may have closed already, and the ping may wipe out its alert: then it is read again
    without a ping.

    Raises
    ------
    BrokerUnreachable, BrokerRefused
        With the reason, as far as the other side tells it.
    """
    if not await _knock(broker, context, _PING, broker.timeout):
        await _knock(broker, context, b"", _ALERT_TIME)


async def _knock(broker: Broker, context: ssl.SSLContext, words: bytes, patience: float) -> bool:
    """Connect, say some words and read the answer; False when the connection was reset."""
    where = f"broker {broker.host}:{broker.port}"
    try:
        async with asyncio.timeout(broker.timeout):
            reader, writer = await asyncio.open_connection(broker.host, broker.port, ssl=context)
    except ssl.SSLCertVerificationError as error:
        raise BrokerRefused(f"{where}: its certificate: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise BrokerRefused(f"{where}: {_alert(error)}") from error
    except TimeoutError:
        raise BrokerUnreachable(f"{where}: no answer in {broker.timeout:g} s") from None
    except OSError as error:
        raise BrokerUnreachable(f"{where}: {error}") from error
    try:
        writer.write(words)
        async with asyncio.timeout(patience):
            await reader.read(1)
    except ssl.SSLError as error:
        raise BrokerRefused(f"{where}: {_alert(error)}") from error
    except TimeoutError:
        if words:
            raise BrokerUnreachable(f"{where}: no answer in {patience:g} s") from None
    except OSError:
        return False
    finally:
        writer.transport.abort()
    return True


def _alert(error: ssl.SSLError) -> str:
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return f"TLS: {reason}"


class MqttCarrier:
    """Implements ``Carrier`` over a broker.

    Parameters
    ----------
    broker
        Where it is.
    limits
        The transport's: they bound packets.
    """

    def __init__(self, broker: Broker, limits: Limits | None = None) -> None:
        require_task_name(broker.task)
        self._broker = broker
        self._largest = (limits or Limits()).part + OVERHEAD + _TOPIC_ROOM
        self._client: aiomqtt.Client | None = None
        self._gone: asyncio.Future[None]  # done when this client's connection is lost
        self._task: asyncio.Task[None] | None = None
        self._identity = Identity(b"")
        self._name = ""
        self._closing = False

    async def open(self, identity: Identity, listener: Listener) -> None:
        context = tls_context(identity)
        require_owner(identity)
        self._identity, self._name = identity, identity.name
        await probe(self._broker, context)
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._stay_connected(listener, first))
        try:
            await first
        except TransportError:
            await self.close()
            raise

    async def publish(self, recipient: bytes, frame: bytes, *, lasting: bool) -> None:
        client, gone = self._client, self._gone
        if client is None:
            raise CarrierDown("broker: not connected")
        where = topic(self._broker.task, account_name(recipient), self._name)
        # The client would wait its whole time for an answer that a lost connection cannot bring.
        handing = asyncio.ensure_future(client.publish(where, frame, qos=1 if lasting else 0))
        try:
            await asyncio.wait((handing, gone), return_when=asyncio.FIRST_COMPLETED)
            if not handing.done():
                raise CarrierDown("broker: connection lost")
            handing.result()
        except aiomqtt.MqttError as error:
            raise CarrierDown(f"broker: {error}") from error
        finally:
            handing.cancel()

    async def close(self) -> None:
        self._closing = True
        task, self._task = self._task, None
        if task is not None:
            await stop([task])

    # ---- the connection

    async def _stay_connected(self, listener: Listener, first: asyncio.Future[None]) -> None:
        loop = asyncio.get_running_loop()
        pause = self._broker.retry_first
        while not self._closing:
            since = time.monotonic()
            try:
                async with self._session() as client:
                    self._client, self._gone = client, loop.create_future()
                    listener.up()
                    if not first.done():
                        first.set_result(None)
                    await self._read(client, listener)
            except Exception as error:  # noqa: BLE001  # whatever it was, the node tries again
                reason = await self._reason(error)
                if not first.done():
                    first.set_exception(reason)
                    return
                _LOG.warning("transport: connection lost: %s", reason)
            finally:
                if self._client is not None:
                    self._client = None
                    self._gone.set_result(None)
                    listener.down()
            if time.monotonic() - since > self._broker.keepalive:
                pause = self._broker.retry_first  # it held for a while
            await asyncio.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
            pause = min(2 * pause, self._broker.retry_longest)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiomqtt.Client]:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._broker.session_expiry
        properties.MaximumPacketSize = self._largest
        client = aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            identifier=self._name,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=properties,
            tls_context=tls_context(self._identity),  # read again: it may have been renewed
            keepalive=self._broker.keepalive,
            timeout=self._broker.timeout,
            max_inflight_messages=_IN_FLIGHT,
        )
        client.pending_calls_threshold = 1_000
        async with client:
            codes = await client.subscribe(topic(self._broker.task, self._name, "+"), qos=1)
            if any(_code(code) >= _REFUSED for code in codes):
                raise BrokerRefused(f"broker: no right to read the inbox of {self._name}")
            yield client

    async def _read(self, client: aiomqtt.Client, listener: Listener) -> None:
        async for message in client.messages:
            name = str(message.topic).rpartition("/")[2]
            try:
                sender = parse_account(name)
            except CredentialsError:
                _LOG.warning("transport: a frame from %r, which is no account", name[:64])
                continue
            listener.frame(sender, message.payload)

    async def _reason(self, error: Exception) -> TransportError:
        """Why a connection ended: what TLS says tells more than the MQTT client does."""
        if isinstance(error, TransportError):
            return error
        try:
            await probe(self._broker, tls_context(self._identity))
        except TransportError as told:
            return told
        return BrokerRefused(f"broker {self._broker.host}:{self._broker.port}: {error!r}")


def _code(reason: object) -> int:
    value = getattr(reason, "value", reason)
    return value if isinstance(value, int) else 0
