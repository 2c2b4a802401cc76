"""Rewards and accounts: who earns what, who is paid, and that nothing is lost or made."""

from typing import Any

import ape

from tests.contracts.builders import RESULT_TYPE, Aggregate, Device, sign_typed
from tests.contracts.deployed import ANCHORING, PARAMETERS, Task

REWARD = PARAMETERS["reward"]
CLOUD_SHARE = REWARD * 10 // 100
FOGS = REWARD * 20 // 100
FOG_SHARE = FOGS // 2
DEVICE_SHARE = (REWARD - CLOUD_SHARE - FOGS) // 10
PAID = CLOUD_SHARE + 2 * FOG_SHARE + 10 * DEVICE_SHARE


def closed(task: Task, rounds: int = 1, **changes: Any) -> None:
    """Settle some rounds and let the last one's aggregate deadline pass."""
    for _ in range(rounds):
        task.settle_round(**changes)
    task.at(task.round.aggregateDeadline)


def balance(task: Task, account: Any) -> int:
    return int(task.chain.provider.get_balance(str(account)))


def test_settle__everybody_served__shares_move_from_pool_to_owed(task: Task) -> None:
    before = task.contract.accounting()
    task.settle_round()
    after = task.contract.accounting()
    shares = (task.round.cloudShare, task.round.fogShare, task.round.deviceShare)
    assert shares == (CLOUD_SHARE, FOG_SHARE, DEVICE_SHARE)
    assert after.owed - before.owed == before.pool - after.pool == PAID
    assert (after.stakes, after.burnt) == (before.stakes, before.burnt)


def test_claim__each_role__its_share(task: Task, outsider: Any) -> None:
    """Anybody sends it; it goes to the account."""
    closed(task)
    everybody = [(task.clouds[0], CLOUD_SHARE), *((fog, FOG_SHARE) for fog in task.fogs)]
    everybody += [(d.address, DEVICE_SHARE) for devices in task.devices for d in devices]
    for account, share in everybody:
        before = balance(task, account)
        receipt = task.contract.claim(account, [1], sender=outsider)
        assert balance(task, account) == before + share
        assert receipt.events == [task.contract.RewardClaimed(account, 0, 0b10, share)]
    assert task.contract.accounting().owed == 0


def test_claim__absent_or_not_included__not_earned(task: Task, outsider: Any) -> None:
    """The share does not grow when others are absent."""
    task.open_round()
    first = task.cluster_round(0, signers=[0, 1, 2])
    second = task.cluster_round(1)
    for part in (first, second):
        task.anchor(part)
        task.submit_cumulative(part)
    before = task.contract.accounting().owed
    task.at(task.round.cumulativeDeadline)
    task.submit_aggregate(Aggregate((first,)))
    assert task.contract.accounting().owed == before + CLOUD_SHARE + FOG_SHARE + 3 * DEVICE_SHARE
    task.at(task.round.aggregateDeadline)
    absent = task.devices[0][4].address
    left_out = task.devices[1][0].address
    for account in (absent, left_out, task.fogs[1], task.clouds[1], outsider):
        with ape.reverts(task.contract.NotEarned, account=account, round=1):
            task.contract.claim(account, [1], sender=outsider)
    task.contract.claim(task.devices[0][0].address, [1], sender=outsider)


def test_claim__twice__paid_once(task: Task, outsider: Any) -> None:
    closed(task, 2)
    fog = task.fogs[0]
    task.contract.claim(fog, [1], sender=outsider)
    before = balance(task, fog)
    with ape.reverts(task.contract.NothingToClaim, account=fog):
        task.contract.claim(fog, [1, 1], sender=outsider)
    # Round 1 is passed over: nobody spoils a claim by claiming one of its rounds.
    task.contract.claim(fog, [1, 2, 2, 1], sender=outsider)
    assert balance(task, fog) == before + FOG_SHARE
    assert task.contract.claimedRounds(fog, 0) == 0b110


def test_claim__same_round_twice_in_one_call__paid_once(task: Task, outsider: Any) -> None:
    closed(task)
    fog = task.fogs[0]
    before = balance(task, fog)
    task.contract.claim(fog, [1, 1, 1], sender=outsider)
    assert balance(task, fog) == before + FOG_SHARE


def test_claim__latest_round_before_its_deadline__refused(task: Task, outsider: Any) -> None:
    task.settle_round()
    deadline = task.round.aggregateDeadline
    with ape.reverts(task.contract.NotClaimable, round=1):
        task.contract.claim(task.fogs[0], [1], sender=outsider)
    task.at(deadline - 1)
    with ape.reverts(task.contract.NotClaimable, round=1):
        task.contract.claim.call(task.fogs[0], [1], sender=outsider)
    task.at(deadline)
    task.contract.claim(task.fogs[0], [1], sender=outsider)


