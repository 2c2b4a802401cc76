"""A provider whose answers are written down, and one example of every call."""

from dataclasses import replace
from typing import Any

from web3 import Web3
from web3.providers import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from offchain.crypto.commitment import Commitment
from offchain.crypto.curve import G1_GENERATOR, g1_to_eip2537
from offchain.protocol.chain import (
    AdvanceNoiseCase,
    Anchor,
    Call,
    IncludedCluster,
    NoiseEvidence,
    OpenRound,
    RecordNoiseRoot,
    ReportEquivocation,
    ReportFalseAnchor,
    ReportFalseNoise,
    ReportFalseResult,
    ReportFalseShare,
    ReportFalseVector,
    ReportFalseWitness,
    SignedWitness,
    Statement,
    SubmitAggregate,
    SubmitAnchor,
    SubmitCumulative,
    SubmitModel,
)
from tests.offchain.protocol.builders import task

DIGEST = bytes(range(32))
POINT = g1_to_eip2537(G1_GENERATOR)

PARAMETERS = replace(task().parameters, min_qualified=4)
"""The least that S accepts for the threshold of three."""


class Canned(BaseProvider):
    """Answers requests by method; an exception is raised by the node as an error."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self.answers = {"eth_chainId": "0x7a69", **answers}

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        answer = self.answers[method]
        if isinstance(answer, dict) and "code" in answer:
            return {"jsonrpc": "2.0", "id": 1, "error": answer}
        return {"jsonrpc": "2.0", "id": 1, "result": answer}


def canned(**answers: Any) -> Web3:
    return Web3(Canned(**answers), middleware=[])


def revert(data: str) -> dict[str, Any]:
    """What a node answers when a call reverts with some data."""
    return {"code": 3, "message": "execution reverted", "data": data}


ANCHOR = Anchor(DIGEST, bytes(32), Commitment((G1_GENERATOR,)), (0, 2, 4))
WITNESS = SignedWitness(
    round=3,
    cluster=1,
    index=4,
    selection=DIGEST,
    count=5,
    commitments=POINT,
    root=bytes(32),
    polynomial=DIGEST * 3,
    opened=7,
    proof=bytes(48),
    signature=bytes(65),
)
NOISE = NoiseEvidence(
    batch=2,
    cluster=1,
    index=4,
    root=DIGEST,
    signature=bytes(65),
    place=1,
    candidate=3,
    seed=bytes(32),
    claimed=DIGEST,
    position=7,
    path=(DIGEST, bytes(32)),
    actual=bytes(32),
)
CALLS: tuple[Call, ...] = (
    OpenRound(),
    RecordNoiseRoot(1, 9, DIGEST),
    SubmitAnchor(3, 1, 2, ANCHOR, (0, 4), (POINT, POINT), bytes(256)),
    SubmitCumulative(3, 1, ANCHOR, 2, DIGEST, 7, bytes(48)),
    SubmitAggregate(
        round=3,
        clusters=(
            IncludedCluster(0, DIGEST, 3, 4, POINT, DIGEST),
            IncludedCluster(5, DIGEST, 2, 3, POINT, bytes(32)),
        ),
        model=Commitment((G1_GENERATOR,)),
        vector_digest=DIGEST,
        samples=11,
        count_proof=bytes(48),
        y=12,
        proof=bytes(48),
    ),
    SubmitModel(3, Commitment((G1_GENERATOR,)), ((0, bytes(65)), (5, b"\1" * 65))),
    ReportFalseResult(3, DIGEST, bytes(32), bytes(65)),
    ReportFalseVector(3, bytes(64), POINT, 12, bytes(48)),
    ReportFalseShare(WITNESS, 5, 4, bytes(64), (DIGEST, bytes(32)), POINT),
    ReportFalseWitness(WITNESS, b""),
    ReportEquivocation(Statement.QUALIFIED, 1, bytes(96), bytes(65), DIGEST * 3, bytes(65), b""),
    ReportFalseAnchor(3, 1, DIGEST, bytes(32), POINT, (0b10101, 1), 2, DIGEST, bytes(118)),
    AdvanceNoiseCase(NOISE, 4096),
    ReportFalseNoise(NOISE, POINT, bytes(48), POINT),
)
