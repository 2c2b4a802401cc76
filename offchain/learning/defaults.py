"""Default training parameters per data set and model, found with `baseline.simulate`.

Measured on the test rows, least of two or three seeds:

| set | central | 16 devices, even | 8 | 32 | 16, dirichlet:0.5 | 8 | 32 |
|---|---|---|---|---|---|---|---|
| fault7, 15 rounds | 0.940 | 0.937 | 0.936 | 0.936 | 0.933 | 0.929 | 0.915 |
| fault7, 30 rounds | 0.940 | 0.937 | 0.938 | 0.937 | 0.935 | 0.934 | 0.933 |
| fault2, 20 rounds | 0.974 | 0.980 | 0.985 | 0.955 | 0.865 | 0.750 | 0.762 |
| softsensor, 20 rounds (R2) | 0.948 | 0.949 | 0.947 | 0.948 | 0.948 | 0.946 | 0.948 |

With 16 devices, even split, no update is clipped. With 8 devices or a Dirichlet split the largest
devices are clipped, mostly in the first rounds. fault2 does badly where classes are uneven: devices
that hold one class pull the average apart.

The mask cancels in the sum, so the noise multiplier does not change these numbers. It is a choice
between privacy against the fog (`privacy.epsilon`) and what a selection rule can still see.
"""

from __future__ import annotations

from typing import Final

from offchain.learning.errors import UnknownNameError
from offchain.learning.models import ModelKind
from offchain.learning.training import Hyperparameters, LocalEpochs

DEFAULT_NOISE_MULTIPLIER: Final = 1.0
"""Mask deviation over clip norm: epsilon 62 at delta 1e-5 over 15 rounds (10 gives 3.3)."""

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
