"""Joins learning to the protocol: what all parties agree on, and a device's trainer."""

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offchain.errors import VerifogError
from offchain.learning.balance import ClassBalance, class_vector
from offchain.learning.digits import DigitEncoding
from offchain.learning.encoding import SIGMA_INT, UpdateEncoding
from offchain.learning.methods import digit_encoding, require_solving
from offchain.learning.model_solver import ModelSolver
from offchain.learning.models import Model
from offchain.learning.partition import DeviceData
from offchain.learning.release import RandomBytes, ReleaseNoise
from offchain.learning.statistics import (
    Standardiser,
    statistics_encoding,
    statistics_vector,
    variance_resolution,
    with_target,
)
from offchain.learning.tasks import Dataset
from offchain.learning.training import Hyperparameters, device_update


class NoStatistics(VerifogError):
    """A device cannot train before it has the result of the statistics round."""


@dataclass(frozen=True)
class LearningTask:
    """What all parties agree on about the learning: public, the same everywhere.

    Attributes
    ----------
    dataset_name, feature_names, class_names
        For reports.
    ranges
        Public instrument range (low, high) of each feature and of the target, (features + 1, 2).
    model, hyperparameters
        What is trained, and how.
    encoding, statistics
        Fixed-point encodings of updates (and the unit of models) and of the statistics round.
    digits
        Encoding of the updates of a method that solves; None where S takes the step.
    release
        Noise that stays in the released sums, None for none.
    """

    dataset_name: str
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    ranges: NDArray[np.float64]
    model: Model
    hyperparameters: Hyperparameters
    encoding: UpdateEncoding
    statistics: UpdateEncoding
    digits: DigitEncoding | None = None
    release: ReleaseNoise | None = None

    @property
    def value_bound(self) -> int:
        """Largest absolute integer of an update before its mask."""
        return self.encoding.value_bound + (self.release.reach if self.release else 0)

    @property
    def seen_deviation(self) -> float:
        """Deviation of the noise, in integers, that a fog sees on an update."""
        return math.hypot(SIGMA_INT, self.release.deviation if self.release else 0.0)

    @property
    def values(self) -> int:
        """Number of values of the longest update: training's, or the statistics'."""
        update = self.model.parameter_count if self.digits is None else self.digits.slots
        return max(update, 2 * (len(self.ranges) + len(self.class_names)))

    @property
    def ranked(self) -> tuple[int, float]:
        """How many values a selection rule ranks, and the real size of their integers.

        Of an update in digits these are the first digits: the update to one first step.
        """
        if self.digits is None:
            return self.model.parameter_count, self.encoding.step
        return self.digits.values, self.digits.first_step

    def solver(self) -> ModelSolver | None:
        """What every fog solves with; None where S takes the step."""
        if self.digits is None:
            return None
        parameters = self.hyperparameters
        method = require_solving(parameters.method)
        return ModelSolver(self.model, method, parameters.l2, self.encoding, self.digits)

    def standardiser(self, slots: Sequence[int], devices: int) -> Standardiser:
        """Read the result of the statistics round.

        Parameters
        ----------
        slots
            Data slots of the sum, centred integers, count first.
        devices
            How many devices can be in the sum, at most.
        """
        columns = len(self.ranges)
        low, high = self.statistics.min_samples, devices * self.statistics.max_samples
        count = min(max(int(slots[0]), low), high)
        sums = np.array([float(v) for v in slots[1 : 1 + 2 * columns]]) * self.statistics.step
        resolution = variance_resolution(self.statistics, devices, count)
        return Standardiser.from_sums(
            count,
            plausible_sums(count, sums, resolution),
            self.ranges,
            resolution=resolution,
        )

    def balance(self, slots: Sequence[int]) -> ClassBalance | None:
        """Read the class balance from the result of the statistics round; None for regression."""
        if not self.class_names:
            return None
        first = 1 + 2 * len(self.ranges)
        sums = np.array([float(v) for v in slots[first : first + 2 * len(self.class_names)]])
        most = self.statistics.max_samples
        return ClassBalance.from_sums(self.class_names, sums * self.statistics.step, most)

    def parameters(self, slots: Sequence[int]) -> NDArray[np.float64]:
        """The model's parameters in real units, from its data slots (count slot first)."""
        return self.encoding.decode_model(slots[1 : 1 + self.model.parameter_count])


