"""Cluster sums: an opening at a challenge that Contract S derives, and the views about them."""

from typing import Any

import ape
import pytest

from tests.contracts.builders import (
    ClusterRound,
    Device,
    R,
    challenge,
    keccak,
    merkle_path,
    open_at,
    random_vector,
)
from tests.contracts.deployed import ACCUMULATING, ANCHORING, Task


@pytest.fixture
def part(task: Task) -> ClusterRound:
    """Cluster 0, anchored."""
    task.open_round()
    part = task.cluster_round(0)
    task.anchor(part)
    return part


def test_submit_cumulative__true_opening__recorded(task: Task, part: ClusterRound) -> None:
    receipt = task.submit_cumulative(part)
    assert task.round.submitted == 0b01
    y, proof = part.cumulative_arguments(task.contract)[-2:]
    assert receipt.events == [
        task.contract.CumulativeSubmitted(
            1, 0, part.commitment_digest, part.vector_digest, y, proof
        )
    ]


def test_signers__before_the_sum__as_anchored_until_the_next_round(
    task: Task, part: ClusterRound
) -> None:
    other = task.cluster_round(1, signers=[0, 2, 4])
    task.anchor(other)
    told = [task.contract.signers(1, cluster) for cluster in (0, 1)]
    assert told == [[0b11111], [0b10101]]
    task.submit_cumulative(other)
    assert [task.contract.signers(1, cluster) for cluster in (0, 1)] == told
    task.at(task.round.aggregateDeadline)
    assert [task.contract.signers(1, cluster) for cluster in (0, 1)] == told
    task.open_round()
    # Nobody can be paid for the sum that never came.
    assert [task.contract.signers(1, cluster) for cluster in (0, 1)] == [[0], [0b10101]]
    assert [task.contract.signers(2, cluster) for cluster in (0, 1)] == [[0], [0]]


def test_submit_cumulative__challenge__as_specified(task: Task, part: ClusterRound) -> None:
    message, digest = part.message(task.contract), part.vector_digest
    expected = challenge("verifog cumulative v1", message, digest)
    assert task.contract.cumulativeChallenge(message, digest) == expected


def test_submit_cumulative__wrong_value__refused(task: Task, part: ClusterRound) -> None:
    y = part.cumulative_arguments(task.contract)[5]
    z = challenge("verifog cumulative v1", part.message(task.contract), part.vector_digest)
    with ape.reverts(task.contract.FalseOpening, z=z, y=(y + 1) % R):
        task.submit_cumulative(part, y=(y + 1) % R)


def test_submit_cumulative__value_not_a_scalar__refused(task: Task, part: ClusterRound) -> None:
    y = part.cumulative_arguments(task.contract)[5]
    with ape.reverts(task.contract.ScalarOutOfRange, value=y + R):
        task.submit_cumulative(part, y=y + R)


def test_submit_cumulative__another_vector__refused(task: Task, part: ClusterRound) -> None:
    """Whoever lacks the vector cannot open: the value of another one at the challenge is wrong."""
    other = random_vector("other", 64, 1)
    z = challenge("verifog cumulative v1", part.message(task.contract), part.vector_digest)
    y, proof = open_at(other, z, 64)
    with ape.reverts(task.contract.FalseOpening, z=z, y=y):
        task.submit_cumulative(part, y=y, proof=proof)


def test_submit_cumulative__opening_for_another_digest__refused(
    task: Task, part: ClusterRound
) -> None:
    """The digest is in the challenge: an opening belongs to one digest."""
    with ape.reverts(task.contract.FalseOpening):
        task.submit_cumulative(part, vector_digest=keccak(b"another vector"))


@pytest.mark.parametrize("length", [0, 47, 49])
def test_submit_cumulative__proof_of_wrong_length__refused(
    task: Task, part: ClusterRound, length: int
) -> None:
    proof = (part.cumulative_arguments(task.contract)[-1] + b"\0")[:length]
    with ape.reverts(task.contract.WrongLength, given=length, expected=48):
        task.submit_cumulative(part, proof=proof)


@pytest.mark.parametrize("field", range(4), ids=["R", "Q", "commitments", "qualified"])
def test_submit_cumulative__anchor_not_the_recorded__refused(
    task: Task, part: ClusterRound, field: int
) -> None:
    altered = list(part.anchor)
    altered[field] = [0b11110] if field == 3 else part.anchor[field][::-1]
    with ape.reverts(task.contract.WrongRecord, cluster=0):
        task.submit_cumulative(part, anchor=tuple(altered))


def test_submit_cumulative__wrong_signer_count__refused(task: Task, part: ClusterRound) -> None:
    with ape.reverts(task.contract.WrongRecord, cluster=0):
        task.submit_cumulative(part, signer_count=4)


