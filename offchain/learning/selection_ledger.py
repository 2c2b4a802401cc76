"""What the rules that learn over rounds remember of each device: sums over its masked updates.

Round s released the exact sum a_s. Along any known unit vector a mask is one number of deviation
sigma, whatever d is, so projections v_js . a_s tell devices apart where distances drown. The ledger
adds up, per device j and over the rounds s in which it took part,

    trend     sum w_s v_js . g_s,   g_s = a_s / |a_s|,   w_s = |a_s|   (a matched filter)
    drift     sum v_js . p_s,       p_s along a_1 + ... + a_(s-1), the way the model came
    habit     sum v_js . h_js,      h_js along the mean of the updates it sent before and that were
              kept, older rounds fading
    energy    sum |v_js|^2 - d sigma^2
    vectors   sum v_js, over all rounds and over those in which it was kept

with what is needed to know their noise. The sum of a round is known only after its selection: the
ledger takes the masked updates of a round when they come and projects them one round later, and
`statistics` adds a preliminary term along the last known directions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import Floats
from offchain.learning.selection_types import PastRound

_LOST_MAJORITY = 2.0  # deviations of the median's noise beyond which a sum went against most


@dataclass(frozen=True, slots=True)
class Statistics:
    """Per device, in deviations of the noise: about N(0, 1) around what its updates give.

    Attributes
    ----------
    trend, drift, both, habit
        Shapes (n,); `both` is trend and drift together, at unit noise.
    trend_reach, drift_reach, both_reach
        In [0, 1]: how much of the evidence there is covers a device (late or absent ones: less).
        What is expected of a device scales with it.
    """

    trend: Floats
    drift: Floats
    both: Floats
    habit: Floats
    trend_reach: Floats
    drift_reach: Floats
    both_reach: Floats


class Sum(IntEnum):
    """Columns of a ledger's table."""

    TREND = 0
    TREND_WEIGHT = 1  # sum of w^2
    HABIT = 2
    HABIT_WEIGHT = 3
    DRIFT = 4
    DRIFT_ROUNDS = 5
    CROSS = 6  # sum of w g.p
    ENERGY = 7
    ROUNDS = 8
    KEPT = 9  # rounds in which it was kept


