"""Selection rules without memory: how far a masked update lies from the others of its round.

The mask adds noise of deviation sigma to each of d coordinates. A squared distance between two rows
then has 2 d sigma^2 of it, give or take 2 sqrt(2 d) sigma^2: with a noise multiplier z = sigma / C,
two honest updates and an honest and a malicious one differ by at most 4 C^2, which that spread
covers as soon as z^2 sqrt(2 d) passes about 1. All rules here drown there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.errors import OptionError
from offchain.learning.selection_types import (
    Criterion,
    History,
    KeepShare,
    Selection,
    Within,
    choose,
    parse_masked,
    robust_scores,
)

ASSUMED_HONEST = 0.7
"""Share that ranking rules keep by default: they need a guess of how many attack."""

_ALL = KeepShare(1.0)
_HONEST = KeepShare(ASSUMED_HONEST)
_DEVIATIONS = Within(2.5)


@dataclass(frozen=True, slots=True)
class KeepAll:
    """`all`: keep every row, whatever the criterion; all scores 0."""

    name: str = "all"
    default_criterion: Criterion = _ALL

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        """See `SelectionRule.select`."""
        del criterion
        matrix = parse_masked(masked, noise_sigma, history)
        return Selection(tuple(range(len(matrix))), np.zeros(len(matrix)), ())


@dataclass(frozen=True, slots=True)
class MeanDeviation:
    """`mean-deviation`: the paper's rule, distance from the mean in standard deviations.

    With mu_q and s_q the mean and standard deviation of coordinate q over the rows, row j scores

        score_j = sqrt( (1/d') sum_q ((x_jq - mu_q) / s_q)^2 )

    over the d' coordinates with s_q > 0; the mean square score over the rows is 1, the largest
    possible score sqrt(n - 1).
    """

    name: str = "mean-deviation"
    default_criterion: Criterion = _HONEST

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        """See `SelectionRule.select`; `noise_sigma` and `history` do not enter."""
        matrix = _scaled(parse_masked(masked, noise_sigma, history))
        centred = matrix - matrix.mean(axis=0)
        deviation = np.sqrt(np.square(centred).mean(axis=0))
        spread = deviation > 1e-13
        if not spread.any():
            scores = np.zeros(len(matrix))
        else:
            scores = np.sqrt(np.square(centred[:, spread] / deviation[spread]).mean(axis=1))
        return choose(scores, criterion)


@dataclass(frozen=True, slots=True)
class MedianDeviation:
    """`median-mad`: distance from the coordinate-wise median, judged by median and MAD.

    With D_j the squared distance of row j from the median of every coordinate,

        score_j = (D_j - median D) / max(1.4826 MAD(D), 2 sigma^2 sqrt(d / 2)),

    the second a floor at the deviation that noise alone gives D. Only rows further out than the
    median can be rejected.
    """

    name: str = "median-mad"
    default_criterion: Criterion = _DEVIATIONS

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        """See `SelectionRule.select`; `history` does not enter."""
        matrix = parse_masked(masked, noise_sigma, history)
        distance = np.square(matrix - np.median(matrix, axis=0)).sum(axis=1)
        scores = robust_scores(distance, noise_sigma**2 * math.sqrt(2.0 * matrix.shape[1]))
        return choose(scores, criterion, what="deviations of the distance from the median")


@dataclass(frozen=True, slots=True)
class TrimmedDistance:
    """`trimmed-distance`: distance from the trimmed mean, in deviations of the distances.

    The centre is the mean of every coordinate over the rows without its `trim` share of largest
    and of smallest values (Yin et al. 2018). Scores as in `median-mad`.

    Parameters
    ----------
    trim
        In [0, 0.5).
    """

    trim: float = 0.3
    name: str = "trimmed-distance"
    default_criterion: Criterion = _HONEST

    def __post_init__(self) -> None:
        if not 0.0 <= self.trim < 0.5:
            raise OptionError("trim", self.trim, "must be at least 0 and below 0.5")

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        """See `SelectionRule.select`; `history` does not enter."""
        matrix = parse_masked(masked, noise_sigma, history)
        rows, length = matrix.shape
        cut = min(int(self.trim * rows), (rows - 1) // 2)
        centre = np.sort(matrix, axis=0)[cut : rows - cut].mean(axis=0)
        distance = np.square(matrix - centre).sum(axis=1)
        scores = robust_scores(distance, noise_sigma**2 * math.sqrt(2.0 * length))
        return choose(scores, criterion, what="deviations of the distance from the trimmed mean")


@dataclass(frozen=True, slots=True)
class MultiKrum:
    """`multi-krum`: how near the nearest others are (Blanchard et al. 2017).

    Row j scores the sum of its squared distances to its n - f - 2 nearest rows, f = floor((1 -
    honest) n) being how many are assumed malicious; median and MAD put it in deviations.

    Parameters
    ----------
    honest
        Assumed share of honest rows, in (0.5, 1].
    """

    honest: float = ASSUMED_HONEST
    name: str = "multi-krum"
    default_criterion: Criterion = _HONEST

    def __post_init__(self) -> None:
        if not 0.5 < self.honest <= 1.0:
            raise OptionError("honest", self.honest, "must be above 0.5 and at most 1")

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        """See `SelectionRule.select`; `history` does not enter."""
        matrix = _scaled(parse_masked(masked, noise_sigma, history))
        rows = len(matrix)
        square = np.square(matrix).sum(axis=1)
        distance = np.maximum(square[:, None] + square[None, :] - 2.0 * matrix @ matrix.T, 0.0)
        malicious = int((1.0 - self.honest) * rows + 1e-9)
        nearest = max(1, rows - malicious - 2)
        # Column 0 of the sorted distances is each row's distance to itself.
        sums = np.sort(distance, axis=1)[:, 1 : nearest + 1].sum(axis=1)
        scores = robust_scores(sums)
        return choose(scores, criterion, what="deviations of the distances to the nearest")


def _scaled(matrix: Floats) -> Floats:
    """Scale to at most 1: squares stay finite, and no score of these rules changes."""
    return np.asarray(matrix / (float(np.abs(matrix).max(initial=0.0)) or 1.0))
