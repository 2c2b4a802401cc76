"""Between the words of Contract S and those of the protocol: events in, calls out."""

from collections.abc import Mapping
from dataclasses import astuple, fields
from typing import Any

from web3 import Web3
from web3.types import EventData

from offchain.crypto.curve import g1_to_bytes, parse_g1_eip2537
from offchain.crypto.hashing import keccak256
from offchain.protocol.anchoring import bitmap
from offchain.protocol.chain import (
    AdvanceNoiseCase,
    Anchor,
    Call,
    CloudAdmitted,
    ClusterAnchored,
    CumulativeSubmitted,
    Event,
    FogAdmitted,
    MemberAdmitted,
    MemberRemoved,
    ModelVoted,
    NoiseRootRecorded,
    OpenRound,
    RecordNoiseRoot,
    ReportEquivocation,
    ReportFalseAnchor,
    ReportFalseNoise,
    ReportFalseResult,
    ReportFalseShare,
    ReportFalseVector,
    ReportFalseWitness,
    ResultAccepted,
    ResultRejected,
    RoundOpened,
    SubmitAggregate,
    SubmitAnchor,
    SubmitCumulative,
    SubmitModel,
)
from offchain.protocol.role import ClusterRoster, TaskParameters

WORD_BITS = 256


def indices(words: list[int]) -> tuple[int, ...]:
    """The set bits of a bitmap of S, rising."""
    return tuple(
        WORD_BITS * place + bit
        for place, word in enumerate(words)
        for bit in range(WORD_BITS)
        if word >> bit & 1
    )


def address(text: str) -> bytes:
    """The 20 bytes of a checksummed address."""
    return bytes(Web3.to_bytes(hexstr=Web3.to_checksum_address(text)))


def checksum(account: bytes) -> str:
    """An address as web3 takes it."""
    return str(Web3.to_checksum_address(account))


def task_parameters(values: Mapping[str, int]) -> TaskParameters:
    """Task parameters from the fields of ``TaskCreated``, named as in S."""
    named = {_snake(name): value for name, value in values.items()}
    return TaskParameters(**{f.name: int(named[f.name]) for f in fields(TaskParameters)})


def parameter_tuple(parameters: TaskParameters) -> tuple[int, ...]:
    """Task parameters in the order of the struct of S."""
    return tuple(getattr(parameters, f.name) for f in fields(parameters))


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name)


class Directory:
    """Who is admitted, from the events of S: the rosters that roles get copies of."""

    def __init__(self) -> None:
        self.authority: bytes = b""
        self.clouds: list[bytes] = []
        self.clusters: dict[int, ClusterRoster] = {}

    def take(self, event: EventData) -> None:
        """Follow one event of membership; others are passed over."""
        values = event["args"]
        match event["event"]:
            case "TaskCreated":
                self.authority = address(values["authority"])
            case "CloudAdmitted":
                self.clouds.append(address(values["account"]))
            case "FogAdmitted":
                cluster = int(values["cluster"])
                self.clusters[cluster] = ClusterRoster(cluster, address(values["account"]))
            case "FogSucceeded":
                self.clusters[int(values["cluster"])].fog = address(values["account"])
            case "DeviceAdmitted":
                admitted = protocol_event(event, 0)
                if isinstance(admitted, MemberAdmitted):
                    self.clusters[admitted.cluster].admit(admitted)
            case "ExitRequested" | "Slashed":
                self._remove(address(values["account"]))
            case _:
                pass

    def _remove(self, account: bytes) -> None:
        if account in self.clouds:
            self.clouds.remove(account)
        for roster in self.clusters.values():
            for index, member in list(roster.members.items()):
                if member.account == account:
                    del roster.members[index]

    def roster(self, cluster: int) -> ClusterRoster:
        """A copy of a cluster's roster for one node to keep."""
        return self.clusters[cluster].copy()