def test_claim__a_later_round_is_open__paid(task: Task, outsider: Any) -> None:
    task.settle_round()
    task.open_round()
    task.contract.claim(task.fogs[0], [1], sender=outsider)


def test_claim__failed_or_unknown_round__refused(task: Task, outsider: Any) -> None:
    task.open_round()
    task.at(task.round.anchorDeadline)
    with ape.reverts(task.contract.NotClaimable, round=1):
        task.contract.claim(task.fogs[0], [1], sender=outsider)
    for unknown in (0, 2, 1 << 200):
        with ape.reverts(task.contract.NotClaimable, round=unknown):
            task.contract.claim(task.fogs[0], [unknown], sender=outsider)


def test_claim__after_leaving__still_paid(task: Task, outsider: Any) -> None:
    closed(task)
    task.contract.requestExit(b"", sender=task.fogs[0])
    task.contract.claim(task.fogs[0], [1], sender=outsider)


def test_claim__nothing__refused(task: Task, outsider: Any) -> None:
    with ape.reverts(task.contract.NothingToClaim, account=outsider):
        task.contract.claim(outsider, [], sender=outsider)


# Hostile receivers


def test_claim__receiver_refuses__harms_only_itself(
    task: Task, outsider: Any, receivers: dict[str, Any]
) -> None:
    closed(task)
    fog = task.fogs[0]
    code = receivers["Refusing"].contract_type.runtime_bytecode.bytecode
    task.chain.provider.set_code(fog.address, code)
    with ape.reverts(task.contract.PaymentFailed, account=fog, amount=FOG_SHARE):
        task.contract.claim(fog, [1], sender=outsider)
    assert task.contract.claimedRounds(fog, 0) == 0
    task.contract.claim(task.fogs[1], [1], sender=outsider)


def test_claim__receiver_reenters__paid_once(
    task: Task, outsider: Any, receivers: dict[str, Any]
) -> None:
    closed(task, 2)
    fog = task.fogs[0]
    code = receivers["Reentrant"].contract_type.runtime_bytecode.bytecode
    task.chain.provider.set_code(fog.address, code)
    hostile = receivers["Reentrant"].at(fog.address)
    hostile.prime(task.contract.claim.encode_input(fog, [1]), sender=outsider)
    before = balance(task, fog)
    task.contract.claim(fog, [1], sender=outsider)
    assert (hostile.entries(), hostile.succeeded()) == (1, False)
    assert balance(task, fog) == before + FOG_SHARE
    assert task.contract.accounting().owed == 2 * PAID - FOG_SHARE


def test_withdraw_stake__receiver_reenters__paid_once(
    task: Task, outsider: Any, receivers: dict[str, Any]
) -> None:
    hostile = outsider.deploy(receivers["Reentrant"])
    task.stake(hostile.address, 100)
    again = task.contract.withdrawStake.encode_input(hostile.address)
    hostile.prime(again, sender=outsider)
    stakes = task.contract.accounting().stakes
    task.contract.withdrawStake(hostile.address, sender=outsider)
    assert (hostile.entries(), hostile.succeeded()) == (1, False)
    assert balance(task, hostile) == 100
    assert task.contract.accounting().stakes == stakes - 100


# Accounts


def test_fund_pool__by_anybody__counts(task: Task, outsider: Any) -> None:
    before = task.contract.accounting().pool
    receipt = task.contract.fundPool(sender=outsider, value=5)
    assert task.contract.accounting().pool == before + 5
    assert receipt.events == [task.contract.PoolFunded(outsider, 5)]


def test_send_ether__plainly__refused(task: Task, outsider: Any) -> None:
    with ape.reverts():
        outsider.transfer(task.contract, 1)


def test_accounting__through_a_life__is_what_came_in_less_what_went_out(
    task: Task, outsider: Any
) -> None:
    contract = task.contract

    def check() -> None:
        assert sum(contract.accounting()) == contract.balance

    check()
    closed(task, 2)
    check()
    contract.claim(task.fogs[0], [1, 2], sender=outsider)
    check()
    contract.requestExit(b"", sender=task.fogs[1])
    task.at(contract.member(task.fogs[1]).withdrawableAt)
    contract.withdrawStake(task.fogs[1], sender=outsider)
    check()


