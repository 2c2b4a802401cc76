"""What outlives a role's journal: the model and the statistics; and the model file that others use.

A journal can be dropped (after a reorganisation, or a change of software); a model that nobody
holds any more could not be trained further.
"""

import logging
from pathlib import Path

from offchain.chain.contract import ContractS
from offchain.crypto.field import FieldVector
from offchain.learning.statistics import Standardiser
from offchain.learning.tasks import Task as LearningKind
from offchain.nodes.builder import MODEL, STATISTICS
from offchain.nodes.task_file import TaskFile
from offchain.protocol.cloud import Cloud
from offchain.protocol.fog import Fog
from offchain.protocol.role import Note
from offchain.reporting.model_file import ColumnMap, ModelFile, write_model
from offchain.store.durable import DurableRole, Released
from offchain.store.values import Values

_LOG = logging.getLogger(__name__)
MODEL_FILE = "model.json"


class Keepsakes:
    """Follows a role and keeps its model whenever that has changed.

    Parameters
    ----------
    task
        The task file.
    contract
        Contract S, for names in the model file.
    values
        Where things are kept.
    folder
        Of the model file that a fog writes.
    """

    def __init__(self, task: TaskFile, contract: ContractS, values: Values, folder: Path) -> None:
        self._task = task
        self._contract = contract
        self._values = values
        self._folder = folder
        self._learning = task.learning_task
        self._layout = task.layout
        self._kept: FieldVector | None = None

    def __call__(self, durable: DurableRole, released: list[Released]) -> None:
        """Look whether something has changed."""
        role = durable.role
        if not isinstance(role, Fog | Cloud):
            return
        changed = role.model is not self._kept
        if changed:
            self._values.put(MODEL, role.model.to_bytes())
            self._kept = role.model
        if not isinstance(role, Fog):
            return
        updated = any(_is_update(one) for one in released)
        if updated and STATISTICS not in self._values:
            self._values.put(STATISTICS, next(iter(role.results.values())).to_bytes())
        if (changed or updated) and STATISTICS in self._values:
            write_model(self._model_file(role, durable.round), self._folder / MODEL_FILE)
            _LOG.info("model of round %d written", durable.round)

    def _model_file(self, fog: Fog, number: int) -> ModelFile:
        learning, layout = self._task.learning, self._layout
        standardiser = self._standardiser()
        columns = len(learning.features)
        regression = learning.kind is LearningKind.REGRESSION
        return ModelFile(
            contract=self._contract.address,
            chain_id=self._contract.chain_id,
            round=number,
            vector=fog.model,
            layout=layout,
            commitment=fog.task.key.commit(fog.model),
            step=self._learning.encoding.step,
            fraction_bits=self._learning.encoding.fraction_bits,
            model=self._task.model,
            feature_names=learning.features,
            class_names=learning.classes,
            target_name=learning.target,
            features=ColumnMap.of(standardiser.columns(columns)),
            target=ColumnMap.of(standardiser.column(-1)) if regression else None,
        )

    def _standardiser(self) -> Standardiser:
        total = FieldVector(self._values.get(STATISTICS))
        slots = self._layout.extract(total)
        return self._learning.standardiser(slots, self._task.learning.devices)


def _is_update(released: Released) -> bool:
    effect = released.effect
    return isinstance(effect, Note) and effect.kind == "updated"
