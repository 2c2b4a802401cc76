"""Evidence that real nodes assembled, the contract that judges it, and ways to alter it.

One scene plays all frauds in rounds of one task and keeps the reports from S, so that each test has
all evidence and nobody is slashed yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import ANY

import pytest
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.chain.contract import ContractS, Mined
from offchain.chain.errors import TransactionReverted
from offchain.chain.translate import contract_call
from offchain.crypto.commitment import parse_commitment_eip2537
from offchain.crypto.curve import G1_GENERATOR, g1_to_eip2537
from offchain.crypto.hashing import keccak256
from offchain.nodes import drill_frauds as frauds
from offchain.nodes.drill_stage import Stage
from offchain.nodes.drill_task import Shape, World
from offchain.protocol import messages
from offchain.protocol.chain import (
    AdvanceNoiseCase,
    Call,
    ReportEquivocation,
    ReportFalseAnchor,
    ReportFalseNoise,
    ReportFalseResult,
    ReportFalseShare,
    ReportFalseVector,
    ReportFalseWitness,
)
from offchain.protocol.eip712 import Domain, typed_digest, word
from offchain.protocol.role import Role
from tests.contracts.builders import OUTSIDE_SUBGROUP

SHAPE = Shape(clusters=(4, 3), threshold=2, clouds=2, noise_rounds=1)
REPORTS = (
    AdvanceNoiseCase,
    ReportEquivocation,
    ReportFalseAnchor,
    ReportFalseNoise,
    ReportFalseResult,
    ReportFalseShare,
    ReportFalseVector,
    ReportFalseWitness,
)
PLANTS: dict[str, Callable[[Stage], Role]] = {
    "false_share": frauds.false_share,
    "false_polynomial": frauds.false_polynomial,
    "false_opening": frauds.false_opening,
    "two_noise_roots": frauds.two_noise_roots,
    "two_packets": frauds.two_packets,
    "two_witnesses": frauds.two_witnesses,
    "two_selections": frauds.two_selections,
    "two_qualified_sets": frauds.two_qualified_sets,
    "false_anchor": frauds.false_anchor,
    "false_result": frauds.false_result,
    "false_vector": frauds.false_vector,
    "false_noise": frauds.false_noise,
}
EQUIVOCATIONS = tuple(name for name in PLANTS if name.startswith("two_"))


@dataclass(frozen=True)
class Evidence:
    """What the first reporter of a fraud would have sent, and against whom."""

    calls: tuple[Call, ...]
    culprit: Role

    @property
    def report(self) -> Any:
        """The last call: the others compute."""
        return self.calls[-1]


class Scene:
    """A task in which everything was tried and nothing was reported."""

    def __init__(self, web3: Web3, artifact: Artifact) -> None:
        self.world = World.found(web3, artifact, SHAPE, b"evidence")
        self.twin = World.found(web3, artifact, SHAPE, b"evidence")
        self.stage = Stage(self.world)
        self.evidence = {name: self._play(plant) for name, plant in PLANTS.items()}

    def _play(self, plant: Callable[[Stage], Role]) -> Evidence:
        """Play a fraud, and keep what the first reporter would have sent."""
        kept: list[Any] = []
        self.stage.restore()
        for kind in REPORTS:
            self.stage.alter_call(kind, kept.append)
        culprit = plant(self.stage)
        assert self.stage.round().settled
        last = next(i for i, call in enumerate(kept) if not isinstance(call, AdvanceNoiseCase))
        return Evidence(tuple(kept[: last + 1]), culprit)


class Court:
    """Contract S as a test reports to it; a client of its own, since every test turns back time."""

    def __init__(self, scene: Scene, world: World) -> None:
        self.scene = scene
        self.world = world
        self.contract = ContractS(world.web3, world.address, world.abi, world.deployed_at)
        self.reporter = world.identities.clouds[1]

    def send(self, call: Call, sender: Any = None) -> Mined:
        function, arguments = contract_call(call, self.scene.stage.sim.chain.directory)
        return self.contract.transact(sender or self.reporter, function, *arguments)

    def report(self, found: Evidence) -> None:
        for call in found.calls:
            self.send(call)

    def member(self, role: Role) -> Any:
        return self.contract.call("member", Web3.to_checksum_address(role.address))

    def is_slashed(self, role: Role) -> bool:
        _, active, slashed, stake, *_ = self.member(role)
        assert slashed == (stake == 0)
        assert not (slashed and active)
        return bool(slashed)

    def refuses(self, call: Call, error: str, *arguments: Any) -> None:
        """That S refuses with just this error and these values, and changes nothing."""
        before = self.contract.call("accounting")
        with pytest.raises(TransactionReverted) as caught:
            self.send(call)
        assert (caught.value.error, caught.value.arguments) == (error, arguments)
        assert self.contract.call("accounting") == before

    def leave(self, culprit: Role) -> int:
        """Let the culprit exit; returns when its stake is free."""
        key = self.scene.stage.keys[culprit.address]
        own = [k for members in self.world.identities.devices for k in members]
        public = [k.attestation.public_key for k in own if k.signing.address == culprit.address]
        encoded = public[0].to_eip2537() if public else b""
        self.contract.transact(key, "requestExit", encoded)
        return int(self.member(culprit)[6])

    def at(self, time: int) -> None:
        self.scene.stage.sim.chain.advance(time)


def addressed(role: Role) -> str:
    return "0x" + role.address.hex()


# ---- evidence of something else


def with_witness(call: Any, **changes: Any) -> Any:
    return replace(call, witness=replace(call.witness, **changes))


def with_noise(call: Any, **changes: Any) -> Any:
    return replace(call, evidence=replace(call.evidence, **changes))


def with_words(call: ReportEquivocation, place: int, value: int) -> ReportEquivocation:
    def changed(words: bytes) -> bytes:
        return words[: 32 * place] + word(value) + words[32 * place + 32 :]

    return replace(call, first=changed(call.first), second=changed(call.second))


def of_round(call: Any, number: int) -> Any:
    return _stated(call, "round", number, 0)


def of_cluster(call: Any, cluster: int) -> Any:
    return _stated(call, "cluster", cluster, 1)


def _stated(call: Any, name: str, value: int, place: int) -> Any:
    """With another value of a field, which is a word at some place where all fields are words."""
    match call:
        case ReportFalseShare() | ReportFalseWitness():
            return with_witness(call, **{name: value})
        case ReportFalseNoise():
            return with_noise(call, **{"batch" if name == "round" else name: value})
        case ReportEquivocation():
            return with_words(call, place, value)
    return replace(call, **{name: value})


def refused_as_strange(court: Court, call: Any) -> None:
    """Signatures that do not belong to what is stated recover somebody else: nobody S knows."""
    match call:
        case ReportFalseShare() | ReportFalseWitness():
            place = (call.witness.cluster, call.witness.index)
            court.refuses(call, "NotDeviceOfCluster", ANY, *place)
        case ReportFalseNoise():
            place = (call.evidence.cluster, call.evidence.index)
            court.refuses(call, "NotDeviceOfCluster", ANY, *place)
        case ReportEquivocation():
            court.refuses(call, "WrongSigner", ANY, ANY)
        case ReportFalseAnchor():
            stored = bytes(court.contract.call("recordOf", call.round, call.cluster))
            court.refuses(call, "WrongRecord", call.cluster, ANY, stored)
        case ReportFalseResult():
            court.refuses(call, "NotCloudOfRound", ANY, call.round)
        case ReportFalseVector():
            stored = bytes(court.contract.call("round", call.round)[-1])
            court.refuses(call, "WrongResult", call.round, ANY, stored)


def resigned(court: Court, culprit: Role, name: str, call: Any) -> Any:
    """The same statements, signed by the culprit for a chain with the next id."""
    contract = court.contract
    separator = Domain(contract.chain_id + 1, contract.address).separator
    key = court.scene.stage.keys[culprit.address]

    def sign(kind: type[messages.Message] | str, words: bytes) -> bytes:
        text = kind if isinstance(kind, str) else kind.TYPE
        parts = tuple(words[i : i + 32] for i in range(0, len(words), 32))
        return key.sign(typed_digest(separator, text, parts))

    match call:
        case ReportEquivocation():
            kinds = {
                "two_noise_roots": messages.NoiseRoot,
                "two_packets": messages.MaskedPacket,
                "two_witnesses": messages.Witness,
                "two_selections": messages.Selection,
                "two_qualified_sets": messages.Qualified,
            }
            return replace(
                call,
                first_signature=sign(kinds[name], call.first),
                second_signature=sign(kinds[name], call.second),
            )
        case ReportFalseShare() | ReportFalseWitness():
            w = call.witness
            points = parse_commitment_eip2537(w.commitments, 1).to_bytes()
            opening = keccak256(word(w.opened) + w.proof)
            parts = (w.round, w.cluster, w.index, w.selection, w.count, keccak256(points))
            parts += (w.root, keccak256(w.polynomial), opening)
            words = b"".join(map(word, parts))
            return with_witness(call, signature=sign(messages.Witness, words))
        case ReportFalseNoise():
            e = call.evidence
            words = b"".join(map(word, (e.batch, e.cluster, e.index, e.root)))
            return with_noise(call, signature=sign(messages.NoiseRoot, words))
    words = word(call.round) + call.commitment_digest + call.vector_digest
    return replace(call, signature=sign(messages.Result, words))


# ---- altered evidence

Alter = Callable[[Any], Any]
ANOTHER = g1_to_eip2537(G1_GENERATOR)
ALTERED: list[tuple[str, str, Alter, str]] = [
    # The fraud, what is altered, how, and the error.
    ("false_share", "share", lambda c: replace(c, share=bytes(len(c.share))), "NotUnderRoot"),
    ("false_share", "share cut", lambda c: replace(c, share=c.share[32:]), "NotUnderRoot"),
    ("false_share", "x", lambda c: replace(c, x=c.x + 1), "NotUnderRoot"),
    ("false_share", "position", lambda c: replace(c, position=c.position ^ 1), "NotUnderRoot"),
    ("false_share", "path", lambda c: replace(c, path=(bytes(32), *c.path[1:])), "NotUnderRoot"),
    ("false_share", "path cut", lambda c: replace(c, path=c.path[1:]), "NotUnderRoot"),
    ("false_share", "root", lambda c: with_witness(c, root=bytes(32)), "NotDeviceOfCluster"),
    ("false_share", "count", lambda c: with_witness(c, count=99), "NotDeviceOfCluster"),
    ("false_share", "selection", lambda c: with_witness(c, selection=bytes(32)), "NotDeviceOfCluster"),
    ("false_share", "index", lambda c: with_witness(c, index=2), "NotDeviceOfCluster"),
    ("false_share", "key", lambda c: replace(c, public_key=ANOTHER), "WrongKey"),
    ("false_share", "no key", lambda c: replace(c, public_key=b""), "WrongKey"),
    ("false_polynomial", "polynomial", lambda c: with_witness(c, polynomial=bytes(96)), "NotDeviceOfCluster"),
    ("false_polynomial", "opened", lambda c: with_witness(c, opened=1), "NotDeviceOfCluster"),
    ("false_polynomial", "proof", lambda c: with_witness(c, proof=bytes(48)), "NotDeviceOfCluster"),
    ("false_polynomial", "proof cut", lambda c: with_witness(c, proof=bytes(47)), "WrongLength"),
    ("false_polynomial", "commitment", lambda c: with_witness(c, commitments=ANOTHER), "NotDeviceOfCluster"),
    ("false_polynomial", "commitment cut", lambda c: with_witness(c, commitments=bytes(127)), "WrongLength"),
    ("false_polynomial", "commitment outside", lambda c: with_witness(c, commitments=OUTSIDE_SUBGROUP), "G1MsmFailed"),
    ("false_polynomial", "no signature", lambda c: with_witness(c, signature=b""), "ECDSAInvalidSignatureLength"),
    ("false_polynomial", "key", lambda c: replace(c, public_key=ANOTHER), "WrongKey"),
    ("two_packets", "too few words", lambda c: replace(c, second=c.second[32:]), "WrongLength"),
    ("two_packets", "another kind", lambda c: replace(c, kind=2), "WrongSigner"),
    ("two_packets", "key", lambda c: replace(c, public_key=ANOTHER), "WrongKey"),
    ("two_selections", "another kind", lambda c: replace(c, kind=4), "WrongLength"),
    ("two_selections", "a word", lambda c: with_words(c, 2, 0), "WrongSigner"),
    ("false_anchor", "signers", lambda c: replace(c, signer_count=c.signer_count + 1), "WrongRecord"),
    ("false_anchor", "sum", lambda c: replace(c, commitments=ANOTHER), "WrongRecord"),
    ("false_anchor", "qualified", lambda c: replace(c, qualified=(1,)), "WrongRecord"),
    ("false_anchor", "sums root", lambda c: replace(c, sums_root=bytes(32)), "WrongRecord"),
    ("false_anchor", "vector", lambda c: replace(c, vector_digest=b"\1" * 32), "WrongRecord"),
    ("false_anchor", "leaf off the curve", lambda c: replace(c, leaves=c.leaves[:-1] + b"\0"), "G1AddFailed"),
    ("false_anchor", "leaves cut", lambda c: replace(c, leaves=c.leaves[:-1]), "WrongLength"),
    ("false_anchor", "no leaves", lambda c: replace(c, leaves=b""), "WrongLength"),
    ("false_result", "commitment", lambda c: replace(c, commitment_digest=b"\1" * 32), "NotCloudOfRound"),
    ("false_result", "vector", lambda c: replace(c, vector_digest=bytes(32)), "NotCloudOfRound"),
    ("false_result", "no signature", lambda c: replace(c, signature=b""), "ECDSAInvalidSignatureLength"),
    ("false_vector", "vector", lambda c: replace(c, vector=bytes(len(c.vector))), "WrongResult"),
    ("false_vector", "vector cut", lambda c: replace(c, vector=c.vector[:-1]), "WrongResult"),
    ("false_vector", "no vector", lambda c: replace(c, vector=b""), "WrongResult"),
    ("false_vector", "commitments", lambda c: replace(c, commitments=ANOTHER), "WrongResult"),
    ("false_vector", "commitments cut", lambda c: replace(c, commitments=b""), "WrongResult"),
    ("false_vector", "value", lambda c: replace(c, y=c.y ^ 1), "FalseOpening"),
    ("false_vector", "proof", lambda c: replace(c, proof=bytes([0xC0]) + bytes(47)), "FalseOpening"),
    ("false_vector", "proof cut", lambda c: replace(c, proof=c.proof[:-1]), "WrongLength"),
    ("false_noise", "not computed", lambda c: c, "NoiseCaseIncomplete"),
    ("false_noise", "seed", lambda c: with_noise(c, seed=bytes(32)), "NotUnderRoot"),
    ("false_noise", "claimed", lambda c: with_noise(c, claimed=bytes(32)), "NotUnderRoot"),
    ("false_noise", "place", lambda c: with_noise(c, place=7), "NotUnderRoot"),
    ("false_noise", "candidate", lambda c: with_noise(c, candidate=7), "NotUnderRoot"),
    ("false_noise", "position", lambda c: with_noise(c, position=c.evidence.position ^ 1), "NotUnderRoot"),
    ("false_noise", "root", lambda c: with_noise(c, root=bytes(32)), "NotDeviceOfCluster"),
    ("false_noise", "actual", lambda c: with_noise(c, actual=bytes(32)), "NoiseCaseIncomplete"),
]  # fmt: skip
