"""Builds the role of a node from its kit, its task and its own rows."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from offchain.chain.contract import ContractS
from offchain.chain.translate import address, checksum
from offchain.crypto.field import FieldVector, parse_field_vector
from offchain.learning.data_rows import Missing, read_rows
from offchain.learning.errors import LearningError
from offchain.learning.partition import DeviceData
from offchain.learning.schema import Schema, require_columns
from offchain.learning.selection import Within, selection_rule
from offchain.learning.tables import read_table
from offchain.nodes.budget import Accountant, BudgetedTrainer, tighter
from offchain.nodes.config import DataConfig
from offchain.nodes.errors import ConfigRefused, NodeError
from offchain.nodes.kit import NodeKeys
from offchain.nodes.selector import RuleSelector
from offchain.nodes.task_file import TaskFile
from offchain.nodes.trainer import LearningTask, LearningTrainer
from offchain.protocol.cloud import Cloud
from offchain.protocol.device import Device, Trainer
from offchain.protocol.fog import Fog
from offchain.protocol.role import ClusterRoster, Role
from offchain.store.recorded import Asides, RecordedSelector, RecordedTrainer
from offchain.store.values import Values

SPENT: Final = "rounds sent"
MODEL: Final = "model"
STATISTICS: Final = "statistics"
NOBODY: Final = bytes(20)
_ROLES: Final = {"device": 1, "fog": 2, "cloud": 3}  # as S numbers them
_SEED_WORDS: Final = 8


class NotAdmitted(NodeError):
    """Contract S does not know this account as what its kit says it is."""


def read_own_rows(path: Path, schema: Schema, least: int, most: int) -> DeviceData:
    """Read a device's rows by the task's schema.

    Raises
    ------
    ConfigRefused
        When a column is missing, a class is unknown, a cell is no number, or there are too few or
        too many rows.
    """
    try:
        table = read_table(path)
        require_columns(str(path), table.names, (*schema.features, schema.target))
        if schema.class_names:
            unknown = sorted(set(table.classes(schema.target)[1]) - set(schema.class_names))
            if unknown:
                problem = f"column {schema.target!r} has {unknown[0]!r}"
                known = ", ".join(schema.class_names)
                raise ConfigRefused(f"data.path: {path}: {problem}: one of {known}")
        rows = read_rows([table], schema, Missing.DROP)
    except LearningError as error:
        raise ConfigRefused(f"data.path: {error}") from None
    if not least <= len(rows.y) <= most:
        raise ConfigRefused(f"data.path: {path}: {len(rows.y)} rows, from {least} to {most}")
    return DeviceData(rows.X, rows.y)


def require_admitted(contract: ContractS, keys: NodeKeys) -> bytes:
    """The account of a node's fog, once S knows the node as what its kit says it is.

    Raises
    ------
    NotAdmitted
        When it does not.
    """
    account = checksum(keys.signing.address)
    role, _, _, _, cluster, index, _ = contract.call("member", account)
    place = (0, index) if keys.role == "cloud" else (cluster, index)
    mine = (0, keys.cluster) if keys.role == "cloud" else (keys.cluster, keys.index)
    if (role, *place) != (_ROLES[keys.role], *mine):
        raise NotAdmitted(f"{account}: not admitted to the task as {keys.name}")
    if keys.role == "cloud":
        return NOBODY
    return address(contract.call("cluster", cluster)[0])


class KeptStatistics:
    """A trainer whose statistics are kept on disk: it has them again whatever is built anew."""

    def __init__(self, trainer: Trainer, values: Values) -> None:
        self._trainer = trainer
        self._values = values
        if STATISTICS in values:
            trainer.absorb(json.loads(values.get(STATISTICS)))

    def update(self, model: Sequence[int], *, updates_model: bool) -> NDArray[np.int64]:
        """As the trainer."""
        return self._trainer.update(model, updates_model=updates_model)

    def absorb(self, statistics: Sequence[int]) -> None:
        """Take the result of a statistics round, and keep it."""
        text = json.dumps([int(value) for value in statistics]).encode()
        if STATISTICS not in self._values or self._values.get(STATISTICS) != text:
            self._values.put(STATISTICS, text)
        self._trainer.absorb(statistics)


class KeptBudget(BudgetedTrainer):
    """A privacy budget whose count is kept on disk too: dropping the journal does not reset it."""

    def __init__(self, trainer: Trainer, accountant: Accountant, values: Values) -> None:
        super().__init__(trainer, accountant)
        self._values = values
        self._kept = int(values.get(SPENT)) if SPENT in values else 0

    @property
    def rounds(self) -> int:
        """Rounds in which an update was made, at most."""
        return max(self._kept, self.spent)

    def update(self, model: Sequence[int], *, updates_model: bool) -> NDArray[np.int64]:
        """As the trainer, counted before it leaves."""
        made = super().update(model, updates_model=updates_model)
        if self.spent > self._kept:
            self._kept = self.spent
            self._values.put(SPENT, str(self._kept).encode())
        return made

    def begin_anew(self) -> None:
        """The journal is gone and nothing is replayed: what was spent stays spent."""
        self.spent = self._kept


class Builder:
    """Builds one node's role, always the same.

    Parameters
    ----------
    task
        The task file.
    keys
        Of the node.
    contract
        Contract S: says whose cluster a device belongs to.
    values
        The node's kept values.
    data
        Where a device's rows are.
    folder
        That relative paths start from.
    """

    def __init__(
        self,
        task: TaskFile,
        keys: NodeKeys,
        contract: ContractS,
        values: Values,
        data: DataConfig | None,
        folder: Path,
    ) -> None:
        self.learning: LearningTask = task.learning_task
        self.asides = Asides()
        self._file = task
        self._task = task.protocol_task()
        self._keys = keys
        self._values = values
        self._fog = require_admitted(contract, keys)
        self._rows = self._read_rows(data, folder) if keys.role == "device" else None
        self._seed = tuple(data.seed) if data is not None else ()
        self.accountant = task.accountant
        if data is not None and data.max_epsilon:
            own = replace(self.accountant, delta=data.delta, max_epsilon=data.max_epsilon)
            self.accountant = tighter(self.accountant, own)
        self.budget: KeptBudget | None = None

    def _read_rows(self, data: DataConfig | None, folder: Path) -> DeviceData:
        if data is None:
            raise ConfigRefused("data.path: a device needs its rows")
        learning = self._file.learning
        path = folder / Path(data.path).expanduser()
        return read_own_rows(path, self._file.schema, learning.min_samples, learning.max_samples)

    def __call__(self) -> Role:
        """The role as for the node's first start."""
        make: dict[str, Callable[[], Role]] = {
            "device": self._device,
            "fog": self._make_fog,
            "cloud": self._cloud,
        }
        return make[self._keys.role]()

    def _device(self) -> Device:
        keys = self._keys
        if keys.device is None or self._rows is None:
            raise NodeError(f"{keys.name}: its kit has no keys of a device")
        secret = keys.randomness.child(b"training").bytes(4 * _SEED_WORDS)
        seed = self._seed or tuple(np.frombuffer(secret, "<u4").tolist())
        trainer = LearningTrainer(self.learning, self._rows, self._file.learning.devices, seed)
        recorded = RecordedTrainer(KeptStatistics(trainer, self._values), self.asides)
        self.budget = KeptBudget(recorded, self.accountant, self._values)
        roster = ClusterRoster(keys.cluster, self._fog)
        return Device(self._task, roster, keys.index, keys.device, self.budget, keys.randomness)

    def _make_fog(self) -> Fog:
        keys, learning = self._keys, self._file.learning
        rule, deviations = selection_rule(learning.selection), learning.deviations
        criterion = rule.default_criterion if deviations is None else Within(deviations)
        parameters = self._task.parameters
        least = max(parameters.min_qualified, parameters.quorum)
        chooser = RuleSelector(rule, criterion, self.learning, least)
        selector = RecordedSelector(chooser, self.asides)
        roster = ClusterRoster(keys.cluster, keys.signing.address)
        fog = Fog(
            self._task,
            roster,
            set(),
            keys.signing,
            self._initial,
            selector,
            keys.randomness,
            {},
            self.learning.solver(),
        )
        self._give_model(fog)
        return fog

    def _cloud(self) -> Cloud:
        keys = self._keys
        wait = max(1, self._task.parameters.aggregate_time // 4)
        cloud = Cloud(
            self._task,
            {},
            keys.signing,
            self._initial,
            standby=keys.cluster * wait,
            solver=self.learning.solver(),
        )
        self._give_model(cloud)
        return cloud

    @property
    def _initial(self) -> FieldVector:
        return FieldVector.zeros(self._task.layout.length)

    def _give_model(self, role: Fog | Cloud) -> None:
        if MODEL in self._values:
            role.remember(parse_field_vector(self._values.get(MODEL), self._task.layout.length))
