"""The task file: what every party of a task knows, signed by its Authority.

Whoever joins compares the Authority's address with the one it was told, and the contract with what
the compiler makes of the source (``offchain.chain.code``). Parameters that Contract S holds are
repeated here, so that a node refuses a contract that holds others.
"""

from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct

from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.errors import CryptoError
from offchain.crypto.hashing import keccak256, tagged
from offchain.crypto.layout import SlotLayout
from offchain.learning.encoding import UpdateEncoding
from offchain.learning.errors import LearningError
from offchain.learning.methods import digit_encoding
from offchain.learning.models import Model, ModelKind
from offchain.learning.newton import NewtonSums
from offchain.learning.release import ReleaseNoise
from offchain.learning.ridge import NormalEquations
from offchain.learning.schema import Schema
from offchain.learning.statistics import statistics_encoding
from offchain.learning.tasks import Task as LearningKind
from offchain.learning.training import GradientSum, Hyperparameters, LocalEpochs, Method
from offchain.nodes.budget import Accountant, accountant, require_rounds
from offchain.nodes.errors import TaskRefused
from offchain.nodes.trainer import LearningTask
from offchain.protocol.eip712 import Domain, SigningKey, recover
from offchain.protocol.errors import ProtocolError
from offchain.protocol.role import Task, TaskParameters
from offchain.store.errors import StoreError
from offchain.store.files import write_whole

if TYPE_CHECKING:  # what plans a task is nothing that every node must load
    from offchain.nodes.options import TrainPlan

TASK_FILE: Final = "task.json"
VERSION: Final = 1
_TAG: Final = "verifog task file v1"
_METHODS: Final[dict[str, Callable[..., Method]]] = {
    GradientSum.name: GradientSum,
    LocalEpochs.name: LocalEpochs,
    NormalEquations.name: NormalEquations,
    NewtonSums.name: NewtonSums,
}

Hex = Annotated[str, Meta(pattern="^0x([0-9a-f]{2})*$")]
Address = Annotated[str, Meta(pattern="^0x[0-9a-f]{40}$")]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Natural = Annotated[int, Meta(ge=0)]


