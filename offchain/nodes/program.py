"""The program of a node: from its configuration file to a node at work, and back to rest."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.chain.code import Source, require_code, require_creation
from offchain.chain.contract import ContractS
from offchain.chain.provider import connect
from offchain.chain.sender import GWEI, FeeRules, Sender
from offchain.chain.translate import parameter_tuple
from offchain.chain.watcher import ChainReorganised, Watcher
from offchain.crypto.warm import warm_up
from offchain.nodes.builder import Builder
from offchain.nodes.conductor import CloudConductor, Conductor, FogConductor, Idle
from offchain.nodes.config import ChainConfig, Loaded, load_config
from offchain.nodes.errors import KitRefused, TaskRefused
from offchain.nodes.keepsakes import Keepsakes
from offchain.nodes.kit import NodeKeys, identity, read_keys
from offchain.nodes.logs import Place, start_logs
from offchain.nodes.metrics import MetricsServer
from offchain.nodes.node import Chain, Node
from offchain.nodes.status import status, write_status
from offchain.nodes.task_file import TASK_FILE, TaskFile, read_task
from offchain.protocol.cloud import Cloud
from offchain.protocol.device import Device
from offchain.protocol.fog import Fog
from offchain.store.durable import DurableRole
from offchain.store.keyring import KEYRING_FILE
from offchain.store.state import Owner, State
from offchain.transport.base import Transport
from offchain.transport.courier import Courier
from offchain.transport.errors import BrokerUnreachable
from offchain.transport.mqtt import Broker, MqttCarrier, task_name

_LOG = logging.getLogger(__name__)
ETHER: Final = 10**18
_SPENT: Final = "gas spent"
_STATUS_EVERY: Final = 1.0
_BROKER_PAUSE: Final = 2.0
INFINITY: Final = bytes(128)  # commitment to the zero model


@dataclass
class Opened:
    """A node's kit, opened."""

    loaded: Loaded
    task: TaskFile
    keys: NodeKeys

    @property
    def owner(self) -> Owner:
        """Whose state it is."""
        return Owner(self.task.domain.separator, self.keys.signing.address, self.keys.role)


def open_kit(path: Path, role: str | None = None) -> Opened:
    """Read configuration, task and keys.

    Parameters
    ----------
    path
        The configuration file.
    role
        What the node is started as; None: whatever its kit says.

    Raises
    ------
    NodeError, StoreError
        When something is missing, damaged or somebody else's.
    """
    loaded = load_config(path)
    task = read_task(loaded.kit / TASK_FILE)
    keys = read_keys(loaded.kit, loaded.unlock)
    if role is not None and keys.role != role:
        raise KitRefused(f"{loaded.kit}: the kit of a {keys.role}, started as a {role}")
    return Opened(loaded, task, keys)


def contract_of(task: TaskFile, chain: ChainConfig, source: Source) -> ContractS:
    """Contract S of a task, once chain, code and parameters are what the task file says.

    Raises
    ------
    ChainError, TaskRefused
        Naming what differs.
    """
    web3 = connect(chain.urls, chain.timeout, chain.patience, task.chain_id)
    contract = ContractS(web3, task.domain.contract, source.artifact.abi, task.deployed_at)
    require_code(contract, source, bytes.fromhex(task.toolbox[2:]), task.task_parameters)
    if contract.call("domainSeparator") != task.domain.separator:
        raise TaskRefused("task file: its contract has another domain separator")
    if contract.call("authority").lower() != task.authority:
        raise TaskRefused(f"task file: its contract is not of Authority {task.authority}")
    held = tuple(contract.call("taskParameters"))
    if held != parameter_tuple(task.task_parameters):
        raise TaskRefused(f"task file: its contract has other parameters: {held}")
    initial = INFINITY * task.task_parameters.chunks
    toolbox, created = bytes.fromhex(task.toolbox[2:]), bytes.fromhex(task.created_by[2:])
    if not require_creation(contract, source, task.task_parameters, initial, toolbox, created):
        _LOG.warning("the provider has forgotten the transaction that created Contract S")
    return contract


def open_state(opened: Opened) -> State:
    """Open the node's state; made at the first start."""
    folder = opened.loaded.state
    make = State.open if (folder / KEYRING_FILE).exists() else State.create
    return make(folder, opened.owner, opened.loaded.unlock)


def fee_rules(config: ChainConfig) -> FeeRules:
    """What a node may pay."""
    return FeeRules(
        int(config.max_fee_gwei * GWEI),
        config.bump_after,
        int(config.least_balance * ETHER),
        int(config.gas_budget * ETHER),
    )


def peers_of(durable: DurableRole) -> Callable[[bytes], bool]:
    """Whether an account is one that this node speaks with."""

    def knows(account: bytes) -> bool:
        match durable.role:
            case Device() as device:
                return account == device.roster.fog
            case Fog() as fog:
                members = fog.roster.members.values()
                known = fog.clouds | set(fog.peers.values())
                return account in known or any(account == m.account for m in members)
            case Cloud() as cloud:
                return account in cloud.fogs.values()
        return False

    return knows


