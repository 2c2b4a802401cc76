"""Every way by which ether leaves Contract S, against those who would take more or block it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ape
import pytest

from tests.contracts.builders import RESULT_TYPE, encode_commitment, sign_typed
from tests.contracts.deployed import PARAMETERS, Task

FORCED = 12_345
STAKE = PARAMETERS["fogStake"]
FOG_SHARE = PARAMETERS["reward"] * 20 // 100 // 2


def balance(task: Task, account: Any) -> int:
    return int(task.chain.provider.get_balance(str(account)))


def surplus(task: Task) -> int:
    """What S holds beyond its own accounts."""
    return balance(task, task.contract.address) - sum(task.contract.accounting())


@dataclass(frozen=True)
class WayOut:
    """A payment that is due: to whom, how much, by which call, which anybody may send."""

    payee: Any
    amount: int
    call: Callable[..., Any]
    arguments: tuple[Any, ...]


def close(task: Task) -> None:
    task.settle_round()
    task.at(task.round.aggregateDeadline)


def reward(task: Task) -> WayOut:
    close(task)
    return WayOut(task.fogs[0], FOG_SHARE, task.contract.claim, (task.fogs[0], [1]))


def reporters_part(task: Task) -> WayOut:
    """30 % of the stake of a cloud that signed a false result."""
    close(task)
    message = {"round": 1, "commitmentDigest": b"\1" * 32, "vectorDigest": b"\2" * 32}
    signature = sign_typed(task.clouds[0].private_key, task.contract, RESULT_TYPE, message)
    task.contract.reportFalseResult(*message.values(), signature, sender=task.fogs[0])
    part = PARAMETERS["cloudStake"] * 30 // 100
    return WayOut(task.fogs[0], part, task.contract.claim, (task.fogs[0], []))


def own_report(task: Task) -> WayOut:
    """The same, by the cloud of itself."""
    close(task)
    message = {"round": 1, "commitmentDigest": b"\1" * 32, "vectorDigest": b"\2" * 32}
    cloud = task.clouds[0]
    signature = sign_typed(cloud.private_key, task.contract, RESULT_TYPE, message)
    task.contract.reportFalseResult(*message.values(), signature, sender=cloud)
    part = PARAMETERS["cloudStake"] * 30 // 100
    return WayOut(cloud, part, task.contract.claim, (cloud, []))


def stake(task: Task) -> WayOut:
    task.contract.requestExit(b"", sender=task.fogs[0])
    task.at(task.contract.member(task.fogs[0]).withdrawableAt)
    return WayOut(task.fogs[0], STAKE, task.contract.withdrawStake, (task.fogs[0],))


WAYS = (reward, reporters_part, own_report, stake)
every_way = pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])


@every_way
def test_payment__receiver_refuses__nothing_changes_and_it_stays_due(
    task: Task, outsider: Any, receivers: dict[str, Any], way: Callable[[Task], WayOut]
) -> None:
    due = way(task)
    refusing = receivers["Refusing"].contract_type.runtime_bytecode.bytecode
    task.chain.provider.set_code(due.payee.address, refusing)
    before = tuple(task.contract.accounting())
    with ape.reverts(task.contract.PaymentFailed, account=due.payee, amount=due.amount):
        due.call(*due.arguments, sender=outsider)
    assert tuple(task.contract.accounting()) == before
    task.chain.provider.set_code(due.payee.address, "0x")
    held = balance(task, due.payee)
    due.call(*due.arguments, sender=outsider)
    assert balance(task, due.payee) == held + due.amount
    assert surplus(task) == 0


@every_way
def test_payment__receiver_reenters__paid_once(
    task: Task, outsider: Any, receivers: dict[str, Any], way: Callable[[Task], WayOut]
) -> None:
    due = way(task)
    code = receivers["Reentrant"].contract_type.runtime_bytecode.bytecode
    task.chain.provider.set_code(due.payee.address, code)
    hostile = receivers["Reentrant"].at(due.payee.address)
    hostile.prime(due.call.encode_input(*due.arguments), sender=outsider)
    held = balance(task, due.payee)
    due.call(*due.arguments, sender=outsider)
    assert (hostile.entries(), hostile.succeeded()) == (1, False)
    assert balance(task, due.payee) == held + due.amount
    assert surplus(task) == 0


@every_way
def test_payment__ether_forced_in__pays_what_is_due_and_leaves_it(
    task: Task, outsider: Any, way: Callable[[Task], WayOut]
) -> None:
    task.contract.balance += FORCED
    due = way(task)
    held = balance(task, due.payee)
    due.call(*due.arguments, sender=outsider)
    assert balance(task, due.payee) == held + due.amount
    assert surplus(task) == FORCED


# The pool goes to the Authority, which may be a contract


@pytest.fixture
def owned(
    project: Any, task: Task, outsider: Any, toolbox: Any, extension: Any, receivers: Any
) -> tuple[Any, Any]:
    """A contract that is the Authority of a task, and that task's S, with 1,000 wei in the pool."""
    owner = outsider.deploy(receivers["Owner"])
    kind = project.ContractS
    arguments = kind.constructor.encode_input(
        tuple(task.parameters.values()), encode_commitment(task.model), toolbox, extension
    )
    code = bytes.fromhex(kind.contract_type.deployment_bytecode.bytecode.removeprefix("0x"))
    made = owner.create(code + arguments, sender=outsider)
    events = list(made.decode_logs(kind.TaskCreated))
    contract = kind.at(events[0].contract_address)
    assert contract.authority() == owner
    contract.fundPool(sender=outsider, value=1_000)
    return owner, contract


