"""Which of a device's own rows are kept for testing: the same ones for the same option and seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from offchain.learning.arrays import Booleans, Integers
from offchain.learning.errors import OptionError

_FORMS: Final = "random:SHARE or last:SHARE, SHARE above 0 and below 1"


@dataclass(frozen=True, slots=True)
class RandomShare:
    """`random:SHARE`: a share of each class's rows, or of all rows for regression."""

    share: float

    def __str__(self) -> str:
        return f"random:{self.share:g}"

    def test_rows(self, labels: Integers, device: str, seed: int) -> Booleans:
        """Return which rows are for testing, shape (m,); at least one row stays for training.

        Parameters
        ----------
        labels
            Class of each row (all 0 for regression), shape (m,).
        device
            Name of the device: another device coming or going changes nothing for this one.
        seed
            Seed of the draw.
        """
        rng = np.random.default_rng([seed, *device.encode()])
        chosen = np.zeros(len(labels), dtype=np.bool_)
        for label in np.unique(labels):
            rows = rng.permutation(np.flatnonzero(labels == label))
            chosen[rows[: math.floor(self.share * len(rows))]] = True
        return chosen


@dataclass(frozen=True, slots=True)
class LastShare:
    """`last:SHARE`: the last rows of each device in its file's order, for rows in order of time."""

    share: float

    def __str__(self) -> str:
        return f"last:{self.share:g}"

    def test_rows(self, labels: Integers, device: str, seed: int) -> Booleans:
        """Return which rows are for testing, shape (m,); at least one row stays for training."""
        del device, seed
        count = len(labels)
        return np.arange(count) >= count - math.floor(self.share * count)


Holdout: TypeAlias = RandomShare | LastShare


def parse_holdout(text: str) -> Holdout:
    """Return the hold-out that `random:SHARE` or `last:SHARE` names.

    Raises
    ------
    OptionError
        If the text is neither.
    """
    name, _, argument = text.partition(":")
    try:
        share = float(argument)
    except ValueError:
        share = math.nan
    if name not in {"random", "last"} or not 0.0 < share < 1.0:
        raise OptionError("holdout", text, f"must be {_FORMS}")
    return RandomShare(share) if name == "random" else LastShare(share)
