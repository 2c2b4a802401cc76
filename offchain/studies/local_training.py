"""Local epochs of many devices side by side, in float32: what makes a study quick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import Floats, Integers
from offchain.learning.errors import OptionError
from offchain.learning.models import Model, ModelKind
from offchain.learning.partition import DeviceData
from offchain.learning.training import LocalEpochs

Array = npt.NDArray[Any]


class LocalTraining:
    """All devices' local epochs at once: softmax regression, as `LocalEpochs.update` does it.

    Parameters
    ----------
    model
        A softmax model.
    method
        Local epochs without momentum.
    parts
        Each device's standardised rows.
    l2
        Regularisation.
    dtype
        float32 for speed, float64 to compare.
    declared
        Sample counts to multiply the model differences with; by default the numbers of rows.

    Raises
    ------
    OptionError
        For another kind of model, or momentum.
    """

    def __init__(
        self,
        model: Model,
        method: LocalEpochs,
        parts: Sequence[DeviceData],
        l2: float,
        dtype: type[np.floating[Any]] = np.float32,
        declared: Integers | None = None,
    ) -> None:
        if model.kind is not ModelKind.SOFTMAX:
            raise OptionError("model", model.kind.value, "must be softmax")
        if method.momentum != 0.0:
            raise OptionError("momentum", method.momentum, "must be 0")
        self._shape = (len(parts), model.outputs, model.features + 1)
        self._method, self._l2, self._dtype = method, l2, dtype
        self.counts: Integers = np.array([part.count for part in parts])
        self._declared = self.counts if declared is None else declared
        self._start = np.concatenate([[0], np.cumsum(self.counts)])
        rows = np.vstack([part.X for part in parts])
        self._X = np.ones((len(rows), model.features + 1), dtype)
        self._X[:, :-1] = rows
        labels = np.concatenate([part.y for part in parts]).astype(np.int64)
        self._target = np.zeros((len(rows), model.outputs), dtype)
        self._target[np.arange(len(rows)), labels] = 1.0

    def updates(self, theta: Floats, rng: np.random.Generator) -> Array:
        """Return every device's unclipped update count * (theta - theta_after), (n, d)."""
        devices = self._shape[0]
        start = np.broadcast_to(theta.reshape(self._shape[1:]).astype(self._dtype), self._shape)
        local = start.copy()
        batch = self._method.batch
        steps = np.ceil(self.counts / batch).astype(int) if batch else np.ones(devices, int)
        if not batch:
            # Batches of all rows need no shuffle.
            pieces = list(zip(range(devices), self._start[:-1], self._start[1:], strict=True))
            for _ in range(self._method.epochs):
                self._step(local, self._X, self._target, pieces)
        else:
            for _ in range(self._method.epochs):
                self._epoch(local, steps, rng)
        change = (start - local).reshape(devices, -1)
        return np.asarray(change * self._declared[:, None].astype(self._dtype))

    def _epoch(self, local: Array, steps: Integers, rng: np.random.Generator) -> None:
        orders = [
            begin + rng.permutation(end - begin)
            for begin, end in zip(self._start[:-1], self._start[1:], strict=True)
        ]
        for step in range(int(steps.max())):
            chosen, pieces, position = [], [], 0
            for device in np.flatnonzero(steps > step):
                count, many = int(self.counts[device]), int(steps[device])
                rows = orders[device][count * step // many : count * (step + 1) // many]
                chosen.append(rows)
                pieces.append((int(device), position, position + len(rows)))
                position += len(rows)
            index = np.concatenate(chosen)
            self._step(local, self._X[index], self._target[index], pieces)

    def _step(
        self, local: Array, X: Array, target: Array, pieces: Sequence[tuple[int, int, int]]
    ) -> None:
        """One step of descent for the devices in `pieces`: (device, first row, end)."""
        error = np.empty_like(target)
        for device, begin, end in pieces:
            np.dot(X[begin:end], local[device].T, out=error[begin:end])
        error -= error.max(axis=1, keepdims=True)
        np.exp(error, out=error)
        error /= error.sum(axis=1, keepdims=True)
        error -= target
        rate = self._method.rate
        shrink = 1.0 - rate * self._l2
        for device, begin, end in pieces:
            gradient = np.dot(error[begin:end].T, X[begin:end])
            local[device, :, :-1] *= shrink
            local[device] -= (rate / (end - begin)) * gradient


def clip_rows(updates: Array, clip_norm: float) -> Array:
    """Scale every row to L2 norm at most `clip_norm`; shape as `updates`."""
    norms = np.linalg.norm(updates, axis=1, keepdims=True)
    return np.asarray(updates * np.minimum(1.0, clip_norm / np.maximum(norms, 1e-30)))
