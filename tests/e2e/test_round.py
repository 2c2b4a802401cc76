"""Rounds in which everybody does as it should."""

from tests.e2e.builders import Run, fixed_update


def test_round__undisturbed__model_is_exact_and_nobody_refuses_anything(cluster: Run) -> None:
    outcome = cluster.round()
    assert outcome.settled
    total = [sum(column) for column in zip(*(fixed_update(0, i) for i in range(5)), strict=True)]
    factor = cluster.shape.rate // total[0]
    assert cluster.model_slots() == [-factor * value for value in total]
    assert cluster.committed == cluster.digest_without()
    assert cluster.refusals == {}
    assert cluster.reverts == []
    assert cluster.phase == "Settled"
