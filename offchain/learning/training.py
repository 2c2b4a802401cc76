"""How a device makes its update from the model and its own rows (sections 3 and 5.1).

A *method* turns (theta, rows) into an update whose sum over devices moves the model:

    theta' = theta - rate * (sum of updates) / (sum of counts).

Methods are plug-ins: one that is not a linear step (`ridge`, `newton`) has its own update length,
says so by `linear_step = False`, and solves for the next model (`solving`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import (
    Floats,
    parse_vector,
    require_at_least,
    require_finite,
    require_not_negative,
    require_positive,
)
from offchain.learning.errors import OptionError
from offchain.learning.models import Model


class Method(Protocol):
    """How one device's update is computed, before clipping."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    @property
    def linear_step(self) -> bool:
        """Whether theta' = theta - rate * sum / count, which Contract S applies by itself."""

    def update_length(self, model: Model) -> int:
        """Length of the update vector, count not included."""

    def update(
        self,
        model: Model,
        theta: Floats,
        X: Floats,
        y: npt.ArrayLike,
        *,
        l2: float,
        rng: np.random.Generator,
    ) -> Floats:
        """Return the unclipped update, shape (update_length,)."""


@dataclass(frozen=True, slots=True)
class GradientSum:
    """`sgd`: the sum of the rows' gradients. Follows central gradient descent exactly."""

    name: ClassVar[str] = "sgd"
    linear_step: ClassVar[bool] = True

    def update_length(self, model: Model) -> int:
        """Return d."""
        return model.parameter_count

    def update(
        self,
        model: Model,
        theta: Floats,
        X: Floats,
        y: npt.ArrayLike,
        *,
        l2: float,
        rng: np.random.Generator,
    ) -> Floats:
        """Return the gradient sum (d,); `rng` is not used."""
        del rng
        return model.gradient_sum(theta, X, y, l2)


@dataclass(frozen=True, slots=True)
class LocalEpochs:
    """`local`: count * (theta - theta_after), theta_after = E epochs of descent on own rows.

    With the global rate 1 the new model is the devices' average, weighted by count.

    Parameters
    ----------
    epochs
        Passes E over the device's rows, at least 1.
    batch
        Most rows per step: an epoch takes ceil(rows / batch) steps on batches of nearly equal
        size; 0 takes all rows in one step.
    rate
        Step size on the mean gradient of a batch, above 0.
    momentum
        Heavy-ball momentum of the local descent, in [0, 1); starts from rest every round.

    Raises
    ------
    OptionError
        If a parameter is out of its bound.
    """

    name: ClassVar[str] = "local"
    linear_step: ClassVar[bool] = True
    epochs: int
    batch: int
    rate: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        require_at_least("epochs", self.epochs, 1)
        require_at_least("batch", self.batch, 0)
        require_positive("local rate", self.rate)
        if not 0.0 <= self.momentum < 1.0:
            raise OptionError("momentum", self.momentum, "must be at least 0 and below 1")

    def update_length(self, model: Model) -> int:
        """Return d."""
        return model.parameter_count

    def update(
        self,
        model: Model,
        theta: Floats,
        X: Floats,
        y: npt.ArrayLike,
        *,
        l2: float,
        rng: np.random.Generator,
    ) -> Floats:
        """Return count * (theta - theta_after), shape (d,).

        Raises
        ------
        NotFiniteError
            If the local rate is so large that the descent overflows.
        """
        X, target = model.parse_rows(X, y)
        rows = len(X)
        # Batches of nearly equal size: a last batch of one row would take a step far too long.
        steps = math.ceil(rows / self.batch) if self.batch else 1
        edges = [rows * step // steps for step in range(steps + 1)]
        local = theta.copy()
        velocity = np.zeros_like(local)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(self.epochs):
                if steps > 1:
                    order = rng.permutation(rows)
                    X, target = X[order], target[order]
                for start, end in pairwise(edges):
                    gradient = model.gradient_of_parsed(local, X[start:end], target[start:end], l2)
                    velocity = self.momentum * velocity - (self.rate / (end - start)) * gradient
                    local += velocity
        require_finite("update", local)
        return rows * (theta - local)


@dataclass(frozen=True, slots=True, repr=False)
class Update:
    """A device's clipped update: secret until masked, so the repr shows no values.

    Attributes
    ----------
    count
        The device's number of rows.
    values
        Clipped update, shape (update_length,), L2 norm at most the clip norm.
    clipped
        Whether clipping shortened it.
    """

    count: int
    values: Floats
    clipped: bool

    def __repr__(self) -> str:
        return f"Update(length={len(self.values)})"


def clip(values: Floats, clip_norm: float) -> tuple[Floats, bool]:
    """Scale `values` to L2 norm at most `clip_norm`; also return whether that changed it.

    Raises
    ------
    OptionError
        If the clip norm is not finite and above 0.
    NotFiniteError
        If a value is not finite.
    """
    require_positive("clip norm", clip_norm)
    vector = parse_vector("update", values)
    norm = float(np.linalg.norm(vector))
    if math.isinf(norm):
        # Squares overflowed although every value is finite.
        top = float(np.abs(vector).max())
        norm = top * float(np.linalg.norm(vector / top))
    if norm <= clip_norm:
        return vector, False
    return vector * (clip_norm / norm), True


def device_update(
    method: Method,
    model: Model,
    theta: Floats,
    X: Floats,
    y: npt.ArrayLike,
    *,
    clip_norm: float,
    l2: float,
    rng: np.random.Generator,
) -> Update:
    """Make one device's update: the method on its rows, then clipping to `clip_norm`.

    Parameters
    ----------
    theta
        The model's parameters, shape (d,).
    X, y
        The device's own standardised rows (m, features) and targets (m,).
    clip_norm
        L2 bound C of the update, in the update's own units.
    l2
        Regularisation, at least 0.
    rng
        Order of the mini-batches; not used by `sgd`.
    """
    values, clipped = clip(method.update(model, theta, X, y, l2=l2, rng=rng), clip_norm)
    return Update(count=len(X), values=values, clipped=clipped)


def apply_step(theta: Floats, total: Floats, count: int, rate: float) -> Floats:
    """Return theta - rate * total / count, all shapes (d,).

    The reference in real numbers; the protocol does the same step on integers
    (`encoding.apply_step`).
    """
    require_at_least("count", count, 1)
    require_positive("rate", rate)
    return theta - (rate / count) * total


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The public training parameters of a task.

    Attributes
    ----------
    method
        How devices make updates.
    rate
        The global rate; 1 with local epochs.
    clip_norm
        L2 bound C on a device's update.
    l2
        Regularisation.
    rounds
        Default number of rounds.
    """

    method: Method
    rate: float
    clip_norm: float
    l2: float
    rounds: int

    def __post_init__(self) -> None:
        require_positive("rate", self.rate)
        require_positive("clip norm", self.clip_norm)
        require_not_negative("l2", self.l2)
        require_at_least("rounds", self.rounds, 1)
