"""Frauds by real nodes, reported by real nodes, judged by S: stakes, and the others' result."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from web3 import Web3

from offchain.crypto.hashing import keccak256
from offchain.nodes import drill_frauds as frauds
from offchain.nodes.simulation import give_ether
from offchain.protocol.chain import AdvanceNoiseCase, ReportFalseNoise
from offchain.protocol.messages import MaskedPacket, NoiseRoot, ShareReport
from offchain.protocol.role import Role, Send
from tests.e2e.builders import Run, Shape, World

FALSE_SHARE, FALSE_WITNESS, EQUIVOCATION, FALSE_ANCHOR, FALSE_NOISE, FALSE_RESULT = range(6)
REPORTER, BURNT = 30, 10


def account(role: Role) -> str:
    return str(Web3.to_checksum_address(role.address))


def stake_of(run: Run, role: Role) -> int:
    return int(run.contract.call("member", account(role))[3])


def is_slashed(run: Run, role: Role) -> bool:
    active, slashed, stake = run.contract.call("member", account(role))[1:4]
    assert slashed == (not active) == (stake == 0)
    return bool(slashed)


def offences(run: Run) -> list[tuple[int, int, int]]:
    """Offence, round and cluster of what S found proven."""
    events = run.contract.events(run.contract.deployed_at, run.contract.web3.eth.block_number)
    return [
        (e["args"]["offence"], e["args"]["round"], e["args"]["cluster"])
        for e in events
        if e["event"] == "OffenceProven"
    ]


def everybody(run: Run) -> list[Role]:
    return [*run.clouds, *run.fogs, *(device for members in run.devices for device in members)]


def assert_punished(run: Run, culprit: Role, reporter: Role, stake: int, offence: int) -> None:
    assert [role for role in everybody(run) if is_slashed(run, role)] == [culprit]
    assert offences(run) == [(offence, 1, 0)]  # the first round, the first cluster
    assert run.contract.call("creditOf", account(reporter)) == stake * REPORTER // 100
    _, _, _, burnt = run.contract.call("accounting")
    assert burnt == stake * BURNT // 100


BY_DEVICE: list[tuple[frauds.Plant, int, bool]] = [
    # The fraud, what it is called, and whether the round counts the culprit's update.
    (frauds.false_share, FALSE_SHARE, False),
    (frauds.false_polynomial, FALSE_WITNESS, False),
    (frauds.false_opening, FALSE_WITNESS, False),
    (frauds.false_noise, FALSE_NOISE, False),
    (frauds.two_noise_roots, EQUIVOCATION, True),
    (frauds.two_packets, EQUIVOCATION, True),
    (frauds.two_witnesses, EQUIVOCATION, True),
]


@pytest.mark.parametrize(
    ("plant", "offence", "counts"), BY_DEVICE, ids=[plant.__name__ for plant, _, _ in BY_DEVICE]
)
def test_device__cheats__its_fog_reports_and_the_others_go_on(
    cluster: Run, plant: frauds.Plant, offence: int, counts: bool
) -> None:
    stake = stake_of(cluster, cluster.devices[0][1])
    culprit = plant(cluster)
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without(*([] if counts else [culprit]))
    assert_punished(cluster, culprit, cluster.fogs[0], stake, offence)
    assert cluster.reverts == []
    cluster.restore()
    # Out of the task: the next round is the others'.
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without(culprit)
    assert cluster.reverts == []


def test_packed_device__deals_a_false_share__slashed(packed_cluster: Run) -> None:
    """Two blocks on each polynomial: another folding."""
    run = packed_cluster
    stake = stake_of(run, run.devices[0][1])
    culprit = frauds.false_share(run)
    assert run.round().settled
    assert_punished(run, culprit, run.fogs[0], stake, FALSE_SHARE)


def test_packed_device__witness_contradicts_itself__slashed(packed_cluster: Run) -> None:
    run = packed_cluster
    stake = stake_of(run, run.devices[0][1])
    culprit = frauds.false_polynomial(run)
    assert run.round().settled
    assert_punished(run, culprit, run.fogs[0], stake, FALSE_WITNESS)


@pytest.mark.parametrize("plant", [frauds.two_selections, frauds.two_qualified_sets])
def test_fog__contradicts_itself__its_device_reports(clusters: Run, plant: frauds.Plant) -> None:
    stake = stake_of(clusters, clusters.fogs[0])
    fog = plant(clusters)
    assert clusters.round().settled
    assert clusters.committed == clusters.digest_without()
    assert_punished(clusters, fog, frauds.culprit_of(clusters), stake, EQUIVOCATION)
    clusters.restore()
    # Its cluster is out of the task.
    assert clusters.round().settled
    assert clusters.committed == clusters.digest_without(fog)


def test_fog__anchors_a_false_sum_with_a_quorum__its_devices_report(clusters: Run) -> None:
    """All know the leaves; the first is paid. Sums stay with them: it is no anchor of theirs."""
    stake = stake_of(clusters, clusters.fogs[0])
    fog = frauds.false_anchor(clusters)
    assert clusters.round().settled
    honest = clusters.devices[0][clusters.shape.quorum :]
    assert clusters.refusals == {f"device 0.{device.index}": {"anchor": 1} for device in honest}
    assert clusters.committed == clusters.digest_without(fog)
    assert_punished(clusters, fog, clusters.devices[0][0], stake, FALSE_ANCHOR)
    assert [error.split("(")[0] for error in clusters.reverts] == [
        "reportFalseAnchor: NothingToSlash"
    ] * 3


def test_cloud__signs_another_result__a_fog_reports(clusters: Run) -> None:
    stake = stake_of(clusters, clusters.clouds[0])
    cloud = frauds.false_result(clusters)
    assert clusters.round().settled
    assert_punished(clusters, cloud, clusters.fogs[1], stake, FALSE_RESULT)


# ---- what stands in the way


def test_culprit__leaves_before_the_report__slashed_all_the_same(cluster: Run) -> None:
    """Within its unbonding. The report comes after the round; the exit in the middle of it."""
    culprit = frauds.false_share(cluster)
    stake = stake_of(cluster, culprit)
    key = cluster.sim.identities.devices[0][1]

    def exit_first(role: Role, send: Send) -> list[Send]:
        if cluster.contract.call("member", account(culprit))[1]:
            cluster.contract.transact(
                key.signing, "requestExit", key.attestation.public_key.to_eip2537()
            )
        return [send]

    cluster.on(cluster.devices[0][0], ShareReport, exit_first)
    assert cluster.round().settled
    assert_punished(cluster, culprit, cluster.fogs[0], stake, FALSE_SHARE)


def test_noise_case__begun_by_another__the_first_is_paid(
    cluster: Run,
) -> None:
    """A stranger sends the first step as its own; the fog finishes the case."""
    culprit = frauds.false_noise(cluster)
    stake = stake_of(cluster, culprit)
    cloud = cluster.clouds[0]
    sent: list[AdvanceNoiseCase] = []

    def copied(call: AdvanceNoiseCase) -> AdvanceNoiseCase:
        if not sent:
            sent.append(call)
            cluster.network.chain.execute(replace(call, slots=1), cloud.address)
        return call

    cluster.alter_call(AdvanceNoiseCase, copied, sender=cluster.fogs[0])
    assert cluster.round().settled
    assert_punished(cluster, culprit, cloud, stake, FALSE_NOISE)


def test_noise_case__not_finished__nobody_slashed(cluster: Run) -> None:
    culprit = frauds.false_noise(cluster)
    cluster.alter_call(AdvanceNoiseCase, lambda call: replace(call, slots=63))
    assert cluster.round().settled
    assert not is_slashed(cluster, culprit)
    assert [error.split("(")[0] for error in cluster.reverts] == [
        "reportFalseNoise: NoiseCaseIncomplete"
    ]


def test_report__of_an_honest_device__changes_nothing(cluster: Run) -> None:
    """A fog that invents a fraud: true noise, true shares."""
    culprit = frauds.false_noise(cluster)
    seen: list[ReportFalseNoise] = []

    def of_true_noise(call: ReportFalseNoise) -> ReportFalseNoise:
        seen.append(call)
        honest = replace(call.evidence, index=2)
        return replace(call, evidence=honest)

    cluster.alter_call(ReportFalseNoise, of_true_noise)
    assert cluster.round().settled
    assert seen
    assert not any(is_slashed(cluster, device) for device in cluster.devices[0])
    assert "NotDeviceOfCluster" in cluster.reverts[0]
    assert culprit.address


def test_device__without_ether__its_report_fails_and_it_goes_on(clusters: Run) -> None:
    fog = frauds.two_selections(clusters)
    device = frauds.culprit_of(clusters)
    give_ether(clusters.contract.web3, [device.address], 0)
    assert clusters.round().settled
    assert not is_slashed(clusters, fog)
    assert len(clusters.reverts) == 1
    assert clusters.reverts[0].startswith("reportEquivocation: ")
    assert clusters.round().settled


def test_noise__of_a_round_missed__opened_later_and_slashed(
    found: Callable[[Shape], World],
) -> None:
    """It was silent when its false candidate would have been opened; the fog asks for it."""
    run = found(Shape(clusters=(5,))).run()
    culprit = frauds.false_noise(run)
    run.silence(culprit, MaskedPacket)
    assert run.round().settled
    assert not is_slashed(run, culprit)
    run.restore()
    assert run.round().settled
    assert is_slashed(run, culprit)
    assert [offence for offence, _, _ in offences(run)] == [FALSE_NOISE]


def test_noise_root__second_one_after_its_round__still_evidence(cluster: Run) -> None:
    """A statement for an old round is refused, and remembered all the same."""
    culprit = frauds.culprit_of(cluster)
    assert cluster.round().settled
    honest = cluster.sent(culprit, NoiseRoot)[0]
    other = NoiseRoot(round=1, cluster=0, index=1, root=keccak256(honest.root))
    cluster.deliver(cluster.fogs[0], cluster.signed(culprit, other))
    assert is_slashed(cluster, culprit)
