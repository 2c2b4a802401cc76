"""A training run from checked options to a record: what ``ape run train`` does."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.chain.errors import WrongChain
from offchain.crypto.field import FieldVector
from offchain.crypto.randomness import Randomness
from offchain.errors import VerifogError
from offchain.learning.balance import ClassBalance
from offchain.learning.baseline import central_baseline
from offchain.learning.errors import OptionError
from offchain.learning.partition import DeviceData, partition
from offchain.learning.privacy import epsilon, released_sensitivity
from offchain.learning.release import ReleaseNoise
from offchain.learning.selection import Within, selection_rule
from offchain.learning.statistics import Standardiser
from offchain.learning.tasks import Task as LearningKind
from offchain.nodes.budget import Accountant, BudgetedTrainer, accountant, require_rounds
from offchain.nodes.dropout import SilentDevices
from offchain.nodes.options import OptionRefused, TrainOptions, TrainPlan
from offchain.nodes.selector import RuleSelector
from offchain.nodes.simulation import (
    ETHER,
    RoundOutcome,
    Simulation,
    admit_all,
    deploy,
    draw_identities,
    give_ether,
)
from offchain.nodes.trainer import (
    LearningTask,
    LearningTrainer,
    learning_task,
    standardise,
)
from offchain.protocol.device import Trainer
from offchain.protocol.role import TaskParameters
from offchain.reporting.model_file import ColumnMap, ModelFile, model_record
from offchain.reporting.record import (
    ClusterRecord,
    Comparison,
    Metric,
    PrivacyRecord,
    PrivacySpent,
    RoundKind,
    RunHead,
    RunRecord,
    TaskRecord,
    hex_of,
)
from offchain.reporting.recorder import RunRecorder, Watcher
from offchain.reporting.sums_file import SumsFile
from offchain.reporting.timing import TimedChain, TimedSelector, TimedTrainer

LOCAL_CHAIN_ID = 31337
STATISTICS_ATTEMPTS = 10
INFINITY = bytes(128)

STATEMENT = (
    "What a fog learns of one device's clipped updates through their masks, over the rounds in "
    "which it sent one; the figure is that of the device that sent most; "
    "neighbouring inputs differ in the device's whole update. It says nothing of what the released "
    "sums and the model show."
)


class TrainingFailed(VerifogError):
    """A run could not be brought to a model."""


@dataclass(frozen=True, repr=False)
class TrainResult:
    """What a run leaves: its record; the model file, None if there was no statistics round; sums.

    The sums of the training rounds, where fogs vote for the model; else None.
    """

    record: RunRecord
    model: ModelFile | None
    sums: SumsFile | None = None


class TrainingRun:
    """Sets up a task on a local chain and trains.

    Parameters
    ----------
    plan
        Checked options.
    web3
        A local chain (anvil).
    artifact
        Contract S.
    watcher
        Follows the run live.
    corrupt
        Puts something in place of a device's trainer, by its number: for tests of attacks.

    Raises
    ------
    WrongChain
        When the chain is not a local one.
    """

    def __init__(
        self,
        plan: TrainPlan,
        web3: Web3,
        artifact: Artifact,
        watcher: Watcher | None = None,
        *,
        corrupt: Callable[[int, Trainer], Trainer] = lambda _number, trainer: trainer,
    ) -> None:
        self._corrupt = corrupt
        if web3.eth.chain_id != LOCAL_CHAIN_ID:
            raise WrongChain(
                f"network: chain id {web3.eth.chain_id}, training in one process needs a local "
                f"chain ({LOCAL_CHAIN_ID})"
            )
        self._plan = plan
        options = plan.options
        root = root_randomness(options)
        parts, self._learning = divide(plan)
        self._accountant = account(plan, self._learning)
        self.parameters = task_parameters(plan, self._learning)
        self._identities = draw_identities(root.child(b"identities"), plan.clusters)
        give_ether(web3, self._identities.accounts)
        self.contract = deploy(
            web3,
            artifact,
            self._identities.authority,
            self.parameters,
            INFINITY * plan.layout.chunks,
        )
        admitted = admit_all(self.contract, self._identities, self.parameters)
        pool = self.parameters.reward * (plan.rounds + STATISTICS_ATTEMPTS)
        self.contract.transact(self._identities.authority, "fundPool", value=pool)
        self.recorder = RunRecorder(self._head(), watcher)
        self.recorder.gas_spent("deploy", self.contract.deployment_gas, "authority")
        for mined in admitted:
            self.recorder.gas_spent(mined.function, mined.gas, "authority")
        self._silent = SilentDevices(options.drop, np.random.default_rng([options.seed, 1]))
        self._simulation = self._build(parts, root)
        self._standardiser: Standardiser | None = None
        self.balance: ClassBalance | None = None
        self.models: list[NDArray[np.float64]] = []  # parameters after each training round
        self._solver = self._learning.solver()
        self._sums: dict[int, FieldVector] = {}
        self._trained = 0

    def _build(self, parts: Sequence[DeviceData], root: Randomness) -> Simulation:
        plan, options, recorder = self._plan, self._plan.options, self.recorder
        devices = options.devices
        unused = iter(enumerate(parts))
        trainers = self._trainers = [
            [
                BudgetedTrainer(
                    TimedTrainer(
                        self._corrupt(
                            number,
                            LearningTrainer(
                                self._learning,
                                part,
                                devices,
                                (options.seed, 2, number),
                                root.child(b"release noise %d" % number).bytes,
                            ),
                        ),
                        recorder,
                    ),
                    self._accountant,
                )
                for _, (number, part) in zip(range(size), unused, strict=False)
            ]
            for size in plan.clusters
        ]

        def selector() -> TimedSelector:
            rule, deviations = selection_rule(options.selection), options.deviations
            criterion = rule.default_criterion if deviations is None else Within(deviations)
            least = max(self.parameters.min_qualified, self.parameters.quorum)
            return TimedSelector(RuleSelector(rule, criterion, self._learning, least), recorder)

        simulation = Simulation(
            self.contract,
            self._identities,
            trainers,
            selector,
            self.parameters,
            plan.layout,
            self._learning.value_bound,
            root.child(b"nodes"),
            recorder,
            self._silent,
            self._learning.solver,
        )
        simulation.network.chain = TimedChain(simulation.chain, recorder)
        return simulation

    def run(self) -> TrainResult:
        """Run the statistics round and all training rounds; an interrupt ends it cleanly.

        Raises
        ------
        TrainingFailed
            When no statistics round settles.
        """
        interrupted, stopped = False, None
        try:
            self._run_statistics()
            for _ in range(self._plan.rounds):
                stopped = self._out_of_budget()
                if stopped is not None or self._run_round(RoundKind.TRAINING):
                    break
        except KeyboardInterrupt:
            interrupted = True
        for mined in self._simulation.claim_rewards().values():
            self.recorder.gas_spent(mined.function, mined.gas, "fog")
        return self._result(interrupted=interrupted, stopped=stopped)

    def _released(self) -> PrivacySpent | None:
        """What the sums released so far tell of a device; None without noise in them."""
        release = self._learning.release
        if release is None:
            return None
        spent = epsilon(
            release.multiplier,
            len(self.recorder.rounds),
            self._plan.options.delta,
            sensitivity=released_sensitivity(
                self._learning.encoding, self._plan.layout.data_slots - 1
            ),
        )
        return PrivacySpent(spent if math.isfinite(spent) else None, self._plan.options.delta)

    def _out_of_budget(self) -> str | None:
        """Why no cluster can have another round, or None if one can."""
        needed = max(self.parameters.min_qualified, self.parameters.quorum)
        for cluster in self._trainers:
            if sum(trainer.affordable for trainer in cluster) >= needed:
                return None
        spent = max(trainer.spent for cluster in self._trainers for trainer in cluster)
        return str(self._accountant.refusal(spent))

    def _run_statistics(self) -> None:
        for _ in range(STATISTICS_ATTEMPTS):
            self._run_round(RoundKind.STATISTICS)
            if self._standardiser is not None:
                return
        raise TrainingFailed(
            f"statistics: none of {STATISTICS_ATTEMPTS} rounds settled; too many devices drop out "
            f"for threshold {self._plan.threshold} with packing {self._plan.options.packing}"
        )

    def _run_round(self, kind: RoundKind) -> bool:
        """Run a round; returns whether the method has converged with it."""
        self._silent.next_round()
        self.recorder.round_opened(int(self.contract.call("currentRound")) + 1, kind)
        before = self._simulation.model
        outcome = self._simulation.run_round()
        if kind is RoundKind.TRAINING and outcome.settled:
            self._trained += 1
        if kind is RoundKind.STATISTICS:
            total = self._simulation.result(outcome.round)
            if total is not None:
                slots = self._plan.layout.extract(total)
                self._standardiser = self._learning.standardiser(slots, self._plan.options.devices)
                self.balance = self._learning.balance(slots)
                self._remark_data(self._standardiser)
        loss, metric = self._measure()
        done = kind is RoundKind.TRAINING and self._converged(outcome, before)
        if kind is RoundKind.TRAINING:
            self.models.append(self._theta())
        self.recorder.round_closed(loss=loss, metric=metric, privacy=self._privacy())
        return done

    def _converged(self, outcome: RoundOutcome, before: FieldVector) -> bool:
        """Whether the method that solves has found its model; all parties find so alike."""
        total = self._simulation.result(outcome.round)
        if self._solver is None or outcome.result is None or total is None:
            return False
        self._sums[outcome.round] = total
        if not outcome.voted:
            return False
        slots = self._plan.layout.extract(before), self._plan.layout.extract(total)
        if not self._solver.converged(*slots, outcome.result.samples):
            return False
        self.recorder.remarked("converged", f"{self._plan.options.method}: round {outcome.round}")
        return True

    def _remark_data(self, standardiser: Standardiser) -> None:
        """Put into the report what was found of the data, beforehand and from the sums."""
        for note in self._plan.notes:
            self.recorder.remarked(note.kind, note.text)
        names = self._plan.dataset.feature_names
        constant = standardiser.columns(len(names)).names_of_constant(names)
        if constant:
            self.recorder.remarked("constant-columns", f"without weight: {', '.join(constant)}")
        if self.balance is not None:
            self.recorder.remarked("class-sums", self.balance.describe())

    # ---- measuring, for the report only

    @property
    def plan(self) -> TrainPlan:
        """What is trained, and how."""
        return self._plan

    def _theta(self) -> NDArray[np.float64]:
        return self._learning.parameters(self._plan.layout.extract(self._simulation.model))

    def rows(self, *, test: bool) -> tuple[Any, Any]:
        """Return all rows and targets as the devices standardise them.

        Raises
        ------
        TrainingFailed
            Before the statistics round.
        """
        data = self._plan.dataset
        rows = (data.X_test, data.y_test) if test else (data.X_train, data.y_train)
        if self._standardiser is None:
            raise TrainingFailed("statistics: there are none yet")
        return standardise(self._learning, self._standardiser, *rows)

    def _measure(self) -> tuple[float | None, Metric | None]:
        if self._standardiser is None:
            return None, None
        theta = self._theta()
        model, l2 = self._plan.model, self._plan.hyperparameters.l2
        loss = model.loss(theta, *self.rows(test=False), l2)
        score = model.score(theta, *self.rows(test=True))
        return loss, Metric(self._metric_name, score)

    @property
    def _metric_name(self) -> str:
        return "R2" if self._plan.dataset.task is LearningKind.REGRESSION else "accuracy"

    def _privacy(self) -> PrivacySpent:
        """What the device that sent most has spent."""
        spent = self._accountant.epsilon(max(self._rounds_sent()))
        return PrivacySpent(spent if math.isfinite(spent) else None, self._plan.options.delta)

    def _rounds_sent(self) -> list[int]:
        """In how many rounds each device has sent a masked vector."""
        return [trainer.spent for cluster in self._trainers for trainer in cluster]

    # ---- the record

    def _head(self) -> RunHead:
        plan = self._plan
        resolved = {
            **_plain_options(plan.options),
            "model": plan.model.kind.value,
            "rounds": plan.rounds,
            "capacity": plan.layout.capacity,
            "chunks": plan.layout.chunks,
            "threshold": plan.threshold,
            "clip": plan.clip_norm,
            "method": plan.hyperparameters.method.name,
            "l2": plan.hyperparameters.l2,
            "rate": plan.hyperparameters.rate,
        }
        return RunHead(
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            task=TaskRecord(
                dataset=plan.dataset.name,
                origin=plan.dataset.origin.describe(),
                model=plan.model.kind.value,
                features=plan.model.features,
                classes=plan.model.classes,
                parameters=plan.model.parameter_count,
                train_rows=len(plan.dataset.X_train),
                test_rows=len(plan.dataset.X_test),
            ),
            options=resolved,
            contract=hex_of(self.contract.address),
            chain_id=self.contract.chain_id,
            domain_separator=hex_of(self.contract.domain.separator),
            clusters=tuple(
                ClusterRecord(cluster, hex_of(fog.address), plan.clusters[cluster])
                for cluster, fog in enumerate(self._identities.fogs)
            ),
            rounds_planned=plan.rounds + 1,
        )

    def _model_file(self) -> ModelFile | None:
        if self._standardiser is None:
            return None
        plan, slots = self._plan, self._simulation.model
        columns = len(plan.dataset.feature_names)
        regression = plan.dataset.task is LearningKind.REGRESSION
        return ModelFile(
            contract=self.contract.address,
            chain_id=self.contract.chain_id,
            round=int(self.contract.call("currentRound")),
            vector=slots,
            layout=plan.layout,
            commitment=self._simulation.task.key.commit(slots),
            step=self._learning.encoding.step,
            fraction_bits=self._learning.encoding.fraction_bits,
            model=plan.model,
            feature_names=plan.dataset.feature_names,
            class_names=plan.dataset.class_names,
            target_name=plan.dataset.target_name,
            features=ColumnMap.of(self._standardiser.columns(columns)),
            target=ColumnMap.of(self._standardiser.column(-1)) if regression else None,
        )

    def _sums_file(self) -> SumsFile | None:
        plan = self._plan
        if self._solver is None:
            return None
        return SumsFile(
            contract=self.contract.address,
            chain_id=self.contract.chain_id,
            layout=plan.layout,
            model=plan.model,
            method=plan.hyperparameters.method.name,
            l2=plan.hyperparameters.l2,
            encoding=self._learning.encoding,
            sums=self._sums,
        )

    def _result(self, *, interrupted: bool, stopped: str | None) -> TrainResult:
        model = self._model_file()
        _, metric = self._measure()
        comparison = None
        if metric is not None:
            baseline = central_baseline(self._plan.dataset, self._plan.model.kind)
            central = Metric(self._metric_name, baseline.test_score)
            comparison = Comparison(metric, central, baseline.description)
        options, release = self._plan.options, self._learning.release
        rounds = self.recorder.rounds
        spent = rounds[-1].privacy if rounds else None
        on_chain = bytes(self.contract.call("modelDigest"))
        record = self.recorder.finish(
            model=model_record(model, on_chain) if model else None,
            comparison=comparison,
            privacy=PrivacyRecord(
                options.noise_multiplier,
                self._plan.clip_norm,
                spent or PrivacySpent(0.0, options.delta),
                STATEMENT,
                rounds_most=max(self._rounds_sent()),
                rounds_least=min(self._rounds_sent()),
                max_epsilon=options.max_epsilon,
                sensitivity=self._accountant.sensitivity,
                release_noise=options.release_noise,
                release_survivors=release.survivors if release else None,
                released=self._released(),
            ),
            interrupted=interrupted,
            stopped=stopped,
        )
        return TrainResult(record, model, self._sums_file())


def divide(plan: TrainPlan) -> tuple[tuple[DeviceData, ...], LearningTask]:
    """Every device's rows, and the public description of the task that follows from them."""
    options = plan.options
    rng = np.random.default_rng(options.seed)
    parts = plan.parts or partition(plan.dataset, options.devices, plan.split, rng=rng)
    counts = [part.count for part in parts]
    task = learning_task(
        plan.dataset,
        plan.model,
        plan.hyperparameters,
        options.noise_multiplier,
        plan.clip_norm,
        max(1, min(counts) // 2),
        16 * math.ceil(max(counts) / 16),
    )
    return tuple(parts), replace(task, release=_release_noise(plan))


def account(plan: TrainPlan, task: LearningTask) -> Accountant:
    """What rounds cost a device.

    Raises
    ------
    OptionRefused
        When the budget does not allow the statistics round and one of training.
    """
    options = plan.options
    made = accountant(task.encoding, plan.layout.data_slots, options.delta, options.max_epsilon)
    try:
        require_rounds("max-epsilon", made)
    except OptionError as error:
        raise OptionRefused(error.option, error.value, error.bound) from None
    return made


def _release_noise(plan: TrainPlan) -> ReleaseNoise | None:
    options = plan.options
    if options.release_noise is None:
        return None
    survivors = plan.min_qualified - options.release_colluders
    return ReleaseNoise(options.release_noise, survivors, options.noise_multiplier)


def root_randomness(options: TrainOptions) -> Randomness:
    """What all keys and secrets of a run come from."""
    if options.secrets == "os":
        return Randomness.from_os()
    return Randomness(options.seed.to_bytes(32, "big"))


def _plain_options(options: TrainOptions) -> dict[str, Any]:
    """Options as the report holds them; of the user's own files only the names, not the folders."""
    plain = asdict(replace(options, own=None))
    del plain["own"]
    if options.own is not None:
        plain |= asdict(options.own)
        paths = {name: plain[name] for name in ("data", "ranges") if plain[name]}
        plain |= {name: Path(path).name for name, path in paths.items()}
    return plain


def task_parameters(plan: TrainPlan, task: LearningTask) -> TaskParameters:
    """The parameters of Contract S for a plan; times and stakes suit a local chain."""
    encoding, layout = task.encoding, plan.layout
    return TaskParameters(
        capacity=layout.capacity,
        packing=layout.packing,
        chunks=layout.chunks,
        threshold=plan.threshold,
        min_qualified=plan.min_qualified,
        noise_rounds=plan.options.noise_rounds,
        candidates=plan.options.candidates,
        beacon_delay=2,
        fractional_bits=encoding.fraction_bits,
        statistics_rounds=1,
        rate=math.floor(plan.hyperparameters.rate * 2**encoding.fraction_bits),
        min_samples=encoding.min_samples,
        max_samples=encoding.max_samples,
        anchor_time=3600,
        cumulative_time=1200,
        aggregate_time=1200,
        unbonding_time=7 * 24 * 3600,
        device_stake=ETHER // 10,
        fog_stake=ETHER,
        cloud_stake=ETHER,
        reward=ETHER // 100,
        silence_fee=ETHER // 1000,
        model_rule=0 if task.digits is None else 1,
        model_time=0 if task.digits is None else 1200,
    )
