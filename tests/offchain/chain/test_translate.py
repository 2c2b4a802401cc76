"""Between the words of Contract S and those of the protocol."""

from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.chain.contract import ContractS
from offchain.chain.translate import (
    Directory,
    address,
    contract_call,
    indices,
    parameter_tuple,
    protocol_event,
    task_parameters,
)
from offchain.crypto.curve import G1_GENERATOR, g1_to_bytes, g1_to_eip2537
from offchain.protocol.anchoring import bitmap
from offchain.protocol.chain import (
    BeaconDrawn,
    Call,
    Event,
    MemberAdmitted,
    MemberRemoved,
    RoundOpened,
    SubmitAggregate,
)
from offchain.protocol.role import ClusterRoster, TaskParameters
from tests.offchain.chain.builders import CALLS, PARAMETERS
from tests.offchain.protocol.builders import signing_key

ACCOUNT = signing_key(5).address
CHECKSUM = Web3.to_checksum_address(ACCOUNT)
DIGEST = bytes(range(32))


@settings(deadline=None)
@given(st.sets(st.integers(0, 1023)), st.integers(0, 100))
def test_bitmap__there_and_back__same_indices(some: set[int], more: int) -> None:
    devices = max(some, default=0) + 1 + more
    words = bitmap(tuple(sorted(some)), devices)
    assert len(words) == -(-devices // 256)
    assert all(0 <= word < 2**256 for word in words)
    assert indices(list(words)) == tuple(sorted(some))


@pytest.mark.parametrize("text", [CHECKSUM, CHECKSUM.lower()])
def test_address__of_text__its_bytes(text: str) -> None:
    assert address(text) == ACCOUNT


# ---- task parameters


def test_parameters__there_and_back__same(contract: ContractS) -> None:
    parameters = PARAMETERS
    assert TaskParameters(*contract.call("taskParameters")) == parameters
    assert tuple(contract.call("taskParameters")) == parameter_tuple(parameters)


def test_parameters__of_the_event__same(contract: ContractS) -> None:
    created = next(iter(contract.events(contract.deployed_at, contract.deployed_at)))
    assert created["event"] == "TaskCreated"
    assert task_parameters(created["args"]) == PARAMETERS


# ---- calls


def test_calls__every_kind__has_an_example() -> None:
    assert {type(call) for call in CALLS} == set(get_args(Call))


@pytest.fixture
def directory() -> Directory:
    """Six clusters, one of them with five devices ever admitted and one with 300."""
    made = Directory()
    made.clusters = {c: ClusterRoster(c, ACCOUNT, {}, 5) for c in range(6)}
    made.clusters[2].admitted = 300
    return made


def decoded(contract: ContractS, call: Call, directory: Directory) -> tuple[str, dict[str, Any]]:
    function, arguments = contract_call(call, directory)
    data = contract._contract.encode_abi(function, args=list(arguments))
    found, values = contract._contract.decode_function_input(data)
    assert found.fn_name == function
    return function, values


@pytest.mark.parametrize("call", CALLS, ids=lambda call: type(call).__name__)
def test_call__encoded_by_the_abi_and_decoded__same_values(
    contract: ContractS, directory: Directory, call: Call
) -> None:
    _, arguments = contract_call(call, directory)
    _, values = decoded(contract, call, directory)

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return tuple(plain(v) for v in value.values())
        return tuple(plain(v) for v in value) if isinstance(value, (list, tuple)) else value

    assert plain(values) == plain(arguments)


def test_aggregate__of_clusters_0_and_5__bitmap_names_them(
    contract: ContractS, directory: Directory
) -> None:
    call = next(call for call in CALLS if isinstance(call, SubmitAggregate))
    _, values = decoded(contract, call, directory)
    assert values["included"] == 0b100001
    assert [c["signerCount"] for c in values["sums"]] == [3, 2]


def test_anchor__in_a_cluster_of_300__two_words(directory: Directory) -> None:
    call = next(call for call in CALLS if type(call).__name__ == "SubmitAnchor")
    _, arguments = contract_call(replace(call, cluster=2), directory)
    assert arguments[3][3] == (0b10101, 0)
    assert arguments[4] == (0b10001, 0)


# ---- events


def event(name: str, **values: Any) -> Any:
    return {"event": name, "args": values}


POINT = g1_to_eip2537(G1_GENERATOR)
EVENTS: dict[str, dict[str, Any]] = {
    "RoundOpened": {
        "round": 3,
        "beaconBlock": 9,
        "anchorDeadline": 10,
        "cumulativeDeadline": 20,
        "aggregateDeadline": 30,
        "clusters": 0b1011,
        "cloudShare": 1,
        "fogShare": 2,
        "deviceShare": 3,
        "updatesModel": True,
        "modelDigest": DIGEST,
    },
    "NoiseRootRecorded": {"cluster": 1, "batch": 4, "root": DIGEST},
    "ClusterAnchored": {
        "round": 3,
        "cluster": 1,
        "anchorMessage": DIGEST,
        "sharesRoot": DIGEST,
        "sumsRoot": DIGEST,
        "commitments": POINT,
        "qualified": [0b1110, 1],
        "signers": [0b0110, 0],
    },
    "CumulativeSubmitted": {
        "round": 3,
        "cluster": 1,
        "commitmentDigest": DIGEST,
        "vectorDigest": bytes(32),
        "y": 1,
        "proof": bytes(48),
    },
    "ResultAccepted": {
        "round": 3,
        "cloud": CHECKSUM,
        "included": 0b101,
        "commitments": POINT,
        "vectorDigest": DIGEST,
        "samples": 7,
        "y": 1,
        "proof": bytes(48),
        "factor": 8,
        "model": POINT,
        "modelDigest": bytes(32),
    },
    "ModelVoted": {"round": 3, "voters": 0b1011, "model": POINT, "modelDigest": DIGEST},
    "ResultRejected": {"round": 3, "cloud": CHECKSUM, "modelDigest": DIGEST},
    "DeviceAdmitted": {
        "account": CHECKSUM,
        "cluster": 1,
        "index": 6,
        "publicKey": POINT,
        "sealingKey": DIGEST,
    },
    "FogAdmitted": {"account": CHECKSUM, "cluster": 1},
    "CloudAdmitted": {"account": CHECKSUM, "index": 0},
    "ExitRequested": {"account": CHECKSUM, "withdrawableAt": 5},
    "Slashed": {
        "account": CHECKSUM,
        "reporter": CHECKSUM,
        "toReporter": 1,
        "burnt": 1,
        "toPool": 1,
    },
}


def test_events__every_one_that_roles_follow__comes_from_the_contract(artifact: Artifact) -> None:
    """All but the beacon, which is read from a header; with the fields that S gives them."""
    abi = {
        e["name"]: {i["name"] for i in e["inputs"]} for e in artifact.abi if e["type"] == "event"
    }
    for name, values in EVENTS.items():
        assert set(values) == abi[name], name
    made = {type(protocol_event(event(name, **values), 0)) for name, values in EVENTS.items()}
    assert made == set(get_args(Event)) - {BeaconDrawn}


def test_event__round_opened__counts_clusters_and_keeps_its_time() -> None:
    opened = protocol_event(event("RoundOpened", **EVENTS["RoundOpened"]), 77)
    assert isinstance(opened, RoundOpened)
    assert (opened.clusters, opened.opened_at, opened.model_digest) == (3, 77, DIGEST)
    assert opened.serving == (0, 1, 3)


def test_event__anchored_and_accepted__bitmaps_become_indices() -> None:
    anchored: Any = protocol_event(event("ClusterAnchored", **EVENTS["ClusterAnchored"]), 0)
    assert (anchored.qualified, anchored.signers) == ((1, 2, 3, 256), (1, 2))
    accepted: Any = protocol_event(event("ResultAccepted", **EVENTS["ResultAccepted"]), 0)
    assert (accepted.included, accepted.cloud) == ((0, 2), ACCOUNT)


@pytest.mark.parametrize("name", ["ExitRequested", "Slashed"])
def test_event__exit_or_slash__member_removed(name: str) -> None:
    assert protocol_event(event(name, **EVENTS[name]), 0) == MemberRemoved(ACCOUNT)


def test_event__that_no_role_follows__none() -> None:
    assert protocol_event(event("PoolFunded", payer=CHECKSUM, amount=1), 0) is None


def test_event__fields_of_every_dataclass__are_filled() -> None:
    for name, values in EVENTS.items():
        made = protocol_event(event(name, **values), 1)
        assert all(getattr(made, f.name) is not None for f in fields(made)), name


# ---- who is admitted


def admitted(index: int) -> Any:
    account = Web3.to_checksum_address(signing_key(100 + index).address)
    return event(
        "DeviceAdmitted", **(EVENTS["DeviceAdmitted"] | {"account": account, "index": index})
    )


def test_directory__follows_admissions_and_exits() -> None:
    directory = Directory()
    directory.take(event("TaskCreated", authority=CHECKSUM))
    directory.take(event("CloudAdmitted", account=CHECKSUM, index=0))
    for cluster in (0, 1):
        directory.take(event("FogAdmitted", account=CHECKSUM, cluster=cluster))
    for index in range(3):
        directory.take(admitted(index))
    before = directory.roster(1)
    assert (directory.authority, directory.clouds) == (ACCOUNT, [ACCOUNT])
    assert directory.roster(0).members == {}
    assert [m.account for m in before.members.values()] == [
        signing_key(100 + i).address for i in range(3)
    ]
    assert before.members[1].public_key == g1_to_bytes(G1_GENERATOR)
    assert before.members[1].sealing_key == DIGEST

    successor = Web3.to_checksum_address(signing_key(110).address)
    directory.take(event("FogSucceeded", account=successor, cluster=0))
    assert directory.roster(0).fog == signing_key(110).address

    leaver = Web3.to_checksum_address(signing_key(101).address)
    directory.take(event("ExitRequested", account=leaver, withdrawableAt=1))
    directory.take(event("Slashed", **EVENTS["Slashed"]))
    after = directory.roster(1)
    assert (sorted(after.members), after.admitted) == ([0, 2], 3)
    assert sorted(before.members) == [0, 1, 2]  # a node's copy is its own
    assert directory.clouds == []


def test_directory__admission__is_the_event_that_roles_get() -> None:
    made = protocol_event(admitted(2), 0)
    assert made == MemberAdmitted(1, 2, signing_key(102).address, g1_to_bytes(G1_GENERATOR), DIGEST)
