"""The event log rebuilds all state."""

from typing import Any

import pytest

from tests.contracts.builders import RESULT_TYPE, Aggregate, bitmap, keccak, sign_typed
from tests.contracts.deployed import Task, initial_model
from tests.contracts.replica import Replica


def replay(task: Task) -> tuple[Replica, int]:
    """Feed a replica with all that the contract ever said; return it and the chain's time."""
    provider = task.chain.provider
    logs = provider.make_request(
        "eth_getLogs", [{"address": task.contract.address, "fromBlock": "0x0"}]
    )
    times = {
        number: int(provider.make_request("eth_getBlockByNumber", [number, False])["timestamp"], 16)
        for number in {log["blockNumber"] for log in logs}
    }
    abis = [item for item in task.contract.contract_type.abi if item.type == "event"]
    replica = Replica(task.contract)
    for log in logs:
        decoded = list(provider.network.ecosystem.decode_logs([log], *abis))
        assert len(decoded) == 1, "an event that the interface does not declare"
        if decoded[0].event_name != "EIP712DomainChanged":
            replica.feed(decoded[0], times[log["blockNumber"]])
    return replica, task.chain.blocks.head.timestamp


@pytest.fixture
def history(task: Task, outsider: Any) -> Task:
    """A life with everything in it: exits, late devices, failures, a rejection, claims."""
    contract = task.contract
    task.settle_round()
    task.open_round()
    contract.claim(task.fogs[0], [1], sender=outsider)
    contract.claim(task.devices[1][2].address, [1], sender=outsider)
    # Nobody anchors: the model is withdrawn when round 3 opens.
    task.at(task.round.anchorDeadline)
    leaver = task.devices[0][4]
    contract.requestExitFor(
        leaver.address, leaver.bls.public, leaver.sign_exit(contract), sender=outsider
    )
    for cluster, fog in enumerate(task.fogs):
        contract.recordNoiseRoot(cluster, keccak(text=f"root {cluster}"), sender=fog)
    task.open_round()
    late = task.add_fog(outsider)
    # One cluster of two, one signer absent, the model of the start.
    part = task.cluster_round(0, qualified=[0, 1, 2], signers=[0, 1, 2], absent=[3])
    task.anchor(part)
    task.at(task.round.anchorDeadline)
    task.submit_cumulative(part)
    task.model = initial_model(task.parameters)
    result = Aggregate((part,))
    task.submit_aggregate(result)
    message = {"round": 3, "commitmentDigest": b"\1" * 32, "vectorDigest": b"\2" * 32}
    signature = sign_typed(task.clouds[0].private_key, contract, RESULT_TYPE, message)
    contract.reportFalseResult(*message.values(), signature, sender=task.fogs[1])
    task.submit_aggregate(result, cloud=1)
    task.at(task.round.aggregateDeadline)
    contract.claim(task.fogs[1], [1], sender=outsider)
    contract.claim(task.devices[0][0].address, [1, 3], sender=outsider)
    task.stake(outsider.address, 10)
    task.at(contract.member(leaver.address).withdrawableAt)
    contract.withdrawStake(leaver.address, sender=outsider)
    contract.requestExit(b"", sender=task.fogs[late])
    task.open_round()
    task.anchor(task.cluster_round(1))
    return task


def test_events__after_a_whole_history__rebuild_all_state(history: Task) -> None:
    replica, now = replay(history)
    contract = history.contract
    check_members(replica, contract)
    check_clusters(replica, contract)
    check_rounds(replica, contract, now)
    books = contract.accounting()
    assert (books.stakes, books.owed, books.pool, books.burnt) == (
        replica.stakes,
        replica.owed,
        replica.pool,
        replica.burnt,
    )
    assert replica.burnt > 0
    for account, credit in replica.credits.items():
        assert contract.creditOf(account) == credit
    for (account, word), rounds in replica.claimed.items():
        assert contract.claimedRounds(account, word) == rounds
    assert contract.modelDigest() == replica.model
    latest = replica.rounds[len(replica.rounds)]
    provisional = replica.provisional and (bool(latest.included) or not latest.anchored)
    assert tuple(contract.previousModel()) == (replica.previous_model, provisional)
    assert contract.settledRounds() == replica.settled_rounds


def check_members(replica: Replica, contract: Any) -> None:
    for account, member in replica.members.items():
        found = contract.member(account)
        assert tuple(found) == (
            member.role,
            member.active,
            member.slashed,
            member.stake,
            member.cluster,
            member.index,
            member.withdrawable_at,
        )
        if member.key:
            owner = contract.keyOwner(keccak(member.key))
            assert tuple(owner) == (account, member.cluster, member.index)


def check_clusters(replica: Replica, contract: Any) -> None:
    latest = len(replica.rounds)
    active = 0
    for number, cluster in enumerate(replica.clusters):
        devices = replica.active_devices(number)
        found = contract.cluster(number)
        assert tuple(found) == (
            cluster.fog,
            cluster.active,
            len(cluster.devices),
            len(devices),
            sum(admitted < latest for admitted in cluster.admitted_in),
            replica.aggregate_key(number),
        )
        indices = [replica.members[device].index for device in devices]
        assert contract.activeDevices(number) == bitmap(indices, len(cluster.devices))
        active += len(devices) if cluster.active else 0
    for number, cluster in enumerate(replica.clusters):
        assert contract.silencesOf(number) == cluster.silences
    for word, owed in replica.rewards.items():
        assert contract.rewardsOf(word).owed == owed
    assert tuple(contract.counts()) == (len(replica.clusters), len(replica.clouds), active)
    for (number, batch), root in replica.noise_roots.items():
        assert contract.noiseRoot(number, batch) == root


def check_rounds(replica: Replica, contract: Any, now: int) -> None:
    latest = len(replica.rounds)
    assert contract.currentRound() == latest
    assert contract.phase() == replica.phase(now)
    for number, expected in replica.rounds.items():
        found = contract.round(number)
        assert found.beaconBlock == expected.beacon_block
        assert (found.cloudShare, found.fogShare, found.deviceShare) == expected.shares
        assert (found.included, found.resultDigest) == (expected.included, expected.result)
        assert found.cloud == (expected.cloud or "0x" + 40 * "0")
        for cluster, signers in expected.signers.items():
            kept = number == latest or expected.submitted >> cluster & 1
            assert contract.signers(number, cluster) == (signers if kept else [0] * len(signers))
    found, expected = contract.round(latest), replica.rounds[latest]
    deadlines = (found.anchorDeadline, found.cumulativeDeadline, found.aggregateDeadline)
    assert deadlines == expected.deadlines
    assert (found.clusters, found.anchored, found.submitted, found.updatesModel) == (
        expected.clusters,
        expected.anchored,
        expected.submitted,
        expected.updates_model,
    )
