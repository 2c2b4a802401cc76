"""Linear, logistic and softmax regression (section 9 of the protocol page).

Parameters are one flat vector theta, output by output: the `features` weights of output 0, its
intercept, the weights of output 1, its intercept, and so on. Linear and logistic models have one
output, softmax has one per class. With loss_i the loss of row i and w the weights (intercepts are
not regularised), the objective is

    (1/m) sum_i loss_i(theta) + (l2/2) |w|^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import (
    Floats,
    Integers,
    parse_matrix,
    parse_vector,
    require_at_least,
    require_not_negative,
)
from offchain.learning.errors import LabelError, OptionError, ShapeError


class ModelKind(StrEnum):
    """The kinds of model; the value is the name on the command line."""

    LINEAR = "linear"
    LOGISTIC = "logistic"
    SOFTMAX = "softmax"


@dataclass(frozen=True, slots=True)
class Model:
    """What a parameter vector means; holds no parameters itself.

    Parameters
    ----------
    kind
        Linear (squared loss 1/2 (y - yhat)^2), logistic (binary) or softmax.
    features
        Number of columns of X, at least 1.
    classes
        0 for linear, 2 for logistic, at least 2 for softmax.

    Raises
    ------
    OptionError
        If features or classes do not suit the kind.
    """

    kind: ModelKind
    features: int
    classes: int = 0

    def __post_init__(self) -> None:
        require_at_least("features", self.features, 1)
        if self.kind is ModelKind.LINEAR and self.classes != 0:
            raise OptionError("classes", self.classes, "must be 0 for a linear model")
        if self.kind is ModelKind.LOGISTIC and self.classes != 2:
            raise OptionError("classes", self.classes, "must be 2 for a logistic model")
        if self.kind is ModelKind.SOFTMAX and self.classes < 2:
            raise OptionError("classes", self.classes, "must be at least 2 for a softmax model")

    @property
    def outputs(self) -> int:
        """Number of linear outputs: the classes of softmax, else 1."""
        return self.classes if self.kind is ModelKind.SOFTMAX else 1

    @property
    def parameter_count(self) -> int:
        """Length d of theta: outputs * (features + 1)."""
        return self.outputs * (self.features + 1)

    def initial(self) -> Floats:
        """Return theta_0 = 0, shape (d,): all three objectives are convex."""
        return np.zeros(self.parameter_count)

    def weights(self, theta: Floats) -> tuple[Floats, Floats]:
        """Split theta into weights (outputs, features) and intercepts (outputs,), as views."""
        table = self._table(theta)
        return table[:, :-1], table[:, -1]

    def loss(self, theta: Floats, X: Floats, y: npt.ArrayLike, l2: float = 0.0) -> float:
        """Return the mean loss over the rows plus (l2/2) |w|^2.

        Parameters
        ----------
        theta
            Parameters, shape (d,).
        X, y
            Rows (m, features), m >= 1; targets (m,): numbers, or integers from 0 to classes - 1.
        l2
            Strength of the regularisation, at least 0.

        Raises
        ------
        ShapeError, NotFiniteError, LabelError, OptionError
            If an argument is not as stated.
        """
        X, target = self.parse_rows(X, y)
        require_not_negative("l2", l2)
        z = self._linear(theta, X)
        if self.kind is ModelKind.LINEAR:
            rows = 0.5 * np.square(z[:, 0] - target)
        elif self.kind is ModelKind.LOGISTIC:
            # log(1 + e^z) - y z without overflow.
            rows = np.logaddexp(0.0, z[:, 0]) - target * z[:, 0]
        else:
            labels = target.astype(np.int64)
            rows = _log_sum_exp(z) - z[np.arange(len(z)), labels]
        w, _ = self.weights(theta)
        return float(rows.mean() + 0.5 * l2 * np.square(w).sum())

    def gradient_sum(self, theta: Floats, X: Floats, y: npt.ArrayLike, l2: float = 0.0) -> Floats:
        """Return sum_i grad loss_i + m l2 w, shape (d,); arguments and errors as `loss`.

        The sum of this over disjoint sets of rows, divided by the total number of rows, is the
        gradient of `loss` over all of them.
        """
        X, target = self.parse_rows(X, y)
        require_not_negative("l2", l2)
        return self.gradient_of_parsed(theta, X, target, l2)

    def gradient_of_parsed(self, theta: Floats, X: Floats, y: Floats, l2: float) -> Floats:
        """As `gradient_sum` for rows that `parse_rows` returned; for inner loops."""
        error = self._mean(self._linear(theta, X))
        if self.kind is ModelKind.SOFTMAX:
            error[np.arange(len(X)), y.astype(np.int64)] -= 1.0
        else:
            error[:, 0] -= y
        gradient = np.empty((self.outputs, self.features + 1))
        gradient[:, :-1] = error.T @ X
        gradient[:, -1] = error.sum(axis=0)
        gradient[:, :-1] += len(X) * l2 * self.weights(theta)[0]
        return gradient.ravel()

    def predict(self, theta: Floats, X: Floats) -> Floats:
        """Return predictions (m,): the expected value, or the class as a whole number."""
        z = self._linear(theta, parse_matrix("X", X, self.features))
        if self.kind is ModelKind.LINEAR:
            return np.asarray(z[:, 0], dtype=np.float64)
        if self.kind is ModelKind.LOGISTIC:
            return np.asarray(z[:, 0] > 0, dtype=np.float64)
        return np.asarray(z.argmax(axis=1), dtype=np.float64)

    def probabilities(self, theta: Floats, X: Floats) -> Floats:
        """Return class probabilities (m, classes).

        Raises
        ------
        OptionError
            For a linear model, which has none.
        """
        if self.kind is ModelKind.LINEAR:
            raise OptionError("kind", self.kind.value, "has no class probabilities")
        mean = self._mean(self._linear(theta, parse_matrix("X", X, self.features)))
        return mean if self.kind is ModelKind.SOFTMAX else np.hstack([1.0 - mean, mean])

    def score(self, theta: Floats, X: Floats, y: npt.ArrayLike) -> float:
        """Return accuracy, or for a linear model R2 = 1 - sum (y-yhat)^2 / sum (y-mean y)^2.

        A constant target gives R2 = 0 unless predicted exactly (then 1).
        """
        X, target = self.parse_rows(X, y)
        predicted = self.predict(theta, X)
        if self.kind is not ModelKind.LINEAR:
            return float(np.mean(predicted == target))
        residual = float(np.square(target - predicted).sum())
        total = float(np.square(target - target.mean()).sum())
        if total == 0.0:
            return 1.0 if residual == 0.0 else 0.0
        return 1.0 - residual / total

    def parse_rows(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Validate rows and targets; returns both as float64. Errors as `loss`."""
        matrix = parse_matrix("X", X, self.features)
        if len(matrix) == 0:
            raise ShapeError("X", matrix.shape, "at least one row")
        target = parse_vector("y", y, len(matrix))
        if self.kind is not ModelKind.LINEAR:
            bad = (target < 0) | (target >= self.classes) | (target != np.floor(target))
            if bad.any():
                raise LabelError(int(np.argmax(bad)), self.classes)
        return matrix, target

    def _table(self, theta: Floats) -> Floats:
        if theta.shape != (self.parameter_count,):
            raise ShapeError("theta", theta.shape, f"({self.parameter_count},)")
        return theta.reshape(self.outputs, self.features + 1)

    def _linear(self, theta: Floats, X: Floats) -> Floats:
        table = self._table(theta)
        return np.asarray(X @ table[:, :-1].T + table[:, -1])

    def _mean(self, z: Floats) -> Floats:
        """Return the expected target per output, a new array shaped as z."""
        if self.kind is ModelKind.LINEAR:
            return z.copy()
        if self.kind is ModelKind.LOGISTIC:
            # 1/(1 + e^-z) = (1 + tanh(z/2))/2: no overflow on either side.
            return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))
        return np.asarray(np.exp(z - _log_sum_exp(z)[:, None]))


def class_counts(y: npt.ArrayLike, classes: int) -> Integers:
    """Return how many rows each class has, shape (classes,)."""
    return np.bincount(np.asarray(y, dtype=np.int64), minlength=classes).astype(np.int64)


def _log_sum_exp(z: Floats) -> Floats:
    top = z.max(axis=1)
    return np.asarray(top + np.log(np.exp(z - top[:, None]).sum(axis=1)))
