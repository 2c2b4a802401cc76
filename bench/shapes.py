"""Sizes of the tasks that are measured, and the devices' updates in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offchain.crypto.layout import SlotLayout
from offchain.crypto.noise import SIGMA_INT
from offchain.protocol.role import TaskParameters

MOST_SAMPLES = 128
VALUE_BOUND = 1 << 20


@dataclass(frozen=True)
class Shape:
    """A task.

    Attributes
    ----------
    clusters
        Devices in each.
    values
        d, numbers in an update beside the sample count.
    packing, threshold
        l and t.
    noise_rounds, candidates
        E and K.
    capacity
        D; None for the smallest that does.
    """

    clusters: tuple[int, ...]
    values: int
    packing: int
    threshold: int
    noise_rounds: int = 8
    candidates: int = 4
    capacity: int | None = None

    @property
    def layout(self) -> SlotLayout:
        return SlotLayout.fitting(self.values, self.packing, self.capacity)

    @property
    def parameters(self) -> TaskParameters:
        layout = self.layout
        return TaskParameters(
            capacity=layout.capacity,
            packing=layout.packing,
            chunks=layout.chunks,
            threshold=self.threshold,
            min_qualified=self.threshold + 1,
            noise_rounds=self.noise_rounds,
            candidates=self.candidates,
            beacon_delay=2,
            fractional_bits=48,
            statistics_rounds=0,
            rate=2**40,
            min_samples=1,
            max_samples=MOST_SAMPLES,
            anchor_time=36_000,
            cumulative_time=12_000,
            aggregate_time=12_000,
            unbonding_time=86_400,
            device_stake=10**17,
            fog_stake=10**18,
            cloud_stake=10**18,
            reward=10**16,
        )


class RandomTrainer:
    """A device that makes a fresh update of norm four SIGMA_INT a round, in no time."""

    def __init__(self, values: int, seed: Sequence[int]) -> None:
        self._values = values
        self._rng = np.random.default_rng(list(seed))
        self.made: NDArray[np.int64] = np.zeros(1 + values, np.int64)

    def update(self, model: Sequence[int], *, updates_model: bool) -> NDArray[np.int64]:
        del model, updates_model
        deviation = 4 * SIGMA_INT / self._values**0.5
        numbers = np.rint(self._rng.normal(0, deviation, self._values)).astype(np.int64)
        self.made = np.concatenate([[100], numbers])
        return self.made

    def absorb(self, statistics: Sequence[int]) -> None:
        """There is no statistics round."""
