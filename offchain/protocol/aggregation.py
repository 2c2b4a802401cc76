"""Steps 10 to 12: openings at the challenges of S, and the sum of the clusters."""

from collections.abc import Mapping

import msgspec

from offchain.crypto.commitment import Commitment, Opening, parse_commitment_eip2537
from offchain.crypto.curve import g1_to_bytes
from offchain.crypto.field import FieldVector, parse_field_vector
from offchain.crypto.hashing import challenge, keccak256, word
from offchain.errors import VerifogError
from offchain.protocol import messages
from offchain.protocol.chain import (
    ClusterAnchored,
    CumulativeSubmitted,
    IncludedCluster,
    ResultAccepted,
    RoundOpened,
    SubmitAggregate,
)
from offchain.protocol.errors import ClusterSumMismatch, ResultMismatch
from offchain.protocol.masking import NOISE_REACH
from offchain.protocol.role import Task


def vector_digest(data: bytes) -> bytes:
    """Digest of a vector in its encoding of 32 bytes an element."""
    return keccak256(data)


def envelope_signature(data: bytes) -> bytes:
    """The sender's signature of an envelope that has been parsed before."""
    return msgspec.msgpack.decode(data, type=messages.Envelope).signature


def open_cumulative(task: Task, anchor_message: bytes, total: FieldVector) -> Opening:
    """Open a cluster's sum at the challenge that S derives from the anchor and the digest."""
    point = challenge("verifog cumulative v1", anchor_message, total.keccak())
    return task.key.open_at(total, point)


def aggregate_challenge(
    task: Task, round_number: int, included: int, commitment_digest: bytes, digest: bytes
) -> int:
    """The challenge at which the cloud opens the result; ``included`` is the bitmap of clusters."""
    return challenge(
        "verifog aggregate v1",
        task.separator,
        word(round_number),
        word(included),
        commitment_digest,
        digest,
    )


def check_cluster_sum(
    task: Task,
    anchored: ClusterAnchored,
    submitted: CumulativeSubmitted,
    message: messages.ClusterSum,
) -> FieldVector:
    """Check a cluster's vector against what S holds.

    Raises
    ------
    ClusterSumMismatch
        When its digest is not the one recorded, or its commitment is not the one attested.
    """
    if vector_digest(message.total) != submitted.vector_digest:
        raise ClusterSumMismatch(
            f"cluster {message.cluster}: the vector's digest is not the one that S holds"
        )
    total = parse_field_vector(message.total, task.layout.length)
    bound = len(anchored.qualified) * (task.value_bound + 2 * NOISE_REACH)
    if any(abs(value) > bound for value in task.layout.extract(total)):
        raise ClusterSumMismatch(
            f"cluster {message.cluster}: a slot of the sum passes what {len(anchored.qualified)} "
            f"devices can reach, {bound}"
        )
    if task.key.commit(total).to_eip2537() != anchored.commitments:
        raise ClusterSumMismatch(
            f"cluster {message.cluster}: the vector's commitment is not the one attested"
        )
    return total


def build_result(
    task: Task,
    opened: RoundOpened,
    models: Mapping[bytes, FieldVector],
    anchored: Mapping[int, ClusterAnchored],
    submitted: Mapping[int, CumulativeSubmitted],
    sums: Mapping[int, FieldVector],
) -> tuple[FieldVector, SubmitAggregate] | None:
    """Add the clusters' sums and open the result at 0 and at the challenge of S.

    Returns
    -------
    (result, call) or None
        None when the model that the round updates is not known.
    """
    model = models.get(opened.model_digest)
    if model is None:
        return None
    clusters = sorted(sums)
    total = FieldVector.sum([sums[cluster] for cluster in clusters])
    commitment = Commitment.sum(
        [
            parse_commitment_eip2537(anchored[cluster].commitments, task.layout.chunks)
            for cluster in clusters
        ]
    )
    digest = total.keccak()
    included = sum(1 << cluster for cluster in clusters)
    point = aggregate_challenge(task, opened.round, included, commitment.digest, digest)
    opening = task.key.open_at(total, point)
    first = total.slice(0, task.layout.capacity)
    count = task.key.open_at(first, 0)
    call = SubmitAggregate(
        round=opened.round,
        clusters=tuple(
            IncludedCluster(
                cluster=cluster,
                anchor_message=anchored[cluster].anchor_message,
                signer_count=len(anchored[cluster].signers),
                qualified_count=len(anchored[cluster].qualified),
                commitments=anchored[cluster].commitments,
                vector_digest=submitted[cluster].vector_digest,
            )
            for cluster in clusters
        ),
        model=task.key.commit(model),
        vector_digest=digest,
        samples=count.value,
        count_proof=g1_to_bytes(count.proof),
        y=opening.value,
        proof=g1_to_bytes(opening.proof),
    )
    return total, call


def check_result(task: Task, accepted: ResultAccepted, result: messages.Result) -> FieldVector:
    """Check a result that the cloud signed against what S accepted.

    Raises
    ------
    ResultMismatch
        When digests differ or the vector does not give the commitment: evidence against the cloud.
    """
    if result.commitment_digest != accepted.commitment_digest:
        raise ResultMismatch(f"result of round {result.round}: another commitment than S accepted")
    if vector_digest(result.total) != accepted.vector_digest:
        raise ResultMismatch(f"result of round {result.round}: another vector than S accepted")
    try:
        total = parse_field_vector(result.total, task.layout.length)
    except VerifogError as error:
        raise ResultMismatch(f"result of round {result.round}: {error}") from error
    if task.key.commit(total).digest != accepted.commitment_digest:
        raise ResultMismatch(
            f"result of round {result.round}: the vector does not give its commitment"
        )
    return total
