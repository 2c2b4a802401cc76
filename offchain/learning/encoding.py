"""Fixed point: real updates and models as integers (sections 3, 4 and 5.12).

With C the clip norm and z the noise multiplier, the mask's deviation is sigma = z C in real units
and SIGMA_INT in integers, so one integer step is

    step = z C / SIGMA_INT,      SIGMA_INT = 32 sqrt(65) sqrt(4097).

Models live in units of step / 2^e, so that the model's update is linear over the integers:

    theta_int' = theta_int - k c_int,      k = floor(2^e rate / M'),

with c_int the decoded sum and M' the total sample count. Model integers exceed 64 bits: they are
Python integers. A value that does not fit its declared range is an error, never a wrap-around.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import (
    Floats,
    Integers,
    parse_vector,
    require_at_least,
    require_positive,
)
from offchain.learning.errors import OptionError, RangeError, ShapeError

SIGMA_INT: Final = 32.0 * math.sqrt(65.0) * math.sqrt(4097.0)
"""Standard deviation of the integer noise, about 16,513 (section 4)."""

FRACTION_BITS: Final = 48
"""Default e: theta resolves step / 2^48."""

MAX_VALUE_BOUND: Final = 2**40
"""Declared range of one device's integer, at most: 2^22 devices still add up within int64."""


