"""Reads the public record of a task from a provider: the one part of an audit that asks anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from web3 import Web3
from web3.types import RPCEndpoint

from offchain.audit.decoding import Abi, Undecodable
from offchain.audit.errors import AuditError
from offchain.audit.ethereum import Header, Log, OrderedTrie
from offchain.audit.record import (
    Account,
    Frame,
    Proven,
    PublicRecord,
    PublicTransaction,
    Question,
)
from offchain.audit.task import TOOLS
from offchain.audit.wire import (
    Json,
    data_of,
    encode_receipt,
    encode_transaction,
    header_of,
    number_of,
)
from offchain.crypto.hashing import keccak256

_PAYING: Final = tuple(
    keccak256(s)[:4]
    for s in (b"claim(address,uint256[])", b"withdrawStake(address)", b"withdrawPool(uint256)")
)
_CALLS: Final = ("CALL", "CREATE", "CREATE2")

Progress = Callable[[int, int], None]


def _no_progress(done: int, total: int) -> None:
    del done, total


class Reader:
    """Reads what is public about one Contract S.

    Parameters
    ----------
    web3
        Any provider of the chain. It needs no old state, except to find the creation of S (its code
        at older blocks) and for an audit up to an older block.
    contract
        20 bytes.
    abi
        Of S as compiled.
    progress
        Told how many of how many blocks are read.
    """

    def __init__(
        self, web3: Web3, contract: bytes, abi: Abi, progress: Progress = _no_progress
    ) -> None:
        self.contract = contract
        self._provider = web3.provider
        self._address = "0x" + contract.hex()
        self._abi = abi
        self._progress = progress
        self._notes: list[str] = []
        self._blocks: dict[int, Json] = {}

    def chain_id(self) -> int:
        """Return the provider's chain id."""
        return number_of(self._ask("eth_chainId"))

    def head(self, to_block: int | None = None) -> int:
        """Return the last block to read: the newest, or ``to_block``, if S is there.

        Raises
        ------
        AuditError
            When the chain is not so long, or has no code at the address.
        """
        newest = number_of(self._ask("eth_blockNumber"))
        head = newest if to_block is None else to_block
        if head > newest:
            raise AuditError(f"block {head}: the chain ends at {newest}")
        if not self._has_code(head):
            where = f"chain {self.chain_id()}, block {head}"
            raise AuditError(f"contract {self._address}: there is no code on {where}")
        return head

    def record(self, to_block: int | None = None) -> PublicRecord:
        """Read everything but the views.

        Raises
        ------
        AuditError
            When there is no such contract, or the provider fails.
        """
        head = self.head(to_block)
        logs = self.logs(self.created_in(head), head)
        by_block: dict[int, set[int]] = {}
        for log in logs:
            place = number_of(log["transactionIndex"])
            by_block.setdefault(number_of(log["blockNumber"]), set()).add(place)
        transactions: list[PublicTransaction] = []
        for done, (number, places) in enumerate(sorted(by_block.items())):
            self._progress(done, len(by_block))
            transactions += self._transactions(number, sorted(places))
        announced = self._announced(logs)
        numbers = {*by_block, *(n for n in announced[1] if n <= head), head}
        addresses = [self.contract, *announced[0]]
        return PublicRecord(
            chain_id=self.chain_id(),
            contract=self.contract,
            head=head,
            headers={number: self._header(number) for number in sorted(numbers)},
            transactions=tuple(transactions),
            accounts=self.accounts(addresses, head),
            views={},
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def created_in(self, head: int) -> int:
        """Return the block in which S was created, by bisection; 0 without old state."""
        low, high = 0, head
        try:
            while low < high:
                middle = (low + high) // 2
                if self._has_code(middle):
                    high = middle
                else:
                    low = middle + 1
        except AuditError:
            self._notes.append("the provider has no old state: events were read from block 0")
            return 0
        return low

    def logs(self, first: int, last: int, topics: Sequence[bytes] = ()) -> list[Json]:
        """Return the logs of S in a range of blocks, in as many requests as the provider needs."""
        wanted: dict[str, Any] = {
            "address": self._address,
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        if topics:
            wanted["topics"] = [["0x" + topic.hex() for topic in topics]]
        try:
            return list(self._ask("eth_getLogs", wanted))
        except AuditError:
            if first == last:
                raise
            middle = (first + last) // 2
            return self.logs(first, middle, topics) + self.logs(middle + 1, last, topics)

    def accounts(self, addresses: Sequence[bytes], head: int) -> dict[bytes, Account]:
        """Return accounts as of the end of a block."""
        return {address: self._account(address, head) for address in addresses}

    def answers(self, head: int, questions: Sequence[Question]) -> dict[Question, bytes | None]:
        """Ask views of S, as of the end of a block; None where one reverts."""
        answers: dict[Question, bytes | None] = {}
        for question in questions:
            data = "0x" + self._abi.question(question.function, question.arguments).hex()
            request = {"to": self._address, "data": data}
            try:
                answers[question] = data_of(self._ask("eth_call", request, hex(head)))
            except AuditError:
                answers[question] = None
        return answers

    # ---- one block

    def _transactions(self, number: int, places: Sequence[int]) -> Iterator[PublicTransaction]:
        """Transactions of a block with their proofs, from all that the block holds."""
        block = self._block(number)
        receipts = self._receipts(number, block)
        encoded = [encode_transaction(transaction) for transaction in block["transactions"]]
        outcomes = [encode_receipt(receipt) for receipt in receipts]
        tries = OrderedTrie(encoded), OrderedTrie(outcomes)
        for place in places:
            transaction = block["transactions"][place]
            yield PublicTransaction(
                hash=data_of(transaction["hash"]),
                block=number,
                index=place,
                transaction=Proven(encoded[place], tries[0].proof(place)),
                receipt=Proven(outcomes[place], tries[1].proof(place)),
                frames=self._frames(transaction, receipts[place]),
            )

    def _block(self, number: int) -> Json:
        block = self._ask("eth_getBlockByNumber", hex(number), True)  # noqa: FBT003
        if block is None:
            raise AuditError(f"block {number}: the provider does not have it")
        self._blocks[number] = {k: v for k, v in block.items() if k != "transactions"}
        return dict(block)

    def _header(self, number: int) -> Header:
        if number not in self._blocks:
            self._block(number)
        return header_of(self._blocks[number])

    def _receipts(self, number: int, block: Json) -> list[Json]:
        try:
            return list(self._ask("eth_getBlockReceipts", hex(number)))
        except AuditError:
            hashes = [transaction["hash"] for transaction in block["transactions"]]
            return [self._ask("eth_getTransactionReceipt", digest) for digest in hashes]

    def _frames(self, transaction: Json, receipt: Json) -> tuple[Frame, ...] | None:
        """The calls of S inside a transaction, where it is not simply one call of S."""
        recipient = transaction.get("to")
        if recipient is None and receipt.get("contractAddress") == self._address:
            return None
        data = data_of(transaction["input"])
        if recipient == self._address and not self._calls_back(data):
            return None
        try:
            trace = self._ask(
                "debug_traceTransaction", transaction["hash"], {"tracer": "callTracer"}
            )
        except AuditError:
            self._notes.append("the provider gives no traces: calls by contracts are not seen")
            return None
        self._notes.append("calls of S by other contracts are known from traces only")
        return tuple(self._calls(trace))

    def _calls_back(self, data: bytes) -> bool:
        """Whether a call pays an account that may call S in turn."""
        return data[:4] in _PAYING and bool(data_of(self._code(data[16:36], "latest")))

    def _calls(self, frame: Json) -> Iterator[Frame]:
        if "error" in frame:
            return
        if frame["type"] in _CALLS and frame.get("to") == self._address:
            yield Frame(
                data_of(frame["from"]),
                number_of(frame.get("value", "0x0")),
                data_of(frame["input"]),
                creates=frame["type"] != "CALL",
            )
        for inner in frame.get("calls", ()):
            yield from self._calls(inner)

    # ---- accounts

    def _announced(self, logs: Sequence[Json]) -> tuple[list[bytes], list[int]]:
        """Contracts and beacon blocks that the events name."""
        addresses: list[bytes] = []
        blocks: list[int] = []
        for log in logs:
            topics = tuple(data_of(topic) for topic in log["topics"])
            try:
                event = self._abi.event(Log(self.contract, topics, data_of(log["data"])))
            except Undecodable:
                continue
            if event.name == "TaskCreated":
                addresses += [event.values[n] for n in (*TOOLS, "extension")]
            elif event.name == "RoundOpened":
                blocks.append(event.values["beaconBlock"])
        return addresses, blocks

    def _account(self, address: bytes, head: int) -> Account:
        name = "0x" + address.hex()
        code = data_of(self._code(address, hex(head)))
        try:
            proof = self._ask("eth_getProof", name, [], hex(head))
        except AuditError:
            self._notes.append("the provider gives no proofs: code and balance are its word")
            balance = number_of(self._ask("eth_getBalance", name, hex(head)))
            return Account(0, balance, bytes(32), code, None)
        return Account(
            nonce=number_of(proof["nonce"]),
            balance=number_of(proof["balance"]),
            storage_root=data_of(proof["storageHash"]),
            code=code,
            proof=tuple(data_of(node) for node in proof["accountProof"]),
        )

    def _code(self, address: bytes, block: str) -> str:
        return str(self._ask("eth_getCode", "0x" + address.hex(), block))

    def _has_code(self, block: int) -> bool:
        return bool(data_of(self._code(self.contract, hex(block))))

    def _ask(self, method: str, *parameters: Any) -> Any:
        try:
            response = self._provider.make_request(RPCEndpoint(method), list(parameters))
        except (OSError, ValueError) as error:
            raise AuditError(f"{method}: the provider does not answer: {error}") from error
        if response.get("error"):
            raise AuditError(f"{method}: {response['error']}")
        return response.get("result")
