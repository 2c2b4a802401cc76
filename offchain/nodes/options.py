"""The options of a training run: checked before anything runs, with errors that name them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from offchain.crypto.candidates import NoiseShape
from offchain.crypto.errors import CryptoError
from offchain.crypto.layout import BLINDING_PER_BLOCK, MAX_CAPACITY, MIN_CAPACITY, SlotLayout
from offchain.crypto.sharing import recommended
from offchain.errors import VerifogError
from offchain.learning.data_notes import Note
from offchain.learning.datasets import load
from offchain.learning.defaults import DEFAULT_NOISE_MULTIPLIER, defaults, own_data_defaults
from offchain.learning.errors import LearningError, OptionError
from offchain.learning.methods import METHOD_NAMES, method_parameters, update_slots
from offchain.learning.models import Model, ModelKind
from offchain.learning.partition import DeviceData, Split, parse_split
from offchain.learning.selection import DEFAULT_RULE, rule_names
from offchain.learning.tasks import Dataset
from offchain.learning.training import Hyperparameters, LocalEpochs
from offchain.learning.user_data import UserData, UserDataOptions, load_user_data

MAX_CLUSTERS = 64
MAX_DEVICES_IN_CLUSTER = 1024
MAX_CANDIDATES = 64
MAX_CHUNKS = 64
SECRETS = ("os", "seed")


class OptionRefused(VerifogError):
    """An option is out of its bound.

    Attributes
    ----------
    option
        Its name on the command line.
    """

    def __init__(self, option: str, value: object, bound: str) -> None:
        self.option = option
        super().__init__(f"--{option}: {value}: {bound}")


@dataclass(frozen=True)
class TrainOptions:
    """Options of ``ape run train``; None stands for a default that depends on the others."""

    dataset: str = "fault7"
    model: str | None = None
    method: str = METHOD_NAMES[0]
    devices: int = 16
    fogs: int = 2
    rounds: int | None = None
    capacity: int | None = None
    packing: int = 0  # 0: as recommended for the smallest cluster, and the threshold too
    threshold: int | None = None
    noise_multiplier: float = DEFAULT_NOISE_MULTIPLIER
    clip: float | None = None
    candidates: int = 4
    noise_rounds: int = 8
    selection: str = DEFAULT_RULE
    deviations: float | None = None
    split: str = "even"
    drop: float = 0.0
    seed: int = 1
    secrets: str = "os"
    delta: float = 1e-5
    max_epsilon: float | None = None
    release_noise: float | None = None
    release_colluders: int = 0
    own: UserDataOptions | None = None  # --data and what belongs to it; in place of the data set


@dataclass(frozen=True)
class TrainPlan:
    """Checked options with everything that follows from them."""

    options: TrainOptions
    dataset: Dataset
    model: Model
    hyperparameters: Hyperparameters
    split: Split
    clusters: tuple[int, ...]  # devices in each
    layout: SlotLayout
    threshold: int
    min_qualified: int
    rounds: int
    clip_norm: float
    parts: tuple[DeviceData, ...]  # of the user's own devices; empty: to be split
    notes: tuple[Note, ...]


def _refuse(option: str, value: object, bound: str) -> None:
    raise OptionRefused(option, value, bound)


def plan(options: TrainOptions) -> TrainPlan:
    """Check all options together and work out what follows from them.

    Raises
    ------
    OptionRefused
        Naming the option, its value and its bound.
    """
    own = _own_data(options)
    if own is not None:
        options = replace(
            options, dataset=own.dataset.name, devices=len(own.parts) or options.devices
        )
    _check_ranges(options)
    try:
        dataset = load(options.dataset) if own is None else own.dataset
    except LearningError as error:
        raise OptionRefused("dataset", options.dataset, str(error)) from None
    try:
        kind = ModelKind(options.model) if options.model else dataset.default_kind
        model = dataset.model(kind)
    except (LearningError, ValueError) as error:
        known = ", ".join(k.value for k in ModelKind)
        bound = str(error) if isinstance(error, LearningError) else f"must be one of {known}"
        raise OptionRefused("model", options.model, bound) from None
    hyperparameters = _hyperparameters(options, dataset, model, () if own is None else own.parts)
    try:
        split = parse_split(options.split)
    except LearningError as error:
        raise OptionRefused("split", options.split, str(error)) from None
    base, more = divmod(options.devices, options.fogs)
    clusters = tuple(base + (cluster < more) for cluster in range(options.fogs))
    if clusters[0] > MAX_DEVICES_IN_CLUSTER:
        _refuse("devices", options.devices, f"at most {MAX_DEVICES_IN_CLUSTER} for each fog")
    options = _recommended(options, min(clusters))
    parts = () if own is None else own.parts
    if not parts and len(dataset.X_train) < 8 * options.devices:
        _refuse(
            "devices", options.devices, f"at most {len(dataset.X_train) // 8} for this data set"
        )
    statistics = 2 * (model.features + 1 + len(dataset.class_names))
    update = _update_slots(options, hyperparameters, model)
    layout = _layout(options, max(update, statistics))
    threshold = _threshold(options, min(clusters))
    _check_release(options, hyperparameters, threshold + 1)
    return TrainPlan(
        options=options,
        dataset=dataset,
        model=model,
        hyperparameters=hyperparameters,
        split=split,
        clusters=clusters,
        layout=layout,
        threshold=threshold,
        min_qualified=threshold + 1,
        rounds=options.rounds if options.rounds is not None else hyperparameters.rounds,
        clip_norm=options.clip if options.clip is not None else hyperparameters.clip_norm,
        parts=parts,
        notes=() if own is None else own.notes,
    )


def _hyperparameters(
    options: TrainOptions, dataset: Dataset, model: Model, parts: Sequence[DeviceData]
) -> Hyperparameters:
    rows = len(dataset.X_train)
    try:
        if options.method != LocalEpochs.name:
            average = -(-rows // options.devices)
            largest = max((part.count for part in parts), default=average)
            return method_parameters(options.method, model, rows, largest)
        if options.own is not None:
            return own_data_defaults(model, max(1, rows // options.devices))
        return defaults(options.dataset, model.kind)
    except OptionError as error:
        raise OptionRefused("method", options.method, error.bound) from None
    except LearningError as error:
        option = "model" if options.method == LocalEpochs.name else "method"
        raise OptionRefused(option, getattr(options, option), str(error)) from None


def _update_slots(options: TrainOptions, parameters: Hyperparameters, model: Model) -> int:
    try:
        return update_slots(parameters.method, model, options.noise_multiplier)
    except OptionError as error:
        raise OptionRefused("noise-multiplier", options.noise_multiplier, error.bound) from None


def _check_release(options: TrainOptions, found: Hyperparameters, min_qualified: int) -> None:
    colluders = options.release_colluders
    if not 0 <= colluders < min_qualified:
        bound = f"from 0 to {min_qualified - 1}: a sum has at least {min_qualified} devices"
        _refuse("release-colluders", colluders, bound)
    if options.release_noise is None:
        if colluders:
            _refuse("release-colluders", colluders, "goes with --release-noise only")
    elif not found.method.linear_step:
        _refuse("release-noise", options.release_noise, "goes with --method sgd and local only")


def _own_data(options: TrainOptions) -> UserData | None:
    try:
        return None if options.own is None else load_user_data(options.own, seed=options.seed)
    except OptionError as error:
        raise OptionRefused(error.option, error.value, error.bound) from None


def _check_ranges(options: TrainOptions) -> None:
    if options.fogs < 1 or options.fogs > MAX_CLUSTERS:
        _refuse("fogs", options.fogs, f"from 1 to {MAX_CLUSTERS}")
    if options.devices < 3 * options.fogs:
        _refuse("devices", options.devices, f"at least 3 for each of {options.fogs} fogs")
    if options.rounds is not None and options.rounds < 1:
        _refuse("rounds", options.rounds, "at least 1")
    if not 2 <= options.candidates <= MAX_CANDIDATES:
        _refuse("candidates", options.candidates, f"from 2 to {MAX_CANDIDATES}")
    if not 1 <= options.noise_rounds <= 65535:
        _refuse("noise-rounds", options.noise_rounds, "from 1 to 65535")
    for option, value in (
        ("noise-multiplier", options.noise_multiplier),
        ("clip", options.clip),
        ("deviations", options.deviations),
        ("max-epsilon", options.max_epsilon),
        ("release-noise", options.release_noise),
    ):
        if value is not None and not (math.isfinite(value) and value > 0):
            _refuse(option, value, "finite and above 0")
    if not 0.0 <= options.drop <= 1.0:
        _refuse("drop", options.drop, "from 0 to 1")
    if not 0.0 < options.delta < 1.0:
        _refuse("delta", options.delta, "between 0 and 1")
    if not 0 <= options.seed < 2**63:
        _refuse("seed", options.seed, "from 0 to 2^63 - 1")
    if options.secrets not in SECRETS:
        _refuse("secrets", options.secrets, f"one of {', '.join(SECRETS)}")
    if options.selection not in rule_names():
        _refuse("selection", options.selection, f"one of {', '.join(rule_names())}")
    NoiseShape(options.noise_rounds, options.candidates)


def _recommended(options: TrainOptions, smallest: int) -> TrainOptions:
    """Fill packing 0 in as docs/performance.md recommends, and the threshold if it is not given."""
    if options.packing:
        return options
    if smallest < 3:
        return replace(options, packing=1)  # refused where the threshold is looked at
    packing, threshold = recommended(smallest)
    given = options.threshold
    return replace(options, packing=packing, threshold=threshold if given is None else given)


def _layout(options: TrainOptions, values: int) -> SlotLayout:
    packing, capacity = options.packing, options.capacity
    if packing < 1 or packing & (packing - 1) or packing > MAX_CAPACITY // 4:
        _refuse("packing", packing, f"a power of two from 1 to {MAX_CAPACITY // 4}")
    try:
        if capacity is None:
            return _within_chunks(SlotLayout.fitting(values, packing))
        if not MIN_CAPACITY <= capacity <= MAX_CAPACITY or capacity & (capacity - 1):
            _refuse("capacity", capacity, f"a power of two from {MIN_CAPACITY} to {MAX_CAPACITY}")
        usable = capacity - BLINDING_PER_BLOCK * packing
        if usable < 1 + values and capacity < MAX_CAPACITY:
            _refuse(
                "capacity",
                capacity,
                f"too small: {1 + values} slots are needed, {max(usable, 0)} are usable "
                f"with packing {packing}",
            )
        return _within_chunks(SlotLayout.fitting(values, packing, capacity))
    except CryptoError as error:
        raise OptionRefused("packing", packing, str(error)) from None


def _within_chunks(layout: SlotLayout) -> SlotLayout:
    if layout.chunks > MAX_CHUNKS:
        _refuse("method", f"{layout.values} values", f"need {layout.chunks} chunks of {MAX_CHUNKS}")
    return layout


def _threshold(options: TrainOptions, smallest: int) -> int:
    """t, by default so that a majority of the smallest cluster reconstructs: t + l - 1 > n/2."""
    packing = options.packing
    if options.threshold is None:
        threshold = max(2, smallest // 2 + 1 - (packing - 1))
        if threshold + packing - 1 > smallest or threshold >= smallest:
            _refuse("packing", packing, f"at most {smallest - 1} with {smallest} devices a cluster")
        return threshold
    most = min(smallest - packing + 1, smallest - 1)
    if not 2 <= options.threshold <= most:
        _refuse(
            "threshold",
            options.threshold,
            f"from 2 to {most}: with {smallest} devices in the smallest cluster, t + packing - 1 "
            "of them must reconstruct and t + 1 be summed",
        )
    return options.threshold
