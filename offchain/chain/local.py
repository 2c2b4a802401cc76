"""A chain whose time one may move: anvil, for runs and tests in one process."""

from collections.abc import Mapping, Sequence

from web3 import Web3
from web3.types import RPCEndpoint

from offchain.chain.contract import ContractS
from offchain.chain.errors import ChainError, TransactionReverted
from offchain.chain.port import Receipt
from offchain.chain.translate import Directory, contract_call, protocol_event
from offchain.crypto.hashing import tagged, word
from offchain.protocol.chain import BeaconDrawn, Call, Event, RoundOpened
from offchain.protocol.eip712 import SigningKey


class LocalChain:
    """Implements ``ChainPort`` over anvil.

    Parameters
    ----------
    contract
        Contract S.
    keys
        Accounts that send transactions, by address.
    """

    def __init__(self, contract: ContractS, keys: Mapping[bytes, SigningKey]) -> None:
        self.contract = contract
        self.directory = Directory()
        self._keys = dict(keys)
        self._next_block = contract.deployed_at
        self._awaiting: RoundOpened | None = None

    @property
    def _web3(self) -> Web3:
        return self.contract.web3

    def add_key(self, key: SigningKey) -> None:
        """Let another account send transactions."""
        self._keys[key.address] = key

    def now(self) -> int:
        """Time of the latest block, seconds."""
        return int(self._web3.eth.get_block("latest")["timestamp"])

    def advance(self, to: int) -> None:
        """Mine a block at time ``to``."""
        self._request("evm_setNextBlockTimestamp", [to])
        self._request("evm_mine", [])

    def execute(self, call: Call, sender: bytes) -> Receipt:
        """Send a call's transaction; a revert is told in the receipt."""
        function, arguments = contract_call(call, self.directory)
        cluster = getattr(call, "cluster", None)
        try:
            mined = self.contract.transact(self._keys[sender], function, *arguments)
        except TransactionReverted as error:
            return Receipt(function, cluster, sender, 0, str(error))
        return Receipt(function, cluster, sender, mined.gas, None)

    def poll(self) -> Sequence[Event]:
        """New events of S, then a beacon that is due; mines up to the beacon's block."""
        latest = self._web3.eth.block_number
        events: list[Event] = []
        if latest >= self._next_block:
            for log in self.contract.events(self._next_block, latest):
                self.directory.take(log)
                opened_at = (
                    self._web3.eth.get_block(log["blockNumber"])["timestamp"]
                    if log["event"] == "RoundOpened"
                    else 0
                )
                event = protocol_event(log, opened_at)
                if isinstance(event, RoundOpened):
                    self._awaiting = event
                if event is not None:
                    events.append(event)
            self._next_block = latest + 1
        if not events and self._awaiting is not None:
            events.append(self._draw(self._awaiting))
            self._awaiting = None
        return events

    def _draw(self, opened: RoundOpened) -> BeaconDrawn:
        missing = opened.beacon_block - self._web3.eth.block_number
        if missing > 0:
            self._request("anvil_mine", [hex(missing)])
        return BeaconDrawn(
            opened.round, read_beacon(self.contract, opened.round, opened.beacon_block)
        )

    def _request(self, method: str, parameters: list[object]) -> object:
        response = self._web3.provider.make_request(RPCEndpoint(method), parameters)
        if "error" in response:
            raise ChainError(f"{method}: {response['error']}")
        return response.get("result")


def read_beacon(contract: ContractS, round_number: int, beacon_block: int) -> bytes:
    """The beacon of a round, from prevrandao in the header of the block that S fixed."""
    block = contract.web3.eth.get_block(beacon_block)
    prevrandao = bytes(block["mixHash"])
    return tagged("verifog beacon v1", contract.domain.separator, word(round_number), prevrandao)
