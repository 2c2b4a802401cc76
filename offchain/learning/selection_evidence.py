"""`evidence`, the default rule: what a device's updates did over all rounds so far.

Tests on the sums of a `Ledger`, each a score in deviations of the known noise, so that a device is
rejected when one of them passes the criterion's deviations:

    both      trend and drift together lie below the others': it works against the sums released
    trend     trend alone does; or it lies far above the others', who then follow this device
    drift     it pulls back from, or ahead on, the way the model came, unlike the others
    habit     of late it goes against what it used to send: a device that turned
    clip      its updates are longer than the clip norm: it breaks the rule
    norm      its updates are far longer than the others'
    distance  its mean update lies far from the median device's
    likeness  its mean update differs from the median device's as at least two others' do

"The others" are the middle of the cluster, so most devices of a cluster must be honest. Trend and
`both` excuse a device that contributes at least `share` of what the middle one does: few rows, or
rows unlike the others', make a small update, not a malicious one. Every test compares with the
noise that is known (sigma) and, where devices differ by more than that, with how much they differ.

A score recovers as rounds go by: a rejected device still sends its masked update and rejoins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from offchain.learning.arrays import Booleans, Floats
from offchain.learning.errors import OptionError
from offchain.learning.selection_ledger import Ledger, Statistics, Sum, energies
from offchain.learning.selection_types import (
    Criterion,
    History,
    KeepBest,
    KeepShare,
    Rejection,
    Selection,
    Within,
    choose,
    parse_masked,
)

_DEFAULT = Within(1.5)
_CORE = 0.6  # share of a cluster whose narrowest interval counts as its middle
_RELATIVE = 0.25  # differences of devices below this share of the middle do not count
# How many times the criterion's deviations a test asks for: the more of the noise's peculiarities
# or of honest differences it meets, the more.
_STRICT = {
    "both": 1.0,
    "trend": 1.5,
    "drift": 1.5,
    "habit": 2.0,
    "clip": 2.0,
    "norm": 2.0,
    "distance": 2.0,
    "likeness": 2.0,
}
_TEXT = {
    "both": "works against the sums released so far",
    "trend": "its part in the sums released so far is unlike the others'",
    "drift": "pulls back from, or ahead on, the model's way unlike the others",
    "habit": "of late it goes against what it used to send",
    "clip": "its updates are longer than the clip norm",
    "norm": "its updates are far longer than the others'",
    "distance": "its mean update is far from the others'",
    "likeness": "its mean update differs from the others' as those of several devices do",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The rule of this module's text.

    Parameters
    ----------
    share
        Share of the middle device's contribution that excuses, in [0, 1).
    decay
        What is left of the habit's evidence after a round, in (0, 1].
    """

    share: float = 0.2
    decay: float = 0.8
    name: str = "evidence"
    default_criterion: Criterion = _DEFAULT

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise OptionError("share", self.share, "must be at least 0 and below 1")
        if not 0.0 < self.decay <= 1.0:
            raise OptionError("decay", self.decay, "must be above 0 and at most 1")

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        """See `SelectionRule.select`.

        By deviations it never rejects half of the rows or more, except for passing the clip norm.
        """
        matrix = parse_masked(masked, noise_sigma, history)
        rows, length = matrix.shape
        history = history or History(tuple(str(row) for row in range(rows)))
        names = history.devices
        # Without a mask, rounding stands in for the noise.
        sigma = max(noise_sigma, 1e-6 * float(np.sqrt(np.square(matrix).mean())), 1e-300)
        known = history.memory
        ledger = known if isinstance(known, Ledger) else Ledger.empty(length)
        if history.last is not None:
            ledger = ledger.learn(history.last, sigma)
        ledger = ledger.see(names, matrix, sigma, self.decay)
        found = _norm_tests(ledger, names, matrix, sigma, history.clip_norm)
        found |= _mean_tests(ledger, names, sigma)
        statistics = ledger.statistics(names, matrix, sigma)
        if statistics is not None:
            found |= self._trend_tests(statistics)
        return _decide(found, criterion, ledger)

    def _trend_tests(self, s: Statistics) -> dict[str, Floats]:
        """Scores of the tests on projections."""
        middle = _middle(s.trend, s.trend_reach)
        expected = middle * s.trend_reach
        below = _excuse(expected - s.trend, s.trend, self.share * expected)
        above = (s.trend - expected) / _spread(s.trend, expected, s.trend_reach) / 2.0
        both = _middle(s.both, s.both_reach) * s.both_reach
        drift = _middle(s.drift, s.drift_reach) * s.drift_reach
        off = (s.drift - drift) / _spread(s.drift, drift, s.drift_reach)
        usual = float(np.median(s.habit))
        # Where most devices swing round, that is the training; else going back on itself is enough.
        turned = -s.habit / max(1.0, 0.1 * usual) if usual > 0.0 else np.zeros(len(s.habit))
        return {
            "trend": np.maximum(below, above),
            "both": _excuse(both - s.both, s.both, self.share * both),
            "drift": np.maximum(-off, 0.75 * off),
            "habit": turned,
        }


def _norm_tests(
    ledger: Ledger, names: tuple[str, ...], masked: Floats, sigma: float, clip_norm: float | None
) -> dict[str, Floats]:
    """Squared norms, of this round and on average, against the clip norm and against the others."""
    noise = sigma**2 * math.sqrt(2.0 * masked.shape[1])
    rounds = ledger.of(names, Sum.ROUNDS)
    energy, single = energies(masked, sigma), np.full(len(names), noise)
    mean, several = ledger.of(names, Sum.ENERGY) / rounds, noise / np.sqrt(rounds)
    found = {"norm": np.maximum(_outlying(energy, single), _outlying(mean, several))}
    if clip_norm is not None:
        over = (energy - clip_norm**2) / single, (mean - clip_norm**2) / several
        found["clip"] = np.maximum(*over)
    return found


