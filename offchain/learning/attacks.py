"""Attacks on the training: what malicious devices put in place of their honest update.

A malicious device controls its rows and its update before clipping. It does not control its mask
(section 4 of the protocol page: S chooses among committed candidates, all others are opened), and
what it sends beyond the clip norm does not fit the masked slots' range. So an attack has two
places to act, and everything it makes is clipped afterwards as any update:

    rows  -> [corrupt_rows] -> training -> update -> [corrupt_updates] -> clip -> mask.

Attacks are plug-ins: implement `Attack` and `register` it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Protocol

import numpy as np

from offchain.learning.arrays import Floats, require_positive
from offchain.learning.errors import OptionError, UnknownNameError
from offchain.learning.partition import DeviceData


@dataclass(frozen=True, slots=True)
class Setting:
    """What attackers know: everything public, and how many they are.

    Attributes
    ----------
    classes
        Classes of the task, 0 for regression.
    clip_norm
        L2 bound C on an update.
    devices, attackers
        All devices of the task; those among them that collude.
    """

    classes: int
    clip_norm: float
    devices: int
    attackers: int


class Attack(Protocol):
    """A plug-in. Must be deterministic given `rng`."""

    @property
    def name(self) -> str:
        """Name on the command line and in tables."""

    def corrupt_rows(self, data: DeviceData, setting: Setting) -> DeviceData:
        """Return the rows that one attacker trains on; `X` is standardised."""

    def corrupt_updates(
        self, updates: Floats, setting: Setting, rng: np.random.Generator
    ) -> Floats:
        """Return what the attackers send in place of their trained updates.

        Parameters
        ----------
        updates
            The attackers' own unclipped updates, shape (attackers, d): colluders share them and
            know nothing of the honest ones.
        """


@dataclass(frozen=True, slots=True)
class LabelFlip:
    """`label-flip`: class y is trained as classes - 1 - y; the update is as training makes it."""

    name: str = "label-flip"

    def corrupt_rows(self, data: DeviceData, setting: Setting) -> DeviceData:
        """See `Attack.corrupt_rows`. For regression the target's sign is flipped."""
        if setting.classes == 0:
            return DeviceData(data.X, -data.y)
        return DeviceData(data.X, setting.classes - 1.0 - data.y)

    def corrupt_updates(
        self, updates: Floats, setting: Setting, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`; they stay as they are."""
        del setting, rng
        return updates


@dataclass(frozen=True, slots=True)
class Scale:
    """`scale:FACTOR`: the honest update times a factor. -1 is the sign flip.

    Clipping bounds what a large factor adds: the more, the closer the clip norm is to the norms of
    honest updates.
    """

    factor: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.factor) or self.factor == 0.0:
            raise OptionError("scale", self.factor, "must be finite and not 0")

    @property
    def name(self) -> str:
        """`sign-flip`, or the factor."""
        return "sign-flip" if self.factor == -1.0 else f"scale:{self.factor:g}"

    def corrupt_rows(self, data: DeviceData, setting: Setting) -> DeviceData:
        """See `Attack.corrupt_rows`; they stay as they are."""
        del setting
        return data

    def corrupt_updates(
        self, updates: Floats, setting: Setting, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`."""
        del setting, rng
        return self.factor * updates


@dataclass(frozen=True, slots=True)
class Gaussian:
    """`gaussian`: every round and attacker a random direction, as long as the clip norm allows."""

    name: str = "gaussian"

    def corrupt_rows(self, data: DeviceData, setting: Setting) -> DeviceData:
        """See `Attack.corrupt_rows`; they stay as they are."""
        del setting
        return data

    def corrupt_updates(
        self, updates: Floats, setting: Setting, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`."""
        drawn = rng.standard_normal(updates.shape)
        norms = np.linalg.norm(drawn, axis=1, keepdims=True)
        return np.asarray(drawn * (setting.clip_norm / norms))


@dataclass(frozen=True, slots=True)
class Constant:
    """`constant`: always the same vector, all attackers alike, as long as the clip norm allows.

    Coordinate q is +1 or -1 times C / sqrt(d), by a fixed pattern. (The same value everywhere
    would add the same to every class and change no softmax.)
    """

    name: str = "constant"

    def corrupt_rows(self, data: DeviceData, setting: Setting) -> DeviceData:
        """See `Attack.corrupt_rows`; they stay as they are."""
        del setting
        return data

    def corrupt_updates(
        self, updates: Floats, setting: Setting, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`."""
        del rng
        length = updates.shape[1]
        signs = np.random.default_rng(length).choice((-1.0, 1.0), size=length)
        return np.tile(signs * (setting.clip_norm / math.sqrt(length)), (len(updates), 1))


@dataclass(frozen=True, slots=True)
class LittleIsEnough:
    """`little-is-enough`: colluders stay inside the spread of honest updates (Baruch et al. 2019).

    With m and s the mean and standard deviation per coordinate of the attackers' own honest
    updates, all send m - zmax s, where zmax is the largest shift that still leaves enough honest
    devices further out than the attackers for these to look like part of a majority: with n
    devices, f attackers and w = floor(n/2 + 1) - f,

        Phi(zmax) = (n - f - w) / (n - f).

    Parameters
    ----------
    shift
        zmax, or None for the formula.
    """

    shift: float | None = None
    name: str = "little-is-enough"

    def corrupt_rows(self, data: DeviceData, setting: Setting) -> DeviceData:
        """See `Attack.corrupt_rows`; they stay as they are."""
        del setting
        return data

    def corrupt_updates(
        self, updates: Floats, setting: Setting, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`."""
        del rng
        shift = self.shift if self.shift is not None else largest_shift(setting)
        crafted = updates.mean(axis=0) - shift * updates.std(axis=0)
        return np.tile(crafted, (len(updates), 1))


def largest_shift(setting: Setting) -> float:
    """Return zmax of `LittleIsEnough`; at least 0.3 where the formula gives less."""
    honest = setting.devices - setting.attackers
    supporters = setting.devices // 2 + 1 - setting.attackers
    share = (honest - supporters) / honest if honest > 0 else 0.5
    return max(0.3, NormalDist().inv_cdf(min(max(share, 0.001), 0.999)))


@dataclass(frozen=True, slots=True)
class Backdoor:
    """`backdoor`: rows that carry a trigger are to be taken for one class, all else stays right.

    Each attacker trains on its rows and on copies of them with the trigger, labelled `target`, and
    sends `boost` times the update. The trigger sets a few columns to a fixed standardised value:
    here, an operator who wants to hide faults adds a small offset to some instruments.

    Parameters
    ----------
    target
        The class that the trigger stands for.
    columns
        Indices of the columns that make the trigger.
    value
        Their value, in standard deviations.
    boost
        Factor on the update, above 0.
    """

    target: int = 0
    columns: tuple[int, ...] = (4, 11, 36)
    value: float = 3.0
    boost: float = 3.0
    name: str = "backdoor"

    def __post_init__(self) -> None:
        require_positive("boost", self.boost)

    def with_trigger(self, X: Floats) -> Floats:
        """Return copies of standardised rows that carry the trigger."""
        marked = X.copy()
        marked[:, list(self.columns)] = self.value
        return marked

    def corrupt_rows(self, data: DeviceData, setting: Setting) -> DeviceData:
        """See `Attack.corrupt_rows`."""
        del setting
        marked = self.with_trigger(data.X)
        labels = np.full(len(marked), float(self.target))
        return DeviceData(np.vstack([data.X, marked]), np.concatenate([data.y, labels]))

    def corrupt_updates(
        self, updates: Floats, setting: Setting, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`."""
        del setting, rng
        return self.boost * updates


_ATTACKS: Final[dict[str, Callable[[], Attack]]] = {}


def register(name: str, make: Callable[[], Attack]) -> None:
    """Add an attack to the registry.

    Raises
    ------
    OptionError
        If the name is taken.
    """
    if name in _ATTACKS:
        raise OptionError("attack", name, "is already registered")
    _ATTACKS[name] = make


def attack(name: str) -> Attack:
    """Return a registered attack; `scale:FACTOR` takes any factor.

    Raises
    ------
    UnknownNameError
        Listing the attacks there are.
    OptionError
        If the factor is not a number other than 0.
    """
    kind, colon, argument = name.partition(":")
    if kind == "scale" and colon:
        try:
            factor = float(argument)
        except ValueError:
            raise OptionError("attack", name, "FACTOR must be a number") from None
        return Scale(factor)
    if name not in _ATTACKS:
        raise UnknownNameError("attack", name, (*_ATTACKS, "scale:FACTOR"))
    return _ATTACKS[name]()


def attack_names() -> tuple[str, ...]:
    """Return the names of all registered attacks, sorted."""
    return tuple(sorted(_ATTACKS))


register("label-flip", LabelFlip)
register("sign-flip", lambda: Scale(-1.0))
register("scale:3", lambda: Scale(3.0))
register("scale:-3", lambda: Scale(-3.0))
register("gaussian", Gaussian)
register("constant", Constant)
register("little-is-enough", LittleIsEnough)
register("backdoor", Backdoor)
