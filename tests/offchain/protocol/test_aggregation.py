"""Between fog, cloud and S: cluster sums, the result, and the challenges they are opened at."""

from dataclasses import replace

import pytest

from offchain.crypto.commitment import Opening
from offchain.crypto.curve import parse_g1
from offchain.crypto.errors import OpeningError
from offchain.crypto.field import FieldVector, R
from offchain.crypto.hashing import keccak256, tagged, word
from offchain.crypto.opening import verify_opening
from offchain.protocol import aggregation, messages
from offchain.protocol.chain import (
    ClusterAnchored,
    CumulativeSubmitted,
    ResultAccepted,
    RoundOpened,
    SubmitAggregate,
)
from offchain.protocol.errors import ClusterSumMismatch, ResultMismatch
from tests.offchain.protocol.builders import ROUND, Cluster, signing_key

MODEL = FieldVector.from_ints(range(64))


def total_of(number: int) -> FieldVector:
    """A sum that four devices could make: small data slots, anything in the random ones."""
    return FieldVector.from_ints([50 + number, *range(5), *([0] * 56), 2**200, R - number])


@pytest.fixture(scope="module")
def settled(cluster: Cluster) -> "Settled":
    return Settled(cluster)


class Settled:
    """Clusters 0 and 2 of a round, anchored and submitted."""

    def __init__(self, cluster: Cluster) -> None:
        self.task = cluster.task
        self.sums = {0: total_of(0), 2: total_of(2)}
        self.anchored = {
            c: ClusterAnchored(
                round=ROUND,
                cluster=c,
                anchor_message=bytes([c]) * 32,
                commitments=self.task.key.commit(v).to_eip2537(),
                signers=(0, 1, 2),
                qualified=(0, 1, 2, 3),
            )
            for c, v in self.sums.items()
        }
        self.submitted = {
            c: CumulativeSubmitted(ROUND, c, self.task.key.commit(v).digest, v.keccak())
            for c, v in self.sums.items()
        }
        self.opened = RoundOpened(
            round=ROUND,
            beacon_block=1,
            anchor_deadline=10,
            cumulative_deadline=20,
            aggregate_deadline=30,
            clusters=3,
            updates_model=True,
            model_digest=self.task.key.commit(MODEL).digest,
            opened_at=0,
        )

    def build(self, models: dict[bytes, FieldVector] | None = None) -> SubmitAggregate | None:
        held = {self.opened.model_digest: MODEL} if models is None else models
        built = aggregation.build_result(
            self.task, self.opened, held, self.anchored, self.submitted, self.sums
        )
        return built[1] if built else None

    @property
    def total(self) -> FieldVector:
        return self.sums[0] + self.sums[2]


def test_cumulative__opened__at_the_challenge_of_the_specification(settled: Settled) -> None:
    total = settled.sums[0]
    opening = aggregation.open_cumulative(settled.task, b"\7" * 32, total)
    point = int.from_bytes(tagged("verifog cumulative v1", b"\7" * 32, total.keccak()), "big") % R
    verify_opening(settled.task.key, settled.task.key.commit(total), point, opening)
    with pytest.raises(OpeningError):
        verify_opening(settled.task.key, settled.task.key.commit(total), point + 1, opening)


def test_result__built__is_the_sum_with_openings_that_hold(settled: Settled) -> None:
    call = settled.build()
    assert call is not None
    key, commitment = settled.task.key, settled.task.key.commit(settled.total)
    assert call.vector_digest == settled.total.keccak()
    assert call.samples == 102
    assert [cluster.cluster for cluster in call.clusters] == [0, 2]
    assert [cluster.signer_count for cluster in call.clusters] == [3, 3]
    assert [cluster.qualified_count for cluster in call.clusters] == [4, 4]
    verify_opening(key, commitment, 0, Opening(call.samples, parse_g1(call.count_proof)))
    point = tagged(
        "verifog aggregate v1",
        settled.task.separator,
        word(ROUND),
        word(0b101),
        commitment.digest,
        call.vector_digest,
    )
    opening = Opening(call.y, parse_g1(call.proof))
    verify_opening(key, commitment, int.from_bytes(point, "big") % R, opening)


