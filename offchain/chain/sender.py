"""Transactions of a node, until they are final: nonces, fees, restarts, reorganisations.

One transaction is under way at a time, so that nonces have no gaps. What is signed is stored before
it is sent: after a restart the same bytes are sent again, never a second transaction. One that is
not mined in time is replaced by itself at a higher fee; one whose block is gone is sent again. It
is final once so many blocks lie on top of it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec
from eth_account import Account
from web3 import Web3
from web3.exceptions import TransactionNotFound, Web3RPCError
from web3.types import TxReceipt

from offchain.chain.contract import ContractS
from offchain.chain.errors import TransactionReverted
from offchain.chain.translate import Directory, contract_call
from offchain.chain.watcher import Head
from offchain.protocol.chain import Call
from offchain.protocol.eip712 import SigningKey

_LOG = logging.getLogger(__name__)
GWEI: Final = 10**9
BALANCE_EVERY: Final = 20  # blocks
TRIES: Final = 3  # blocks in which a call is tried that S refuses: its time may be about to come
_RAISE: Final = 1.25  # nodes take a replacement from 1.125 on


class Attempts(Protocol):
    """Where what was signed is kept: a node's journal."""

    def attempt(self, effect: Any, payload: bytes) -> None:
        """Store what is about to be sent for an effect."""
        ...

    def attempts(self, effect: Any) -> list[bytes]:
        """What was stored, oldest first."""
        ...


@dataclass(frozen=True)
class FeeRules:
    """What a node may pay.

    Attributes
    ----------
    max_fee
        Wei for a unit of gas, at most.
    bump_after
        Seconds before a transaction is replaced at a higher fee.
    least_balance
        Wei that stay in the account.
    budget
        Wei that the node may spend on gas; 0: no bound.
    """

    max_fee: int = 500 * GWEI
    bump_after: float = 45.0
    least_balance: int = 0
    budget: int = 0


@dataclass(frozen=True)
class Settled:
    """What became of a call.

    Attributes
    ----------
    identity, call
        As submitted.
    function
        Of S.
    gas, fee
        Used, and wei paid; 0 when it was refused.
    error
        Why S refused it; None when it was mined.
    final
        Whether nothing can change any more.
    """

    identity: Any
    call: Call
    function: str
    gas: int
    fee: int
    error: str | None
    final: bool


class _Attempt(msgspec.Struct, frozen=True, array_like=True):
    nonce: int
    hash: bytes
    raw: bytes
    gas: int
    fee: int
    tip: int


_DECODER: Final = msgspec.msgpack.Decoder(_Attempt)


@dataclass
class _Job:
    identity: Any
    call: Call
    function: str
    arguments: tuple[Any, ...]
    attempts: list[_Attempt] = field(default_factory=list)
    since: float = 0.0
    block: int | None = None  # where it was mined
    tries: int = 0
    tried_at: int = -1  # block of the last try