def test_accounting__ether_forced_in__is_inert(task: Task, outsider: Any) -> None:
    before = tuple(task.contract.accounting())
    task.contract.balance += 12345
    assert tuple(task.contract.accounting()) == before
    closed(task)
    task.contract.claim(task.fogs[0], [1], sender=outsider)
    assert sum(task.contract.accounting()) == task.contract.balance - 12345


def test_open_round__reward_zero__settles_and_owes_nothing(deploy: Any, accounts: Any) -> None:
    task = deploy(reward=0)
    task.add_cloud(accounts[1])
    task.add_fog(accounts[3])
    task.add_devices(0, [Device.numbered(i) for i in range(3)])
    task.record_noise_roots()
    closed(task)
    with ape.reverts(task.contract.NothingToClaim, account=task.fogs[0]):
        task.contract.claim(task.fogs[0], [1], sender=task.authority)


# What nobody claims, and the pool


def test_return_unclaimed__after_the_claim_time__goes_to_the_pool(
    task: Task, outsider: Any
) -> None:
    contract = task.contract
    closed(task)
    contract.claim(task.fogs[0], [1], sender=outsider)
    until = task.round.aggregateDeadline + task.parameters["claimTime"]
    with ape.reverts(contract.ClaimTimeNotOver, word=0, until=until):
        contract.returnUnclaimed(0, sender=outsider)
    task.at(until)
    before = contract.accounting()
    left = PAID - FOG_SHARE
    assert tuple(contract.rewardsOf(0)) == (left, until - task.parameters["claimTime"], 0)
    receipt = contract.returnUnclaimed(0, sender=outsider)
    assert receipt.events == [contract.UnclaimedReturned(0, 1, left)]
    after = contract.accounting()
    assert (after.owed, after.pool) == (0, before.pool + left)
    with ape.reverts(contract.RewardReturned, round=1):
        contract.claim(task.fogs[1], [1], sender=outsider)
    with ape.reverts(contract.NothingToReturn, word=0):
        contract.returnUnclaimed(0, sender=outsider)
    # Later rounds of the same word can be claimed.
    closed(task)
    contract.claim(task.fogs[1], [2], sender=outsider)


def test_return_unclaimed__round_under_way__stays_claimable(task: Task, outsider: Any) -> None:
    closed(task)
    task.at(task.round.aggregateDeadline + task.parameters["claimTime"])
    task.open_round()
    result = task.bring_to_aggregating(range(2))
    task.contract.returnUnclaimed(0, sender=outsider)
    task.submit_aggregate(result)
    task.at(task.round.aggregateDeadline)
    task.contract.claim(task.fogs[1], [2], sender=outsider)


def test_return_unclaimed__reporters_part__stays(task: Task, outsider: Any) -> None:
    task.settle_round()
    message = {"round": 1, "commitmentDigest": b"\1" * 32, "vectorDigest": b"\2" * 32}
    signature = sign_typed(task.clouds[0].private_key, task.contract, RESULT_TYPE, message)
    task.at(task.round.aggregateDeadline)
    task.contract.reportFalseResult(*message.values(), signature, sender=task.fogs[1])
    task.at(task.round.aggregateDeadline + task.parameters["claimTime"])
    task.contract.returnUnclaimed(0, sender=outsider)
    credit = task.contract.creditOf(task.fogs[1])
    assert task.contract.accounting().owed == credit > 0
    task.contract.claim(task.fogs[1], [], sender=outsider)


def test_withdraw_pool__between_rounds__pays_the_authority(task: Task, outsider: Any) -> None:
    contract = task.contract
    pool = contract.accounting().pool
    with ape.reverts(contract.NotAuthority, caller=outsider):
        contract.withdrawPool(1, sender=outsider)
    with ape.reverts(contract.PoolTooLow, pool=pool, required=pool + 1):
        contract.withdrawPool(pool + 1, sender=task.authority)
    receipt = contract.withdrawPool(pool - REWARD, sender=task.authority)
    assert receipt.events == [contract.PoolWithdrawn(pool - REWARD)]
    assert contract.accounting().pool == REWARD
    assert sum(contract.accounting()) == contract.balance
    task.settle_round()
    with ape.reverts(contract.RoundNotOver, round=1, until=task.round.aggregateDeadline):
        contract.withdrawPool(1, sender=task.authority)
    task.at(task.round.aggregateDeadline)
    contract.withdrawPool(0, sender=task.authority)


def test_withdraw_pool__round_under_way__refused(task: Task) -> None:
    task.open_round()
    with ape.reverts(task.contract.WrongPhase, phase=ANCHORING):
        task.contract.withdrawPool(1, sender=task.authority)
