"""Small whole tasks in a few lines: the stage of the drills, and what tests ask of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from offchain.crypto.field import FieldVector
from offchain.nodes import drill_task
from offchain.nodes.drill_stage import Stage
from offchain.nodes.drill_task import VALUE_BOUND, FixedTrainer, Shape, fixed_update
from offchain.nodes.simulation import RoundOutcome
from offchain.protocol.device import Device, Trainer
from offchain.protocol.role import Role
from offchain.protocol.selecting import KeepAll, Selector
from offchain.protocol.voting import Solver

__all__ = ["FixedTrainer", "Run", "Shape", "World", "fixed_update"]


class World(drill_task.World):
    """A deployed Contract S with everybody admitted, before its first round."""

    def run(
        self,
        trainers: Sequence[Sequence[Trainer]] | None = None,
        selector: Callable[[], Selector] = KeepAll,
        value_bound: int = VALUE_BOUND,
        solver: Callable[[], Solver | None] = lambda: None,
    ) -> Run:
        """Start all nodes; only one run at a time can use a world."""
        return Run(self, trainers, selector, value_bound, solver)


class Run(Stage):
    """A stage, and what its rounds ought to have led to."""

    started: ClassVar[list[Run]] = []  # those of the test in hand

    def __init__(
        self,
        world: drill_task.World,
        trainers: Sequence[Sequence[Trainer]] | None = None,
        selector: Callable[[], Selector] = KeepAll,
        value_bound: int = VALUE_BOUND,
        solver: Callable[[], Solver | None] = lambda: None,
    ) -> None:
        super().__init__(world, trainers, selector, value_bound, solver)
        self._before = FieldVector.zeros(self.shape.layout.length)
        Run.started.append(self)

    def round(self) -> RoundOutcome:
        """Run the next round to its end."""
        outcome = super().round()
        held = [
            holder.model_of(outcome.opened.model_digest) for holder in (*self.fogs, *self.clouds)
        ]
        self._before = next((model for model in held if model is not None), self._before)
        return outcome

    @property
    def state(self) -> dict[str, Any]:
        """What S counts in the latest round and in all, the model's digest, and the pool."""
        number = self.contract.call("currentRound")
        latest = self.contract.call("round", number) if number else [0] * 8
        clusters, anchored, submitted = latest[5:8]
        return {
            "round": number,
            "settled": self.contract.call("settledRounds"),
            "phase": self.phase,
            "clusters": clusters,
            "anchored": anchored,
            "submitted": submitted,
            "model": self.committed,
            "pool": self.contract.call("accounting")[2],
        }

    def update_of(self, device: Device) -> FieldVector:
        """A device's whole update vector of this round, random slots included."""
        state = device._round
        assert state is not None
        assert state.update is not None
        return state.update.vector

    def candidate_of(self, device: Device) -> int:
        """The noise candidate that masks a device's update in this round."""
        state = device._round
        assert state is not None
        assert state.update is not None
        return state.update.candidate

    def model_without(self, *left_out: Role) -> FieldVector:
        """What the round just run makes of the model when these devices, or fogs, are left out."""
        included = [
            (cluster, index)
            for cluster, members in enumerate(self.devices)
            for index, device in enumerate(members)
            if device not in left_out and self.fogs[cluster] not in left_out
        ]
        total = FieldVector.sum([self.update_of(self.devices[c][i]) for c, i in included])
        samples = sum(fixed_update(c, i)[0] for c, i in included)
        return self._before - total.scale(self.shape.rate // samples)

    def digest_without(self, *left_out: Role) -> bytes:
        """The digest of the commitment to `model_without`."""
        return self.task.key.commit(self.model_without(*left_out)).digest

    def model_slots(self) -> list[int]:
        """Data slots of the model that S holds, as integers, count slot first."""
        return self.shape.layout.extract(self.sim.model)