class Program:
    """A node from its start to its end; built anew when the chain was reorganised deeply.

    Parameters
    ----------
    opened
        The kit.
    source
        The contracts as compiled here.
    worker
        The thread of roles.
    anew
        Begin without the journal: after a change of software. What was signed stays known.
    """

    def __init__(
        self,
        opened: Opened,
        source: Source,
        worker: ThreadPoolExecutor | None = None,
        *,
        anew: bool = False,
    ) -> None:
        self.opened = opened
        self.place = Place(opened.keys.name, opened.keys.role)
        self.node: Node | None = None
        self.stop = asyncio.Event()
        self._source = source
        self._worker = worker or ThreadPoolExecutor(1, thread_name_prefix="role")
        self._anew = anew

    async def run(self) -> None:
        """Work until asked to stop.

        Raises
        ------
        VerifogError
            When the node cannot go on.
        """
        config = self.opened.loaded.config.chain
        contract = await asyncio.to_thread(contract_of, self.opened.task, config, self._source)
        state = await asyncio.to_thread(open_state, self.opened)
        try:
            while not self.stop.is_set():
                try:
                    await self._live(contract, state)
                except ChainReorganised as error:
                    _LOG.error("%s: the node is built anew from the events", error)
                    self._anew = True
        finally:
            state.close()

    async def _live(self, contract: ContractS, state: State) -> None:
        opened = self.opened
        config = opened.loaded.config
        builder = Builder(
            opened.task, opened.keys, contract, state.values, config.data, opened.loaded.folder
        )
        watcher = Watcher(contract, config.chain.confirmations)
        anew, self._anew = self._anew, False
        durable = await asyncio.to_thread(
            lambda: DurableRole(builder, state.journal, builder.asides, anew=anew)
        )
        if anew:
            durable.handle([], {"chain": watcher.start().to_bytes()})
        _LOG.info(
            "starts as %s, account 0x%s, round %d",
            opened.keys.name,
            durable.address.hex(),
            durable.round,
        )
        if anew and builder.budget is not None:
            builder.budget.begin_anew()
        sender = self._sender(contract, state)
        transport = await self._connect(durable)
        node = Node(
            durable,
            transport,
            Chain(watcher, sender, config.chain.poll),
            self._conductor(contract, sender, transport),
            self.place,
            Keepsakes(opened.task, contract, state.values, opened.loaded.state),
            self._worker,
            lambda: _epsilon(builder),
        )
        self.node = node
        metrics = MetricsServer(node)
        if config.metrics.port:
            await metrics.start(config.metrics.host, config.metrics.port)
        telling = asyncio.create_task(self._tell(node, state))
        try:
            await node.run(self.stop)
        finally:
            telling.cancel()
            await metrics.stop()
            await transport.close()
            self._keep(node, state)

    def _sender(self, contract: ContractS, state: State) -> Sender:
        config = self.opened.loaded.config.chain
        spent = int(state.values.get(_SPENT)) if _SPENT in state.values else 0
        key = self.opened.keys.signing
        return Sender(contract, key, state.journal, fee_rules(config), config.confirmations, spent)

    async def _connect(self, durable: DurableRole) -> Transport:
        opened = self.opened
        config = opened.loaded.config.broker
        task = task_name(opened.task.domain.separator)
        broker = Broker(config.host, config.port, task, keepalive=config.keepalive)
        carrier = MqttCarrier(broker)
        transport = Courier(carrier, knows=peers_of(durable))
        while not self.stop.is_set():
            try:
                await transport.connect(identity(opened.loaded.kit, opened.keys))
                break
            except BrokerUnreachable as error:
                _LOG.warning("%s: tries again", error)
                await asyncio.sleep(_BROKER_PAUSE)
        return transport

    def _conductor(self, contract: ContractS, sender: Sender, transport: Transport) -> Conductor:
        keys, task = self.opened.keys, self.opened.task
        config = self.opened.loaded.config.cloud
        match keys.role:
            case "fog":
                return FogConductor(contract, sender)
            case "cloud":
                return CloudConductor(
                    contract,
                    sender,
                    task.task_parameters,
                    config.rounds or task.learning.rounds,
                    task.accountant.rounds(),
                    config.patience,
                    keys.cluster,
                    transport,
                )
        return Idle(contract, sender)

    async def _tell(self, node: Node, state: State) -> None:
        while True:
            await asyncio.to_thread(write_status, self.opened.loaded.state, status(node))
            await asyncio.sleep(_STATUS_EVERY)
            if node.chain.sender.spent != (
                int(state.values.get(_SPENT)) if _SPENT in state.values else 0
            ):
                await asyncio.to_thread(self._keep, node, state)

    @staticmethod
    def _keep(node: Node, state: State) -> None:
        with contextlib.suppress(Exception):  # the disk may be why the node ends
            state.values.put(_SPENT, str(node.chain.sender.spent).encode())


def _epsilon(builder: Builder) -> float:
    budget = builder.budget
    return builder.accountant.epsilon(budget.rounds) if budget and budget.rounds else 0.0


async def _run(program: Program) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, program.stop.set)
    await program.run()
    _LOG.info("stopped")


def run_node(path: Path, role: str, source: Source, *, anew: bool = False) -> None:
    """Run a node until it is stopped.

    Raises
    ------
    VerifogError
        When it cannot start, or cannot go on.
    """
    opened = open_kit(path, role)
    program = Program(opened, source, anew=anew)
    start_logs(opened.loaded.config.log, program.place)
    warm_up()  # on a new processor kernels are compiled here, not in the middle of a round
    asyncio.run(_run(program))
