"""A fast simulation of federated training with attackers and selection, without cryptography.

What the protocol adds up, this adds up: updates made by local epochs, clipped, masked for the
fog's eyes, selected per cluster by the rule, summed without the masks, applied as one step. Left
out are the fixed point (a step is sigma / 16,513) and everything that only proves or hides; a test
holds the sums against the encoded ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import Booleans, Floats, Integers
from offchain.learning.attacks import Backdoor, Scale, Setting, attack
from offchain.learning.baseline import Standardised, standardise
from offchain.learning.datasets import load
from offchain.learning.models import Model
from offchain.learning.partition import DeviceData, parse_split, partition
from offchain.learning.selection import (
    Criterion,
    History,
    Memory,
    PastRound,
    Selection,
    SelectionRule,
    Within,
    choose,
    selection_rule,
)
from offchain.learning.tasks import Dataset
from offchain.learning.training import LocalEpochs, apply_step
from offchain.studies.local_training import LocalTraining, clip_rows

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is trained by whom, without attackers.

    Attributes
    ----------
    name
        In tables.
    dataset
        Name of a classification set.
    method, rounds, rate, clip_norm, l2
        As `Hyperparameters`.
    devices, clusters
        Devices are dealt to clusters in turn.
    drop
        Share of the devices that are silent in a round, drawn anew every round.
    late
        Share of the devices that join when half of the rounds are over, honest and malicious ones
        alike.
    """

    name: str
    dataset: str
    method: LocalEpochs
    rounds: int
    clip_norm: float
    devices: int
    clusters: int = 1
    rate: float = 1.0
    l2: float = 1e-4
    drop: float = 0.0
    late: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """One simulated run.

    Attributes
    ----------
    attack, share
        Name of the attack, and the share of the devices that attack; rounded to devices.
    multiplier
        Noise multiplier z: deviation of the mask over the clip norm.
    split
        How rows are spread, as `parse_split` reads it.
    rule
        Name of a rule; `none` keeps everybody, `known` leaves exactly the attackers out.
    seed
        Seeds the split, who attacks, and the noise: alike for all rules.
    """

    attack: str
    share: float
    multiplier: float
    split: str
    rule: str
    seed: int


NO_ATTACK: Final = "no-attack"
NO_RULE: Final = "none"
KNOWN: Final = "known"
"""The rule that knows the attackers: what selection could reach at best."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Attributes
    ----------
    accuracy
        On the test rows, after the last round.
    triggered
        Share of the test rows of other classes that the backdoor's trigger turns into its target.
    kept_attackers
        Attackers kept, mean over the last quarter of the rounds.
    rejected_honest
        Honest devices rejected, mean over the last quarter of the rounds.
    first_clean
        First round from which on at most a tenth of the attackers was kept; 0 if never.
    attackers
        How many devices attacked.
    """

    accuracy: float
    triggered: float
    kept_attackers: float
    rejected_honest: float
    first_clean: int
    attackers: int


@dataclass(frozen=True, slots=True, repr=False)
class _Data:
    model: Model
    classes: int
    rows: tuple[DeviceData, ...]
    X_test: Array
    y_test: Floats


@lru_cache(maxsize=4)
def _dataset(name: str) -> tuple[Dataset, Standardised]:
    dataset = load(name)
    return dataset, standardise(dataset)


def _deal(scenario: Scenario, split: str, rng: np.random.Generator) -> _Data:
    dataset, data = _dataset(scenario.dataset)
    parts = partition(dataset, scenario.devices, parse_split(split), rng=rng)
    rows = tuple(DeviceData(data.features.apply(part.X), part.y) for part in parts)
    ones = np.ones((len(data.X_test), 1))
    X_test = np.hstack([data.X_test, ones]).astype(np.float32)
    return _Data(dataset.model(), len(dataset.class_names), rows, X_test, data.y_test)


def simulate(scenario: Scenario, case: Case, dtype: type[np.floating[Any]] = np.float32) -> Outcome:
    """Run one case.

    Raises
    ------
    LearningError
        If a name is unknown or the data set does not suit.
    """
    rng = np.random.default_rng(case.seed)
    data = _deal(scenario, case.split, rng)
    attackers = round(case.share * scenario.devices)
    honest = case.attack == NO_ATTACK
    bad = np.sort(rng.permutation(scenario.devices)[: 0 if honest else attackers])
    plug = Scale(1.0) if honest else attack(case.attack)
    setting = Setting(data.classes, scenario.clip_norm, scenario.devices, len(bad))
    rows = [
        plug.corrupt_rows(part, setting) if device in bad else part
        for device, part in enumerate(data.rows)
    ]
    counts = np.array([part.count for part in data.rows])
    training = LocalTraining(data.model, scenario.method, rows, scenario.l2, dtype, counts)
    fogs = _fogs(scenario, case, bad)
    noise = np.random.default_rng([case.seed, 1])
    sigma = case.multiplier * scenario.clip_norm
    theta, kept = data.model.initial(), []
    presence = _presence(scenario, case.seed)
    for number in range(1, scenario.rounds + 1):
        updates = training.updates(theta, rng)
        sent = clip_rows(updates, scenario.clip_norm)
        if len(bad):
            crafted = plug.corrupt_updates(updates[bad].astype(np.float64), setting, number, rng)
            sent[bad] = clip_rows(crafted, scenario.clip_norm) if plug.clipped else crafted
        masked = sent + sigma * noise.standard_normal(sent.shape, dtype=np.float32)
        keep = np.zeros(scenario.devices, np.bool_)
        present = presence[number - 1]
        for fog in fogs:
            here = fog.members[present[fog.members]]
            keep[here] = fog.select(number, here, masked[here], sigma)
        kept.append(keep)
        if keep.any():
            total = sent[keep].sum(axis=0, dtype=np.float64)
            for fog in fogs:
                fog.learn(number, total)
            theta = apply_step(theta, total, int(counts[keep].sum()), scenario.rate)
    return _outcome(data, theta, np.array(kept), presence, bad)