def run(owner: Any, contract: Any, amount: int, sender: Any) -> None:
    owner.run(contract, contract.withdrawPool.encode_input(amount), sender=sender)


def test_withdraw_pool__authority_refuses__nothing_changes(
    owned: tuple[Any, Any], outsider: Any
) -> None:
    owner, contract = owned
    owner.refuse(sender=outsider)
    with ape.reverts(contract.PaymentFailed, account=owner, amount=600):
        run(owner, contract, 600, outsider)
    assert contract.accounting().pool == contract.balance == 1_000
    owner.refuse(sender=outsider)
    run(owner, contract, 600, outsider)
    assert contract.accounting().pool == contract.balance == 400


def test_withdraw_pool__authority_reenters__each_call_pays_its_own(
    owned: tuple[Any, Any], outsider: Any
) -> None:
    """The pool is the Authority's between rounds, also from inside a payment; no wei more."""
    owner, contract = owned
    owner.prime(contract.withdrawPool.encode_input(300), sender=outsider)
    run(owner, contract, 600, outsider)
    assert (owner.entries(), owner.balance) == (2, 900)
    assert contract.accounting().pool == contract.balance == 100


def test_withdraw_pool__forced_ether__is_not_the_pool(
    owned: tuple[Any, Any], outsider: Any
) -> None:
    owner, contract = owned
    contract.balance += FORCED
    with ape.reverts(contract.PoolTooLow, pool=1_000, required=1_001):
        run(owner, contract, 1_001, outsider)
    run(owner, contract, 1_000, outsider)
    assert (contract.accounting().pool, contract.balance) == (0, FORCED)


# Zero, and the most there is


def test_pool__zero_and_the_most__exact(task: Task, outsider: Any) -> None:
    contract = task.contract
    before = contract.accounting().pool
    assert contract.fundPool(sender=outsider, value=0).events == [contract.PoolFunded(outsider, 0)]
    most = 2**120
    outsider.balance = most + 10**20
    contract.fundPool(sender=outsider, value=most)
    assert contract.accounting().pool == before + most
    with ape.reverts(contract.PoolTooLow, pool=before + most, required=2**256 - 1):
        contract.withdrawPool(2**256 - 1, sender=task.authority)
    contract.withdrawPool(0, sender=task.authority)
    contract.withdrawPool(before + most, sender=task.authority)
    assert contract.accounting().pool == 0
    assert surplus(task) == 0


def test_stake__zero_and_the_most__exact(task: Task, accounts: Any, outsider: Any) -> None:
    contract, account = task.contract, accounts[8]
    task.stake(account, 0)
    with ape.reverts(contract.NoStake, account=account):
        contract.withdrawStake(account, sender=outsider)
    most = 2**96 - 1
    outsider.balance = most + 10**20
    task.stake(account, most, payer=outsider)
    with ape.reverts(contract.AmountTooLarge, amount=2**96):
        task.stake(account, 1)
    held = account.balance
    contract.withdrawStake(account, sender=outsider)
    assert account.balance == held + most
    assert surplus(task) == 0


@pytest.mark.parametrize("word", [0, 1, 2**248, 2**256 - 1])
def test_return_unclaimed__of_no_round__refused(task: Task, outsider: Any, word: int) -> None:
    with ape.reverts(task.contract.NothingToReturn, word=word):
        task.contract.returnUnclaimed(word, sender=outsider)


@pytest.mark.parametrize("number", [0, 2**32, 2**256 - 1])
def test_claim__of_a_round_that_cannot_be__refused(task: Task, outsider: Any, number: int) -> None:
    with ape.reverts(task.contract.NotClaimable, round=number):
        task.contract.claim(task.fogs[0], [number], sender=outsider)


def test_return_unclaimed__ether_forced_in__stays_out_of_the_pool(
    task: Task, outsider: Any
) -> None:
    close(task)
    task.contract.balance += FORCED
    pool, owed = task.contract.accounting().pool, task.contract.accounting().owed
    task.at(task.round.aggregateDeadline + task.parameters["claimTime"])
    task.contract.returnUnclaimed(0, sender=outsider)
    assert (task.contract.accounting().pool, task.contract.accounting().owed) == (pool + owed, 0)
    assert surplus(task) == FORCED
