"""The study of privacy: what masks are worth, what they hide, and what they do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import product
from typing import Any, Final

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.baseline import Standardised, standardise
from offchain.learning.datasets import load
from offchain.learning.disclosure import advantage, invert_gradient, row_losses
from offchain.learning.models import Model
from offchain.learning.partition import DeviceData, Even, partition
from offchain.learning.privacy import epsilon
from offchain.learning.training import apply_step
from offchain.studies.grid import PRODUCT
from offchain.studies.local_training import LocalTraining, clip_rows
from offchain.studies.privacy_page import findings_of
from offchain.studies.results import key_of
from offchain.studies.study import Context, Findings

DELTA: Final = 1e-5
MULTIPLIERS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
ROUNDS: Final = (1, 2, 4, 8, 16, 32, 64)
MASKS: Final = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
AVERAGED: Final = (1, 16)
"""Rounds over which an observer averages the masked updates of a device that sends the same."""

RELEASED: Final = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
SURVIVORS: Final = 6
"""`minQualified` of a default cluster of 8 devices, nobody colluding."""

OVERFITTED: Final = (25, 50, 100, 400, 1690)
"""Rows that a model is trained on centrally: half of all at most, the others to compare with."""

_VERSION: Final = 1
_Result = dict[str, Any]


def study(context: Context) -> Findings:
    """Account for masks, invert updates, and look for members in released models."""
    rows = 30 if context.quick else 200
    seeds = 1 if context.quick else 3
    work: list[tuple[str, Callable[..., _Result], tuple[float, ...]]] = [
        *(("epsilon", fog_epsilon, (z, count)) for z, count in product(MULTIPLIERS, ROUNDS)),
        *(("inversion", invert_masked, (z, over, rows)) for z, over in product(MASKS, AVERAGED)),
        *(("rows", invert_many, (count, rows)) for count in (1, 2, 5, 20, 100)),
        *(("member", membership, (count,)) for count in OVERFITTED),
        *(("release", release, (m, seed)) for m, seed in product(RELEASED, range(seeds))),
    ]
    jobs = {
        key_of(version=_VERSION, study="privacy", kind=kind, what=what): partial(do, *what)
        for kind, do, what in work
    }
    found = context.results.complete(jobs, _call, workers=context.workers, advance=context.advance)
    tables: dict[str, list[_Result]] = {}
    for (kind, _, _), result in zip(work, found.values(), strict=True):
        tables.setdefault(kind, []).append(result)
    return findings_of(tables)


def _call(job: Callable[[], _Result]) -> _Result:
    return job()


@lru_cache(maxsize=1)
def _data() -> tuple[Model, Standardised]:
    dataset = load(PRODUCT.dataset)
    return dataset.model(), standardise(dataset)


def fog_epsilon(z: float, rounds: int) -> _Result:
    """Account for the masks of so many rounds."""
    return {"z": z, "rounds": rounds, "epsilon": epsilon(z, rounds, DELTA)}


def invert_masked(z: float, averaged: int, rows: int) -> _Result:
    """Invert the masked gradient of single rows; the clip norm is what each gradient has."""
    model, data = _data()
    rng = np.random.default_rng(7)
    errors = []
    for place in rng.permutation(len(data.X_train))[:rows]:
        X, y = data.X_train[[place]], data.y_train[[place]]
        update = model.gradient_sum(model.initial(), X, y)
        sigma = z * float(np.linalg.norm(update)) / averaged**0.5
        seen = update + rng.normal(0.0, 1.0, update.shape) * sigma
        errors.append(_error(invert_gradient(model, seen), X))
    return {"z": z, "averaged": averaged, "error": float(np.median(errors))}


def invert_many(count: int, rows: int) -> _Result:
    """Invert unmasked gradients of devices with several rows: the distance to the nearest row."""
    model, data = _data()
    rng = np.random.default_rng(8)
    errors = []
    for _ in range(max(10, rows // 4)):
        places = rng.permutation(len(data.X_train))[:count]
        X, y = data.X_train[places], data.y_train[places]
        found = invert_gradient(model, model.gradient_sum(model.initial(), X, y))
        errors.append(_error(found, X))
    return {"rows": count, "error": float(np.median(errors))}


def _error(found: Floats, rows: Floats) -> float:
    """Distance to the nearest of the rows, relative to its length."""
    distances = np.linalg.norm(rows - found, axis=1) / np.linalg.norm(rows, axis=1)
    return float(distances.min())


def membership(count: int) -> _Result:
    """Train centrally on few rows, long, and tell them from test rows."""
    model, data = _data()
    order = np.random.default_rng(9).permutation(len(data.X_train))
    X, y = data.X_train[order[:count]], data.y_train[order[:count]]
    rest = order[count:]
    theta = model.initial()
    for _ in range(400):
        theta = apply_step(theta, model.gradient_sum(theta, X, y, 1e-4), len(X), 1.0)
    others = DeviceData(data.X_train[rest], data.y_train[rest])
    return {"rows": len(X), **_told_apart(theta, DeviceData(X, y), others)}


def _told_apart(theta: Floats, members: DeviceData, others: DeviceData) -> _Result:
    model, data = _data()
    losses = [row_losses(model, theta, part.X, part.y) for part in (members, others)]
    return {
        "auc": advantage(*losses),
        "train": model.score(theta, members.X, members.y),
        "test": model.score(theta, data.X_test, data.y_test),
    }


def release(multiplier: float, seed: int) -> _Result:
    """Train half of the rows with noise left in every sum, and look for them in the model."""
    dataset = load(PRODUCT.dataset)
    model, data = _data()
    rng = np.random.default_rng([seed, 3])
    parts, others = [], []
    for part in partition(dataset, PRODUCT.devices, Even(), rng=rng):
        X, half = data.features.apply(part.X), part.count // 2
        parts.append(DeviceData(X[:half], part.y[:half]))
        others.append(DeviceData(X[half:], part.y[half:]))
    training = LocalTraining(model, PRODUCT.method, parts, PRODUCT.l2, np.float32)
    count = int(training.counts.sum())
    # Every device of the sum adds its part, not only those that are counted on.
    deviation = multiplier * PRODUCT.clip_norm * (PRODUCT.devices / SURVIVORS) ** 0.5
    theta = model.initial()
    for _ in range(PRODUCT.rounds):
        sent = clip_rows(training.updates(theta, rng), PRODUCT.clip_norm)
        total = sent.sum(axis=0, dtype=np.float64) + rng.normal(0.0, 1.0, theta.shape) * deviation
        theta = apply_step(theta, total, count, PRODUCT.rate)
    spent = epsilon(multiplier, PRODUCT.rounds + 1, DELTA) if multiplier else None
    return {
        "multiplier": multiplier,
        "epsilon": spent,
        **_told_apart(theta, _together(parts), _together(others)),
    }


def _together(parts: Sequence[DeviceData]) -> DeviceData:
    return DeviceData(
        np.vstack([part.X for part in parts]), np.concatenate([part.y for part in parts])
    )
