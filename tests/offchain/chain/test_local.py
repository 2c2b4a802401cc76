"""The chain whose time one may move: events once and in order, absolute times, the beacon."""

import pytest
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.chain.contract import ContractS
from offchain.chain.errors import ChainError
from offchain.chain.local import LocalChain, read_beacon
from offchain.crypto.hashing import tagged, word
from offchain.protocol.chain import (
    BeaconDrawn,
    CloudAdmitted,
    FogAdmitted,
    MemberAdmitted,
    NoiseRootRecorded,
    OpenRound,
    RecordNoiseRoot,
    RoundOpened,
)
from tests.e2e.builders import Shape, World

SHAPE = Shape(clusters=(3,), threshold=2)


@pytest.fixture(scope="session", autouse=True)
def world(web3: Web3, artifact: Artifact) -> World:
    return World.found(web3, artifact, SHAPE)


@pytest.fixture
def local(web3: Web3, artifact: Artifact, world: World) -> LocalChain:
    """With everybody's keys, and nothing polled yet."""
    contract = ContractS(web3, world.address, artifact.abi, world.deployed_at)
    keys = [world.identities.authority, *world.identities.clouds, *world.identities.fogs]
    return LocalChain(contract, {key.address: key for key in keys})


@pytest.fixture
def opener(world: World) -> bytes:
    return world.identities.authority.address


def test_poll__events_so_far__once_and_directory_follows(local: LocalChain, world: World) -> None:
    first = local.poll()
    kinds = [CloudAdmitted, FogAdmitted, *[MemberAdmitted] * 3]
    assert [type(event) for event in first] == kinds
    assert [event.index for event in first if isinstance(event, MemberAdmitted)] == [0, 1, 2]
    assert local.poll() == []
    roster = local.directory.roster(0)
    assert roster.fog == world.identities.fogs[0].address
    assert [m.account for m in roster.members.values()] == [
        keys.signing.address for keys in world.identities.devices[0]
    ]
    assert local.directory.authority == world.identities.authority.address
    assert local.directory.clouds == [key.address for key in world.identities.clouds]


def test_poll__a_round__opened_then_its_beacon_then_nothing(
    local: LocalChain, opener: bytes
) -> None:
    local.poll()
    assert local.execute(OpenRound(), opener).error is None
    (opened,) = local.poll()
    assert isinstance(opened, RoundOpened)
    assert opened.anchor_deadline == opened.opened_at + SHAPE.parameters.anchor_time
    web3 = local.contract.web3
    assert web3.eth.block_number < opened.beacon_block
    (drawn,) = local.poll()
    assert web3.eth.block_number >= opened.beacon_block
    prevrandao = bytes(web3.eth.get_block(opened.beacon_block)["mixHash"])
    separator = local.contract.domain.separator
    beacon = tagged("verifog beacon v1", separator, word(1), prevrandao)
    assert drawn == BeaconDrawn(1, beacon)
    assert read_beacon(local.contract, opened.round, opened.beacon_block) == beacon
    assert local.poll() == []


def test_execute__taken_and_refused__told_in_the_receipt(
    local: LocalChain, world: World, opener: bytes
) -> None:
    local.poll()
    fog = world.identities.fogs[0].address
    taken = local.execute(RecordNoiseRoot(0, 1, b"\1" * 32), fog)
    assert (taken.kind, taken.cluster, taken.sender) == ("recordNoiseRoot", 0, fog)
    assert (taken.error, taken.gas > 0) == (None, True)
    assert local.poll() == [NoiseRootRecorded(0, 1, b"\1" * 32)]
    refused = local.execute(RecordNoiseRoot(0, 1, b"\2" * 32), fog)
    assert (refused.error, refused.gas) == ("recordNoiseRoot: NoiseRootAlreadyRecorded(0, 1)", 0)
    stranger = local.execute(RecordNoiseRoot(0, 1, b"\2" * 32), opener)
    assert stranger.error is not None
    assert stranger.error.startswith("recordNoiseRoot: NotFogOfCluster(0, 0x")
    assert local.poll() == []


def test_advance__to_a_time__the_latest_block_has_it(local: LocalChain) -> None:
    start = local.now()
    local.advance(start + 1_000)
    assert local.now() == start + 1_000
    with pytest.raises(ChainError, match="evm_setNextBlockTimestamp"):
        local.advance(start)
    assert local.now() == start + 1_000


def test_execute__by_a_key_added_later__taken(local: LocalChain, world: World) -> None:
    local.poll()
    fog = world.identities.fogs[0]
    alone = LocalChain(local.contract, {})
    alone.poll()
    with pytest.raises(KeyError):
        alone.execute(OpenRound(), fog.address)
    alone.add_key(fog)
    assert alone.execute(OpenRound(), fog.address).error is None
