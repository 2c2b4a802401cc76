"""The public record of a task: what anybody can read of a chain, before anything is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from offchain.audit.ethereum import Header


@dataclass(frozen=True)
class Proven:
    """Encoded bytes with the trie nodes that prove them part of a block, or of its state."""

    encoded: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True)
class Frame:
    """A call of S, or its creation, inside a transaction to another contract."""

    sender: bytes
    value: int
    data: bytes
    creates: bool = False


@dataclass(frozen=True)
class PublicTransaction:
    """A transaction in which S emitted an event.

    Attributes
    ----------
    hash
        What the provider says it hashes to.
    transaction, receipt
        With their proofs under the roots of the block's header.
    frames
        The successful calls of S inside it, in order, where another contract made them (from the
        provider's trace: no root proves them); None where it is itself the only one.
    """

    hash: bytes
    block: int
    index: int
    transaction: Proven
    receipt: Proven
    frames: tuple[Frame, ...] | None = None


@dataclass(frozen=True)
class Account:
    """An account at the last block; ``proof`` is None where the provider gives none."""

    nonce: int
    balance: int
    storage_root: bytes
    code: bytes
    proof: tuple[bytes, ...] | None


@dataclass(frozen=True)
class Question:
    """A view of S and its arguments."""

    function: str
    arguments: tuple[Any, ...] = ()

    def __str__(self) -> str:
        arguments = [f"0x{a.hex()}" if isinstance(a, bytes) else str(a) for a in self.arguments]
        return f"{self.function}({', '.join(arguments)})"


@dataclass(frozen=True)
class PublicRecord:
    """Everything that an audit reads.

    Attributes
    ----------
    chain_id, contract
        Which S, 20 bytes.
    head
        Number of the last block read; views, code and balance are of its end.
    headers
        Of the blocks with transactions, of the rounds' beacon blocks, and of ``head``.
    transactions
        In the order of the chain, from the creation of S.
    accounts
        S and the contracts that it announces, by address.
    views
        What S answers, as encoded bytes; None for a view that reverts.
    notes
        What could not be read, for the reader of the verdict.
    """

    chain_id: int
    contract: bytes
    head: int
    headers: Mapping[int, Header]
    transactions: tuple[PublicTransaction, ...]
    accounts: Mapping[bytes, Account]
    views: Mapping[Question, bytes | None]
    notes: tuple[str, ...] = ()