def test_result__model_of_the_round_unknown__none(settled: Settled) -> None:
    assert settled.build(models={}) is None


def cluster_sum(total: bytes) -> messages.ClusterSum:
    return messages.ClusterSum(round=ROUND, cluster=0, total=total)


def test_cluster_sum__true__accepted(settled: Settled) -> None:
    total = settled.sums[0]
    got = aggregation.check_cluster_sum(
        settled.task, settled.anchored[0], settled.submitted[0], cluster_sum(total.data)
    )
    assert got == total


def test_cluster_sum__another_vector__refused(settled: Settled) -> None:
    with pytest.raises(ClusterSumMismatch, match="digest"):
        aggregation.check_cluster_sum(
            settled.task,
            settled.anchored[0],
            settled.submitted[0],
            cluster_sum(settled.sums[2].data),
        )


def test_cluster_sum__digest_recorded_but_another_commitment_attested__refused(
    settled: Settled,
) -> None:
    """S checks one opening at a random point; the cloud checks the commitment itself."""
    with pytest.raises(ClusterSumMismatch, match="commitment"):
        aggregation.check_cluster_sum(
            settled.task,
            replace(settled.anchored[0], commitments=settled.anchored[2].commitments),
            settled.submitted[0],
            cluster_sum(settled.sums[0].data),
        )


@pytest.mark.parametrize("slot", [1, 5])
def test_cluster_sum__slot_that_its_devices_cannot_reach__refused(
    settled: Settled, slot: int
) -> None:
    slots = total_of(0).to_ints()
    slots[slot] = 4 * 10**9
    total = FieldVector.from_ints(slots)
    with pytest.raises(ClusterSumMismatch, match="reach"):
        aggregation.check_cluster_sum(
            settled.task,
            replace(settled.anchored[0], commitments=settled.task.key.commit(total).to_eip2537()),
            replace(settled.submitted[0], vector_digest=total.keccak()),
            cluster_sum(total.data),
        )


def accepted(settled: Settled) -> ResultAccepted:
    total = settled.total
    return ResultAccepted(
        ROUND,
        signing_key(2).address,
        (0, 2),
        settled.task.key.commit(total).digest,
        total.keccak(),
        102,
        1,
        bytes(32),
    )


def result(settled: Settled, total: bytes | None = None, digest: bytes | None = None) -> object:
    return messages.Result(
        round=ROUND,
        cluster=0,
        commitment_digest=digest or settled.task.key.commit(settled.total).digest,
        total=total or settled.total.data,
    )


def test_result__true__accepted(settled: Settled) -> None:
    got = aggregation.check_result(settled.task, accepted(settled), result(settled))
    assert got == settled.total


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"digest": bytes(range(32))}, "another commitment"),
        ({"total": total_of(1).data}, "another vector"),
        ({"total": bytes(32)}, "another vector"),
    ],
    ids=["commitment", "vector", "length"],
)
def test_result__false__evidence(settled: Settled, changes: dict[str, bytes], text: str) -> None:
    with pytest.raises(ResultMismatch, match=text):
        aggregation.check_result(settled.task, accepted(settled), result(settled, **changes))


@pytest.mark.parametrize("total", [bytes(32), R.to_bytes(32, "big") * 64, total_of(1).data])
def test_result__that_s_accepted_but_is_not_its_commitments_vector__evidence(
    settled: Settled, total: bytes
) -> None:
    false = replace(accepted(settled), vector_digest=keccak256(total))
    with pytest.raises(ResultMismatch):
        aggregation.check_result(settled.task, false, result(settled, total=total))


def test_envelope_signature__of_a_result__is_the_one_that_s_judges(settled: Settled) -> None:
    message = result(settled)
    key = signing_key(2)
    data = messages.seal_envelope(settled.task.separator, key, message)
    digest = messages.message_digest(settled.task.separator, message)
    assert aggregation.envelope_signature(data) == key.sign(digest)
