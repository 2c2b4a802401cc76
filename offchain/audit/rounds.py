"""Opening, noise roots, anchors and cluster sums (specification, section 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from offchain.audit.arithmetic import (
    bitmap_digest,
    challenge,
    is_signed,
    members_of,
    opens,
    parse_points,
    tagged,
    word_count,
)
from offchain.audit.closing import close
from offchain.audit.findings import At
from offchain.audit.state import Anchored, Cluster, Phase, Role, Round, State
from offchain.audit.state import NoiseRoot as RecordedRoot
from offchain.audit.step import Handler, Step
from offchain.audit.voting import VOTED
from offchain.crypto.hashing import keccak256

_NO_ROOT: Final = bytes(32)

AnchorWords = tuple[bytes, bytes, bytes, tuple[int, ...]]
"""Root R, root Q, commitments, bitmap of the qualified."""


def open_round(step: Step) -> None:
    """The Authority, an active cloud or fog, once no round is under way."""
    state, ledger = step.state, step.state.ledger
    number = state.latest + 1
    at = step.in_round(number)
    if step.sender != state.authority:
        step.active_sender(at, Role.FOG, Role.CLOUD)
    phase = state.phase(step.now)
    over = phase in (Phase.NONE, Phase.SETTLED, Phase.FAILED)
    at.holds("openRound.phase", over, phase.name.lower(), "no round under way")
    reward = state.task["reward"]
    at.holds("openRound.pool", ledger.pool >= reward, ledger.pool, f"at least {reward}")
    _check_model(step, at)
    close(step, at, state.current)
    clusters = state.active_clusters
    at.holds("openRound.clusters", bool(clusters), 0, "at least one active cluster")
    _take_back_model(step, at)
    task = state.task
    anchor_deadline = step.now + task["anchorTime"]
    cumulative_deadline = anchor_deadline + task["cumulativeTime"]
    cloud, fogs, devices = state.budgets
    serving = state.active_device_count
    shares = {
        Role.CLOUD: cloud,
        Role.FOG: fogs // max(1, len(clusters)),
        Role.DEVICE: devices // serving if serving else 0,
    }
    opened = Round(
        number=number,
        opened_at=step.now,
        position=step.position,
        beacon_block=step.block + task["beaconDelay"],
        anchor_deadline=anchor_deadline,
        cumulative_deadline=cumulative_deadline,
        aggregate_deadline=cumulative_deadline + task["aggregateTime"],
        clusters=clusters,
        clouds=len(state.clouds),
        shares=shares,
        updates_model=state.settled_rounds >= task["statisticsRounds"],
        model_digest=state.model_digest,
    )
    state.rounds[number] = opened
    state.models.opened(number)
    step.emitted.expect(
        at,
        "RoundOpened",
        round=number,
        beaconBlock=opened.beacon_block,
        anchorDeadline=opened.anchor_deadline,
        cumulativeDeadline=opened.cumulative_deadline,
        aggregateDeadline=opened.aggregate_deadline,
        clusters=sum(1 << cluster for cluster in clusters),
        cloudShare=shares[Role.CLOUD],
        fogShare=shares[Role.FOG],
        deviceShare=shares[Role.DEVICE],
        updatesModel=opened.updates_model,
        modelDigest=opened.model_digest,
    )


def _check_model(step: Step, at: At) -> None:
    """A settled round whose model is voted on has some time for it."""
    state, last = step.state, step.state.current
    if last is None or last.result is None or not last.updates_model or last.voted is not None:
        return
    until = last.aggregate_deadline + state.task["modelTime"]
    waits = state.task["modelRule"] == VOTED and step.now < until
    at.holds("openRound.model", not waits, "none yet", f"a voted model, or time {until}")


def _take_back_model(step: Step, at: At) -> None:
    """A round that failed without any anchor takes back a model that nobody had built on."""
    state = step.state
    last = state.current
    if last is None or last.result is not None:
        return
    if state.provisional and not last.anchored and state.previous_model is not None:
        state.model = state.previous_model
        state.models.withdrew(state.model_digest)
        step.emitted.expect(
            at.within(round=last.number),
            "ModelWithdrawn",
            round=last.number,
            modelDigest=state.model_digest,
        )
    state.provisional = False


def record_noise_root(step: Step) -> None:
    """The cluster's fog, once for the batch that begins with the next round."""
    state = step.state
    number, root = step.values
    batch = state.latest + 1
    at = step.in_round(batch, number)
    step.own_cluster(at, number)
    at.holds("recordNoiseRoot.root", root != _NO_ROOT, root, "not zero")
    fresh = (number, batch) not in state.noise
    at.holds("recordNoiseRoot.batch", fresh, batch, "a batch without a root")
    state.noise.setdefault((number, batch), RecordedRoot(root, step.position))
    step.emitted.expect(at, "NoiseRootRecorded", cluster=number, batch=batch, root=root)


def message_of(state: State, number: int, cluster: int, anchored: AnchorWords) -> bytes:
    """Return the anchor message that devices sign."""
    shares_root, sums_root, commitments, qualified = anchored
    return tagged(
        "verifog anchor v1",
        state.domain,
        number,
        cluster,
        shares_root,
        sums_root,
        keccak256(commitments),
        bitmap_digest(qualified),
    )


