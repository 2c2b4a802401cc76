"""Following the chain: in order, once, confirmed, and through reorganisations."""

from typing import Any

import pytest
from web3 import Web3
from web3.types import RPCEndpoint

from offchain.chain.contract import ContractS
from offchain.chain.errors import ChainError
from offchain.chain.watcher import ChainReorganised, Position, Watcher, parse_position
from offchain.protocol.chain import CloudAdmitted, Event
from offchain.protocol.eip712 import SigningKey
from tests.offchain.protocol.builders import signing_key


class Anvil:
    """What only anvil can do."""

    def __init__(self, web3: Web3) -> None:
        self.web3 = web3

    def request(self, method: str, *parameters: Any) -> Any:
        answer = self.web3.provider.make_request(RPCEndpoint(method), list(parameters))
        if "error" in answer:
            raise ChainError(f"{method}: {answer['error']}")
        return answer["result"]

    def mine(self, count: int) -> None:
        self.request("anvil_mine", hex(count))

    def reorganise(self, depth: int) -> None:
        """Replace the last blocks by empty ones; their transactions are gone."""
        self.request("anvil_reorg", depth, [])


@pytest.fixture
def anvil(web3: Web3) -> Anvil:
    return Anvil(web3)


def admit_cloud(contract: ContractS, authority: SigningKey, number: int) -> CloudAdmitted:
    account = signing_key(number).address
    shown = Web3.to_checksum_address(account)
    client = ContractS(contract.web3, contract.address, contract._contract.abi)
    client.transact(authority, "depositStake", shown, value=10**18)
    client.transact(authority, "admitCloud", shown)
    return CloudAdmitted(account)


def follow(watcher: Watcher, position: Position) -> tuple[list[Event], Position]:
    news = watcher.poll(position)
    assert parse_position(news.position.to_bytes()) == news.position
    return list(news.events), news.position


def test_poll__events_so_far__once_and_in_order(contract: ContractS, authority: SigningKey) -> None:
    watcher = Watcher(contract)
    first = admit_cloud(contract, authority, 90)
    events, position = follow(watcher, watcher.start())
    assert events == [first]
    assert follow(watcher, position)[0] == []
    second = admit_cloud(contract, authority, 91)
    assert follow(watcher, position)[0] == [second]


def test_poll__confirmations__events_wait_for_blocks_on_top(
    contract: ContractS, authority: SigningKey, anvil: Anvil
) -> None:
    watcher = Watcher(contract, confirmations=3)
    admitted = admit_cloud(contract, authority, 90)
    events, position = follow(watcher, watcher.start())
    assert events == []
    anvil.mine(2)
    events, position = follow(watcher, position)
    assert events == []
    anvil.mine(1)
    assert follow(watcher, position)[0] == [admitted]


def test_poll__reorganised_below_the_confirmations__nothing_was_seen(
    contract: ContractS, authority: SigningKey, anvil: Anvil
) -> None:
    watcher = Watcher(contract, confirmations=3)
    anvil.mine(5)
    _, position = follow(watcher, watcher.start())
    admit_cloud(contract, authority, 90)
    anvil.reorganise(2)
    anvil.mine(6)
    assert follow(watcher, position)[0] == []
    assert watcher.reorganisations == 0


def test_poll__event_gone_and_back_in_another_block__goes_on(
    contract: ContractS, authority: SigningKey, anvil: Anvil
) -> None:
    watcher = Watcher(contract)
    anvil.mine(3)
    _, position = follow(watcher, watcher.start())
    first = admit_cloud(contract, authority, 90)
    events, position = follow(watcher, position)
    assert events == [first]
    anvil.reorganise(2)
    events, position = follow(watcher, position)
    assert (events, len(position.again)) == ([], 1)  # it has to come again
    assert admit_cloud(contract, authority, 90) == first
    second = admit_cloud(contract, authority, 91)
    events, position = follow(watcher, position)
    assert events == [second]
    assert position.again == ()
    assert watcher.reorganisations == 1


def test_poll__event_gone_and_another_in_its_place__says_so(
    contract: ContractS, authority: SigningKey, anvil: Anvil
) -> None:
    watcher = Watcher(contract)
    anvil.mine(3)
    _, position = follow(watcher, watcher.start())
    admit_cloud(contract, authority, 90)
    _, position = follow(watcher, position)
    anvil.reorganise(2)
    admit_cloud(contract, authority, 91)
    with pytest.raises(ChainReorganised):
        watcher.poll(position)


def test_poll__another_history_altogether__says_so(contract: ContractS, anvil: Anvil) -> None:
    watcher = Watcher(contract)
    anvil.mine(2)
    _, position = follow(watcher, watcher.start())
    foreign = tuple(replace_hash(seen) for seen in position.seen)
    strange = Position(position.next, None, foreign)
    anvil.mine(1)
    with pytest.raises(ChainReorganised, match="another history"):
        watcher.poll(strange)


def replace_hash(seen: Any) -> Any:
    return type(seen)(seen.number, bytes(32), seen.events, seen.awaiting)
