"""The beginning of a task: its parameters, its model, the code that was deployed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import encode

from offchain.audit.arithmetic import POINT_BYTES, domain_separator, parse_points, word
from offchain.audit.decoding import Abi, Json, Undecodable
from offchain.audit.errors import AuditError
from offchain.audit.ethereum import created_address
from offchain.audit.findings import At, Part
from offchain.audit.history import ModelHistory
from offchain.audit.record import Account
from offchain.audit.state import State
from offchain.audit.step import Step
from offchain.crypto.hashing import keccak256

_IMMUTABLE: Final = re.compile(b"\x7f" + bytes(32))  # PUSH32 with the compiler's placeholder
_CREATED_BY_S: Final = 8  # more than S creates while it is constructed


@dataclass(frozen=True)
class Compiled:
    """A contract as the compiler left it."""

    abi: tuple[Json, ...]
    creation: bytes
    runtime: bytes

    @classmethod
    def of(cls, contract_type: Any) -> Compiled:
        """Take it from one of Ape's contract types.

        Raises
        ------
        AuditError
            When it has no code.
        """
        codes = (contract_type.deployment_bytecode, contract_type.runtime_bytecode)
        if any(code is None or code.bytecode is None for code in codes):
            raise AuditError(f"{contract_type.name}: has no code; run `ape compile --force`")
        creation, runtime = (bytes.fromhex(code.bytecode.removeprefix("0x")) for code in codes)
        entries = contract_type.abi
        abi = (e.model_dump(mode="json", by_alias=True, exclude_none=True) for e in entries)
        return cls(tuple(abi), creation, runtime)


@dataclass(frozen=True)
class Artifacts:
    """The compiled contracts that a task consists of."""

    contract: Compiled
    verifier: Compiled
    noise_sampler: Compiled
    judge: Compiled
    extension: Compiled


BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "capacity": (64, 4096),
    "packing": (1, 1024),
    "chunks": (1, 64),
    "threshold": (2, 65535),
    "minQualified": (3, 65535),
    "noiseRounds": (1, 65535),
    "candidates": (2, 65535),
    "beaconDelay": (2, 200),
    "fractionalBits": (1, 64),
    "statisticsRounds": (0, 65535),
    "rate": (0, 2**128 - 1),
    "minSamples": (1, 2**32 - 1),
    "maxSamples": (1, 2**32 - 1),
    "anchorTime": (1, 2**32 - 1),
    "cumulativeTime": (1, 2**32 - 1),
    "aggregateTime": (1, 2**32 - 1),
    "unbondingTime": (1, 2**32 - 1),
    "deviceStake": (0, 2**96 - 1),
    "fogStake": (0, 2**96 - 1),
    "cloudStake": (0, 2**96 - 1),
    "reward": (0, 2**96 - 1),
    "modelRule": (0, 1),
    "modelTime": (0, 2**32 - 1),
    "cloudPercent": (0, 100),
    "fogPercent": (0, 100),
    "silenceFee": (0, 2**96 - 1),
    "maxSilences": (1, 255),
    "claimTime": (1, 2**32 - 1),
}
"""Task parameters in the order of S, each with its lowest and highest value."""

EVIDENCE_MARGIN: Final = 3600
"""Seconds of unbonding beyond the length of a round."""

TOOLS: Final = ("verifier", "noiseSampler", "judge")
"""What a toolbox creates, in its order."""


def begin(at: At, chain_id: int, contract: bytes, values: Mapping[str, Any]) -> State:
    """Start the state from the values of ``TaskCreated``, checking them."""
    task = {name: int(values[name]) for name in BOUNDS}
    check_parameters(at, task)
    model = values["model"]
    points = parse_points(model, task["chunks"], infinity=True)
    at.holds("TaskCreated.model", points is not None, model, "one point of the group a chunk")
    at.equal("TaskCreated.modelDigest", values["modelDigest"], keccak256(model))
    return State(
        chain_id=chain_id,
        contract=contract,
        domain=domain_separator(chain_id, contract),
        authority=values["authority"],
        noise_sampler=values["noiseSampler"],
        verifier=values["verifier"],
        judge=values["judge"],
        extension=values["extension"],
        task=task,
        model=model,
        models=ModelHistory(keccak256(model)),
    )


def check_parameters(at: At, task: Mapping[str, int]) -> None:
    """Check every task parameter against its bounds (specification, section 2.1)."""
    for name, (low, high) in BOUNDS.items():
        inside = low <= task[name] <= high
        at.holds(f"TaskCreated.{name}", inside, task[name], f"from {low} to {high}")
    capacity, packing = task["capacity"], task["packing"]
    power = capacity & (capacity - 1) == 0
    at.holds("TaskCreated.capacity", power, capacity, "a power of two")
    divides = packing > 0 and capacity % packing == 0 and capacity // packing >= 4
    at.holds(
        "TaskCreated.packing", divides, packing, "a divisor of the capacity, blocks of 4 at least"
    )
    whole = task["chunks"] == 1 or capacity == 4096
    at.holds("TaskCreated.chunks", whole, task["chunks"], "1, unless the capacity is 4096")
    ordered = task["minSamples"] <= task["maxSamples"]
    at.holds("TaskCreated.maxSamples", ordered, task["maxSamples"], "at least minSamples")
    _check_accountability(at, task)


def _check_accountability(at: At, task: Mapping[str, int]) -> None:
    """Check the bounds that parameters set one another: privacy, evidence, money."""
    round_time = task["anchorTime"] + task["cumulativeTime"] + task["aggregateTime"]
    wrong = {
        "minQualified": (task["minQualified"] <= task["threshold"], "above threshold"),
        "unbondingTime": (
            task["unbondingTime"] < round_time + EVIDENCE_MARGIN,
            f"at least {round_time + EVIDENCE_MARGIN}",
        ),
        "modelTime": ((task["modelTime"] > 0) != (task["modelRule"] == 1), "0 unless Voted"),
        "fogPercent": (
            task["cloudPercent"] <= 100 < task["cloudPercent"] + task["fogPercent"],
            "at most 100 with cloudPercent",
        ),
        "silenceFee": (
            task["silenceFee"] > 0
            and task["silenceFee"] >= min(task["fogStake"], task["cloudStake"]),
            "0, or below the stakes of fog and cloud",
        ),
        "claimTime": (task["claimTime"] < task["unbondingTime"], "at least the unbonding time"),
    }
    for name, (fails, expected) in wrong.items():
        at.holds(f"TaskCreated.{name}", not fails, task[name], expected)


def check_creation(step: Step, abi: Abi, creation: bytes, values: Mapping[str, Any]) -> None:
    """Check the creating transaction: the compiled code with the parameters that S announced."""
    at = step.at.part(Part.CODE)
    data = step.values[0]
    at.equal("creation.code", data[: len(creation)], creation)
    at.equal("TaskCreated.authority", values["authority"], step.sender)
    at.equal("creation.value", step.value, 0)
    try:
        parameters, model, toolbox, extension = abi.constructor(data[len(creation) :])
    except Undecodable as error:
        at.fail("creation.arguments", str(error), "the constructor's arguments")
        return
    for name, given in zip(BOUNDS, parameters, strict=False):
        at.equal(f"TaskCreated.{name}", values[name], given)
    at.equal("TaskCreated.model", values["model"], model)
    at.equal("TaskCreated.toolbox", values["toolbox"], toolbox)
    for nonce, name in enumerate(TOOLS, start=1):
        at.equal(f"TaskCreated.{name}", values[name], created_address(toolbox, nonce))
    at.equal("TaskCreated.extension", values["extension"], extension)


def check_code(
    at: At, artifacts: Artifacts, state: State, accounts: Mapping[bytes, Account]
) -> None:
    """Check that the code of S and of all that it works with is the compiled one."""
    expected = {
        "ContractS": (state.contract, artifacts.contract),
        "Verifier": (state.verifier, artifacts.verifier),
        "NoiseSampler": (state.noise_sampler, artifacts.noise_sampler),
        "Judge": (state.judge, artifacts.judge),
        "Extension": (state.extension, artifacts.extension),
    }
    for name, (address, compiled) in expected.items():
        account = accounts.get(address)
        if account is None or not account.code:
            at.fail(f"{name}.code", "none", f"the compiled code at 0x{address.hex()}")
            continue
        _compare_code(at, name, account.code, compiled.runtime, _immutables(state))


def _compare_code(
    at: At, name: str, code: bytes, runtime: bytes, immutables: frozenset[bytes]
) -> None:
    """Compare code with immutables masked; what stands in their places must be one of S's."""
    if not at.equal(f"{name}.code length", len(code), len(runtime)):
        return
    masked = bytearray(code)
    for match in _IMMUTABLE.finditer(runtime):
        start, end = match.start() + 1, match.end()
        known = code[start:end] in immutables
        what = f"{name}.code immutable at {start}"
        at.holds(what, known, code[start:end], "a parameter, address or domain constant of S")
        masked[start:end] = bytes(32)
    if not at.holds(f"{name}.code", masked == runtime, "other code", "the compiled code"):
        pairs = enumerate(zip(masked, runtime, strict=True))
        differs = next(place for place, (a, b) in pairs if a != b)
        at.fail(f"{name}.code at {differs}", code[differs], runtime[differs])


def _immutables(state: State) -> frozenset[bytes]:
    """Every word that S may have fixed in its code."""
    task = state.task
    numbers = {*task.values(), state.quorum, POINT_BYTES * task["chunks"], state.chain_id}
    numbers |= {*state.budgets, 0, 1}
    addresses = {state.contract, state.authority, *state.tools}
    addresses |= {created_address(state.contract, n) for n in range(1, _CREATED_BY_S)}
    own = domain_separator(state.chain_id, state.extension)  # when called directly
    domain = {state.domain, own, keccak256(b"Verifog"), keccak256(b"1")}
    short = {b"Verifog".ljust(31, b"\0") + b"\x07", b"1".ljust(31, b"\0") + b"\x01"}
    return frozenset({word(n) for n in numbers} | {word(a) for a in addresses} | domain | short)


def encoded_parameters(task: Mapping[str, int]) -> bytes:
    """Return the task parameters as S answers them."""
    return encode(["uint256"] * len(BOUNDS), [task[name] for name in BOUNDS])
