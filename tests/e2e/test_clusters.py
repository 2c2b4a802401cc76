"""Steps 9 to 12 between fogs, cloud and Contract S: false transactions, sums and results."""

from collections.abc import Callable
from dataclasses import replace as changed
from typing import Any

import pytest
from msgspec.structs import replace
from web3 import Web3

from offchain.crypto.attestation import BlsSecretKey
from offchain.crypto.curve import (
    G1_GENERATOR,
    g1_to_bytes,
    g1_to_eip2537,
    g2_to_eip2537,
    parse_g1,
    parse_g2_eip2537,
)
from offchain.crypto.field import FieldVector, R
from offchain.protocol import aggregation
from offchain.protocol.chain import (
    ReportFalseResult,
    SubmitAggregate,
    SubmitAnchor,
    SubmitCumulative,
)
from offchain.protocol.messages import Attestation, ClusterSum, Result, Reveal
from tests.e2e.builders import Run

ANOTHER_PROOF = g1_to_bytes(G1_GENERATOR)
Falsify = Callable[[Run, Any], Any]


def altered(vector: bytes) -> bytes:
    return vector[:-1] + bytes([vector[-1] ^ 1])


# ---- the anchor at S


def signer_missing(run: Run, call: SubmitAnchor) -> SubmitAnchor:
    """Its signature is in the aggregate, it is not named: nobody is paid for another's work."""
    key = run.devices[0][1].roster.members[1].public_key
    return changed(
        call,
        signers=tuple(i for i in call.signers if i != 1),
        absent_keys=(g1_to_eip2537(parse_g1(key)),),
    )


def signer_too_many(run: Run, call: SubmitAnchor) -> SubmitAnchor:
    """Device 3 has not signed (see the test), the fog names it all the same."""
    assert call.signers == (0, 1, 2)
    return changed(call, signers=(0, 1, 2, 3), absent_keys=())


def signature_of_one_more(run: Run, call: SubmitAnchor) -> SubmitAnchor:
    stranger = BlsSecretKey(7).sign(run.fogs[0]._round._built.message)
    both = parse_g2_eip2537(call.signature) + stranger.point
    return changed(call, signature=g2_to_eip2537(both))


def another_qualified_set(run: Run, call: SubmitAnchor) -> SubmitAnchor:
    """Not what the devices attested."""
    return changed(call, anchor=changed(call.anchor, qualified=call.anchor.qualified[:-1]))


def another_sum_of_commitments(run: Run, call: SubmitAnchor) -> SubmitAnchor:
    doubled = call.anchor.commitments + call.anchor.commitments
    return changed(call, anchor=changed(call.anchor, commitments=doubled))


def another_root_of_sums(run: Run, call: SubmitAnchor) -> SubmitAnchor:
    return changed(call, anchor=changed(call.anchor, sums_root=bytes(32)))


FALSE_ANCHORS = (
    signer_missing,
    signature_of_one_more,
    another_qualified_set,
    another_sum_of_commitments,
    another_root_of_sums,
)


@pytest.mark.parametrize("falsify", FALSE_ANCHORS, ids=lambda f: f.__name__)
def test_anchor__not_what_the_devices_signed__refused_by_the_contract(
    clusters: Run, falsify: Falsify
) -> None:
    fog = clusters.fogs[0]
    clusters.alter_call(SubmitAnchor, lambda call: falsify(clusters, call), sender=fog)
    assert clusters.round().settled
    assert len(clusters.reverts) == 1
    assert clusters.reverts[0].startswith("anchor: FalseAttestation(0x")
    assert all(clusters.sent(device, Reveal) == [] for device in clusters.devices[0])
    assert clusters.committed == clusters.digest_without(fog)


def test_anchor__with_a_signer_too_many__refused_by_the_contract(clusters: Run) -> None:
    fog = clusters.fogs[0]
    clusters.silence(clusters.devices[0][3], Attestation)
    clusters.alter_call(SubmitAnchor, lambda call: signer_too_many(clusters, call), sender=fog)
    assert clusters.round().settled
    assert [error.split("(")[0] for error in clusters.reverts] == ["anchor: FalseAttestation"]
    assert clusters.committed == clusters.digest_without(fog)


def test_anchor__with_a_signer_missing__is_what_the_honest_fog_sends(clusters: Run) -> None:
    """The positive twin: one device has not signed, is not named, and its key is left out."""
    clusters.silence(clusters.devices[0][3], Attestation)
    assert clusters.round().settled
    assert clusters.reverts == []
    assert clusters.contract.call("signers", 1, 0) == [0b0111]
    assert clusters.committed == clusters.digest_without()


# ---- the cluster's sum at S and at the cloud

