"""Fine fixed point: a value as several small integers, each hidden by a mask of its own.

The mask's deviation is fixed, SIGMA_INT = 16,513 integers (`encoding`). Gradients bear to be
rounded to a 16,513th of the clip norm; normal equations do not. So a value v is written with L
digits in base B,

    v = step (q_0 B^(L-1) + q_1 B^(L-2) + ... + q_(L-1)),

and every digit gets a slot, all q_0 first. Sums of digits are digits of the sum, in range or not.
What a noise multiplier z promises stays true of the vector as sent: its L2 norm is at most
SIGMA_INT / z, for any update of norm C. Each of the L blocks of k digits gets the part
P = SIGMA_INT / (z sqrt(L)) of it:

    lower digits:  |q| <= B/2,                          so  B = floor(2 P / sqrt(k));
    q_0:           |q_0| <= |v| / (step B^(L-1)) + h,   so  C / (step B^(L-1)) + h sqrt(k) = P,

with h = B / (2 (B - 1)) + 1 / (2 B^(L-1)) what lower digits and rounding can carry over (1/2 if
L = 1). B is at most 65,536. One more digit multiplies the resolution by almost B, at the price of k
slots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import (
    Integers,
    parse_vector,
    require_at_least,
    require_positive,
)
from offchain.learning.encoding import SIGMA_INT
from offchain.learning.errors import OptionError, RangeError, ShapeError

MAX_DIGITS: Final = 8
MAX_RESOLUTION: Final = 2**50
"""Most steps from 0 to the clip norm: what float64 still tells apart."""
_LEAST_BASE: Final = 3
_MOST_BASE: Final = 2**16


@dataclass(frozen=True, slots=True)
class DigitEncoding:
    """Public parameters of a task's encoding in digits.

    Parameters
    ----------
    noise_multiplier
        z, deviation of the mask over the norm of what it hides, above 0.
    clip_norm
        L2 bound C of one device's update, above 0.
    min_samples, max_samples
        Public range of one device's sample count.
    values
        k, length of an update, at least 1.
    digits
        L, digits of a value, from 1 to 8.

    Raises
    ------
    OptionError
        If a parameter is out of its bound, or the noise leaves no room for so many digits.
    """

    noise_multiplier: float
    clip_norm: float
    min_samples: int
    max_samples: int
    values: int
    digits: int

    def __post_init__(self) -> None:
        require_positive("noise multiplier", self.noise_multiplier)
        require_positive("clip norm", self.clip_norm)
        require_at_least("min samples", self.min_samples, 1)
        require_at_least("max samples", self.max_samples, self.min_samples)
        require_at_least("values", self.values, 1)
        if not 1 <= self.digits <= MAX_DIGITS:
            raise OptionError("digits", self.digits, f"must be from 1 to {MAX_DIGITS}")
        fits = self._part >= 2 * math.sqrt(self.values)
        if not fits or (self.digits > 1 and self.base < _LEAST_BASE):
            bound = f"leaves no room for {self.values} values of {self.digits} digits"
            raise OptionError("noise multiplier", self.noise_multiplier, bound)
        if self.resolution > MAX_RESOLUTION:
            bound = f"gives more than {MAX_RESOLUTION} steps to the clip norm"
            raise OptionError("digits", self.digits, bound)

    @staticmethod
    def fitting(
        noise_multiplier: float,
        clip_norm: float,
        min_samples: int,
        max_samples: int,
        values: int,
        resolution: float,
    ) -> DigitEncoding:
        """Return the encoding with the fewest digits that has at least `resolution`.

        Raises
        ------
        OptionError
            If no number of digits has it at this noise multiplier; others as the class.
        """
        for digits in range(1, MAX_DIGITS + 1):
            encoding = DigitEncoding(
                noise_multiplier, clip_norm, min_samples, max_samples, values, digits
            )
            if encoding.resolution >= resolution:
                return encoding
        bound = f"leaves {values} values fewer than {resolution:.3g} steps each"
        raise OptionError("noise multiplier", noise_multiplier, bound)

    @property
    def _part(self) -> float:
        return SIGMA_INT / (self.noise_multiplier * math.sqrt(self.digits))

    @property
    def base(self) -> int:
        """B; 1 where there is one digit only."""
        widest = math.floor(2.0 * self._part / math.sqrt(self.values))
        return 1 if self.digits == 1 else min(widest, _MOST_BASE)

    @property
    def _place(self) -> int:
        """B^(L-1): what one unit of the first digit is worth, in steps."""
        return int(self.base ** (self.digits - 1))

    @property
    def _top(self) -> float:
        carried = 0.5 if self.digits == 1 else self.base / (2.0 * (self.base - 1))
        rounding = 0.0 if self.digits == 1 else 0.5 / self._place
        return self._part - math.sqrt(self.values) * (carried + rounding)

    @property
    def resolution(self) -> float:
        """Steps from 0 to the clip norm, C / step."""
        return self._top * self._place

    @property
    def step(self) -> float:
        """Real size of one unit of the last digit."""
        return self.clip_norm / self.resolution

    @property
    def first_step(self) -> float:
        """Real size of one unit of the first digit: SIGMA_INT of these are the mask on it."""
        return self.clip_norm / self._top

    @property
    def slots(self) -> int:
        """Slots of an update beside the count, k L."""
        return self.values * self.digits

    def encode_update(self, count: int, values: npt.ArrayLike) -> Integers:
        """Return [count, first digits..., second digits..., ...], int64, shape (1 + k L,).

        Raises
        ------
        RangeError
            Field `count` if outside its range; field `update` if the norm passes the clip norm.
        NotFiniteError, ShapeError
            If the update is not a finite vector of k values.
        """
        if not self.min_samples <= count <= self.max_samples:
            raise RangeError("count", 0, f"must be from {self.min_samples} to {self.max_samples}")
        vector = parse_vector("update", values, self.values)
        if np.linalg.norm(vector) > self.clip_norm * (1.0 + 1e-9):
            raise RangeError("update", 0, "the L2 norm must be within the clip norm")
        rest = np.rint(vector / self.step).astype(np.int64)
        blocks = []
        for _ in range(self.digits - 1):
            half = self.base // 2
            higher = (rest + half) // self.base
            blocks.append(rest - higher * self.base)
            rest = higher
        slots: Integers = np.concatenate([[count], rest, *reversed(blocks)]).astype(np.int64)
        return slots

    def decode_sum(self, integers: Sequence[int]) -> list[int]:
        """Return the values of a sum in steps, exact: k Python integers.

        Parameters
        ----------
        integers
            Sum of encoded updates, count first, at least 1 + k L long; what follows is not read.

        Raises
        ------
        ShapeError
            If it is shorter.
        """
        if len(integers) < 1 + self.slots:
            raise ShapeError("sum", (len(integers),), f"at least ({1 + self.slots},)")
        total = [0] * self.values
        for digit in range(self.digits):
            first = 1 + digit * self.values
            block = integers[first : first + self.values]
            total = [self.base * high + int(low) for high, low in zip(total, block, strict=True)]
        return total
