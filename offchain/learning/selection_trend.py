"""`trend`: agreement with the last sum, added up over rounds, after a screen on the norm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.selection_ledger import energies
from offchain.learning.selection_types import (
    Criterion,
    History,
    KeepShare,
    Selection,
    choose,
    parse_masked,
    robust_scores,
)

_HONEST = KeepShare(0.7)
_SCREEN = 3.0  # deviations of the squared norm
_SCREENED = 1e6  # score of a row that fails the screen


@dataclass(frozen=True, slots=True)
class Agreement:
    """Memory of `trend`: per device the sum of its projections, and the last direction."""

    devices: tuple[str, ...]
    sums: Floats
    direction: Floats | None


@dataclass(frozen=True, slots=True)
class Trend:
    """`trend`: the plain form of what `evidence` does.

    The masked update of round t projected on the exact sum of round t - 1, in deviations of the
    noise, is added up per device; rows whose squared norm lies more than 3 deviations above the
    median are screened out first. The score is minus the robust score of the added projections.
    """

    name: str = "trend"
    default_criterion: Criterion = _HONEST

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        """See `SelectionRule.select`."""
        matrix = parse_masked(masked, noise_sigma, history)
        rows, length = matrix.shape
        history = history or History(tuple(str(row) for row in range(rows)))
        known = history.memory
        before: dict[str, float] = {}
        direction = None
        if isinstance(known, Agreement):
            before = dict(zip(known.devices, known.sums.tolist(), strict=True))
            direction = known.direction
        if history.last is not None and history.last.aggregate is not None:
            direction = history.last.aggregate
        sums = np.array([before.get(name, 0.0) for name in history.devices])
        if direction is not None and (norm := float(np.linalg.norm(direction))) > 0.0:
            sums += matrix @ direction / (norm * (noise_sigma or 1.0))
        noise = noise_sigma**2 * math.sqrt(2.0 * length)
        long = robust_scores(energies(matrix, noise_sigma), noise) > _SCREEN
        scores = -robust_scores(sums) + np.where(long, _SCREENED, 0.0)
        after = before | dict(zip(history.devices, sums.tolist(), strict=True))
        memory = Agreement(tuple(after), np.array(list(after.values())), direction)
        chosen = choose(scores, criterion, what="deviations against the others' trend")
        return Selection(chosen.kept, chosen.scores, chosen.rejected, memory)
