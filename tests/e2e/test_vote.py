"""Tasks whose fogs vote for the model: quorum, false votes, silence, and sums without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from offchain.crypto.field import FieldVector
from offchain.errors import VerifogError
from offchain.protocol.chain import SubmitModel
from offchain.protocol.messages import ModelVote
from tests.e2e.builders import FixedTrainer, Run, Shape, World, fixed_update
from tests.e2e.test_slashing import EQUIVOCATION, is_slashed, offences

VOTED = Shape(clusters=(3, 3, 3), threshold=2, model_rule=1, model_time=1_000)


class NoModel(VerifogError):
    """The sum gives none."""


class SumsSquared:
    """The next model: the model plus the sum, squared with its sign. No linear step gives that."""

    def next_model(self, model: Sequence[int], total: Sequence[int], samples: int) -> Sequence[int]:
        assert samples == total[0]
        return [m + t * abs(t) for m, t in zip(model[1:], total[1:], strict=True)]

    def converged(self, model: Sequence[int], total: Sequence[int], samples: int) -> bool:
        """After the first round's model, the second is said to be the last."""
        return any(model)


class AddsOne(SumsSquared):
    """Finds another model."""

    def next_model(self, model: Sequence[int], total: Sequence[int], samples: int) -> Sequence[int]:
        return [value + 1 for value in super().next_model(model, total, samples)]


class FindsNone(SumsSquared):
    def next_model(self, model: Sequence[int], total: Sequence[int], samples: int) -> Sequence[int]:
        raise NoModel("sums: singular")


class SeeingTrainer(FixedTrainer):
    """Keeps the models that it was given."""

    def __init__(self, update: Sequence[int]) -> None:
        super().__init__(update)
        self.models: list[list[int]] = []

    def update(self, model: Sequence[int], *, updates_model: bool) -> np.ndarray:
        self.models.append(list(model))
        return super().update(model, updates_model=updates_model)


@pytest.fixture
def voted(found: Callable[[Shape], World]) -> Run:
    """Three clusters of three devices; two fogs are a quorum."""
    trainers = [
        [SeeingTrainer(fixed_update(cluster, i)) for i in range(count)]
        for cluster, count in enumerate(VOTED.clusters)
    ]
    return found(VOTED).run(trainers=trainers, solver=SumsSquared)


def expected(rounds: int = 1) -> list[int]:
    """Data slots of the model after so many rounds of everybody."""
    updates = [fixed_update(c, i) for c, n in enumerate(VOTED.clusters) for i in range(n)]
    total = [sum(column) for column in zip(*updates, strict=True)]
    return [0, *(rounds * t * abs(t) for t in total[1:])]


def digest_of(run: Run, slots: Sequence[int]) -> bytes:
    return run.task.key.commit(run.shape.layout.spread(slots)).digest


def test_round__all_fogs_agree__contract_holds_the_model_and_devices_train_on_it(
    voted: Run,
) -> None:
    first = voted.round()
    assert first.voted is not None
    assert first.voted.model_digest == voted.committed == digest_of(voted, expected())
    assert len(first.voted.voters) >= 2
    second = voted.round()
    assert second.opened.model_digest == first.voted.model_digest
    assert voted.committed == digest_of(voted, expected(2))
    assert voted.notes("converged") == [{"round": 2}]
    assert voted.clouds[0].converged
    for members in voted.trainers:
        for trainer in members:
            assert [model[: len(expected())] for model in trainer.models] == [
                [0] * len(expected()),
                expected(),
            ]
    assert (voted.refusals, voted.reverts) == ({}, [])


def test_fog__finds_another_model__is_outvoted_says_so_and_takes_the_quorums(voted: Run) -> None:
    voted.fogs[1]._solver = AddsOne()
    assert voted.round().voted is not None
    assert voted.committed == digest_of(voted, expected())
    assert {note["cluster"] for note in voted.notes("vote-differs")} == {0, 1, 2}
    assert voted.notes("outvoted") == [{"round": 1, "cluster": 1}]
    # It asks for the model that S holds, and its devices check it.
    assert voted.round().settled
    assert [note["cluster"] for note in voted.notes("model-missing")] == [1]
    assert [len(t.models) for members in voted.trainers for t in members] == [2] * 9


def test_fogs__no_two_thirds_agree__the_model_stays_and_rounds_go_on(voted: Run) -> None:
    voted.fogs[1]._solver = voted.fogs[2]._solver = FindsNone()
    before = voted.committed
    outcome = voted.round()
    assert (outcome.settled, outcome.voted) == (True, None)
    assert voted.committed == before
    assert {note["cluster"] for note in voted.notes("no-model")} == {1, 2}
    voted.fogs[1]._solver = SumsSquared()
    assert voted.round().voted is not None
    assert voted.committed == digest_of(voted, expected())


def test_fog__sends_no_vote__the_others_are_a_quorum(voted: Run) -> None:
    voted.silence(voted.fogs[0], ModelVote)
    assert voted.round().voted is not None
    assert voted.committed == digest_of(voted, expected())


def test_cloud__submits_no_votes__a_fog_does(voted: Run) -> None:
    voted.alter_call(SubmitModel, lambda call: None, sender=voted.clouds[0])
    assert voted.round().voted is not None
    assert voted.committed == digest_of(voted, expected())
    senders = [r.sender for r in voted.record.receipts if r.kind == "submitModel" and not r.error]
    assert senders[0] in {fog.address for fog in voted.fogs}


def test_fog__votes_for_two_models__is_slashed_and_the_model_stands(voted: Run) -> None:
    culprit = voted.fogs[2]
    voted.alter(culprit, ModelVote, lambda v: replace(v, model_digest=bytes(32)), add=True)
    assert voted.round().voted is not None
    assert voted.committed == digest_of(voted, expected())
    assert is_slashed(voted, culprit)
    assert offences(voted) == [(EQUIVOCATION, 1, 2)]


def test_vote__of_another_fog_or_round__is_refused(voted: Run) -> None:
    voted.alter(voted.fogs[2], ModelVote, lambda v: replace(v, cluster=1))
    assert voted.round().voted is not None
    assert voted.refusals["cloud 0"] == {"unknown-sender": 1}
    voted.restore()
    voted.alter(voted.fogs[2], ModelVote, lambda v: replace(v, result_digest=bytes(32)))
    assert voted.round().voted is not None
    assert voted.refusals["cloud 0"] == {"unknown-sender": 1, "wrong-round": 1}


def test_cloud__finds_another_model__submits_nothing_and_a_fog_does(voted: Run) -> None:
    voted.clouds[0]._solver = AddsOne()
    assert voted.round().voted is not None
    assert voted.committed == digest_of(voted, expected())
    assert voted.round().voted is None or voted.committed == digest_of(voted, expected(2))


def test_model__held_by_every_fog__is_one_without_blinding(voted: Run) -> None:
    assert voted.round().voted is not None
    models = {fog.model_of(voted.committed) for fog in voted.fogs}
    assert models == {voted.shape.layout.spread(expected())}
    assert isinstance(voted.sim.model, FieldVector)
