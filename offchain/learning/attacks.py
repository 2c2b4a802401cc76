"""Attacks on the training: what malicious devices put in place of their honest update.

A malicious device controls its rows and its update. It does not control its mask (section 4 of the
protocol page: S chooses among committed candidates, all others are opened):

    rows  -> [corrupt_rows] -> training -> update -> [corrupt_updates] -> clip -> mask.

Clipping is a device's own act. The protocol bounds every slot, not the norm (docs/security.md,
4.5), so an attack may leave it out: `Attack.clipped` says so, and a rule has to notice.

Attacks are plug-ins: derive from `Attack` and `register` it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar, Final

import numpy as np

from offchain.learning.arrays import Floats, require_at_least, require_positive
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


@dataclass(frozen=True, slots=True)
class Attack:
    """A plug-in: what differs from an honest device. Must be deterministic given `rng`."""

    @property
    def name(self) -> str:
        """Name on the command line and in tables."""
        raise NotImplementedError

    @property
    def clipped(self) -> bool:
        """Whether the attackers clip what they send; False for devices that break the rule."""
        return True

    def corrupt_rows(self, data: DeviceData, setting: Setting) -> DeviceData:
        """Return the rows that one attacker trains on; `X` is standardised. By default its own."""
        del setting
        return data

    def corrupt_updates(
        self, updates: Floats, setting: Setting, round_number: int, rng: np.random.Generator
    ) -> Floats:
        """Return what the attackers send in place of their trained updates; by default these.

        Parameters
        ----------
        updates
            The attackers' own unclipped updates, shape (attackers, d): colluders share them and
            know nothing of the honest ones.
        round_number
            From 1.
        """
        del setting, round_number, rng
        return updates


@dataclass(frozen=True, slots=True)
class LabelFlip(Attack):
    """`label-flip`: class y is trained as classes - 1 - y; the update is as training makes it."""

    name: ClassVar[str] = "label-flip"

    def corrupt_rows(self, data: DeviceData, setting: Setting) -> DeviceData:
        """See `Attack.corrupt_rows`. For regression the target's sign is flipped."""
        if setting.classes == 0:
            return DeviceData(data.X, -data.y)
        return DeviceData(data.X, setting.classes - 1.0 - data.y)


@dataclass(frozen=True, slots=True)
class Scale(Attack):
    """`scale:FACTOR`: the honest update times a factor. -1 is `sign-flip`.

    Clipping bounds what a large factor adds: the more, the closer the clip norm is to the norms of
    honest updates.

    Parameters
    ----------
    factor
        Finite, not 0.
    start
        First round of the attack; the devices are honest before it (`turncoat`).
    clips
        Whether the attackers clip (`unclipped:FACTOR`: they do not).
    """

    factor: float
    start: int = 1
    clips: bool = True

    def __post_init__(self) -> None:
        if not math.isfinite(self.factor) or self.factor == 0.0:
            raise OptionError("factor", self.factor, "must be finite and not 0")
        require_at_least("start", self.start, 1)

    @property
    def name(self) -> str:
        """See `Attack.name`."""
        if not self.clips:
            return f"unclipped:{self.factor:g}"
        if self.start > 1:
            return f"turncoat:{self.start}"
        return "sign-flip" if self.factor == -1.0 else f"scale:{self.factor:g}"

    @property
    def clipped(self) -> bool:
        """See `Attack.clipped`."""
        return self.clips

    def corrupt_updates(
        self, updates: Floats, setting: Setting, round_number: int, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`."""
        del setting, rng
        return self.factor * updates if round_number >= self.start else updates


@dataclass(frozen=True, slots=True)
class Gaussian(Attack):
    """`gaussian`: every round and attacker a random direction, as long as the clip norm allows."""

    name: ClassVar[str] = "gaussian"

    def corrupt_updates(
        self, updates: Floats, setting: Setting, round_number: int, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`."""
        del round_number
        drawn = rng.standard_normal(updates.shape)
        norms = np.linalg.norm(drawn, axis=1, keepdims=True)
        return np.asarray(drawn * (setting.clip_norm / norms))


@dataclass(frozen=True, slots=True)
class Constant(Attack):
    """`constant`: always the same vector, all attackers alike, as long as the clip norm allows.

    Coordinate q is +1 or -1 times C / sqrt(d), by a fixed pattern. (The same value everywhere
    would add the same to every class and change no softmax.)
    """

    name: ClassVar[str] = "constant"

    def corrupt_updates(
        self, updates: Floats, setting: Setting, round_number: int, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`."""
        del round_number, rng
        length = updates.shape[1]
        signs = np.random.default_rng(length).choice((-1.0, 1.0), size=length)
        return np.tile(signs * (setting.clip_norm / math.sqrt(length)), (len(updates), 1))


@dataclass(frozen=True, slots=True)
class LittleIsEnough(Attack):
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

    name: ClassVar[str] = "little-is-enough"
    shift: float | None = None

    def corrupt_updates(
        self, updates: Floats, setting: Setting, round_number: int, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`."""
        del round_number, rng
        shift = self.shift if self.shift is not None else largest_shift(setting)
        crafted = updates.mean(axis=0) - shift * updates.std(axis=0)
        return np.tile(crafted, (len(updates), 1))


@dataclass(frozen=True, slots=True)
class Backdoor(Attack):
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

    name: ClassVar[str] = "backdoor"
    target: int = 0
    columns: tuple[int, ...] = (4, 11, 36)
    value: float = 3.0
    boost: float = 3.0

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
        self, updates: Floats, setting: Setting, round_number: int, rng: np.random.Generator
    ) -> Floats:
        """See `Attack.corrupt_updates`."""
        del setting, round_number, rng
        return self.boost * updates


def largest_shift(setting: Setting) -> float:
    """Return zmax of `LittleIsEnough`; at least 0.3 where the formula gives less."""
    honest = setting.devices - setting.attackers
    supporters = setting.devices // 2 + 1 - setting.attackers
    share = (honest - supporters) / honest if honest > 0 else 0.5
    return max(0.3, NormalDist().inv_cdf(min(max(share, 0.001), 0.999)))


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
    """Return a registered attack. Families take an argument after a colon.

    Raises
    ------
    UnknownNameError
        Listing the attacks there are.
    OptionError
        If the argument is not a number within its bound.
    """
    kind, colon, argument = name.partition(":")
    if colon and kind in _FAMILIES:
        try:
            value = float(argument)
        except ValueError:
            raise OptionError("attack", name, "must end in a number") from None
        return _FAMILIES[kind](value)
    if name not in _ATTACKS:
        raise UnknownNameError("attack", name, (*_ATTACKS, *(f"{kind}:N" for kind in _FAMILIES)))
    return _ATTACKS[name]()


def attack_names() -> tuple[str, ...]:
    """Return the names of all registered attacks, sorted."""
    return tuple(sorted(_ATTACKS))


_FAMILIES: Final[dict[str, Callable[[float], Attack]]] = {
    "scale": Scale,
    "unclipped": lambda factor: Scale(factor, clips=False),
    "turncoat": lambda start: Scale(-1.0, start=int(start)),
}

register("label-flip", LabelFlip)
register("sign-flip", lambda: Scale(-1.0))
register("gaussian", Gaussian)
register("constant", Constant)
register("little-is-enough", LittleIsEnough)
register("backdoor", Backdoor)
