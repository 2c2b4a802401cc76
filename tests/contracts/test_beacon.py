"""The beacon: prevrandao of one block, fixed before anybody knows it."""

from typing import Any

import ape
import pytest
import rlp
from eth_utils import to_bytes

from tests.contracts.builders import keccak, tagged
from tests.contracts.deployed import PARAMETERS, Task

HISTORY = "0x0000F90827F1C53a10cb7A02335B175320002935"
HISTORY_CODE = (
    "0x3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257"
    "611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
)
FIELDS = [
    ("parentHash", 32),
    ("sha3Uncles", 32),
    ("miner", 20),
    ("stateRoot", 32),
    ("transactionsRoot", 32),
    ("receiptsRoot", 32),
    ("logsBloom", 256),
    ("difficulty", 0),
    ("number", 0),
    ("gasLimit", 0),
    ("gasUsed", 0),
    ("timestamp", 0),
    ("extraData", None),
    ("mixHash", 32),
    ("nonce", 8),
    ("baseFeePerGas", 0),
    ("withdrawalsRoot", 32),
    ("blobGasUsed", 0),
    ("excessBlobGas", 0),
    ("parentBeaconBlockRoot", 32),
    ("requestsHash", 32),
]


def header(task: Task, number: int) -> tuple[bytes, bytes]:
    """RLP of a block's header and its prevrandao."""
    block = task.chain.provider.make_request("eth_getBlockByNumber", [hex(number), False])
    items = []
    for name, size in FIELDS:
        if name not in block:
            break
        value = to_bytes(hexstr=block[name])
        items.append(value.lstrip(b"\0") if size == 0 else value)
    encoded = rlp.encode(items)
    assert keccak(encoded) == to_bytes(hexstr=block["hash"])
    return encoded, to_bytes(hexstr=block["mixHash"])


def remember(task: Task, number: int, block_hash: str) -> None:
    """Install EIP-2935's contract, which not every local node has, with a hash for one block."""
    task.chain.provider.set_code(HISTORY, HISTORY_CODE)
    task.chain.provider.make_request(
        "anvil_setStorageAt", [HISTORY, f"0x{number % 8191:064x}", block_hash]
    )


@pytest.fixture
def beacon_block(task: Task) -> int:
    task.open_round()
    return int(task.round.beaconBlock)


def test_beacon__block_there__hash_of_its_prevrandao(task: Task, beacon_block: int) -> None:
    task.chain.mine(PARAMETERS["beaconDelay"] + 1)
    encoded, prevrandao = header(task, beacon_block)
    assert any(prevrandao)
    expected = tagged("verifog beacon v1", task.contract.domainSeparator(), 1, prevrandao)
    assert task.contract.beacon(1, encoded) == expected


def test_beacon__block_not_there_yet__refused(task: Task, beacon_block: int) -> None:
    task.chain.mine(beacon_block - task.chain.blocks.head.number - 1)
    current = task.chain.blocks.head.number
    encoded, _ = header(task, current)
    with ape.reverts(task.contract.BeaconNotYet, beaconBlock=beacon_block):
        task.contract.beacon(1, encoded)


def test_beacon__header_of_another_block__refused(task: Task, beacon_block: int) -> None:
    """Nobody picks the moment."""
    task.chain.mine(PARAMETERS["beaconDelay"] + 3)
    right, _ = header(task, beacon_block)
    for number in (beacon_block - 1, beacon_block + 1):
        encoded, _ = header(task, number)
        with ape.reverts(task.contract.WrongHeader, given=keccak(encoded), expected=keccak(right)):
            task.contract.beacon(1, encoded)


def test_beacon__altered_header__refused(task: Task, beacon_block: int) -> None:
    task.chain.mine(PARAMETERS["beaconDelay"] + 1)
    encoded, prevrandao = header(task, beacon_block)
    altered = encoded.replace(prevrandao, b"\1" * 32)
    with ape.reverts(task.contract.WrongHeader, given=keccak(altered)):
        task.contract.beacon(1, altered)
    with ape.reverts(task.contract.WrongHeader, given=keccak(b"")):
        task.contract.beacon(1, b"")


def test_beacon__after_256_blocks__from_the_history_contract(task: Task, beacon_block: int) -> None:
    task.chain.mine(300)
    encoded, prevrandao = header(task, beacon_block)
    remember(task, beacon_block, "0x" + keccak(encoded).hex())
    expected = tagged("verifog beacon v1", task.contract.domainSeparator(), 1, prevrandao)
    assert task.contract.beacon(1, encoded) == expected


def test_beacon__after_256_blocks_without_history__refused(task: Task, beacon_block: int) -> None:
    task.chain.mine(300)
    encoded, _ = header(task, beacon_block)
    task.chain.provider.set_code(HISTORY, "0x")
    with ape.reverts(task.contract.BeaconTooOld, beaconBlock=beacon_block):
        task.contract.beacon(1, encoded)


def test_beacon__block_the_history_forgot__refused(task: Task, beacon_block: int) -> None:
    task.chain.mine(300)
    encoded, _ = header(task, beacon_block)
    remember(task, beacon_block, "0x" + 64 * "0")
    with ape.reverts(task.contract.BeaconTooOld, beaconBlock=beacon_block):
        task.contract.beacon(1, encoded)


def test_beacon__of_an_earlier_round__still_known(task: Task, beacon_block: int) -> None:
    task.at(task.round.anchorDeadline)
    task.open_round()
    task.chain.mine(3)
    encoded, prevrandao = header(task, beacon_block)
    expected = tagged("verifog beacon v1", task.contract.domainSeparator(), 1, prevrandao)
    assert task.contract.beacon(1, encoded) == expected
    assert task.round.beaconBlock > beacon_block


@pytest.mark.parametrize("round_", [0, 2])
def test_beacon__unknown_round__refused(task: Task, beacon_block: int, round_: int) -> None:
    with ape.reverts(task.contract.UnknownRound, round=round_):
        task.contract.beacon(round_, b"")


def test_beacon__differs_between_rounds_and_contracts(
    task: Task, beacon_block: int, deploy: Any
) -> None:
    task.chain.mine(3)
    encoded, prevrandao = header(task, beacon_block)
    here = task.contract.beacon(1, encoded)
    for other in (
        tagged("verifog beacon v1", task.contract.domainSeparator(), 2, prevrandao),
        tagged("verifog beacon v1", deploy().contract.domainSeparator(), 1, prevrandao),
    ):
        assert here != other