def protocol_event(event: EventData, opened_at: int) -> Event | None:
    """One event of S in the protocol's terms; None for those that no role follows.

    Parameters
    ----------
    event
        As decoded.
    opened_at
        Time of its block, seconds.
    """
    values: Mapping[str, Any] = event["args"]
    match event["event"]:
        case "RoundOpened":
            return RoundOpened(
                round=values["round"],
                beacon_block=values["beaconBlock"],
                anchor_deadline=values["anchorDeadline"],
                cumulative_deadline=values["cumulativeDeadline"],
                aggregate_deadline=values["aggregateDeadline"],
                clusters=int(values["clusters"]).bit_count(),
                updates_model=values["updatesModel"],
                model_digest=bytes(values["modelDigest"]),
                opened_at=opened_at,
                serving=indices([values["clusters"]]),
            )
        case "NoiseRootRecorded":
            return NoiseRootRecorded(values["cluster"], values["batch"], bytes(values["root"]))
        case "ClusterAnchored":
            return ClusterAnchored(
                round=values["round"],
                cluster=values["cluster"],
                anchor_message=bytes(values["anchorMessage"]),
                commitments=bytes(values["commitments"]),
                signers=indices(values["signers"]),
                qualified=indices(values["qualified"]),
                shares_root=bytes(values["sharesRoot"]),
                sums_root=bytes(values["sumsRoot"]),
                words=len(values["qualified"]),
            )
        case "CumulativeSubmitted":
            return CumulativeSubmitted(
                round=values["round"],
                cluster=values["cluster"],
                commitment_digest=bytes(values["commitmentDigest"]),
                vector_digest=bytes(values["vectorDigest"]),
            )
        case "ResultAccepted":
            return ResultAccepted(
                round=values["round"],
                cloud=address(values["cloud"]),
                included=indices([values["included"]]),
                commitment_digest=keccak256(bytes(values["commitments"])),
                vector_digest=bytes(values["vectorDigest"]),
                samples=values["samples"],
                factor=values["factor"],
                model_digest=bytes(values["modelDigest"]),
                commitments=bytes(values["commitments"]),
                y=values["y"],
                proof=bytes(values["proof"]),
            )
        case "ModelVoted":
            return ModelVoted(
                round=values["round"],
                voters=indices([values["voters"]]),
                model=bytes(values["model"]),
                model_digest=bytes(values["modelDigest"]),
            )
        case "ResultRejected":
            return ResultRejected(values["round"], bytes(values["modelDigest"]))
        case "DeviceAdmitted":
            return MemberAdmitted(
                values["cluster"],
                values["index"],
                address(values["account"]),
                g1_to_bytes(parse_g1_eip2537(bytes(values["publicKey"]))),
                bytes(values["sealingKey"]),
            )
        case "FogAdmitted":
            return FogAdmitted(values["cluster"], address(values["account"]))
        case "CloudAdmitted":
            return CloudAdmitted(address(values["account"]))
        case "ExitRequested" | "Slashed":
            return MemberRemoved(address(values["account"]))
    return None


def _anchor(anchor: Anchor, admitted: int) -> tuple[bytes, bytes, bytes, tuple[int, ...]]:
    return (
        anchor.shares_root,
        anchor.sums_root,
        anchor.commitments.to_eip2537(),
        bitmap(anchor.qualified, admitted),
    )


def contract_call(call: Call, directory: Directory) -> tuple[str, tuple[Any, ...]]:
    """Name and arguments of the function of S that a call of a role stands for."""
    match call:
        case OpenRound():
            return "openRound", ()
        case RecordNoiseRoot():
            return "recordNoiseRoot", (call.cluster, call.root)
        case SubmitAnchor():
            admitted = directory.clusters[call.cluster].admitted
            return "anchor", (
                call.round,
                call.cluster,
                call.batch,
                _anchor(call.anchor, admitted),
                bitmap(call.signers, admitted),
                b"".join(call.absent_keys),
                call.signature,
            )
        case SubmitCumulative():
            admitted = directory.clusters[call.cluster].admitted
            return "submitCumulative", (
                call.round,
                call.cluster,
                _anchor(call.anchor, admitted),
                call.signer_count,
                call.vector_digest,
                call.y,
                call.proof,
            )
        case SubmitAggregate():
            return "submitAggregate", (
                call.round,
                sum(1 << cluster.cluster for cluster in call.clusters),
                [
                    (
                        cluster.anchor_message,
                        cluster.signer_count,
                        cluster.qualified_count,
                        cluster.commitments,
                        cluster.vector_digest,
                    )
                    for cluster in call.clusters
                ],
                call.model.to_eip2537(),
                call.vector_digest,
                call.samples,
                call.count_proof,
                call.y,
                call.proof,
            )
        case SubmitModel():
            votes = sorted(call.votes)
            return "submitModel", (
                call.round,
                call.model.to_eip2537(),
                sum(1 << cluster for cluster, _ in votes),
                [signature for _, signature in votes],
            )
        case _:
            return _report(call)


def _report(
    call: ReportFalseResult
    | ReportFalseVector
    | ReportFalseShare
    | ReportFalseWitness
    | ReportEquivocation
    | ReportFalseAnchor
    | AdvanceNoiseCase
    | ReportFalseNoise,
) -> tuple[str, tuple[Any, ...]]:
    match call:
        case ReportFalseResult() | ReportFalseVector():
            name = type(call).__name__
            return name[0].lower() + name[1:], astuple(call)
        case ReportFalseShare():
            return "reportFalseShare", (
                astuple(call.witness),
                call.x,
                call.position,
                call.share,
                call.path,
                call.public_key,
            )
        case ReportFalseWitness():
            return "reportFalseWitness", (astuple(call.witness), call.public_key)
        case ReportEquivocation():
            return "reportEquivocation", (
                int(call.kind),
                call.first,
                call.first_signature,
                call.second,
                call.second_signature,
                call.public_key,
            )
        case ReportFalseAnchor():
            anchor = (call.shares_root, call.sums_root, call.commitments, call.qualified)
            return "reportFalseAnchor", (
                call.round,
                call.cluster,
                anchor,
                call.signer_count,
                call.vector_digest,
                call.leaves,
            )
        case AdvanceNoiseCase():
            return "advanceNoiseCase", (astuple(call.evidence), call.slots)
        case ReportFalseNoise():
            return "reportFalseNoise", (
                astuple(call.evidence),
                call.commitments,
                call.proof,
                call.public_key,
            )
