"""Default training parameters per data set and model, found with `baseline.simulate`."""

from __future__ import annotations

from typing import Final

from offchain.learning.errors import UnknownNameError
from offchain.learning.models import ModelKind
from offchain.learning.training import Hyperparameters, LocalEpochs

DEFAULTS: Final[dict[tuple[str, ModelKind], Hyperparameters]] = {
    ("fault7", ModelKind.SOFTMAX): Hyperparameters(
        LocalEpochs(epochs=20, batch=32, rate=1.0), rate=1.0, clip_norm=2_000.0, l2=1e-4, rounds=15
    ),
    ("fault2", ModelKind.LOGISTIC): Hyperparameters(
        LocalEpochs(epochs=50, batch=16, rate=1.0), rate=1.0, clip_norm=3_000.0, l2=1e-4, rounds=20
    ),
    ("softsensor", ModelKind.LINEAR): Hyperparameters(
        LocalEpochs(epochs=2, batch=16, rate=0.01), rate=1.0, clip_norm=500.0, l2=1e-4, rounds=20
    ),
}


def defaults(dataset: str, kind: ModelKind) -> Hyperparameters:
    """Return the default training parameters.

    Raises
    ------
    UnknownNameError
        Listing the pairs there are.
    """
    if (dataset, kind) not in DEFAULTS:
        known = (f"{name}/{model.value}" for name, model in DEFAULTS)
        raise UnknownNameError("defaults", f"{dataset}/{kind.value}", known)
    return DEFAULTS[dataset, kind]