@dataclass(frozen=True, slots=True)
class UpdateEncoding:
    """Public parameters of one task's fixed-point encoding.

    Parameters
    ----------
    noise_multiplier
        z = sigma / C, above 0 (and not so small that the range passes 2^40).
    clip_norm
        L2 bound C of one device's update, above 0.
    min_samples, max_samples
        Public range of one device's sample count, 1 <= min <= max < 2^31.
    fraction_bits
        e, from 1 to 128.

    Raises
    ------
    OptionError
        If a parameter is out of its bound.
    """

    noise_multiplier: float
    clip_norm: float
    min_samples: int
    max_samples: int
    fraction_bits: int = FRACTION_BITS

    def __post_init__(self) -> None:
        require_positive("noise multiplier", self.noise_multiplier)
        require_positive("clip norm", self.clip_norm)
        require_at_least("min samples", self.min_samples, 1)
        require_at_least("max samples", self.max_samples, self.min_samples)
        if self.max_samples >= 2**31:
            raise OptionError("max samples", self.max_samples, "must be below 2^31")
        if not 1 <= self.fraction_bits <= 128:
            raise OptionError("fraction bits", self.fraction_bits, "must be from 1 to 128")
        if SIGMA_INT / self.noise_multiplier > MAX_VALUE_BOUND:
            least = SIGMA_INT / MAX_VALUE_BOUND
            bound = f"must be at least {least:.3g}, or integers pass 2^40"
            raise OptionError("noise multiplier", self.noise_multiplier, bound)
        if not (self.step > 0.0 and math.isfinite(self.step)):
            raise OptionError("clip norm", self.clip_norm, "gives a step that is not a number > 0")

    @property
    def step(self) -> float:
        """Real size of one integer step: z C / SIGMA_INT."""
        return self.noise_multiplier * self.clip_norm / SIGMA_INT

    @property
    def sigma(self) -> float:
        """Standard deviation z C of the mask, in real units."""
        return self.noise_multiplier * self.clip_norm

    @property
    def value_bound(self) -> int:
        """Largest absolute integer of one device: ceil(C / step) = ceil(SIGMA_INT / z)."""
        return math.ceil(SIGMA_INT / self.noise_multiplier)

    def encode_update(self, count: int, values: npt.ArrayLike) -> Integers:
        """Return [count, round(value / step)...], int64, shape (1 + d,).

        Parameters
        ----------
        count
            The device's sample count.
        values
            Clipped update, shape (d,).

        Raises
        ------
        RangeError
            Field `count` if outside [min_samples, max_samples]; field `update` with the first
            index whose integer passes `value_bound`. The value itself is never shown.
        NotFiniteError, ShapeError
            If the update is not a finite vector.
        """
        if not self.min_samples <= count <= self.max_samples:
            raise RangeError("count", 0, f"must be from {self.min_samples} to {self.max_samples}")
        vector = parse_vector("update", values)
        with np.errstate(over="ignore"):
            scaled = np.rint(vector / self.step)
        outside = np.abs(scaled) > self.value_bound
        if outside.any():
            bound = f"integers must be within +-{self.value_bound}"
            raise RangeError("update", int(np.argmax(outside)), bound)
        encoded = np.empty(1 + len(vector), dtype=np.int64)
        encoded[0] = count
        encoded[1:] = scaled
        return encoded

    def decode_sum(self, integers: Sequence[int] | Integers, devices: int) -> tuple[int, Floats]:
        """Return (total sample count M', sum of updates in real units (d,)).

        Parameters
        ----------
        integers
            Sum of `devices` encoded updates, [count, values...], shape (1 + d,): int64 or Python
            integers (signed representatives of field elements).
        devices
            Number of updates in the sum, at least 1.

        Raises
        ------
        RangeError
            If no `devices` encoded updates can add up to `integers`.
        ShapeError, OptionError
            If the sum is empty or `devices` is below 1.
        """
        count, values = self._parse_sum(integers, devices)
        return count, np.array([float(value) for value in values]) * self.step

    def decode_masked(self, integers: Sequence[int] | Integers) -> Floats:
        """Return a masked update's values (count dropped) in real units, shape (d,).

        No range is checked: the mask is unbounded.
        """
        if len(integers) < 1:
            raise ShapeError("masked", (len(integers),), "(1 + d,)")
        return np.array([float(value) for value in integers[1:]]) * self.step

    def encode_rate(self, rate: float, total: int) -> int:
        """Return k = floor(2^e rate / total), exact in rationals.

        Raises
        ------
        OptionError
            If the rate is not above 0, the total below 1, or k would be 0.
        """
        require_positive("rate", rate)
        require_at_least("total count", total, 1)
        k = math.floor(Fraction(rate) * (1 << self.fraction_bits) / total)
        if k == 0:
            raise OptionError("rate", rate, f"is 0 at {self.fraction_bits} fraction bits")
        return k

    def encode_model(self, theta: npt.ArrayLike) -> tuple[int, ...]:
        """Return round(theta 2^e / step) as Python integers, length d."""
        unit = Fraction(self.step) / 2**self.fraction_bits
        return tuple(
            round(Fraction(value) / unit) for value in parse_vector("theta", theta).tolist()
        )

    def decode_model(self, theta_int: Sequence[int]) -> Floats:
        """Return theta in float64, shape (d,); one rounding per parameter."""
        unit = Fraction(self.step) / 2**self.fraction_bits
        return np.array([float(value * unit) for value in theta_int], dtype=np.float64)

    def apply_step(
        self,
        theta_int: Sequence[int],
        sum_int: Sequence[int] | Integers,
        *,
        devices: int,
        rate: float,
    ) -> tuple[int, ...]:
        """Return theta_int - k c_int (section 5.12), the exact integers that S commits to.

        Parameters
        ----------
        theta_int
            Model integers, length d.
        sum_int
            Sum of encoded updates [count, values...], length 1 + d.
        devices
            Number of updates in the sum.
        rate
            Global rate; 1 with local epochs.

        Raises
        ------
        ShapeError
            If the lengths do not fit.
        RangeError, OptionError
            As `decode_sum` and `encode_rate`.
        """
        if len(sum_int) != len(theta_int) + 1:
            raise ShapeError("sum", (len(sum_int),), f"({len(theta_int) + 1},)")
        count, values = self._parse_sum(sum_int, devices)
        k = self.encode_rate(rate, count)
        return tuple(t - k * c for t, c in zip(theta_int, values, strict=True))

    def _parse_sum(self, integers: Sequence[int] | Integers, devices: int) -> tuple[int, list[int]]:
        require_at_least("devices", devices, 1)
        if len(integers) < 1:
            raise ShapeError("sum", (len(integers),), "(1 + d,)")
        count, *values = (int(value) for value in integers)
        low, high = devices * self.min_samples, devices * self.max_samples
        if not low <= count <= high:
            raise RangeError("count", 0, f"of {devices} devices must be from {low} to {high}")
        limit = devices * self.value_bound
        for index, value in enumerate(values):
            if abs(value) > limit:
                raise RangeError("sum", index, f"of {devices} devices must be within +-{limit}")
        return count, values
