"""Two sums on one model: no cluster releases a second one that shows who is apart."""

from collections.abc import Callable

import pytest

from offchain.nodes.dropout import STEPS
from offchain.protocol import messages
from offchain.protocol.chain import SubmitAggregate, SubmitCumulative
from offchain.protocol.messages import Reveal
from tests.e2e.builders import Run, Shape, World, fixed_update


@pytest.fixture
def six(found: Callable[[Shape], World]) -> Run:
    return found(Shape(clusters=(6,))).run()


def reveals(run: Run) -> int:
    """How many sums devices have released so far."""
    return sum(send.kind == Reveal.__name__ for _, send in run.record.sends)


def with_noise(run: Run) -> list[str]:
    """Whose updates have carried noise of their own so far."""
    noted = [role.address for role, note in run.record.notes if note.kind == "noise-stays"]
    return sorted(run.name_of(account) for account in noted)


def test_fog__keeps_a_sum_and_leaves_a_device_out__no_second_sum_then_one_with_noise(
    six: Run,
) -> None:
    """The attack: the difference of the two sums would be the device's exact update."""
    victim = six.devices[0][5]
    six.alter_call(SubmitCumulative, lambda _: None)
    assert not six.round().settled
    assert reveals(six) == 6
    six.restore()
    six.silence(victim)
    assert not six.round().settled
    assert reveals(six) == 6
    assert six.refusals == {f"device 0.{i}": {"unsafe-sum": 1} for i in range(5)}
    assert with_noise(six) == []

    outcome = six.round()  # the task goes on: every update carries noise of its own
    assert outcome.settled
    assert with_noise(six) == [f"device 0.{i}" for i in range(5)]
    assert six.committed == six.digest_without(victim)
    plain = [sum(column) for column in zip(*(fixed_update(0, i) for i in range(5)), strict=True)]
    released = six.shape.layout.extract(six.sim.result(outcome.round))
    apart = [got - want for got, want in zip(released, plain, strict=True)]
    assert apart[0] == 0  # counts carry none
    assert all(apart[1 : len(plain)])

    six.restore()  # another model: nothing is known of it
    assert six.round().settled
    assert len(with_noise(six)) == 5
    assert six.committed == six.digest_without(victim)  # no noise root of this batch


def test_round__failed_behind_the_anchor__same_devices_settle_the_next_without_noise(
    six: Run,
) -> None:
    six.alter_call(SubmitAggregate, lambda _: None)
    assert not six.round().settled
    six.restore()
    assert six.round().settled
    assert six.committed == six.digest_without()
    assert with_noise(six) == []
    assert six.refusals == {}


def test_device__back_after_a_round_that_failed_behind_the_anchor__waits_for_the_next_model(
    six: Run,
) -> None:
    """A sum with it, beside the one without, would show its update: the fog leaves it out."""
    late = six.devices[0][5]
    six.alter_call(SubmitAggregate, lambda _: None)
    six.silence(late)
    assert not six.round().settled
    six.restore()
    assert six.round().settled
    assert six.committed == six.digest_without(late)
    assert six.refusals == {}
    assert six.round().settled
    assert six.committed == six.digest_without()


@pytest.mark.parametrize("step", STEPS[:-1])
def test_round__failed_before_the_anchor__binds_nobody(six: Run, step: str) -> None:
    """Nothing was released: the next round may have other members."""
    for device in six.devices[0]:
        six.silence(device, getattr(messages, step))
    assert not six.round().settled
    six.restore()
    six.silence(six.devices[0][2])
    assert six.round().settled
    assert six.committed == six.digest_without(six.devices[0][2])
    assert with_noise(six) == []
