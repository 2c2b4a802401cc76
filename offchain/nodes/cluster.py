"""A whole task on one machine, every party a process of its own: chain, broker, nodes."""

import datetime as dt
import json
import os
import pwd
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from offchain.chain.code import Source
from offchain.chain.contract import ContractS
from offchain.chain.deployment import deploy
from offchain.learning.tasks import Dataset
from offchain.learning.tasks import Task as LearningKind
from offchain.nodes.admission import admit
from offchain.nodes.authority import Office, initialise, open_office
from offchain.nodes.errors import NodeError
from offchain.nodes.keepsakes import MODEL_FILE
from offchain.nodes.processes import (
    LOOPBACK,
    LocalChainProcess,
    Started,
    broker_process,
    free_port,
    host_process,
    node_process,
    start_broker,
)
from offchain.nodes.program import INFINITY
from offchain.nodes.status import read_status, together
from offchain.reporting.errors import ModelFileError, ReportFileError
from offchain.reporting.model_file import ModelFile, read_model

ETHER: Final = 10**18
PURSE: Final = 100_000 * ETHER
_PAUSE: Final = 0.2


class ClusterFailed(NodeError):
    """A cluster did not come to its end."""


@dataclass(frozen=True)
class ClusterOptions:
    """What a cluster trains, and how fast its chain is.

    Attributes
    ----------
    task
        Options as of ``ape run train``.
    terms
        Times and stakes that differ from the defaults.
    block_time
        Seconds between blocks; 0: one at every look of ``Cluster.run``, so that the chain's clock
        runs ahead and nobody waits for it.
    poll
        Seconds between looks at the chain.
    confirmations
        Blocks on top of an event before nodes act on it.
    chain_id
        Of the chain.
    anvil
        Further options of anvil.
    patience
        Of clouds.
    clouds
        How many.
    log_level
        Least level that nodes log.
    shared
        Whether the devices of a cluster share a process.
    """

    task: dict[str, Any]
    terms: dict[str, Any] = field(default_factory=dict)
    block_time: int = 1
    poll: float = 0.25
    confirmations: int = 0
    chain_id: int = 31337
    anvil: tuple[str, ...] = ()
    patience: float = 600.0
    clouds: int = 1
    log_level: str = "info"
    shared: bool = False


@dataclass(frozen=True)
class Ending:
    """How a cluster ended."""

    model: ModelFile
    digest: bytes
    score: float
    metric: str
    rounds: int
    seconds: float
    why: str


def say_nothing(text: str) -> None:
    """For runs without progress."""
    del text


