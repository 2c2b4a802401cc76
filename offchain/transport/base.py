"""The one interface of all transports.

Delivery is at least once: a message may come twice, late, or in another order than it was sent.
It is kept by its sender until the receiver has *acknowledged* it, which a node does when what
follows from the message is safe on its disk; so neither a broker that loses its queue nor a node
that is killed loses a message. Who sent it is known from the connection, not from the message.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from offchain.transport.errors import CredentialsError

ACCOUNT_BYTES = 20
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


def account_name(account: bytes) -> str:
    """The name of an account in certificates, topics and access lists: 0x and 40 lower-case digits.

    Raises
    ------
    CredentialsError
        When it has not 20 bytes.
    """
    if len(account) != ACCOUNT_BYTES:
        raise CredentialsError(f"account: {len(account)} bytes, {ACCOUNT_BYTES} expected")
    return "0x" + account.hex()


def parse_account(name: str) -> bytes:
    """The account of a name.

    Raises
    ------
    CredentialsError
        When it is not 0x and 40 lower-case digits.
    """
    digits = name.removeprefix("0x")
    try:
        account = bytes.fromhex(digits)
    except ValueError:
        account = b""
    if len(account) != ACCOUNT_BYTES or name != account_name(account):
        raise CredentialsError(f"account: {name!r} is not 0x and 40 lower-case digits")
    return account


@dataclass(frozen=True)
class Credentials:
    """Files (PEM) with which a node shows who it is, and that of the authority it trusts."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class Identity:
    """Who a node is: its Ethereum account and, where the transport asks for it, its certificate."""

    account: bytes
    credentials: Credentials | None = None

    @property
    def name(self) -> str:
        """The account's name."""
        return account_name(self.account)


@dataclass(frozen=True)
class Limits:
    """Bounds of a transport. Sizes are bytes, times seconds.

    Attributes
    ----------
    message
        Largest message, to send or to receive.
    part
        A message is sent in parts of this size.
    sender, total
        Received and not acknowledged: of one sender, of all together.
    partial_messages
        Messages of one sender that may be incomplete at once.
    partial_time
        An incomplete message is dropped when nothing of it came for so long; its sender asks, and
        sends it again.
    remembered
        Latest acknowledged messages of each sender that are recognised when they come again.
    window
        Sent to one recipient and not acknowledged; a larger message goes alone.
    outbox
        Kept for one recipient; past it the oldest messages are given up.
    resend_first, resend_longest
        The sender asks after a message when no acknowledgement came for so long, again after twice
        the time, and so on up to the longest.
    publishers
        Frames under way to the carrier at once.
    """

    message: int = MAX_MESSAGE_BYTES
    part: int = 256 * 1024
    sender: int = 96 * 1024 * 1024
    total: int = 1024 * 1024 * 1024
    partial_messages: int = 64
    partial_time: float = 120.0
    remembered: int = 256
    window: int = 4 * 1024 * 1024
    outbox: int = 256 * 1024 * 1024
    resend_first: float = 3.0
    resend_longest: float = 60.0
    publishers: int = 32


@dataclass(frozen=True)
class Received:
    """A message that has come, from a sender that the connection vouches for."""

    sender: bytes
    data: bytes
    digest: bytes = field(repr=False)


@dataclass(frozen=True)
class Kept:
    """A message in the outbox."""

    recipient: bytes
    data: bytes = field(repr=False)
    until: int | None  # the last round in which it is of use


@dataclass
class Statistics:
    """What a transport has counted since it was connected."""

    sent: int = 0  # messages acknowledged by their recipients
    sent_bytes: int = 0  # payload, resends included
    received: int = 0  # messages handed to the node
    received_bytes: int = 0
    asked: int = 0  # times that a recipient was asked after a message
    given_up: int = 0  # messages that fell out of a full outbox
    connections: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # frames dropped, by reason


class Transport(Protocol):
    """What a node needs of a network."""

    statistics: Statistics

    async def connect(self, identity: Identity) -> None:
        """Connect as a node; later losses of the connection mend themselves.

        Raises
        ------
        BrokerUnreachable, BrokerRefused, CredentialsError
            When the first connection cannot be made.
        """
        ...

    def send(
        self, recipient: bytes, data: bytes, *, until: int | None = None, ask_first: bool = False
    ) -> None:
        """Take a message into the outbox, from where it is sent until it is acknowledged.

        Parameters
        ----------
        recipient
            An account.
        data
            The message. The same bytes to the same recipient are one message, however often given.
        until
            The last round in which it is of use, if it has one: see ``forget_before``.
        ask_first
            Ask the recipient whether it has the message already, before sending it: for what may
            have been sent before a restart.

        Raises
        ------
        MessageRefused
            When it is empty or too large.
        """
        ...

    def forget_before(self, round_number: int) -> None:
        """Give up every message in the outbox whose ``until`` lies before a round."""
        ...

    def received(self) -> AsyncIterator[Received]:
        """The messages that come. Each wants to be acknowledged."""
        ...

    def waiting(self) -> list[Received]:
        """Messages that have come and were not yet handed out: to be handled in one go."""
        ...

    def acknowledge(self, message: Received) -> None:
        """Tell the sender that a message is safe here and need not be sent again."""
        ...

    def kept(self) -> list[Kept]:
        """The messages in the outbox that are not acknowledged."""
        ...

    @property
    def outstanding(self) -> int:
        """How many messages in the outbox are not acknowledged."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the connection is there just now."""
        ...

    async def drain(self, timeout: float) -> bool:
        """Wait until everything is acknowledged; False when time ran out."""
        ...

    async def close(self) -> None:
        """Disconnect. What was not acknowledged is given up: the node's journal has it."""
        ...