class Sender:
    """Sends the calls of a node. Blocking; one thread at a time.

    Parameters
    ----------
    contract
        Contract S.
    key
        The account.
    attempts
        Where what was signed is kept.
    rules
        What it may pay.
    confirmations
        Blocks on top of a transaction before it is final.
    spent
        Wei spent on gas before.
    """

    def __init__(
        self,
        contract: ContractS,
        key: SigningKey,
        attempts: Attempts,
        rules: FeeRules,
        confirmations: int,
        spent: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spent = spent
        self.balance = 0
        self.held = ""  # why nothing is sent just now
        self.bumped = 0
        self._looked_at = -1
        self._contract = contract
        self._key = key
        self._account = Web3.to_checksum_address(key.address)
        self._attempts = attempts
        self._rules = rules
        self._confirmations = confirmations
        self._clock = clock
        self._jobs: dict[Any, _Job] = {}

    @property
    def pending(self) -> int:
        """Calls that are not final."""
        return len(self._jobs)

    def is_pending(self, kind: type[Call]) -> bool:
        """Whether a call of a kind is on its way."""
        return any(isinstance(job.call, kind) for job in list(self._jobs.values()))

    def submit(self, identity: Any, call: Call, directory: Directory) -> None:
        """Take a call; one that was tried before a restart goes on where it was."""
        if identity in self._jobs:
            return
        function, arguments = contract_call(call, directory)
        before = [_DECODER.decode(data) for data in self._attempts.attempts(identity)]
        job = _Job(identity, call, function, arguments, before, self._clock())
        self._jobs[identity] = job

    def step(self, head: Head) -> list[Settled]:
        """Look after all transactions, and send the next one when none is under way."""
        if head.number > self._looked_at:
            self._looked_at = head.number + BALANCE_EVERY
            self.balance = self._ask_balance()
        settled: list[Settled] = []
        for job in list(self._jobs.values()):
            if job.attempts:
                settled += self._follow(job, head)
        for job in list(self._jobs.values()):
            if any(other.attempts and other.block is None for other in list(self._jobs.values())):
                break
            if not job.attempts and job.tried_at < head.number:
                settled += self._try(job, head)
        return settled

    # ---- what was sent

    def _follow(self, job: _Job, head: Head) -> list[Settled]:
        receipt = self._receipt(job)
        if receipt is None:
            if job.block is not None:
                _LOG.warning("chain: %s was in block %d, which is gone", job.function, job.block)
                job.block, job.tries = None, 0
            return self._push(job)
        block, was = int(receipt["blockNumber"]), job.block
        job.block = block
        final = head.number - block >= self._confirmations
        if final:
            del self._jobs[job.identity]
        fee = int(receipt["gasUsed"]) * int(receipt.get("effectiveGasPrice", 0))
        if was is None:
            self.spent += fee
        if was is not None and not final:
            return []
        error = None if receipt["status"] == 1 else "reverted when mined"
        gas = int(receipt["gasUsed"]) if was is None else 0
        return [Settled(job.identity, job.call, job.function, gas, fee, error, final)]

    def _receipt(self, job: _Job) -> TxReceipt | None:
        for attempt in reversed(job.attempts):
            try:
                return self._contract.web3.eth.get_transaction_receipt(attempt.hash)
            except TransactionNotFound:
                continue
        return None

    def _push(self, job: _Job) -> list[Settled]:
        """Not mined: send it again, at a higher fee when it has waited long."""
        last = job.attempts[-1]
        used = self._contract.web3.eth.get_transaction_count(self._account)
        if used > last.nonce and self._receipt(job) is None:
            # Another transaction of this account took the nonce: this one can never be mined.
            _LOG.warning("chain: nonce %d of %s was used by another", last.nonce, job.function)
            job.attempts = []
            return []
        if self._clock() - job.since < self._rules.bump_after:
            if job.tries == 0:  # after a restart, or a reorganisation
                job.tries = 1
                self._broadcast(last)
            return []
        job.since = self._clock()
        price, tip = self._price()
        fee = min(max(int(last.fee * _RAISE) + 1, price), self._rules.max_fee)
        if fee < last.fee * 1.125:
            self.held = f"{job.function} waits: the fee is at its bound"
            self._broadcast(last)
            return []
        self.bumped += 1
        self._sign(job, last.nonce, last.gas, fee, min(max(int(last.tip * _RAISE) + 1, tip), fee))
        return []

    # ---- what is to be sent

    def _try(self, job: _Job, head: Head) -> list[Settled]:
        job.tried_at = head.number
        try:
            gas = self._contract.prepare(self._key.address, job.function, *job.arguments).gas
        except TransactionReverted as error:
            job.tries += 1
            if job.tries < TRIES:
                return []
            del self._jobs[job.identity]
            return [Settled(job.identity, job.call, job.function, 0, 0, str(error), final=True)]
        fee, tip = self._price()
        self.balance = self._ask_balance()
        why = self._why_not(gas * fee)
        if why:
            if why != self.held:
                _LOG.error("chain: %s is not sent: %s", job.function, why)
            self.held = why
            return []
        self.held = ""
        job.tries = 1
        nonce = self._contract.web3.eth.get_transaction_count(self._account)
        self._sign(job, nonce, gas, fee, tip)
        return self._follow(job, head)

    def _ask_balance(self) -> int:
        return int(self._contract.web3.eth.get_balance(self._account))

    def _price(self) -> tuple[int, int]:
        eth = self._contract.web3.eth
        base = int(eth.get_block("latest").get("baseFeePerGas", 0))
        tip = int(eth.max_priority_fee)
        fee = min(2 * base + tip, self._rules.max_fee)
        return fee, min(tip, fee)

    def _why_not(self, cost: int) -> str:
        rules = self._rules
        if self.balance < cost + rules.least_balance:
            return (
                f"balance of {self._account}: {self.balance / 10**18:.6f} ether, "
                f"{(cost + rules.least_balance) / 10**18:.6f} needed"
            )
        if rules.budget and self.spent + cost > rules.budget:
            return (
                f"gas budget: {self.spent / 10**18:.6f} of {rules.budget / 10**18:.6f} ether "
                "is spent"
            )
        return ""

    def _sign(self, job: _Job, nonce: int, gas: int, fee: int, tip: int) -> None:
        transaction = {
            "to": Web3.to_checksum_address(self._contract.address),
            "data": self._contract.encode(job.function, *job.arguments),
            "value": 0,
            "nonce": nonce,
            "gas": gas,
            "maxFeePerGas": fee,
            "maxPriorityFeePerGas": tip,
            "chainId": self._contract.chain_id,
            "type": 2,
        }
        signed = Account.sign_transaction(transaction, self._key.secret())
        attempt = _Attempt(nonce, bytes(signed.hash), bytes(signed.raw_transaction), gas, fee, tip)
        self._attempts.attempt(job.identity, msgspec.msgpack.encode(attempt))
        job.attempts.append(attempt)
        job.since = self._clock()
        self._broadcast(attempt)

    def _broadcast(self, attempt: _Attempt) -> None:
        try:
            self._contract.web3.eth.send_raw_transaction(attempt.raw)
        except (Web3RPCError, ValueError) as error:
            # "already known", "nonce too low", "underpriced": what holds shows the receipt.
            _LOG.info("chain: transaction 0x%s: %s", attempt.hash.hex(), error)