FALSE_SUMS: dict[str, tuple[Callable[[SubmitCumulative], SubmitCumulative], str]] = {
    "digest_of_another_vector": (lambda c: changed(c, vector_digest=bytes(32)), "FalseOpening"),
    "another_value": (lambda c: changed(c, y=(c.y + 1) % R), "FalseOpening"),
    "another_proof": (lambda c: changed(c, proof=ANOTHER_PROOF), "FalseOpening"),
    "value_not_canonical": (lambda c: changed(c, y=R), "ScalarOutOfRange"),
    "another_anchor": (
        lambda c: changed(c, anchor=changed(c.anchor, shares_root=bytes(32))),
        "WrongRecord",
    ),
    "more_signers": (lambda c: changed(c, signer_count=c.signer_count + 1), "WrongRecord"),
}


@pytest.mark.parametrize("name", sorted(FALSE_SUMS))
def test_cluster_sum__false_to_the_contract__refused_and_cluster_left_out(
    clusters: Run, name: str
) -> None:
    falsify, error = FALSE_SUMS[name]
    fog = clusters.fogs[0]
    clusters.alter_call(SubmitCumulative, falsify, sender=fog)
    assert clusters.round().settled
    assert [text.split("(")[0] for text in clusters.reverts] == [f"submitCumulative: {error}"]
    assert clusters.committed == clusters.digest_without(fog)


FALSE_VECTORS: dict[str, Callable[[bytes], bytes]] = {
    "altered": altered,
    "too_short": lambda vector: vector[32:],
    "zero": lambda vector: bytes(len(vector)),
    "not_canonical": lambda vector: R.to_bytes(32, "big") + vector[32:],
}


@pytest.mark.parametrize("name", sorted(FALSE_VECTORS))
def test_cluster_sum__false_to_the_cloud__refused_and_cluster_left_out(
    clusters: Run, name: str
) -> None:
    fog = clusters.fogs[0]
    clusters.alter(fog, ClusterSum, lambda m: replace(m, total=FALSE_VECTORS[name](m.total)))
    assert clusters.round().settled
    refused = {"cluster-sum": 1}
    assert clusters.refusals == {"cloud 0": refused, "cloud 1": refused}
    assert clusters.notes("clusters-left-out")[0]["clusters"] == [0]
    assert clusters.committed == clusters.digest_without(fog)


def test_cluster_sum__false_then_true__counts(clusters: Run) -> None:
    fog = clusters.fogs[0]

    def false_first(message: ClusterSum) -> list[ClusterSum]:
        return [replace(message, total=altered(message.total)), message]

    clusters.alter(fog, ClusterSum, false_first)
    assert clusters.round().settled
    assert clusters.refusals == {"cloud 0": {"cluster-sum": 1}, "cloud 1": {"cluster-sum": 1}}
    assert clusters.committed == clusters.digest_without()


def test_cluster_sum__never_handed_over__cluster_left_out_and_the_others_settle(
    clusters: Run,
) -> None:
    fog = clusters.fogs[0]
    clusters.silence(fog, ClusterSum)
    outcome = clusters.round()
    assert outcome.settled
    assert outcome.result is not None
    assert outcome.result.included == (1,)
    assert clusters.refusals == {}
    assert clusters.reverts == []
    assert clusters.committed == clusters.digest_without(fog)
    # Both fogs learn the result, the one left out too: the next round has both clusters.
    clusters.restore()
    after = clusters.round()
    assert after.result is not None
    assert after.result.included == (0, 1)
    assert clusters.committed == clusters.digest_without()


# ---- the cloud's transaction

FALSE_AGGREGATES: dict[str, tuple[Callable[[SubmitAggregate], SubmitAggregate], str]] = {
    "more_samples": (lambda c: changed(c, samples=c.samples + 1), "FalseOpening"),
    "another_proof_of_samples": (lambda c: changed(c, count_proof=ANOTHER_PROOF), "FalseOpening"),
    "digest_of_another_vector": (lambda c: changed(c, vector_digest=bytes(32)), "FalseOpening"),
    "another_value": (lambda c: changed(c, y=(c.y + 1) % R), "FalseOpening"),
    "another_proof": (lambda c: changed(c, proof=ANOTHER_PROOF), "FalseOpening"),
    "commitment_of_one_cluster_twice": (
        lambda c: changed(
            c,
            clusters=(
                c.clusters[0],
                changed(c.clusters[1], commitments=c.clusters[0].commitments),
            ),
        ),
        "WrongRecord",
    ),
    "another_digest_of_a_cluster": (
        lambda c: changed(
            c, clusters=(c.clusters[0], changed(c.clusters[1], vector_digest=bytes(32)))
        ),
        "WrongRecord",
    ),
    "fewer_qualified": (
        lambda c: changed(c, clusters=(c.clusters[0], changed(c.clusters[1], qualified_count=1))),
        "WrongRecord",
    ),
    "cluster_that_does_not_exist": (
        lambda c: changed(c, clusters=(c.clusters[0], changed(c.clusters[1], cluster=5))),
        "WrongInclusion",
    ),
}