@dataclass(frozen=True, slots=True)
class Ledger:
    """Sums per known device, and the last known directions.

    Attributes
    ----------
    devices
        Names of all devices ever seen.
    sums
        The sums of the module's text, a row per device, columns as `Sum`; shape (n, 10).
    vectors, kept
        Sum of masked updates, of all and of those that were kept, float32, shapes (n, d).
    direction, weight
        g and w of the last released sum, None and 0 before the first.
    path
        Sum of all released sums, (d,), None before the first.
    """

    devices: tuple[str, ...]
    sums: Floats
    vectors: npt.NDArray[np.float32]
    kept: npt.NDArray[np.float32]
    direction: Floats | None = None
    weight: float = 0.0
    path: Floats | None = None

    @classmethod
    def empty(cls, length: int) -> Ledger:
        """Return a ledger that knows nobody, for updates of `length` values."""
        none = np.zeros((0, length), dtype=np.float32)
        return cls((), np.zeros((0, len(Sum))), none, none)

    def of(self, names: tuple[str, ...], which: Sum) -> Floats:
        """Return one sum of known names, shape (names,)."""
        return np.asarray(self.sums[self.rows(names), which])

    def rows(self, names: tuple[str, ...]) -> list[int]:
        """Return where known names stand."""
        place = {name: row for row, name in enumerate(self.devices)}
        return [place[name] for name in names]

    def with_devices(self, names: tuple[str, ...]) -> Ledger:
        """Return a copy that has rows, of zeros, for the names it did not know."""
        known = set(self.devices)
        new = tuple(name for name in names if name not in known)
        sums = np.concatenate([self.sums, np.zeros((len(new), len(Sum)))])
        more = np.zeros((len(new), self.vectors.shape[1]), dtype=np.float32)
        vectors, kept = np.concatenate([self.vectors, more]), np.concatenate([self.kept, more])
        return replace(self, devices=self.devices + new, sums=sums, vectors=vectors, kept=kept)

    def learn(self, past: PastRound, sigma: float) -> Ledger:
        """Take what became of the past round: who was kept, and the sum that it released.

        The masked updates are projected on that sum. A sum that most devices went against was taken
        over by a minority of strong updates: its direction then counts the other way round.
        """
        ledger = self.with_devices(past.devices)
        sums, rows = ledger.sums, ledger.rows(past.devices)
        chosen = [rows[index] for index in past.kept]
        ledger.kept[chosen] += past.masked[list(past.kept)].astype(np.float32)
        sums[chosen, Sum.KEPT] += 1.0
        norm = 0.0 if past.aggregate is None else float(np.linalg.norm(past.aggregate))
        if past.aggregate is None or norm == 0.0:
            return ledger
        direction = past.aggregate / norm
        along = past.masked @ direction
        noise = math.sqrt(math.pi / 2.0 / len(along)) * sigma
        lost = float(np.median(along)) < -_LOST_MAJORITY * noise
        weight = -norm if lost else norm
        sums[rows, Sum.TREND] += weight * along
        sums[rows, Sum.TREND_WEIGHT] += weight**2
        path = past.aggregate
        if ledger.path is not None:
            way = _unit(ledger.path)
            sums[rows, Sum.DRIFT] += past.masked @ way
            sums[rows, Sum.DRIFT_ROUNDS] += 1.0
            sums[rows, Sum.CROSS] += weight * float(direction @ way)
            path = ledger.path + path
        return replace(ledger, direction=direction, weight=weight, path=path)

    def see(self, names: tuple[str, ...], masked: Floats, sigma: float, decay: float) -> Ledger:
        """Take the masked updates of a new round.

        Parameters
        ----------
        decay
            In (0, 1]: how much of `habit` is left after a round.
        """
        ledger = self.with_devices(names)
        sums, rows = ledger.sums, ledger.rows(names)
        sums[rows, Sum.ENERGY] += energies(masked, sigma)
        sums[rows, Sum.ROUNDS] += 1.0
        before = ledger.kept[rows].astype(np.float64)
        norms = np.linalg.norm(before, axis=1)
        habit = (masked * before).sum(axis=1) / np.where(norms > 0.0, norms, 1.0)
        sums[rows, Sum.HABIT] = decay * sums[rows, Sum.HABIT] + habit
        squares = decay**2 * sums[rows, Sum.HABIT_WEIGHT] + (norms > 0.0)
        sums[rows, Sum.HABIT_WEIGHT] = squares
        ledger.vectors[rows] += masked.astype(np.float32)
        return ledger

    def statistics(self, names: tuple[str, ...], masked: Floats, sigma: float) -> Statistics | None:
        """Return the evidence on known names, this round's masked updates included.

        None before the first released sum.
        """
        if self.direction is None or self.path is None:
            return None
        w, way = self.weight, _unit(self.path)
        along = w * (masked @ self.direction)
        weight = self.of(names, Sum.TREND_WEIGHT) + w**2
        trend = (self.of(names, Sum.TREND) + along) / (sigma * np.sqrt(weight))
        habit_weight = np.maximum(self.of(names, Sum.HABIT_WEIGHT), 1e-9)
        count = self.of(names, Sum.DRIFT_ROUNDS) + 1.0
        drift = (self.of(names, Sum.DRIFT) + masked @ way) / (sigma * np.sqrt(count))
        cross = self.of(names, Sum.CROSS) + w * float(self.direction @ way)
        # The covariance of trend and drift, both of unit variance.
        shared = np.clip(cross / np.sqrt(weight * count), -0.9, 1.0)
        trend_reach, drift_reach = weight / weight.max(), count / count.max()
        return Statistics(
            trend=trend,
            drift=drift,
            both=(trend + drift) / np.sqrt(2.0 + 2.0 * shared),
            habit=self.of(names, Sum.HABIT) / (sigma * np.sqrt(habit_weight)),
            trend_reach=np.sqrt(trend_reach),
            drift_reach=np.sqrt(drift_reach),
            both_reach=np.sqrt((trend_reach + drift_reach) / 2.0),
        )


def energies(masked: Floats, sigma: float) -> Floats:
    """Return |v|^2 - d sigma^2 per row: the squared norm behind the mask, without bias."""
    return np.asarray(np.square(masked).sum(axis=1) - masked.shape[1] * sigma**2)


def _unit(vector: Floats) -> Floats:
    norm = float(np.linalg.norm(vector))
    return np.asarray(vector / norm) if norm > 0.0 else vector
