"""Test attacks on privacy: what an update or a model gives away of the rows behind it.

They are tools for tests and studies: simple attacks that succeed where nothing hides the update.
That they fail elsewhere proves nothing against better ones; that is what accounting is for.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import Floats, parse_vector
from offchain.learning.errors import OptionError, ShapeError
from offchain.learning.models import Model, ModelKind


def invert_gradient(model: Model, update: Floats) -> Floats:
    """Return the row behind a gradient of a single row, shape (features,).

    The gradient of one row x is e (x, 1), e being the error per output: its last column tells e,
    and any other column divided by it tells x. Over all outputs, by least squares,

        x = sum_c e_c g_c / sum_c e_c^2.

    A clipped update gives the same, a sum over rows their mean weighted by errors.

    Parameters
    ----------
    update
        Shape (d,), of theta = 0 or without regularisation.

    Raises
    ------
    ShapeError
        If the update is not the model's.
    """
    vector = parse_vector("update", update, model.parameter_count)
    table = vector.reshape(model.outputs, model.features + 1)
    errors = table[:, -1]
    square = float(errors @ errors)
    return np.asarray(errors @ table[:, :-1] / (square or 1.0))


def row_losses(model: Model, theta: Floats, X: Floats, y: npt.ArrayLike) -> Floats:
    """Return each row's loss under a classifier, shape (m,).

    Raises
    ------
    OptionError
        For a linear model.
    """
    if model.kind is ModelKind.LINEAR:
        raise OptionError("kind", model.kind.value, "has no class probabilities")
    rows, labels = model.parse_rows(X, y)
    chances = model.probabilities(theta, rows)[np.arange(len(rows)), labels.astype(np.int64)]
    return np.asarray(-np.log(np.maximum(chances, 1e-300)))


def advantage(members: Floats, others: Floats) -> float:
    """Return how well a loss tells members from others: the area under the ROC curve.

    The chance that a random member has a smaller loss than a random other row, ties counting half:
    0.5 is guessing, 1 is certainty (Yeom et al. 2018).

    Raises
    ------
    ShapeError
        If one of them is empty.
    """
    if not len(members) or not len(others):
        raise ShapeError("losses", (len(members), len(others)), "at least one of each")
    order = np.sort(others)
    below = np.searchsorted(order, members, side="left")
    upto = np.searchsorted(order, members, side="right")
    return float(1.0 - (below + upto).sum() / (2.0 * len(members) * len(others)))
