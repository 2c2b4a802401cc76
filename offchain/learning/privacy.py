"""Differential privacy of a device's update against its fog (sections 4 and 8).

What the figure covers. In every round the fog sees one device's clipped update plus Gaussian noise
of deviation sigma = z C per coordinate. Neighbouring means: the device's whole data set, and so its
whole update, is replaced by another (device level, replace one). Two clipped updates are at most
2 C apart: the sensitivity is 2 C, not C, since the fog knows that the device takes part, so that
adding or removing a device is not what is to be hidden. Every round has a fresh mask, and no
subsampling is claimed: T rounds, adaptively chosen, are at most one Gaussian mechanism of noise
multiplier z / (2 sqrt(T)) (Dong, Roth, Su 2022), whose epsilon at a given delta is known exactly
(Balle and Wang 2018) and computed by dp-accounting.

What it does not cover. The fog and the cloud also learn the exact sum of the selected updates,
which carries no noise unless each device leaves some in (`release`): a coalition that knows all
other updates of a sum knows the last one, and whatever the sum itself tells is told. The count in
slot 0 is masked by the same noise; `encoded_sensitivity` adds its part and that of the rounding.
The mask is a sum of discrete Gaussians with 16,513 steps to the deviation and is treated as a
continuous one.
"""

from __future__ import annotations

import importlib
import math

from offchain.learning.arrays import require_at_least, require_positive
from offchain.learning.encoding import SIGMA_INT, UpdateEncoding
from offchain.learning.errors import OptionError

REPLACE_SENSITIVITY = 2.0
"""Distance of two clipped updates in units of the clip norm."""


def epsilon(
    noise_multiplier: float,
    rounds: int,
    delta: float,
    *,
    sensitivity: float = REPLACE_SENSITIVITY,
) -> float:
    """Return epsilon at `delta` of the fog's view of one device over `rounds` rounds.

    Parameters
    ----------
    noise_multiplier
        z = sigma / C, above 0.
    rounds
        Rounds in which the device sent a masked update; 0 gives 0.
    delta
        In (0, 1).
    sensitivity
        Largest change of the masked vector, in units of C; 2 for replacing a whole update.

    Raises
    ------
    OptionError
        If a parameter is out of its bound.
    """
    require_positive("noise multiplier", noise_multiplier)
    require_at_least("rounds", rounds, 0)
    require_positive("sensitivity", sensitivity)
    if not 0.0 < delta < 1.0:
        raise OptionError("delta", delta, "must be above 0 and below 1")
    if rounds == 0:
        return 0.0
    effective = noise_multiplier / (sensitivity * math.sqrt(rounds))
    # Slow to import: only when asked for.
    accounting = importlib.import_module("dp_accounting")
    return float(accounting.get_epsilon_gaussian(effective, delta))


def rounds_within(
    noise_multiplier: float,
    max_epsilon: float,
    delta: float,
    *,
    sensitivity: float = REPLACE_SENSITIVITY,
    most: int = 100_000,
) -> int:
    """Return the largest number of rounds, at most `most`, whose epsilon is within the budget."""
    require_positive("max epsilon", max_epsilon)
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        spent = epsilon(noise_multiplier, middle, delta, sensitivity=sensitivity)
        low, high = (middle, high) if spent <= max_epsilon else (low, middle - 1)
    return low


def encoded_sensitivity(encoding: UpdateEncoding, length: int) -> float:
    """Return the exact bound on the change of an encoded vector, in units of the clip norm.

    Two encoded vectors [count, values...] with `length` values differ by at most
    2 C/step + sqrt(length) in the values (half a step of rounding on either side) and by
    max_samples - min_samples in the count. Never below 2; the excess over 2 is what the count and
    the rounding cost.
    """
    scale = SIGMA_INT / encoding.noise_multiplier
    values = scale * released_sensitivity(encoding, length)
    return math.hypot(values, encoding.max_samples - encoding.min_samples) / scale


def released_sensitivity(encoding: UpdateEncoding, length: int) -> float:
    """Return the bound on the change of the values of a sum, counts left out, in clip norms.

    For noise that stays in released sums (`release`): counts carry none of it and are public.
    """
    require_at_least("length", length, 0)
    return 2.0 + math.sqrt(length) * encoding.noise_multiplier / SIGMA_INT
