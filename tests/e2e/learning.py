"""Made-up rows, split unevenly over devices, and the trainers that learn from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offchain.learning.encoding import UpdateEncoding
from offchain.learning.models import Model, ModelKind
from offchain.learning.partition import DeviceData
from offchain.learning.statistics import statistics_encoding
from offchain.learning.training import GradientSum, Hyperparameters
from offchain.nodes.trainer import LearningTask, LearningTrainer, standardise
from tests.e2e.builders import Run, Shape
from tests.offchain.learning.builders import small_model, small_rows

ROWS = 150
RATE = 0.5
L2 = 1e-3


def shape(devices: Sequence[int]) -> Shape:
    """A task with a statistics round, and room for the largest model."""
    return Shape(
        clusters=tuple(devices),
        threshold=2,
        values=16,  # the statistics of 4 features, the target and 3 classes
        noise_rounds=4,
        statistics_rounds=1,
        rate=int(2**48 * RATE),
        max_samples=ROWS,
    )


@dataclass
class Learning:
    """A task over made-up rows, and each device's part of them."""

    task: LearningTask
    parts: list[DeviceData]
    rows: tuple[NDArray[np.float64], NDArray[np.float64]]

    @property
    def model(self) -> Model:
        return self.task.model

    @property
    def value_bound(self) -> int:
        return max(self.task.encoding.value_bound, self.task.statistics.value_bound)

    def trainers(self, devices: Sequence[int]) -> list[list[LearningTrainer]]:
        count = len(self.parts)
        made = iter(
            [LearningTrainer(self.task, p, count, (1, i)) for i, p in enumerate(self.parts)]
        )
        return [[next(made) for _ in range(size)] for size in devices]

    def standardised(self, run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """All rows, standardised with the result of the statistics round."""
        total = run.sim.result(1)
        assert total is not None
        statistics = self.task.standardiser(run.shape.layout.extract(total), len(self.parts))
        return standardise(self.task, statistics, *self.rows)

    def gradient(self, run: Run, round_number: int) -> NDArray[np.float64]:
        """The sum that a round released, in real units."""
        total = run.sim.result(round_number)
        assert total is not None
        slots = run.shape.layout.extract(total)[: 1 + self.model.parameter_count]
        count, gradient = self.task.encoding.decode_sum(slots, len(self.parts))
        assert count == ROWS
        return gradient

    def theta(self, run: Run) -> NDArray[np.float64]:
        """The parameters of the model that S holds."""
        return self.task.parameters(run.model_slots())


def learning(kind: ModelKind, devices: int, noise_multiplier: float) -> Learning:
    """Every device has one, two or three parts of the rows; none of its updates is clipped."""
    model = small_model(kind)
    X, y = small_rows(model, ROWS)
    weights = np.array([1 + i % 3 for i in range(devices)])
    edges = np.round(np.cumsum([0, *weights]) / weights.sum() * ROWS).astype(int)
    parts = [DeviceData(X[a:b], y[a:b]) for a, b in pairwise(edges)]
    table = np.column_stack([X, y])
    ranges = np.stack([table.min(axis=0), table.max(axis=0)], axis=1)
    clip = 1.05 * float(_largest_norm(model, parts, table))
    statistics = statistics_encoding(
        len(ranges), noise_multiplier=noise_multiplier, min_samples=1, max_samples=ROWS
    )
    task = LearningTask(
        dataset_name="made up",
        feature_names=tuple("abcd"),
        class_names=tuple("pqr"[: model.classes]),
        ranges=ranges,
        model=model,
        hyperparameters=Hyperparameters(GradientSum(), RATE, clip, L2, rounds=3),
        encoding=UpdateEncoding(noise_multiplier, clip, 1, ROWS),
        statistics=statistics,
    )
    return Learning(task, parts, (X, y))


def _largest_norm(
    model: Model, parts: Sequence[DeviceData], table: NDArray[np.float64]
) -> np.floating[Any]:
    """Of the devices' first gradients, over standardised rows."""
    mean, deviation = table.mean(axis=0), table.std(axis=0)
    norms = []
    for part in parts:
        X = (part.X - mean[:-1]) / deviation[:-1]
        y = (part.y - mean[-1]) / deviation[-1] if model.kind is ModelKind.LINEAR else part.y
        norms.append(np.linalg.norm(model.gradient_sum(model.initial(), X, y)))
    return max(norms)