def _presence(scenario: Scenario, seed: int) -> Booleans:
    """Return who takes part in which round, shape (rounds, devices); never nobody."""
    rng = np.random.default_rng([seed, 2])
    present = rng.random((scenario.rounds, scenario.devices)) >= scenario.drop
    late = rng.permutation(scenario.devices)[: round(scenario.late * scenario.devices)]
    present[: scenario.rounds // 2, late] = False
    present[~present.any(axis=1)] = True
    return present


def _outcome(
    data: _Data, theta: Floats, kept: Booleans, present: Booleans, bad: Integers
) -> Outcome:
    rounds, devices = kept.shape
    late = slice(-max(1, rounds // 4), None)
    good = np.setdiff1d(np.arange(devices), bad)
    refused = present & ~kept
    still = np.flatnonzero(kept[:, bad].sum(axis=1) > 0.1 * len(bad))
    last = int(still[-1]) + 1 if len(still) else 0
    weights = theta.reshape(data.classes, -1).T.astype(np.float32)
    predicted = (data.X_test @ weights).argmax(axis=1)
    backdoor = Backdoor()
    others = data.X_test[data.y_test != backdoor.target]
    turned = (backdoor.with_trigger(others) @ weights).argmax(axis=1) == backdoor.target
    return Outcome(
        accuracy=float((predicted == data.y_test).mean()),
        triggered=float(turned.mean()),
        kept_attackers=float(kept[late][:, bad].sum(axis=1).mean()),
        rejected_honest=float(refused[late][:, good].sum(axis=1).mean()),
        first_clean=0 if last == rounds else last + 1,
        attackers=len(bad),
    )


class Fog:
    """One cluster's selection: a rule and what it remembers, as the product's fog holds it.

    Parameters
    ----------
    members
        Numbers of its devices.
    rule
        What it applies.
    clip_norm
        Public.
    """

    def __init__(self, members: Integers, rule: SelectionRule, clip_norm: float) -> None:
        self.members = members
        self._rule = rule
        self._clip_norm = clip_norm
        self._round = 0
        self._last: PastRound | None = None
        self._memory: Memory | None = None

    def select(self, round_number: int, members: Integers, masked: Array, sigma: float) -> Booleans:
        """Return whose masked updates it keeps, shape (members,): those present now."""
        if not len(members):
            return np.zeros(0, np.bool_)
        matrix = masked.astype(np.float64)
        names = tuple(str(member) for member in members)
        history = History(names, self._last, self._memory, self._clip_norm)
        outcome = self._rule.select(
            matrix, self._rule.default_criterion, noise_sigma=sigma, history=history
        )
        self._memory = outcome.memory
        self._round = round_number
        self._last = PastRound(names, matrix, outcome.kept, None)
        keep = np.zeros(len(matrix), np.bool_)
        keep[list(outcome.kept)] = True
        return keep

    def learn(self, round_number: int, total: Floats) -> None:
        """Take the exact sum that a round released; without effect if it chose in another."""
        if self._last is not None and round_number == self._round:
            self._last = replace(self._last, aggregate=total)


_EXACTLY = Within(0.5)


@dataclass(frozen=True, slots=True)
class _Known:
    """Leaves out devices of given names."""

    out: frozenset[str]
    name: str = KNOWN
    default_criterion: Criterion = _EXACTLY

    def select(
        self,
        masked: Floats,
        criterion: Criterion,
        *,
        noise_sigma: float,
        history: History | None = None,
    ) -> Selection:
        del masked, noise_sigma
        names = history.devices if history else ()
        return choose(np.array([float(name in self.out) for name in names]), criterion)


def _fogs(scenario: Scenario, case: Case, bad: Integers) -> list[Fog]:
    fogs = []
    for cluster in range(scenario.clusters):
        members = np.arange(scenario.devices)[cluster :: scenario.clusters]
        rule: SelectionRule
        if case.rule == KNOWN:
            rule = _Known(frozenset(str(device) for device in bad))
        else:
            rule = selection_rule("all" if case.rule == NO_RULE else case.rule)
        fogs.append(Fog(members, rule, scenario.clip_norm))
    return fogs
