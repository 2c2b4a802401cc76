"""Transactions until they are final: nonces, restarts, fees, reorganisations, empty purses."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from web3 import Web3
from web3.types import RPCEndpoint

from offchain.chain.contract import ContractS
from offchain.chain.sender import GWEI, TRIES, FeeRules, Sender, Settled
from offchain.chain.translate import Directory
from offchain.chain.watcher import Watcher
from offchain.nodes.simulation import give_ether
from offchain.protocol.chain import RecordNoiseRoot
from offchain.protocol.eip712 import SigningKey
from tests.offchain.protocol.builders import signing_key

FOG = signing_key(80)
ROOT = bytes(31) + b"\1"
CALL = RecordNoiseRoot(0, 1, ROOT)


class Drawer:
    """Attempts in memory, as a journal keeps them."""

    def __init__(self) -> None:
        self.kept: defaultdict[Any, list[bytes]] = defaultdict(list)

    def attempt(self, effect: Any, payload: bytes) -> None:
        self.kept[effect].append(payload)

    def attempts(self, effect: Any) -> list[bytes]:
        return list(self.kept[effect])


class Purse:
    """A fog's account with its sender on a chain where blocks come when asked for."""

    def __init__(self, contract: ContractS) -> None:
        self.contract, self.web3 = contract, contract.web3
        self.drawer, self.now = Drawer(), 0.0
        self.watcher = Watcher(contract)

    def sender(self, confirmations: int = 0, **rules: Any) -> Sender:
        made = FeeRules(**{"bump_after": 10.0, **rules})
        clock = lambda: self.now  # noqa: E731
        return Sender(self.contract, FOG, self.drawer, made, confirmations, 0, clock)

    def step(self, sender: Sender) -> list[Settled]:
        return sender.step(self.watcher.head())

    def request(self, method: str, *parameters: Any) -> Any:
        return self.web3.provider.make_request(RPCEndpoint(method), list(parameters))["result"]

    def automine(self, *, on: bool) -> None:
        self.request("evm_setAutomine", on)

    def mine(self, count: int = 1) -> None:
        self.request("anvil_mine", hex(count))

    @property
    def recorded(self) -> bytes:
        return bytes(self.contract.call("noiseRoot", 0, 1))


@pytest.fixture
def purse(contract: ContractS, authority: SigningKey) -> Iterator[Purse]:
    give_ether(contract.web3, [FOG.address])
    shown = Web3.to_checksum_address(FOG.address)
    contract.transact(authority, "depositStake", shown, value=10**18)
    contract.transact(authority, "admitFog", shown)
    made = Purse(contract)
    made.automine(on=False)
    yield made
    made.automine(on=True)


def test_call__mined_and_confirmed__is_told_twice_and_final_once(purse: Purse) -> None:
    sender = purse.sender(confirmations=2)
    sender.submit("a", CALL, Directory())
    assert purse.step(sender) == []
    purse.mine()
    (mined,) = purse.step(sender)
    assert (mined.error, mined.final) == (None, False)
    assert mined.gas > 21_000
    assert sender.spent == mined.fee > 0
    purse.mine()
    assert purse.step(sender) == []
    purse.mine()
    (final,) = purse.step(sender)
    assert (final.final, final.gas, sender.pending) == (True, 0, 0)
    assert purse.recorded == ROOT


def test_call__killed_before_it_is_mined__same_bytes_again_and_once(purse: Purse) -> None:
    first = purse.sender()
    first.submit("a", CALL, Directory())
    purse.step(first)
    again = purse.sender()  # another process with the same journal
    again.submit("a", CALL, Directory())
    assert purse.step(again) == []
    assert len(purse.drawer.kept["a"]) == 1
    purse.mine()
    (settled,) = purse.step(again)
    assert (settled.error, settled.final) == (None, True)
    assert purse.web3.eth.get_transaction_count(Web3.to_checksum_address(FOG.address)) == 1


def test_call__killed_after_it_was_mined__found_by_its_receipt(purse: Purse) -> None:
    first = purse.sender()
    first.submit("a", CALL, Directory())
    purse.step(first)
    purse.mine()
    again = purse.sender()
    again.submit("a", CALL, Directory())
    (settled,) = purse.step(again)
    assert settled.error is None
    assert len(purse.drawer.kept["a"]) == 1


def test_call__dropped_by_the_node__sent_again_at_a_higher_fee_with_its_nonce(
    purse: Purse,
) -> None:
    sender = purse.sender()
    sender.submit("a", CALL, Directory())
    purse.step(sender)
    purse.request("anvil_dropAllTransactions")
    purse.now = 11.0
    purse.step(sender)
    assert sender.bumped == 1
    assert len(purse.drawer.kept["a"]) == 2
    purse.mine()
    (settled,) = purse.step(sender)
    assert settled.error is None
    assert purse.recorded == ROOT


def test_call__fee_at_its_bound__is_not_raised_and_says_why(purse: Purse) -> None:
    sender = purse.sender(max_fee=3 * GWEI)
    sender.submit("a", CALL, Directory())
    purse.step(sender)
    for _ in range(12):
        purse.now += 11.0
        purse.step(sender)
    assert "fee is at its bound" in sender.held


def test_call__block_gone_in_a_reorganisation__is_sent_again(purse: Purse) -> None:
    sender = purse.sender(confirmations=4)
    purse.mine(3)
    sender.submit("a", CALL, Directory())
    purse.step(sender)
    purse.mine()
    assert [one.final for one in purse.step(sender)] == [False]
    purse.request("anvil_reorg", 1, [])
    assert purse.recorded == bytes(32)
    for _ in range(3):
        purse.step(sender)
        purse.mine()
    assert purse.recorded == ROOT
    purse.mine(4)
    assert purse.step(sender)[-1].final
    assert len(purse.drawer.kept["a"]) == 1


def test_call__refused_by_the_contract__is_given_up_after_some_blocks(purse: Purse) -> None:
    sender = purse.sender()
    sender.submit("a", RecordNoiseRoot(0, 1, bytes(32)), Directory())
    for _ in range(TRIES - 1):
        assert purse.step(sender) == []
        purse.mine()
    (settled,) = purse.step(sender)
    assert (settled.final, settled.gas, sender.pending) == (True, 0, 0)
    assert "ZeroNoiseRoot" in str(settled.error)
    assert purse.drawer.kept["a"] == []


@pytest.mark.parametrize(
    ("rules", "why"),
    [({"least_balance": 10**23}, "balance"), ({"budget": 10**12}, "gas budget")],
)
def test_call__purse_too_small__waits_and_says_why(
    purse: Purse, rules: dict[str, int], why: str
) -> None:
    sender = purse.sender(**rules)
    sender.submit("a", CALL, Directory())
    assert purse.step(sender) == []
    assert why in sender.held
    assert (sender.pending, purse.drawer.kept["a"]) == (1, [])
    sender._rules = FeeRules()  # topped up
    purse.mine()
    purse.step(sender)
    assert sender.held == ""
    purse.mine()
    assert purse.step(sender)[0].error is None