def _mean_tests(ledger: Ledger, names: tuple[str, ...], sigma: float) -> dict[str, Floats]:
    """Distance and likeness of mean updates, whose noise falls with the number of rounds."""
    rounds = ledger.of(names, Sum.ROUNDS)
    mean = ledger.vectors[ledger.rows(names)].astype(np.float64) / rounds[:, None]
    offset = mean - np.median(mean, axis=0)
    length = offset.shape[1]
    products = offset @ offset.T
    noise = sigma**2 * math.sqrt(2.0 * length) / rounds
    energy = np.diag(products) - length * sigma**2 / rounds * (1.0 - 1.0 / len(names))
    return {
        "distance": _outlying(energy, noise),
        "likeness": _likeness(products, energy, noise),
    }


def _outlying(energy: Floats, noise: Floats) -> Floats:
    """Score squared lengths that pass a bound, in deviations of their noise.

    The bound is the median times a factor from the spread of the logarithms. Below the noise the
    spread cannot be seen: then the factor is wide.
    """
    least = float(np.median(noise))
    centre = max(float(np.median(energy)), least)
    logs = 0.5 * np.log(np.maximum(energy, least))
    spread = 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
    widest = 0.35 if centre > 2.0 * least else 1.0
    bound = centre * math.exp(2.0 * max(widest, 3.0 * spread))
    return np.asarray((energy - bound) / noise)


def _likeness(products: Floats, energy: Floats, noise: Floats) -> Floats:
    """Score how alike a device's offset and its nearest others' are.

    With r_ij the correlation of two offsets and s_i the mean of its k largest, a device stands out
    when 1 - s_i is less than half of the median device's. k is an eighth of the rows, at least 2:
    that many others must be alike. Offsets much shorter than the others' do not count: devices that
    contribute next to nothing all look alike.
    """
    rows = len(energy)
    nearest = max(2, round(rows / 8))
    if rows < 2 * nearest + 2:
        return np.full(rows, -np.inf)
    length = np.sqrt(np.maximum(energy, 2.0 * noise))
    alike = products / np.outer(length, length)
    np.fill_diagonal(alike, -np.inf)
    score = np.minimum(np.sort(alike, axis=1)[:, -nearest:], 1.0).mean(axis=1)
    bound = 0.5 * (1.0 + max(float(np.median(score)), 0.0))
    # Two offsets' product has sqrt(1/2) of a squared length's noise, a mean of k that over sqrt(k).
    uncertain = math.sqrt(0.5 / nearest) * noise / np.square(length)
    result = (score - bound) / uncertain
    return np.where(energy < 0.5 * np.median(energy), -np.inf, result)


def _excuse(below: Floats, values: Floats, enough: Floats) -> Floats:
    """Take the score from devices that contribute enough."""
    return np.where((values >= enough) & (enough > 0.0), np.minimum(below, 0.0), below)


def _middle(values: Floats, reach: Floats) -> float:
    """Where most of a cluster lies, as if all had full reach.

    The mean of the narrowest interval that holds a `_CORE` share, at most one deviation of the
    noise from the median: under strong noise it leans less towards a minority than the median,
    and never follows one far.
    """
    scaled = np.sort((values / np.maximum(reach, 1e-9))[reach >= 0.7 * reach.max()])
    count = math.ceil(_CORE * len(scaled))
    widths = scaled[count - 1 :] - scaled[: len(scaled) - count + 1]
    first = int(np.argmin(widths))
    median = float(np.median(scaled))
    return float(np.clip(scaled[first : first + count].mean(), median - 1.0, median + 1.0))


def _spread(values: Floats, expected: Floats, reach: Floats) -> Floats:
    """By how much devices differ: at least the noise, and a share of what is expected."""
    differences = 1.4826 * float(np.median(np.abs(values - expected)))
    middle = float(np.abs(expected).max())
    return np.asarray(np.maximum(1.0, np.maximum(differences, _RELATIVE * middle) * reach))


def _decide(found: dict[str, Floats], criterion: Criterion, ledger: Ledger) -> Selection:
    """Reject what passes the criterion, with the test that speaks loudest as the reason."""
    tests = list(found)
    table = np.array([found[test] / _STRICT[test] for test in tests])
    scores = np.maximum(table.max(axis=0), -1e9)
    loudest = table.argmax(axis=0)
    if isinstance(criterion, (KeepBest, KeepShare)):
        outcome = choose(scores, criterion)
        return Selection(outcome.kept, scores, outcome.rejected, ledger)
    limit = criterion.deviations
    out = _at_most_a_minority(scores, scores > limit)
    if "clip" in found:
        # Far too long an update is no matter of comparison: no number of others excuses it.
        out |= found["clip"] / _STRICT["clip"] > limit
    rejected = tuple(
        Rejection(
            index,
            float(scores[index]),
            f"{tests[loudest[index]]}: {_TEXT[tests[loudest[index]]]}; score {scores[index]:.1f}, "
            f"at most {limit:g} allowed",
        )
        for index in map(int, np.flatnonzero(out))
    )
    kept = tuple(int(index) for index in np.flatnonzero(~out))
    return Selection(kept, scores, rejected, ledger)


def _at_most_a_minority(scores: Floats, out: Booleans) -> Booleans:
    """Keep the best of the rejected where half or more would go; ties go to the lower index."""
    most = (len(scores) - 1) // 2
    if int(out.sum()) <= most:
        return out
    worst = np.argsort(-scores, kind="stable")[:most]
    result = np.zeros(len(scores), dtype=np.bool_)
    result[worst] = True
    return result
