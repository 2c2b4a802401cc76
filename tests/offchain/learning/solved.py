"""What the protocol does with a method that solves, without the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.digits import DigitEncoding
from offchain.learning.models import Model
from offchain.learning.solving import Solution, SolvingMethod, Sums
from offchain.learning.training import device_update


@dataclass(frozen=True)
class Federation:
    """Rows split over devices, and what they agree on."""

    method: SolvingMethod
    model: Model
    parts: tuple[tuple[Floats, Floats], ...]
    l2: float
    clip_norm: float
    noise: float = 1.0

    @property
    def encoding(self) -> DigitEncoding:
        most = max(len(y) for _, y in self.parts)
        length = self.method.update_length(self.model)
        return DigitEncoding.fitting(
            self.noise, self.clip_norm, 1, most, length, self.method.resolution
        )

    def encoded(self, theta: Floats) -> list[Floats]:
        made = [
            device_update(
                self.method,
                self.model,
                theta,
                X,
                y,
                clip_norm=self.clip_norm,
                l2=self.l2,
                rng=np.random.default_rng(0),
            )
            for X, y in self.parts
        ]
        return [self.encoding.encode_update(u.count, u.values) for u in made]

    def round(self, theta: tuple[Fraction, ...]) -> Solution:
        """Run one round: every device's update, their sum, the next model."""
        total = np.sum(self.encoded(np.array([float(t) for t in theta])), axis=0).tolist()
        values = self.encoding.decode_sum(total)
        sums = Sums(values, Fraction(self.encoding.step), total[0], self.l2)
        return self.method.solve(self.model, theta, sums)

    def run(self, rounds: int) -> list[Solution]:
        """Run so many rounds from 0, or until the method has converged."""
        theta = (Fraction(0),) * self.model.parameter_count
        done: list[Solution] = []
        while len(done) < rounds and not (done and self.method.converged(done[-1])):
            done.append(self.round(theta))
            theta = done[-1].theta
        return done


def parts_of(X: Floats, y: Floats, devices: int) -> tuple[tuple[Floats, Floats], ...]:
    """Split rows in turn."""
    return tuple((X[i::devices], y[i::devices]) for i in range(devices))


def reals(solution: Solution) -> Floats:
    """The parameters as floating point."""
    return np.array([float(value) for value in solution.theta])