def plausible_sums(count: int, sums: NDArray[np.float64], resolution: float) -> NDArray[np.float64]:
    """Replace the sums of columns that no rows can have by those of evenly spread rows.

    A lying device can spoil the standardisation of a column, but not end the task: everybody
    falls back alike on what the public range says, mean 0 and variance 1/3 on [-1, 1].

    Parameters
    ----------
    count
        Number of rows.
    sums
        ``[sum z..., sum z^2...]``, shape (2 columns,).
    resolution
        What rounding may change of a variance.
    """
    columns = len(sums) // 2
    first, second = sums[:columns] / count, sums[columns:] / count
    tolerance = max(resolution, 1e-9)
    limit = 1.0 + tolerance
    wrong = (np.abs(first) > limit) | (second > limit) | (second - first**2 < -tolerance)
    repaired = np.concatenate([np.where(wrong, 0.0, first), np.where(wrong, 1 / 3, second)])
    plausible: NDArray[np.float64] = repaired * count
    return plausible


def learning_task(
    dataset: Dataset,
    model: Model,
    hyperparameters: Hyperparameters,
    noise_multiplier: float,
    clip_norm: float,
    min_samples: int,
    max_samples: int,
) -> LearningTask:
    """Put together the public description of a task on a data set."""
    ranges = np.vstack([dataset.ranges, dataset.target_range])
    return LearningTask(
        dataset_name=dataset.name,
        feature_names=dataset.feature_names,
        class_names=dataset.class_names,
        ranges=ranges,
        model=model,
        hyperparameters=hyperparameters,
        encoding=UpdateEncoding(noise_multiplier, clip_norm, min_samples, max_samples),
        statistics=statistics_encoding(
            len(ranges) + len(dataset.class_names),
            noise_multiplier=noise_multiplier,
            min_samples=min_samples,
            max_samples=max_samples,
        ),
        digits=digit_encoding(
            hyperparameters.method, model, noise_multiplier, clip_norm, min_samples, max_samples
        ),
    )


class LearningTrainer:
    """A device's own rows and what it makes of them. The repr shows no rows.

    Parameters
    ----------
    task
        What is learnt.
    data
        The device's rows.
    devices
        How many devices can be in a sum, at most.
    seed
        Of the order of mini-batches. It is drawn anew from seed and model for every update, so that
        the same model gives the same update, also after a restart.
    secret
        Gives the bytes of noise that stays in released sums.
    """

    def __init__(
        self,
        task: LearningTask,
        data: DeviceData,
        devices: int,
        seed: Sequence[int],
        secret: RandomBytes = os.urandom,
    ) -> None:
        self._secret = secret
        self._task = task
        self._data = data
        self._devices = devices
        self._seed = tuple(seed)
        self._rows: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def __repr__(self) -> str:
        return f"LearningTrainer({self._data!r})"

    def update(self, model: Sequence[int], *, updates_model: bool) -> NDArray[np.int64]:
        """Make ``[count, values...]``: the statistics, or the update of the model.

        Raises
        ------
        NoStatistics
            When the model is due before the statistics have come.
        LearningError
            When a value would not fit its declared range.
        """
        task = self._task
        if not updates_model:
            rows = with_target(self._data.X, self._data.y)
            sums = statistics_vector(rows, task.ranges)
            if task.class_names:
                most = task.statistics.max_samples
                counts = class_vector(self._data.y, len(task.class_names), most)
                sums = np.concatenate([sums, counts])
            return self._noisy(task.statistics.encode_update(self._data.count, sums))
        if self._rows is None:
            raise NoStatistics("training: the result of the statistics round has not come yet")
        features, target = self._rows
        made = device_update(
            task.hyperparameters.method,
            task.model,
            task.parameters(model),
            features,
            target,
            clip_norm=task.encoding.clip_norm,
            l2=task.hyperparameters.l2,
            rng=self._order(model),
        )
        encoding = task.digits or task.encoding
        return self._noisy(encoding.encode_update(made.count, made.values))

    def _noisy(self, encoded: NDArray[np.int64]) -> NDArray[np.int64]:
        release = self._task.release
        return encoded if release is None else release.add(encoded, self._secret)

    def _order(self, model: Sequence[int]) -> np.random.Generator:
        text = ",".join(str(value) for value in model)
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        return np.random.default_rng([*self._seed, *np.frombuffer(digest, "<u4").tolist()])

    def absorb(self, statistics: Sequence[int]) -> None:
        """Standardise the rows with the result of the statistics round."""
        standardiser = self._task.standardiser(statistics, self._devices)
        self._rows = standardise(self._task, standardiser, self._data.X, self._data.y)


def standardise(
    task: LearningTask,
    standardiser: Standardiser,
    features: NDArray[np.float64],
    target: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standardise features, and for regression the target too."""
    columns = len(task.feature_names)
    standard = standardiser.columns(columns).apply(features)
    if task.class_names:
        return standard, target
    return standard, standardiser.column(-1).apply(target.reshape(-1, 1))[:, 0]
