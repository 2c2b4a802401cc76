"""What Contract S refuses to be built with, or on."""

import hashlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ape
import pytest
from py_ecc.bls.hash_to_curve import clear_cofactor_G2, hash_to_G2, map_to_curve_G2
from py_ecc.optimized_bls12_381 import FQ2, G1, G2, curve_order, multiply, normalize
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError

from tests.contracts.builders import (
    INFINITY_G1,
    OUTSIDE_SUBGROUP,
    SIGNATURE_TAG,
    BlsKey,
    domain,
    keccak,
    word,
)
from tests.contracts.deployed import NONE, PARAMETERS, Task

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def build(project: Any, authority: Any, toolbox: Any, extension: Any) -> Callable[..., Any]:
    """Builds a task with that model; parameters by name change the defaults."""

    def deploy(model: bytes, **changes: int) -> Any:
        parameters = PARAMETERS | changes
        return authority.deploy(
            project.ContractS, tuple(parameters.values()), model, toolbox, extension
        )

    return deploy


# Parameters

OUT_OF_RANGE = [
    ("capacity", 32),
    ("capacity", 63),
    ("capacity", 96),
    ("capacity", 8192),
    ("packing", 0),
    ("packing", 3),
    ("packing", 32),
    ("chunks", 0),
    ("chunks", 65),
    ("threshold", 0),
    ("threshold", 1),
    ("minQualified", 2),
    ("noiseRounds", 0),
    ("candidates", 1),
    ("beaconDelay", 1),
    ("beaconDelay", 201),
    ("fractionalBits", 0),
    ("fractionalBits", 65),
    ("minSamples", 0),
    ("maxSamples", 9),
    ("anchorTime", 0),
    ("cumulativeTime", 0),
    ("aggregateTime", 0),
    ("unbondingTime", 1000 + 500 + 300 + 3599),
    ("modelTime", 1),
    ("cloudPercent", 101),
    ("fogPercent", 91),
    ("silenceFee", 10**17),
    ("maxSilences", 0),
    ("claimTime", 9_999),
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_construct__parameter_out_of_range__refused(
    build: Callable[..., Any], founded: Task, name: str, value: int
) -> None:
    with ape.reverts(founded.contract.ParameterOutOfRange, name=name, value=value):
        build(BlsKey(1).public, **{name: value})


def test_construct__chunks_of_less_than_4096_slots__refused(
    build: Callable[..., Any], founded: Task
) -> None:
    with ape.reverts(founded.contract.ParameterOutOfRange, name="chunks", value=2):
        build(BlsKey(1).public * 2, chunks=2, capacity=2048)


@pytest.mark.parametrize(
    "extremes",
    [
        {"beaconDelay": 2, "minQualified": 3, "threshold": 2},
        {"modelRule": 1, "modelTime": 1, "fogPercent": 90, "silenceFee": 0, "maxSilences": 1},
        {"capacity": 64, "packing": 16, "minSamples": 1, "maxSamples": 1, "fractionalBits": 1},
        {"capacity": 4096, "packing": 1024, "beaconDelay": 200, "fractionalBits": 64},
        {"anchorTime": 1, "cumulativeTime": 1, "aggregateTime": 1, "unbondingTime": 3603},
    ],
)
def test_construct__parameters_at_their_bounds__accepted(
    build: Callable[..., Any], extremes: dict[str, int]
) -> None:
    contract = build(BlsKey(1).public, **extremes)
    given = PARAMETERS | extremes
    read = contract.taskParameters()
    assert {name: getattr(read, name) for name in given} == given


def test_construct__64_chunks__accepted(build: Callable[..., Any]) -> None:
    model = b"".join(BlsKey(i + 1).public for i in range(64))
    assert build(model, chunks=64, capacity=4096).modelDigest() == keccak(model)


# The initial model


@pytest.mark.parametrize("points", [0, 2])
def test_construct__model_of_wrong_length__refused(
    build: Callable[..., Any], founded: Task, points: int
) -> None:
    with ape.reverts(founded.contract.WrongLength, given=128 * points, expected=128):
        build(BlsKey(1).public * points)


def test_construct__model_at_infinity__accepted(build: Callable[..., Any]) -> None:
    contract = build(INFINITY_G1)
    assert contract.modelDigest() == keccak(INFINITY_G1)


@pytest.mark.parametrize("position", [0, 1])
def test_construct__model_outside_the_subgroup__refused(
    build: Callable[..., Any], founded: Task, position: int
) -> None:
    points = [BlsKey(1).public, BlsKey(2).public]
    points[position] = OUTSIDE_SUBGROUP
    with ape.reverts(founded.contract.G1MsmFailed):
        build(b"".join(points), chunks=2, capacity=4096)


# What is there afterwards


def test_construct__new_task__nothing_happened_yet(task: Task) -> None:
    assert task.contract.authority() == task.authority
    assert (task.contract.phase(), task.contract.currentRound()) == (NONE, 0)
    assert task.contract.modelDigest() == keccak(task.encoded_model())
    assert task.contract.settledRounds() == 0
    read = task.contract.taskParameters()
    assert {name: getattr(read, name) for name in PARAMETERS} == PARAMETERS


def test_domain_separator__of_eip712__as_computed_here(task: Task) -> None:
    assert task.contract.domainSeparator() == domain(task.contract)
    described = task.contract.eip712Domain()
    assert (described.name, described.version) == ("Verifog", "1")
    assert described.chainId == task.chain.chain_id
    assert described.verifyingContract == task.contract.address


def test_code__sizes__within_the_limits(task: Task, project: Any) -> None:
    """EIP-170 and EIP-3860."""
    assert len(task.chain.provider.get_code(task.contract.address)) <= 24_576
    kind = project.ContractS.contract_type
    creation = kind.deployment_bytecode.bytecode.removeprefix("0x")
    arguments = 21 * 32 + 3 * 32 + 64 * 128
    assert len(creation) // 2 + arguments <= 49_152
    for name in ("Extension", "Judge", "NoiseSampler", "Toolbox", "Verifier"):
        tool = getattr(project, name).contract_type
        assert len(tool.runtime_bytecode.bytecode) // 2 <= 24_576
        assert len(tool.deployment_bytecode.bytecode) // 2 <= 49_152


# The self-test


def fp(value: int) -> bytes:
    return int(value).to_bytes(64, "big")


def g1(point: Any) -> bytes:
    x, y = normalize(point)
    return fp(x) + fp(y)


def g2(point: Any) -> bytes:
    return b"".join(fp(int(c)) for coordinate in normalize(point) for c in coordinate.coeffs)


def test_self_test__known_answers__recomputed_with_py_ecc() -> None:
    source = (ROOT / "contracts/libraries/SelfTest.sol").read_text()
    message = keccak(text="verifog self-test v1")
    answers = {
        "point evaluation": word(4096) + word(curve_order),
        "addition": g1(multiply(G1, 3)),
        "multiplication": g1(multiply(G1, 14)),
        "addition in G2": g2(multiply(G2, 3)),
        "pairing": word(1),
        "map": g2(clear_cofactor_G2(map_to_curve_G2(FQ2((1, 2))))),
        "hash to G2": g2(hash_to_G2(message, SIGNATURE_TAG, hashlib.sha256)),
    }
    for name, answer in answers.items():
        assert "0x" + keccak(answer).hex() in source, name


@pytest.fixture(scope="module")
def old_chain() -> Iterator[Web3]:
    """A node with Cancun's rules: point evaluation is there, the curve operations are not."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    node = subprocess.Popen(
        ["anvil", "--hardfork", "cancun", "--port", str(port), "--silent"],
        stdout=subprocess.DEVNULL,
    )
    web3 = Web3(HTTPProvider(f"http://127.0.0.1:{port}"))
    try:
        deadline = time.monotonic() + 30
        while not web3.is_connected():
            assert time.monotonic() < deadline, "anvil does not answer"
        yield web3
    finally:
        node.terminate()
        node.wait(10)


def test_construct__chain_without_the_curve_operations__refused(
    old_chain: Web3, project: Any
) -> None:
    """No toolbox, no task."""
    code = project.Toolbox.contract_type.deployment_bytecode.bytecode
    selector = keccak(text="PrecompileUnusable(address)")[:4]
    with pytest.raises(ContractCustomError) as refused:
        old_chain.eth.estimate_gas({"from": old_chain.eth.accounts[0], "data": code})
    assert refused.value.data == "0x" + (selector + word(0x0B)).hex()