@pytest.mark.parametrize("name", sorted(FALSE_AGGREGATES))
def test_aggregate__false__refused_by_the_contract_and_the_standby_cloud_settles(
    clusters: Run, name: str
) -> None:
    falsify, error = FALSE_AGGREGATES[name]
    culprit, standby = clusters.clouds
    clusters.alter_call(SubmitAggregate, falsify, sender=culprit)
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.cloud == standby.address
    assert [text.split("(")[0] for text in clusters.reverts] == [f"submitAggregate: {error}"]
    assert clusters.refusals == {}
    assert clusters.committed == clusters.digest_without()


def test_aggregate__on_another_model__refused_by_the_contract(clusters: Run) -> None:
    culprit, standby = clusters.clouds
    other = clusters.task.key.commit(FieldVector.from_ints([1] * 64))
    clusters.alter_call(SubmitAggregate, lambda c: changed(c, model=other), sender=culprit)
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.cloud == standby.address
    assert [text.split("(")[0] for text in clusters.reverts] == ["submitAggregate: WrongModel"]
    assert clusters.committed == clusters.digest_without()


# ---- the result that the cloud signs


def false_total(result: Result) -> Result:
    return replace(result, total=altered(result.total))


def false_commitment(result: Result) -> Result:
    return replace(result, commitment_digest=bytes(32))


def too_short(result: Result) -> Result:
    return replace(result, total=result.total[32:])


@pytest.mark.parametrize(
    "falsify", [false_total, false_commitment, too_short], ids=lambda f: f.__name__
)
def test_result__false_to_all__rejected_cloud_slashed_and_standby_settles_with_the_true_one(
    clusters: Run, falsify: Callable[[Result], Result]
) -> None:
    culprit, standby = clusters.clouds
    clusters.alter(culprit, Result, falsify)
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.cloud == standby.address
    assert clusters.refusals == {"fog 0": {"result": 1}, "fog 1": {"result": 1}}
    # The first report rejects the result; the second, and the culprit, come to nothing.
    assert [text.split("(")[0] for text in clusters.reverts] == [
        "reportFalseResult: RoundNotSettled",
        "submitAggregate: NotActiveCloud",
    ]
    _, active, slashed, stake, *_ = clusters.contract.call(
        "member", Web3.to_checksum_address(culprit.address)
    )
    assert (active, slashed, stake) == (False, True, 0)
    assert clusters.committed == clusters.digest_without()
    assert clusters.round().settled  # the standby cloud goes on alone
    assert clusters.committed == clusters.digest_without()


def test_result__false_to_one_fog__reported_and_both_learn_the_true_one(clusters: Run) -> None:
    culprit, standby = clusters.clouds
    clusters.alter(culprit, Result, false_total, to=clusters.fogs[1])
    outcome = clusters.round()
    assert outcome.result is not None
    assert outcome.result.cloud == standby.address
    assert clusters.refusals == {"fog 1": {"result": 1}}
    assert [text.split("(")[0] for text in clusters.reverts] == ["submitAggregate: NotActiveCloud"]
    digest = clusters.committed
    assert digest == clusters.digest_without()
    assert all(fog.model_of(digest) is not None for fog in clusters.fogs)


def test_result__true__a_report_of_it_changes_nothing(clusters: Run) -> None:
    """A fog reports the true result as if it were false."""
    culprit, cloud = clusters.fogs[0], clusters.clouds[0]
    outcome = clusters.round()
    assert outcome.settled
    before = clusters.committed
    _, send = next((r, s) for r, s in clusters.record.sends if s.kind == "Result" and r is cloud)
    result = clusters.opened(send)
    call = ReportFalseResult(
        result.round,
        result.commitment_digest,
        aggregation.vector_digest(result.total),
        aggregation.envelope_signature(send.data),
    )
    receipt = clusters.network.chain.execute(call, culprit.address)
    assert receipt.error == "reportFalseResult: ResultIsAccepted(1)"
    forged = changed(call, vector_digest=bytes(32))
    receipt = clusters.network.chain.execute(forged, culprit.address)
    assert receipt.error is not None
    assert receipt.error.startswith("reportFalseResult: NotCloudOfRound(")
    assert (clusters.committed, clusters.phase) == (before, "Settled")


def test_result__of_a_cloud_that_did_not_settle__refused(clusters: Run) -> None:
    fog, standby = clusters.fogs[0], clusters.clouds[1]

    def result() -> bytes:
        return clusters.signed(standby, clusters.sent(clusters.clouds[0], Result)[0])

    clusters.insert((clusters.clouds[0], Result), fog, result)
    assert clusters.round().settled
    assert clusters.refusals == {"fog 0": {"wrong-round": 1}}
    assert clusters.committed == clusters.digest_without()
