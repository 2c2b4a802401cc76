"""How many rows and how many devices each class has, also from secure sums.

A device's contribution is [rows of class 0, ..., R h_0, ...], with h_c = 1 if it has rows of class
c and R the public bound on a device's rows: the factor lifts h above the rounding of the encoding.
The sums over all devices tell no more than the totals per class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from offchain.learning.arrays import Floats, parse_vector, require_at_least
from offchain.learning.errors import OptionError
from offchain.learning.models import class_counts


@dataclass(frozen=True, slots=True)
class ClassBalance:
    """Rows and devices per class, in the order of the classes.

    Attributes
    ----------
    names
        Names of the classes.
    rows
        Training rows of each class over all devices.
    devices
        How many devices have rows of each class.
    """

    names: tuple[str, ...]
    rows: tuple[int, ...]
    devices: tuple[int, ...]

    @classmethod
    def of(cls, names: tuple[str, ...], targets: list[Floats]) -> ClassBalance:
        """Return the balance of devices' targets, each a vector of classes from 0."""
        counts = [class_counts(y, len(names)) for y in targets]
        rows = np.sum(counts, axis=0).tolist()
        devices = np.sum([count > 0 for count in counts], axis=0).tolist()
        return cls(names, tuple(rows), tuple(devices))

    @classmethod
    def from_sums(
        cls, names: tuple[str, ...], sums: npt.ArrayLike, max_samples: int
    ) -> ClassBalance:
        """Return the balance from the sum of all `class_vector`s, rounded to whole numbers.

        Parameters
        ----------
        sums
            Shape (2 classes,); off by at most devices step / 2 where the sum was encoded.
        max_samples
            The R of all `class_vector`s.
        """
        require_at_least("max_samples", max_samples, 1)
        vector = parse_vector("sums", sums, 2 * len(names))
        rows = np.rint(vector[: len(names)]).astype(np.int64)
        devices = np.rint(vector[len(names) :] / max_samples).astype(np.int64)
        return cls(names, tuple(rows.tolist()), tuple(devices.tolist()))

    def lone(self) -> tuple[str, ...]:
        """Return the classes that exactly one device has."""
        return tuple(n for n, count in zip(self.names, self.devices, strict=True) if count == 1)

    def absent(self) -> tuple[str, ...]:
        """Return the classes that no device has a training row of."""
        return tuple(n for n, count in zip(self.names, self.devices, strict=True) if count < 1)

    def describe(self) -> str:
        """Return one line: rows, share and devices per class."""
        total = max(sum(self.rows), 1)
        return "; ".join(
            f"{name}: {rows} rows ({100 * rows / total:.1f}%) on {devices} "
            f"device{'' if devices == 1 else 's'}"
            for name, rows, devices in zip(self.names, self.rows, self.devices, strict=True)
        )


def class_vector(y: npt.ArrayLike, classes: int, max_samples: int) -> Floats:
    """Return one device's contribution, shape (2 classes,), secret until masked.

    Its L2 norm is at most sqrt(classes + 1) max_samples, so that
    `statistics_encoding(columns + classes, ...)` never clips the statistics of `columns` columns
    with this behind them.

    Raises
    ------
    OptionError
        If the device has more rows than `max_samples`.
    """
    counts = class_counts(y, classes).astype(np.float64)
    if counts.sum() > max_samples:
        raise OptionError("max_samples", max_samples, "a device has more rows")
    return np.concatenate([counts, np.where(counts > 0, float(max_samples), 0.0)])
