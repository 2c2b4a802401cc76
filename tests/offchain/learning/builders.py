"""Builders of small problems, shared by the tests of this folder."""

from __future__ import annotations

import numpy as np

from offchain.learning.arrays import Floats
from offchain.learning.models import Model, ModelKind
from offchain.learning.tasks import Dataset, Origin, Task, public_ranges

KINDS = tuple(ModelKind)


def small_model(kind: ModelKind, features: int = 4) -> Model:
    classes = {ModelKind.LINEAR: 0, ModelKind.LOGISTIC: 2, ModelKind.SOFTMAX: 3}
    return Model(kind, features, classes[kind])


def small_rows(model: Model, rows: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Rows with a noisy linear rule behind them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, model.features))
    z = X @ rng.normal(size=(model.features, max(model.classes, 1)))
    z += rng.normal(size=z.shape)
    if model.kind is ModelKind.LINEAR:
        return X, z[:, 0] + 2.0
    if model.kind is ModelKind.LOGISTIC:
        return X, (z[:, 0] > 0.3).astype(np.float64)
    return X, z.argmax(axis=1).astype(np.float64)


def small_dataset(task: Task = Task.CLASSIFICATION, rows: int = 120) -> Dataset:
    kind = ModelKind.SOFTMAX if task is Task.CLASSIFICATION else ModelKind.LINEAR
    model = small_model(kind)
    X, y = small_rows(model, rows)
    X_test, y_test = small_rows(model, 40, seed=1)
    return Dataset(
        name="small",
        task=task,
        origin=Origin("made up", "none", simulated=True),
        X_train=X,
        y_train=y,
        X_test=X_test,
        y_test=y_test,
        feature_names=("a", "b", "c", "d"),
        class_names=("p", "q", "r") if task is Task.CLASSIFICATION else (),
        target_name="y",
        ranges=public_ranges(X),
        target_range=public_ranges(y[:, None]),
    )
