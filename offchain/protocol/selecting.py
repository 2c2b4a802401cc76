"""Step 4: a selection rule of ``offchain.learning`` applied to masked vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from offchain.errors import VerifogError


@dataclass(frozen=True)
class Chosen:
    """Indices of the kept devices, rising, and why the others were left out."""

    kept: tuple[int, ...]
    refused: tuple[tuple[int, VerifogError], ...] = ()


class Selector(Protocol):
    """Chooses among the masked updates of a round. Implemented over ``offchain.learning``."""

    def choose(
        self, round_number: int, masked: Mapping[int, NDArray[np.int64]], *, updates_model: bool
    ) -> Chosen:
        """Choose from ``{index: data slots of the masked vector}`` (int64 steps, count first).

        ``updates_model`` is false in a statistics round, where updates are no gradients.
        """
        ...

    def learn(self, round_number: int, total: Sequence[int]) -> None:
        """Take the exact sum that a round released: data slots, centred integers, count first.

        Called once for a round that updates the model, after it has been checked; never for a
        round whose sum this fog has not got.
        """
        ...


class KeepAll:
    """Keeps every verified update."""

    def choose(
        self, round_number: int, masked: Mapping[int, NDArray[np.int64]], *, updates_model: bool
    ) -> Chosen:
        """Keep all."""
        del round_number, updates_model
        return Chosen(tuple(sorted(masked)))

    def learn(self, round_number: int, total: Sequence[int]) -> None:
        """Nothing to learn."""