def anchor(step: Step) -> None:
    """The cluster's active fog, with its devices' aggregate signature."""
    state = step.state
    number, cluster_number, batch, anchored, signer_words, absent_keys, signature = step.values
    at = step.in_round(number, cluster_number)
    current = step.current_round(at, number, Phase.ANCHORING)
    cluster = step.own_cluster(at, cluster_number)
    if current is None or cluster is None:
        return
    at.holds("anchor.clusterId", cluster.active, "inactive", "an active cluster")
    serves = cluster_number in current.clusters
    at.holds("anchor.clusterId", serves, cluster_number, sorted(current.clusters))
    first = cluster_number not in current.anchored
    at.holds("anchor.clusterId", first, "a second anchor", "one anchor of a cluster a round")
    _check_batch(step, at, cluster_number, batch, current)

    shares_root, sums_root, commitments, qualified_words = anchored
    points = parse_points(commitments, state.task["chunks"])
    expected = "one point of the group a chunk, none infinity"
    at.holds("anchor.commitments", points is not None, commitments, expected)
    signers, qualified = members_of(signer_words), members_of(qualified_words)
    _check_quorum(step, at, cluster, signer_words, qualified_words)
    message = message_of(state, number, cluster_number, anchored)
    absent = sorted(cluster.active_devices - signers)
    at.equal("anchor.absentKeys", absent_keys, b"".join(cluster.devices[i].key for i in absent))
    if step.thorough:
        known = sorted(i for i in signers if i < len(cluster.devices))
        keys = tuple(cluster.devices[i].key for i in known)
        signed = bool(keys) and is_signed(keys, message, signature)
        expected = f"the signers' signature on 0x{message.hex()}"
        at.holds("anchor.signature", signed, signature, expected)
    current.anchored[cluster_number] = Anchored(
        message, commitments, points or (), qualified, signers, len(qualified_words)
    )
    state.models.anchored()
    step.emitted.expect(
        at,
        "ClusterAnchored",
        round=current.number,
        cluster=cluster_number,
        anchorMessage=message,
        sharesRoot=shares_root,
        sumsRoot=sums_root,
        commitments=commitments,
        qualified=qualified_words,
        signers=signer_words,
    )


def _check_batch(step: Step, at: At, cluster: int, batch: int, current: Round) -> None:
    """The noise root that covers the round was recorded before the batch's first round opened."""
    last = batch + step.state.task["noiseRounds"] - 1
    covers = batch <= current.number <= last
    at.holds("anchor.batch", covers, batch, f"a batch that covers round {current.number}")
    recorded = step.state.noise.get((cluster, batch))
    if recorded is None:
        at.fail("anchor.batch", batch, "a batch with a recorded noise root")
        return
    first = step.state.rounds.get(batch)
    before = first is not None and recorded.position < first.position
    found = f"noise root of block {recorded.position[0]}"
    at.holds("anchor.batch", before, found, f"recorded before round {batch} was opened")


def _check_quorum(
    step: Step,
    at: At,
    cluster: Cluster,
    signer_words: tuple[int, ...],
    qualified_words: tuple[int, ...],
) -> None:
    state = step.state
    eligible = cluster.eligible(state.latest)
    words = word_count(eligible)
    at.equal("anchor.signers length", len(signer_words), words)
    at.equal("anchor.qualified length", len(qualified_words), words)
    active = frozenset(i for i in cluster.active_devices if i < eligible)
    departed = cluster.departed.get(state.latest, set())
    signers, qualified = members_of(signer_words), members_of(qualified_words)
    at.holds("anchor.signers", signers <= active, signers - active, "active devices only")
    strangers = qualified - active - departed
    at.holds("anchor.qualified", not strangers, strangers, "devices active when the round opened")
    least = state.task["minQualified"]
    at.holds("anchor.qualified", len(qualified) >= least, len(qualified), f"at least {least}")
    quorum = state.quorum
    at.holds("anchor.signers", len(signers) >= quorum, len(signers), f"at least {quorum}")


def submit_cumulative(step: Step) -> None:
    """The cluster's fog, which shows that it holds the vector behind COMsum."""
    state = step.state
    number, cluster_number, anchored, signer_count, vector_digest, y, proof = step.values
    at = step.in_round(number, cluster_number)
    current = step.current_round(at, number, Phase.ANCHORING, Phase.ACCUMULATING)
    step.own_cluster(at, cluster_number)
    record = current.anchored.get(cluster_number) if current else None
    if current is None or record is None:
        at.fail("submitCumulative.clusterId", cluster_number, "a cluster that has anchored")
        return
    first = record.vector_digest is None
    at.holds("submitCumulative.clusterId", first, "a second sum", "one sum of a cluster a round")
    message = message_of(state, number, cluster_number, anchored)
    at.equal("submitCumulative.anchored", message, record.message)
    at.equal("submitCumulative.signerCount", signer_count, len(record.signers))
    if step.thorough:
        z = challenge("verifog cumulative v1", record.message, vector_digest)
        opened = opens(record.commitments, state.task["capacity"], z, y, proof)
        at.holds("submitCumulative.proof", opened, proof, f"an opening to {y} at {z}")
    record.vector_digest = vector_digest
    step.emitted.expect(
        at,
        "CumulativeSubmitted",
        round=current.number,
        cluster=cluster_number,
        commitmentDigest=keccak256(record.commitments),
        vectorDigest=vector_digest,
        y=y,
        proof=proof,
    )


HANDLERS: Final[Mapping[str, Handler]] = {
    "openRound": open_round,
    "recordNoiseRoot": record_noise_root,
    "anchor": anchor,
    "submitCumulative": submit_cumulative,
}