class Cluster:
    """Starts everything, watches it, and stops what it has started.

    Parameters
    ----------
    folder
        Where everything lies; empty.
    root
        The project's folder.
    source
        The compiled contracts.
    options
        What to train.
    """

    def __init__(self, folder: Path, root: Path, source: Source, options: ClusterOptions) -> None:
        self.folder = folder
        self.options = options
        self.nodes: dict[str, Started] = {}
        self.chain = LocalChainProcess(folder, root, options.chain_id, options.anvil)
        self.broker: Started | None = None
        self.broker_port = free_port()
        self.started_at = time.monotonic()
        self._root = root
        self._source = source
        self._office: Office | None = None
        self._contract: ContractS | None = None
        self._hosted: dict[str, list[str]] = {}  # nodes by the process that they share

    # ---- life

    def start(self, say: Callable[[str], None] = say_nothing) -> None:
        """Set up and start everything."""
        self.prepare(say)
        say("starting nodes")
        for name in self.nodes:
            self.nodes[name].start()

    def prepare(self, say: Callable[[str], None] = say_nothing) -> None:
        """Set up everything but the nodes."""
        say("starting the chain")
        self.chain.start()
        config = self.folder / "authority.toml"
        config.write_text(self._authority_config())
        office = self._office = open_office(config)
        say("making keys and kits")
        initialise(office, dt.datetime.now(dt.UTC))
        self.chain.give(office.key.address, PURSE)
        say("deploying Contract S")
        record, web3 = office.record(), self.chain.web3
        model = INFINITY * office.parameters.chunks
        deploy(web3, self._source, office.key, office.parameters, model, record)
        abi = self._source.artifact.abi
        self._contract = ContractS(web3, record.contract, abi, record.block)
        say("admitting everybody")
        admit(office, self._contract)
        self.chain.mine_every(self.options.block_time)
        say("starting the broker")
        configuration = self.folder / "broker" / "mosquitto.conf"
        self.broker = broker_process(configuration, self.folder / "broker" / "log")
        start_broker(self.broker)
        contracts = self.folder / "contracts.json"
        contracts.write_text(json.dumps(self._source.to_json()))
        self._add_nodes(contracts)

    def _add_nodes(self, contracts: Path) -> None:
        office, shared = self.office, self.options.shared
        for name in office.names():
            kit, role = office.kit(name), name.split("-")[0]
            if not (shared and role == "device"):
                self.nodes[name] = node_process(kit, role, contracts, self._root)
        for cluster, size in enumerate(office.plan.clusters if shared else ()):
            name = f"devices-{cluster}"
            self._hosted[name] = [f"device-{cluster}-{index}" for index in range(size)]
            kits = [office.kit(one) for one in self._hosted[name]]
            log = self.folder / f"{name}.log"
            self.nodes[name] = host_process(kits, contracts, self._root, log)

    def names_in(self, name: str) -> list[str]:
        """The nodes in a process."""
        return self._hosted.get(name, [name])

    def stop(self) -> dict[str, int | None]:
        """Stop everything that was started; exit statuses of the nodes."""
        for node in self.nodes.values():
            node.ask_to_end()
        statuses = {name: node.stop() for name, node in self.nodes.items()}
        if self.broker is not None:
            self.broker.stop()
        if self.chain.process is not None:
            self.chain.process.stop()
        return statuses

    # ---- how it is doing

    @property
    def office(self) -> Office:
        """The Authority's."""
        if self._office is None:
            raise ClusterFailed("cluster: not prepared")
        return self._office

    @property
    def contract(self) -> ContractS:
        """Contract S."""
        if self._contract is None:
            raise ClusterFailed("cluster: not prepared")
        return self._contract

    @property
    def rounds_wanted(self) -> int:
        """Rounds to settle."""
        return self.office.parameters.statistics_rounds + self.office.plan.rounds

    @property
    def settled(self) -> int:
        """Rounds that have settled."""
        return int(self.contract.call("settledRounds"))

    @property
    def ended(self) -> str:
        """Why a cloud opens no more rounds; empty while one may."""
        told = (self.status(name) for name in self.nodes if name.startswith("cloud"))
        return next((str(status["ended"]) for status in told if status and status["ended"]), "")

    def status(self, name: str) -> dict[str, Any] | None:
        """What a node, or all nodes of a process together, last said."""
        told = [read_status(self.office.kit(one) / "state") for one in self.names_in(name)]
        return together([one for one in told if one]) if all(told) else None

    def run(self, watch: Callable[["Cluster"], None], seconds: float = 3600.0) -> Ending:
        """Wait until the cloud opens no more rounds and a fog has written the model.

        Raises
        ------
        ClusterFailed
            When a node ends by itself, or time runs out.
        """
        until = time.monotonic() + seconds
        while True:
            if not self.options.block_time:
                self.chain.request("evm_mine")
            watch(self)
            ending = self._ending() if self.ended else None
            if ending is not None:
                return ending
            for name, node in self.nodes.items():
                if node.process is not None and not node.running:
                    raise ClusterFailed(f"{name} has ended: {node.said()[-600:]}")
            if time.monotonic() > until:
                raise ClusterFailed(
                    f"{self.settled} of {self.rounds_wanted} rounds settled in time"
                )
            time.sleep(_PAUSE)

    def _ending(self) -> Ending | None:
        digest = bytes(self.contract.call("modelDigest"))
        found = self.model_of(digest)
        if found is None:
            return None
        data = self.office.plan.dataset
        score = _score(found, data)
        return Ending(
            model=found,
            digest=digest,
            score=score,
            metric="accuracy" if data.class_names else "R2",
            rounds=int(self.contract.call("currentRound")),
            seconds=time.monotonic() - self.started_at,
            why=self.ended,
        )

    def model_of(self, digest: bytes) -> ModelFile | None:
        """The model of a commitment digest, if a fog has written it."""
        for name in self.nodes:
            path = self.office.kit(name) / "state" / MODEL_FILE
            if name.startswith("fog") and path.exists():
                try:
                    model = read_model(path)
                except (ModelFileError, ReportFileError):
                    continue  # just being replaced
                if model.commitment_digest == digest:
                    return model
        return None

    def _authority_config(self) -> str:
        options = self.options
        user = pwd.getpwuid(os.getuid()).pw_name
        tables: dict[str, dict[str, Any]] = {
            "task": options.task,
            "terms": options.terms,
            "chain": {
                "urls": [self.chain.url],
                "confirmations": options.confirmations,
                "poll": options.poll,
            },
            "broker": {
                "host": LOOPBACK,
                "port": self.broker_port,
                "listen": LOOPBACK,
                "user": user,
            },
            "unlock": {"key_file": "authority.unlock"},
            "kits": {
                "json_logs": True,
                "log_level": options.log_level,
                "patience": options.patience,
                "clouds": options.clouds,
            },
            "funding": {"device": 10.0, "fog": 100.0, "cloud": 100.0},
        }
        lines: list[str] = []
        for table, values in tables.items():
            lines.append(f"[{table}]")
            lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        return "\n".join(lines) + "\n"


def _score(found: ModelFile, data: Dataset) -> float:
    standard = found.features.apply(data.X_test)
    target = data.y_test
    if data.task is LearningKind.REGRESSION and found.target is not None:
        target = found.target.apply(data.y_test.reshape(-1, 1))[:, 0]
    return float(found.model.score(found.parameters(), standard, target))
