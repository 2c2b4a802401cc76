"""What a fog can show S of a result that is not the accepted vector."""

from dataclasses import replace

import pytest

from offchain.crypto.hashing import keccak256
from offchain.protocol import evidence, messages
from offchain.protocol.chain import ReportFalseResult, ReportFalseVector, ResultAccepted
from offchain.protocol.errors import EvidenceTooLarge
from tests.offchain.protocol.builders import signing_key

ROUND = 3
CLOUD = signing_key(2)
DOMAIN = bytes(range(32))
DIGEST = keccak256(b"commitment")


def result(total: bytes, commitment_digest: bytes = DIGEST) -> messages.Result:
    return messages.Result(round=ROUND, cluster=0, commitment_digest=commitment_digest, total=total)


def accepted(total: bytes, chunks: int = 1) -> ResultAccepted:
    """S holds the digest of these bytes."""
    return ResultAccepted(
        ROUND,
        CLOUD.address,
        (0,),
        DIGEST,
        keccak256(total),
        70,
        1,
        bytes(32),
        commitments=bytes(128 * chunks),
        y=9,
        proof=bytes(48),
    )


@pytest.mark.parametrize(
    "sent", [result(b"other"), result(b"bytes", bytes(32))], ids=["vector", "commitment"]
)
def test_false_result__not_what_s_accepted__the_signature_is_the_evidence(
    sent: messages.Result,
) -> None:
    data = messages.seal_envelope(DOMAIN, CLOUD, sent)
    report = evidence.false_result(accepted(b"bytes"), sent, data)
    signature = CLOUD.sign(messages.message_digest(DOMAIN, sent))
    digest = keccak256(sent.total)
    assert report == ReportFalseResult(ROUND, sent.commitment_digest, digest, signature)


@pytest.mark.parametrize("chunks", [1, 64])
def test_false_result__bytes_that_s_took_the_digest_of__a_report_as_large_as_fits(
    chunks: int,
) -> None:
    """The bound, and one byte more."""
    bound = 131_072 - 1_024 - 128 * chunks
    vector = bytes(bound)
    taken = accepted(vector, chunks)
    report = evidence.false_result(taken, result(vector), b"")
    assert report == ReportFalseVector(ROUND, vector, taken.commitments, taken.y, taken.proof)
    longer = vector + b"\0"
    text = f"vector of round 3: {bound + 1} bytes, at most {bound} fit the transaction of a report"
    with pytest.raises(EvidenceTooLarge, match=text):
        evidence.false_result(replace(taken, vector_digest=keccak256(longer)), result(longer), b"")
