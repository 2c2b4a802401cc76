"""What the federated run is compared with: scikit-learn on all rows, and a plain simulator.

The simulator does what the devices and the cloud compute, with no protocol in between.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import numpy as np

from offchain.learning.arrays import Floats, require_at_least
from offchain.learning.encoding import UpdateEncoding
from offchain.learning.models import Model, ModelKind
from offchain.learning.partition import DeviceData, Split, partition
from offchain.learning.statistics import Standardiser, statistics_vector, with_target
from offchain.learning.tasks import Dataset, Task
from offchain.learning.training import Hyperparameters, apply_step, device_update


@dataclass(frozen=True, slots=True)
class Standardised:
    """A data set's rows after standardisation by the training rows; shapes as in `Dataset`.

    Attributes
    ----------
    features, target
        The standardisers; `target` is None for classification. R2 does not depend on the
        target's scale.
    """

    X_train: Floats
    y_train: Floats
    X_test: Floats
    y_test: Floats
    features: Standardiser
    target: Standardiser | None


def standardise(dataset: Dataset) -> Standardised:
    """Standardise features, and for regression the target, by all training rows."""
    features = Standardiser.from_rows(dataset.X_train, dataset.ranges)
    target = None
    y_train, y_test = dataset.y_train, dataset.y_test
    if dataset.task is Task.REGRESSION:
        target = Standardiser.from_rows(y_train[:, None], dataset.target_range)
        y_train = target.apply(y_train[:, None])[:, 0]
        y_test = target.apply(y_test[:, None])[:, 0]
    return Standardised(
        features.apply(dataset.X_train),
        y_train,
        features.apply(dataset.X_test),
        y_test,
        features,
        target,
    )


@dataclass(frozen=True, slots=True)
class Baseline:
    """Result of the central scikit-learn model.

    Attributes
    ----------
    metric
        `accuracy` or `R2`.
    train_score, test_score
        The metric on either side.
    description
        The estimator as called.
    """

    metric: str
    train_score: float
    test_score: float
    description: str


def central_baseline(dataset: Dataset, kind: ModelKind | None = None) -> Baseline:
    """Train scikit-learn's estimator on all rows, standardised, and score it.

    Classification: `LogisticRegression(C=1)`, the library's default, which equals this package's
    objective with l2 = 1/m. Regression: `LinearRegression`.

    Raises
    ------
    OptionError
        If the kind does not suit the data set.
    """
    model = dataset.model(kind)
    data = standardise(dataset)
    # Slow to import: only when asked for.
    linear_model = importlib.import_module("sklearn.linear_model")
    if model.kind is ModelKind.LINEAR:
        estimator, metric, text = linear_model.LinearRegression(), "R2", "LinearRegression()"
    else:
        estimator = linear_model.LogisticRegression(C=1.0, max_iter=5000)
        metric, text = "accuracy", "LogisticRegression(C=1.0)"
    estimator.fit(data.X_train, data.y_train)
    return Baseline(
        metric=metric,
        train_score=float(estimator.score(data.X_train, data.y_train)),
        test_score=float(estimator.score(data.X_test, data.y_test)),
        description=f"scikit-learn {text} on standardised features",
    )


def gradient_descent(
    model: Model, X: Floats, y: Floats, *, rate: float, rounds: int, l2: float
) -> Floats:
    """Return theta, shape (d,), after `rounds` steps of central gradient descent from 0."""
    require_at_least("rounds", rounds, 0)
    theta = model.initial()
    for _ in range(rounds):
        theta = apply_step(theta, model.gradient_sum(theta, X, y, l2), len(X), rate)
    return theta


@dataclass(frozen=True, slots=True)
class SimulatedRound:
    """One simulated round.

    Attributes
    ----------
    loss
        Objective over all training rows after the round.
    score
        Accuracy or R2 on the test rows.
    clipped
        Number of devices whose update was clipped.
    largest_norm
        Largest L2 norm of an update, after clipping.
    """

    loss: float
    score: float
    clipped: int
    largest_norm: float


@dataclass(frozen=True, slots=True)
class Simulation:
    """Rounds of a simulated run and the model after the last, shape (d,)."""

    rounds: tuple[SimulatedRound, ...]
    theta: Floats


def simulate(
    dataset: Dataset,
    parameters: Hyperparameters,
    *,
    devices: int,
    split: Split,
    seed: int,
    kind: ModelKind | None = None,
    rounds: int | None = None,
    noise_multiplier: float | None = None,
    score_every: int = 1,
) -> Simulation:
    """Train over simulated devices: statistics, updates, clipping, sums, steps.

    Parameters
    ----------
    parameters
        Training parameters; `rounds` overrides the number of rounds.
    devices, split, seed
        How the rows are split, and the randomness of split and mini-batches.
    noise_multiplier
        If given, updates and model pass through the fixed-point encoding of this multiplier. The
        mask itself never enters: it cancels before the sum.
    score_every
        Rounds between scorings; the last is always scored. Only scored rounds are returned.
    """
    model = dataset.model(kind)
    rng = np.random.default_rng(seed)
    parts = partition(dataset, devices, split, rng=rng)
    data = standardise(dataset)
    parts = tuple(_standardised(part, data) for part in parts)
    encoding = None
    if noise_multiplier is not None:
        counts = [part.count for part in parts]
        encoding = UpdateEncoding(noise_multiplier, parameters.clip_norm, min(counts), max(counts))
    theta = model.initial()
    theta_int = None if encoding is None else encoding.encode_model(theta)
    total = parameters.rounds if rounds is None else rounds
    scored = []
    for number in range(1, total + 1):
        updates = [
            device_update(
                parameters.method,
                model,
                theta,
                part.X,
                part.y,
                clip_norm=parameters.clip_norm,
                l2=parameters.l2,
                rng=rng,
            )
            for part in parts
        ]
        if encoding is None or theta_int is None:
            summed = np.sum([update.values for update in updates], axis=0)
            count = sum(update.count for update in updates)
            theta = apply_step(theta, summed, count, parameters.rate)
        else:
            encoded = [encoding.encode_update(u.count, u.values) for u in updates]
            theta_int = encoding.apply_step(
                theta_int, np.sum(encoded, axis=0), devices=len(parts), rate=parameters.rate
            )
            theta = encoding.decode_model(theta_int)
        if number % score_every == 0 or number == total:
            scored.append(
                SimulatedRound(
                    loss=model.loss(theta, data.X_train, data.y_train, parameters.l2),
                    score=model.score(theta, data.X_test, data.y_test),
                    clipped=sum(update.clipped for update in updates),
                    largest_norm=max(float(np.linalg.norm(u.values)) for u in updates),
                )
            )
    return Simulation(tuple(scored), theta)


def federated_standardiser(parts: tuple[DeviceData, ...], dataset: Dataset) -> Standardiser:
    """Return the standardiser from the sum of the devices' statistics, before quantisation.

    For regression the target is the last column.
    """
    ranges, rows = dataset.ranges, [part.X for part in parts]
    if dataset.task is Task.REGRESSION:
        ranges = np.vstack([ranges, dataset.target_range])
        rows = [with_target(part.X, part.y) for part in parts]
    sums = np.sum([statistics_vector(matrix, ranges) for matrix in rows], axis=0)
    return Standardiser.from_sums(sum(part.count for part in parts), sums, ranges)


def _standardised(part: DeviceData, data: Standardised) -> DeviceData:
    y = part.y if data.target is None else data.target.apply(part.y[:, None])[:, 0]
    return DeviceData(data.features.apply(part.X), y)
