"""Signed statements that nobody may make twice: keeping the first, finding the second.

What a party signs for a round it repeats and never replaces (specification, section 3.1). Whoever
receives two that differ holds evidence, whatever else is wrong with them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from offchain.protocol import messages
from offchain.protocol.aggregation import envelope_signature
from offchain.protocol.chain import ReportEquivocation, Statement
from offchain.protocol.eip712 import word
from offchain.protocol.messages import Message

KINDS: Final[dict[type[Message], Statement]] = {
    messages.NoiseRoot: Statement.NOISE_ROOT,
    messages.MaskedPacket: Statement.MASKED_PACKET,
    messages.Witness: Statement.WITNESS,
    messages.Selection: Statement.SELECTION,
    messages.Qualified: Statement.QUALIFIED,
}


@dataclass(frozen=True)
class SignedStatement:
    """A statement as S judges it: the words of its EIP-712 struct, and the signature."""

    kind: Statement
    round: int
    cluster: int
    words: bytes
    signature: bytes


def signed_statement(message: Message, data: bytes) -> SignedStatement | None:
    """The statement in an envelope that has been parsed before; None for other messages."""
    kind = KINDS.get(type(message))
    if kind is None:
        return None
    words = b"".join(word(value) for value in message.typed())
    return SignedStatement(kind, message.round, message.cluster, words, envelope_signature(data))


def equivocation(
    first: SignedStatement, second: SignedStatement, public_key: bytes
) -> ReportEquivocation:
    """The report of two statements of one signer and occasion that differ."""
    return ReportEquivocation(
        first.kind,
        first.cluster,
        first.words,
        first.signature,
        second.words,
        second.signature,
        public_key,
    )


class Statements:
    """The first statement of every kind, round and signer that a node has received."""

    def __init__(self) -> None:
        self._first: dict[tuple[Statement, int, bytes], SignedStatement] = {}
        self._contradicted: set[tuple[Statement, int, bytes]] = set()

    def take(self, signer: bytes, statement: SignedStatement) -> SignedStatement | None:
        """Keep a statement if it is the first; return the first that another one contradicts.

        Told once for each occasion: one offence, one report.
        """
        key = (statement.kind, statement.round, signer)
        first = self._first.setdefault(key, statement)
        if first.words == statement.words or key in self._contradicted:
            return None
        self._contradicted.add(key)
        return first

    def first(self, kind: Statement, number: int, signer: bytes) -> SignedStatement | None:
        """What a signer said first."""
        return self._first.get((kind, number, signer))

    def forget(self, current: int, batches: Collection[int] = ()) -> None:
        """Drop what is older than the round before this one, but the noise roots of these batches.

        An offence that comes to light later than that goes unpunished.
        """
        stale = [
            key
            for key in self._first
            if key[1] < current - 1 and not (key[0] is Statement.NOISE_ROOT and key[1] in batches)
        ]
        for key in stale:
            del self._first[key]
            self._contradicted.discard(key)