def test_submit_cumulative__cluster_not_anchored__refused(task: Task, part: ClusterRound) -> None:
    other = task.cluster_round(1)
    with ape.reverts(task.contract.WrongRecord, cluster=1, stored=bytes(32)):
        task.submit_cumulative(other)


def test_submit_cumulative__another_sender__refused(task: Task, part: ClusterRound) -> None:
    arguments = part.cumulative_arguments(task.contract)
    for caller in (task.fogs[1], task.clouds[0], task.authority):
        with ape.reverts(task.contract.NotFogOfCluster, cluster=0, caller=caller):
            task.contract.submitCumulative(*arguments, sender=caller)


def test_submit_cumulative__twice__refused(task: Task, part: ClusterRound) -> None:
    task.submit_cumulative(part)
    assert task.contract.phase() == ANCHORING
    with ape.reverts(task.contract.AlreadySubmitted, cluster=0, round=1):
        task.submit_cumulative(part)


def test_submit_cumulative__constant_polynomial__proof_at_infinity_is_good(
    task: Task,
) -> None:
    task.open_round()
    part = task.cluster_round(0, vector=(5,) + (0,) * 63)
    task.anchor(part)
    proof = part.cumulative_arguments(task.contract)[-1]
    assert proof == b"\xc0" + bytes(47)
    task.submit_cumulative(part)


# Views


def share_sum_arguments(part: ClusterRound, digest: bytes, index: int = 3) -> dict[str, Any]:
    return {
        "round": 1,
        "cluster": 0,
        "anchor": part.anchor,
        "signer_count": len(part.signers),
        "vector_digest": digest,
        "index": index,
        "position": index,
        "sum_digest": part.sum_digests[index],
        "path": merkle_path(part.sum_levels, index),
    }


def test_verify_share_sum__before_and_after_submission__true(
    task: Task, part: ClusterRound
) -> None:
    before = share_sum_arguments(part, bytes(32))
    after = share_sum_arguments(part, part.vector_digest)
    assert task.contract.verifyShareSum(*before.values())
    assert not task.contract.verifyShareSum(*after.values())
    task.submit_cumulative(part)
    assert not task.contract.verifyShareSum(*before.values())
    assert task.contract.verifyShareSum(*after.values())


@pytest.mark.parametrize(
    "change",
    [
        {"sum_digest": b"\1" * 32},
        {"index": 2},
        {"position": 2},
        {"position": 3 + 8},
        {"position": 3 + (1 << 255)},
        {"path": []},
        {"round": 2},
        {"cluster": 1},
        {"signer_count": 4},
        {"vector_digest": b"\1" * 32},
    ],
    ids=lambda change: next(iter(change)) + " " + str(next(iter(change.values())))[:6],
)
def test_verify_share_sum__anything_altered__false(
    task: Task, part: ClusterRound, change: dict[str, Any]
) -> None:
    arguments = share_sum_arguments(part, bytes(32)) | change
    assert not task.contract.verifyShareSum(*arguments.values())


def test_verify_share_sum__inner_node_as_leaf__false(task: Task, part: ClusterRound) -> None:
    """A path one level short does not make an inner node a leaf."""
    arguments = share_sum_arguments(part, bytes(32))
    arguments |= {"path": arguments["path"][1:], "position": 1}
    assert not task.contract.verifyShareSum(*arguments.values())


def test_verify_cumulative__submitted__true_for_this_vector_only(
    task: Task, part: ClusterRound
) -> None:
    true = [1, 0, part.anchor, len(part.signers), part.vector_digest]
    assert not task.contract.verifyCumulative(*true)
    task.submit_cumulative(part)
    assert task.contract.verifyCumulative(*true)
    assert not task.contract.verifyCumulative(*true[:4], keccak(b"another"))
    assert not task.contract.verifyCumulative(2, *true[1:])
    assert not task.contract.verifyCumulative(1, 1, *true[2:])
    assert not task.contract.verifyCumulative(*true[:3], 4, true[4])


def test_submit_cumulative__in_accumulating__recorded(task: Task, part: ClusterRound) -> None:
    task.anchor(task.cluster_round(1))
    assert task.contract.phase() == ACCUMULATING
    task.submit_cumulative(part)


# More than one chunk


def test_submit_cumulative__three_chunks__one_opening(deploy: Any, accounts: Any) -> None:
    task = deploy(chunks=3, capacity=4096)
    task.add_cloud(accounts[1])
    task.add_fog(accounts[3])
    task.add_devices(0, [Device.numbered(i) for i in range(4)])
    task.contract.fundPool(sender=task.authority, value=10**18)
    task.record_noise_roots()
    result = task.settle_round()
    assert task.contract.modelDigest() == keccak(task.encoded_model())
    assert len(result.commitments) == 3 * 128
