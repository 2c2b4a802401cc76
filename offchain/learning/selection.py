"""Selection rules: which masked updates a fog keeps (section 5.4).

A rule sees what the fog sees: masked updates, an (n, d) matrix in real units, and the public noise
deviation. Rules are plug-ins: implement `SelectionRule` and `register` it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np

from offchain.learning.arrays import Floats, parse_matrix, require_not_negative
from offchain.learning.errors import OptionError, ShapeError, UnknownNameError


@dataclass(frozen=True, slots=True)
class KeepBest:
    """Keep the `count` rows of the lowest scores; all of them if there are fewer."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise OptionError("keep", self.count, "must be at least 1")


@dataclass(frozen=True, slots=True)
class Within:
    """Keep the rows whose score is at most `deviations` standard deviations."""

    deviations: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.deviations) or self.deviations <= 0:
            raise OptionError("deviations", self.deviations, "must be finite and above 0")


Criterion: TypeAlias = KeepBest | Within


@dataclass(frozen=True, slots=True)
class PastRound:
    """What a fog knows of an earlier round.

    Attributes
    ----------
    devices
        Names of the rows of `masked`.
    masked
        Masked updates, shape (n, d), real units.
    kept
        Indices of the rows that were kept.
    aggregate
        The exact sum that the round released, shape (d,), or None if the round failed.
    """

    devices: tuple[str, ...]
    masked: Floats
    kept: tuple[int, ...]
    aggregate: Floats | None


@dataclass(frozen=True, slots=True)
class History:
    """Earlier rounds, oldest first, and the names of the rows now under judgement."""

    devices: tuple[str, ...]
    rounds: tuple[PastRound, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not kept, its score, and why in words for the log."""

    index: int
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome of a rule.

    Attributes
    ----------
    kept
        Indices of the kept rows, ascending.
    scores
        One score per row, lower is better, shape (n,).
    rejected
        The other rows, ascending by index.
    """

    kept: tuple[int, ...]
    scores: Floats
    rejected: tuple[Rejection, ...]


class SelectionRule(Protocol):
    """A plug-in that chooses rows; must be deterministic."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        """Choose among the rows of `masked`.

        Parameters
        ----------
        masked
            Masked updates, shape (n, d), n >= 1, finite, real units.
        criterion
            How many, or how far out, to keep.
        noise_sigma
            Standard deviation of the mask per coordinate, real units, at least 0.
        history
            Earlier rounds, for rules that learn over rounds.

        Raises
        ------
        ShapeError, NotFiniteError, OptionError
            If an argument is not as stated.
        """


@dataclass(frozen=True, slots=True)
class KeepAll:
    """`all`: keep every row, whatever the criterion; all scores 0."""

    name: str = "all"

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
        matrix = _parse(masked, noise_sigma, history)
        return Selection(tuple(range(len(matrix))), np.zeros(len(matrix)), ())


@dataclass(frozen=True, slots=True)
class MeanDeviation:
    """`mean-deviation`: the paper's rule, distance from the mean in standard deviations.

    With mu_q and s_q the mean and standard deviation of coordinate q over the rows, row j scores

        score_j = sqrt( (1/d') sum_q ((x_jq - mu_q) / s_q)^2 )

    over the d' coordinates with s_q > 0; the mean square score over the rows is 1, the largest
    possible score sqrt(n - 1). The mask adds noise of deviation `noise_sigma` to every coordinate,
    so the distances drown in it as sigma or d grows: this rule is weak under strong masks.
    """

    name: str = "mean-deviation"

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        """See `SelectionRule.select`; `noise_sigma` and `history` do not enter."""
        matrix = _parse(masked, noise_sigma, history)
        # Scaling first keeps the squares finite; it does not change the scores.
        scale = float(np.abs(matrix).max(initial=0.0)) or 1.0
        centred = matrix / scale
        centred = centred - centred.mean(axis=0)
        deviation = np.sqrt(np.square(centred).mean(axis=0))
        spread = deviation > 1e-13
        if not spread.any():
            scores = np.zeros(len(matrix))
        else:
            scores = np.sqrt(np.square(centred[:, spread] / deviation[spread]).mean(axis=1))
        return choose(scores, criterion)


def choose(scores: Floats, criterion: Criterion) -> Selection:
    """Apply a criterion to scores (lower is better); ties go to the lower index.

    Shared by rules that score rows independently.
    """
    order = [int(index) for index in np.argsort(scores, kind="stable")]
    if isinstance(criterion, KeepBest):
        kept = set(order[: criterion.count])
        reasons = {
            index: f"rank {rank} of {len(order)}, the best {criterion.count} are kept"
            for rank, index in enumerate(order, start=1)
        }
    else:
        kept = {index for index in order if scores[index] <= criterion.deviations}
        reasons = {
            index: f"{scores[index]:.3f} standard deviations from the mean, "
            f"at most {criterion.deviations:g} allowed"
            for index in order
        }
    rejected = tuple(
        Rejection(index, float(scores[index]), reasons[index])
        for index in range(len(order))
        if index not in kept
    )
    return Selection(tuple(sorted(kept)), scores, rejected)


_RULES: Final[dict[str, SelectionRule]] = {}


def register(rule: SelectionRule) -> None:
    """Add a rule to the registry.

    Raises
    ------
    OptionError
        If the name is taken.
    """
    if rule.name in _RULES:
        raise OptionError("selection rule", rule.name, "is already registered")
    _RULES[rule.name] = rule


def selection_rule(name: str) -> SelectionRule:
    """Return a registered rule.

    Raises
    ------
    UnknownNameError
        Listing the rules there are.
    """
    if name not in _RULES:
        raise UnknownNameError("selection rule", name, _RULES)
    return _RULES[name]


def rule_names() -> tuple[str, ...]:
    """Return the names of all registered rules, sorted."""
    return tuple(sorted(_RULES))


def _parse(masked: Floats, noise_sigma: float, history: History | None) -> Floats:
    matrix = parse_matrix("masked", masked)
    if matrix.shape[0] < 1:
        raise ShapeError("masked", matrix.shape, "at least one row")
    require_not_negative("noise sigma", noise_sigma)
    if history is not None and len(history.devices) != len(matrix):
        raise ShapeError("history.devices", (len(history.devices),), f"({len(matrix)},)")
    return matrix


register(KeepAll())
register(MeanDeviation())
