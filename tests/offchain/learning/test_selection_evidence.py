"""Rules that learn over rounds, on made-up updates with a common direction."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from offchain.learning.errors import OptionError
from offchain.learning.selection import (
    DEFAULT_RULE,
    Evidence,
    History,
    PastRound,
    Trend,
    selection_rule,
)

LENGTH = 60
SIGMA = 0.3  # of the mask; honest updates have norm 1
DEVICES = tuple(f"device {number}" for number in range(10))


@dataclass
class Cluster:
    """A fog with one rule, and devices whose updates share a direction that stays."""

    rule: object = field(default_factory=Evidence)
    sigma: float = SIGMA
    clip_norm: float | None = None
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))
    last: PastRound | None = None
    memory: object = None

    def __post_init__(self):
        self.way = np.zeros(LENGTH)
        self.way[0] = 1.0

    def honest(self):
        other = self.rng.normal(size=LENGTH)
        return 0.95 * self.way + 0.3 * other / np.linalg.norm(other)

    def round(self, factors, released=True):
        """One round: each named device sends its honest update times a factor."""
        names = tuple(factors)
        sent = np.array([factor * self.honest() for factor in factors.values()])
        masked = sent + self.rng.normal(0.0, self.sigma, sent.shape)
        history = History(names, self.last, self.memory, self.clip_norm)
        chosen = self.rule.select(
            masked, self.rule.default_criterion, noise_sigma=self.sigma, history=history
        )
        total = sent[list(chosen.kept)].sum(axis=0) if released else None
        self.last = PastRound(names, masked, chosen.kept, total)
        self.memory = chosen.memory
        self.reasons = {names[r.index]: r.reason for r in chosen.rejected}
        return {names[row] for row in chosen.kept}


def factors(bad=(), factor=-1.0, names=DEVICES):
    return {name: factor if name in bad else 1.0 for name in names}


BAD = DEVICES[2:5]
GOOD = set(DEVICES) - set(BAD)


def test_default_rule__is_evidence():
    assert selection_rule(DEFAULT_RULE) == Evidence()


@pytest.mark.parametrize("factor", [-1.0, -3.0])
def test_evidence__three_of_ten_work_against__are_out_and_say_why(factor):
    cluster = Cluster()
    kept = [cluster.round(factors(BAD, factor)) for _ in range(8)]
    assert kept[-1] == GOOD
    assert set(cluster.reasons) == set(BAD)
    assert all("at most 1.5 allowed" in reason for reason in cluster.reasons.values())


def test_evidence__nobody_attacks__keeps_nearly_all():
    cluster = Cluster()
    refused = sum(len(DEVICES) - len(cluster.round(factors())) for _ in range(20))
    assert refused <= 4


def test_evidence__without_history__sees_the_norm_only():
    """A fresh fog: one round tells no direction, but an update far too long stands out."""
    rows = np.array([Cluster().honest() for _ in DEVICES])
    rows[3] *= 40.0
    rows[6] *= -1.0
    chosen = Evidence().select(rows, Evidence().default_criterion, noise_sigma=SIGMA)
    assert [rejection.index for rejection in chosen.rejected] == [3]
    assert "longer" in chosen.rejected[0].reason


def test_evidence__wrongly_rejected_honest_device__gets_back_in():
    """It seems malicious for three rounds, then sends what the others send."""
    cluster = Cluster()
    unlucky = DEVICES[7]
    for _ in range(3):
        kept = cluster.round(factors([unlucky]))
    assert unlucky not in kept
    waited = next(n for n in range(1, 30) if unlucky in cluster.round(factors()))
    assert 1 < waited < 20
    assert all(unlucky in cluster.round(factors()) for _ in range(3))


def test_evidence__late_attacker__is_out_within_some_rounds_and_late_honest_stay():
    cluster = Cluster()
    early = DEVICES[:6]
    for _ in range(6):
        cluster.round(factors(BAD[:1], names=early))
    late_bad, late_good = DEVICES[9], DEVICES[8]
    bad = (*BAD[:1], late_bad)
    kept = [cluster.round(factors(bad)) for _ in range(10)]
    assert kept[-1] == set(DEVICES) - set(bad)
    assert sum(late_good in chosen for chosen in kept) >= 9


def test_evidence__silent_devices_and_failed_rounds__keep_their_evidence():
    cluster = Cluster()
    for _ in range(8):
        cluster.round(factors(BAD))
    without = [name for name in DEVICES if name not in (BAD[0], DEVICES[0])]
    for _ in range(3):
        kept = cluster.round(factors(BAD, names=without), released=False)
        assert kept == GOOD - {DEVICES[0]}
    assert cluster.round(factors(BAD)) == GOOD


def test_evidence__half_look_wrong__never_rejects_half():
    cluster = Cluster(sigma=0.01)
    for _ in range(6):
        kept = cluster.round(factors(DEVICES[:5]))
        assert len(kept) > len(DEVICES) // 2


def test_evidence__longer_than_the_clip_norm__is_out_however_many():
    cluster = Cluster(clip_norm=1.5)
    long = DEVICES[:7]
    kept = cluster.round(factors(long, 20.0))
    assert kept == set(DEVICES[7:])
    assert "clip norm" in cluster.reasons[long[0]]


def test_evidence__turned_after_honest_rounds__is_out_soon():
    cluster = Cluster()
    for _ in range(10):
        cluster.round(factors())
    kept = [cluster.round(factors(BAD)) for _ in range(8)]
    assert kept[-1] & set(BAD) == set()


def test_trend__flippers__are_out_once_a_sum_is_known():
    cluster = Cluster(Trend())
    for _ in range(8):
        kept = cluster.round(factors(BAD))
    assert kept == GOOD


@pytest.mark.parametrize("options", [{"share": 1.0}, {"share": -0.1}, {"decay": 0.0}])
def test_evidence__parameter_out_of_bound__option_error(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        Evidence(**options)
