"""Noise that stays in the released sum: each device adds its part before it commits to its update.

The mask of section 4 cancels from the sum. Noise that shall protect against whoever sees the sum,
the cloud and the public, must not. With a release multiplier M and clip norm C, each device adds
Gaussian noise of deviation M C / sqrt(h) to every value, h being the honest devices whose noise is
in every sum: `minQualified` of one cluster, less those assumed to collude. The noise of any sum has
then deviation M C at least, as far as colluders are concerned. Sample counts carry no noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from offchain.learning.arrays import Floats, Integers, require_at_least, require_positive
from offchain.learning.encoding import SIGMA_INT
from offchain.learning.errors import OptionError

REACH = 8.0
"""Deviations at which the noise is cut: beyond lies 1.3e-15 of it."""

RandomBytes = Callable[[int], bytes]
"""Returns so many uniform, secret bytes."""


@dataclass(frozen=True, slots=True)
class ReleaseNoise:
    """Each device's part of the noise in a released sum.

    Parameters
    ----------
    multiplier
        M, above 0.
    survivors
        h, at least 1.
    noise_multiplier
        z of the mask: it fixes how many integers make a clip norm.

    Raises
    ------
    OptionError
        If one is out of its bound.
    """

    multiplier: float
    survivors: int
    noise_multiplier: float

    def __post_init__(self) -> None:
        require_positive("release noise", self.multiplier)
        require_at_least("honest survivors", self.survivors, 1)
        require_positive("noise multiplier", self.noise_multiplier)
        if self.reach > 2**40:
            raise OptionError("release noise", self.multiplier, "is too large: integers pass 2^40")

    @property
    def deviation(self) -> float:
        """Deviation of one device's part, in integers."""
        clip_norm = SIGMA_INT / self.noise_multiplier
        return self.multiplier * clip_norm / math.sqrt(self.survivors)

    @property
    def reach(self) -> int:
        """Largest absolute integer that it adds."""
        return math.ceil(REACH * self.deviation)

    def add(self, encoded: Integers, random_bytes: RandomBytes) -> Integers:
        """Return an encoded vector [count, values...] with this device's noise on the values."""
        drawn = np.rint(gaussian(len(encoded) - 1, random_bytes) * self.deviation)
        noisy = encoded.copy()
        noisy[1:] += np.clip(drawn, -self.reach, self.reach).astype(np.int64)
        return noisy


def gaussian(count: int, random_bytes: RandomBytes) -> Floats:
    """Return standard normal values from uniform bytes, by Box and Muller's transform.

    The transform takes 53-bit uniforms; its values are rounded to integers afterwards, far coarser
    than the gaps of floating point.
    """
    pairs = (count + 1) // 2
    raw = np.frombuffer(random_bytes(16 * pairs), dtype="<u8") >> np.uint64(11)
    uniform = (raw.astype(np.float64) + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform[:pairs]))
    angle = 2.0 * math.pi * uniform[pairs:]
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return np.asarray(both[:count])