class Learning(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is learnt, and how: public, the same for all."""

    dataset: Name
    kind: LearningKind
    features: Annotated[tuple[Name, ...], Meta(min_length=1)]
    classes: tuple[Name, ...]
    target: Name
    ranges: tuple[tuple[float, float], ...]  # of the features, then of the target
    model: ModelKind
    method: dict[str, str | int | float]
    l2: float
    rate: float
    clip_norm: float
    noise_multiplier: float
    min_samples: int
    max_samples: int
    selection: Name  # the rule
    deviations: Annotated[float, Meta(gt=0)] | None
    release_noise: Annotated[float, Meta(gt=0)] | None = None
    release_survivors: Natural = 0
    max_epsilon: Annotated[float, Meta(gt=0)] | None = None  # of every device, against its fog
    delta: Annotated[float, Meta(gt=0, lt=1)] = 1e-5
    rounds: Annotated[int, Meta(ge=1)]
    devices: Annotated[int, Meta(ge=1)]


class TaskFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A task."""

    version: int
    chain_id: Natural
    contract: Address
    toolbox: Address
    authority: Address
    deployed_at: Natural
    created_by: Hex  # the transaction
    parameters: dict[str, Natural]
    learning: Learning

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain of S."""
        return Domain(self.chain_id, bytes.fromhex(self.contract[2:]))

    @property
    def task_parameters(self) -> TaskParameters:
        """The parameters of S."""
        return TaskParameters(**self.parameters)

    @property
    def model(self) -> Model:
        """What is trained."""
        learning = self.learning
        classes = 0 if learning.kind is LearningKind.REGRESSION else len(learning.classes)
        return Model(learning.model, len(learning.features), classes)

    @property
    def schema(self) -> Schema:
        """The columns of everybody's rows."""
        learning = self.learning
        return Schema(learning.features, learning.target, learning.kind, learning.classes)

    @property
    def learning_task(self) -> LearningTask:
        """For trainers and selectors."""
        learning = self.learning
        columns = len(learning.ranges) + len(learning.classes)
        method = parse_method(learning.method)
        sizes = learning.noise_multiplier, learning.clip_norm
        samples = learning.min_samples, learning.max_samples
        return LearningTask(
            dataset_name=learning.dataset,
            feature_names=learning.features,
            class_names=learning.classes,
            ranges=np.array(learning.ranges, dtype=np.float64),
            model=self.model,
            hyperparameters=Hyperparameters(
                method,
                learning.rate,
                learning.clip_norm,
                learning.l2,
                learning.rounds,
            ),
            encoding=UpdateEncoding(*sizes, *samples),
            release=None
            if learning.release_noise is None
            else ReleaseNoise(
                learning.release_noise, learning.release_survivors, learning.noise_multiplier
            ),
            digits=digit_encoding(method, self.model, *sizes, *samples),
            statistics=statistics_encoding(
                columns,
                noise_multiplier=learning.noise_multiplier,
                min_samples=learning.min_samples,
                max_samples=learning.max_samples,
            ),
        )

    @property
    def layout(self) -> SlotLayout:
        """Which slot holds what."""
        parameters = self.parameters
        return SlotLayout(
            parameters["capacity"],
            parameters["packing"],
            parameters["chunks"],
            self.learning_task.values,
        )

    @property
    def accountant(self) -> Accountant:
        """What rounds cost a device, and the budget that the task sets."""
        learning, slots = self.learning, self.layout.data_slots
        encoding = self.learning_task.encoding
        return accountant(encoding, slots, learning.delta, learning.max_epsilon)

    def protocol_task(self) -> Task:
        """For the roles."""
        layout = self.layout
        return Task(
            self.task_parameters,
            self.domain,
            layout,
            CommitmentKey.load(layout.capacity),
            self.learning_task.value_bound,
        )

    def digest(self) -> bytes:
        """What the Authority signs."""
        return tagged(_TAG, keccak256(msgspec.json.encode(self, order="deterministic")))


class _Signed(Struct, frozen=True, forbid_unknown_fields=True):
    task: TaskFile
    signature: Hex


_DECODER: Final = msgspec.json.Decoder(_Signed)


def describe_method(method: Method) -> dict[str, str | int | float]:
    """A method as plain data."""
    return {"name": method.name, **asdict(method)}  # type: ignore[call-overload]


def parse_method(plain: dict[str, Any]) -> Method:
    """The method that plain data describe.

    Raises
    ------
    TaskRefused
        When there is none of that name, or its values do not suit it.
    """
    values = dict(plain)
    name = values.pop("name", None)
    if name not in _METHODS:
        raise TaskRefused(f"task file: learning.method: {name!r}: one of {', '.join(_METHODS)}")
    try:
        return _METHODS[name](**values)
    except (TypeError, LearningError) as error:
        raise TaskRefused(f"task file: learning.method: {error}") from None


def learning_of(plan: "TrainPlan", task: LearningTask) -> Learning:
    """The learning of a task as the file has it."""
    dataset, options = plan.dataset, plan.options
    parameters, encoding = task.hyperparameters, task.encoding
    return Learning(
        dataset=dataset.name,
        kind=dataset.task,
        features=tuple(dataset.feature_names),
        classes=tuple(dataset.class_names),
        target=dataset.target_name,
        ranges=tuple((float(low), float(high)) for low, high in task.ranges),
        model=task.model.kind,
        method=describe_method(parameters.method),
        l2=parameters.l2,
        rate=parameters.rate,
        clip_norm=encoding.clip_norm,
        noise_multiplier=encoding.noise_multiplier,
        min_samples=encoding.min_samples,
        max_samples=encoding.max_samples,
        selection=options.selection,
        deviations=options.deviations,
        release_noise=task.release.multiplier if task.release else None,
        release_survivors=task.release.survivors if task.release else 0,
        max_epsilon=options.max_epsilon,
        delta=options.delta,
        rounds=plan.rounds,
        devices=options.devices,
    )


def write_task(path: Path, task: TaskFile, key: SigningKey) -> None:
    """Sign a task as its Authority and write it."""
    signed = _Signed(task, "0x" + key.sign(task.digest()).hex())
    write_whole(path, msgspec.json.format(msgspec.json.encode(signed), indent=1) + b"\n")


def read_task(path: Path) -> TaskFile:
    """Read a task file and check the Authority's signature and all values.

    Raises
    ------
    TaskRefused
        Naming what is wrong.
    """
    try:
        signed = _DECODER.decode(path.read_bytes())
    except OSError as error:
        raise TaskRefused(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TaskRefused(f"{path}: {error}") from None
    task = signed.task
    if task.version != VERSION:
        raise TaskRefused(f"{path}: version {task.version}, {VERSION} expected")
    try:
        signer = recover(task.digest(), bytes.fromhex(signed.signature[2:]))
    except ProtocolError as error:
        raise TaskRefused(f"{path}: signature: {error}") from None
    if "0x" + signer.hex() != task.authority:
        raise TaskRefused(f"{path}: signed by 0x{signer.hex()}, its Authority is {task.authority}")
    _check(path, task)
    return task


def _check(path: Path, task: TaskFile) -> None:
    wanted = {f.name for f in fields(TaskParameters)}
    if task.parameters.keys() != wanted:
        odd = ", ".join(sorted(task.parameters.keys() ^ wanted))
        raise TaskRefused(f"{path}: parameters: these are missing or unknown: {odd}")
    columns = len(task.learning.features) + 1
    if len(task.learning.ranges) != columns:
        raise TaskRefused(
            f"{path}: learning.ranges: {len(task.learning.ranges)}, {columns} expected"
        )
    try:
        _ = task.layout, task.learning_task
        require_rounds("learning.max_epsilon", task.accountant)
    except (CryptoError, LearningError, StoreError) as error:
        raise TaskRefused(f"{path}: {error}") from None
