"""Verified rounds over an MQTT broker: TLS, certificates, access lists, a process for each cluster.

The parent runs the local node, the broker and the cloud; each child a fog and its devices, every
node with a connection of its own. Prints JSON.
"""

import argparse
import asyncio
import datetime as dt
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web3 import Web3

from bench.measure import cpu_seconds
from bench.node import OneConnection, artifact, free_port, local_node, port_of
from bench.shapes import VALUE_BOUND, RandomTrainer, Shape
from bench.verified import POOL
from offchain.chain.contract import ContractS
from offchain.chain.local import LocalChain
from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.field import FieldVector
from offchain.crypto.randomness import Randomness
from offchain.nodes.simulation import Identities, admit_all, deploy, draw_identities, give_ether
from offchain.protocol.chain import BeaconDrawn, Event, RoundOpened
from offchain.protocol.cloud import Cloud
from offchain.protocol.device import Device
from offchain.protocol.fog import Fog
from offchain.protocol.role import Effect, Note, Role, Send, Task, Transact
from offchain.protocol.selecting import KeepAll
from offchain.transport.base import Credentials, Identity, Limits, account_name
from offchain.transport.broker_config import BrokerSettings, write_broker
from offchain.transport.certificates import AUTHORITY_FILES, Authority
from offchain.transport.courier import Courier
from offchain.transport.mqtt import Broker, MqttCarrier, task_name

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 600


class BrokerMissing(Exception):
    """There is no mosquitto on this machine."""


class Stuck(Exception):
    """A round over the broker did not come to its end."""


@dataclass(frozen=True)
class Plan:
    """What parent and children agree on."""

    shape: Shape
    seed: bytes
    node_port: int
    broker_port: int
    contract: bytes
    deployed_at: int
    folder: Path

    def to_json(self) -> str:
        return json.dumps(
            {
                "shape": self.shape.__dict__,
                "seed": self.seed.hex(),
                "node_port": self.node_port,
                "broker_port": self.broker_port,
                "contract": self.contract.hex(),
                "deployed_at": self.deployed_at,
                "folder": str(self.folder),
            }
        )

    @staticmethod
    def from_json(text: str) -> "Plan":
        read = json.loads(text)
        shape = read["shape"] | {"clusters": tuple(read["shape"]["clusters"])}
        return Plan(
            Shape(**shape),
            bytes.fromhex(read["seed"]),
            read["node_port"],
            read["broker_port"],
            bytes.fromhex(read["contract"]),
            read["deployed_at"],
            Path(read["folder"]),
        )

    @property
    def randomness(self) -> Randomness:
        return Randomness(self.seed)

    @property
    def identities(self) -> Identities:
        return draw_identities(self.randomness.child(b"identities"), self.shape.clusters)

    def credentials(self, account: bytes) -> Identity:
        name = account_name(account)
        folder = self.folder / "certificates"
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        return Identity(account, Credentials(certificate, key, folder / AUTHORITY_FILES[0]))


class FollowedChain(LocalChain):
    """A chain that somebody else mines: the beacon comes when its block is there."""

    def poll(self) -> Sequence[Event]:
        opened = self._awaiting
        if opened is not None and self._web3.eth.block_number < opened.beacon_block:
            return []
        return super().poll()


class Host:
    """Roles of one process, each with its connection to the broker, and the chain they see."""

    def __init__(self, plan: Plan, chain: LocalChain, roles: Iterable[Role]) -> None:
        self._plan, self._chain = plan, chain
        self._roles = list(roles)
        task = task_name(chain.contract.domain.separator)
        self._broker = Broker(HOST, plan.broker_port, task)
        self._couriers: dict[bytes, Courier] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.updated: list[int] = []
        self.troubles: list[str] = []
        self.sent_bytes = 0

    async def start(self) -> None:
        limits = Limits()
        for role in self._roles:
            courier = Courier(MqttCarrier(self._broker, limits), limits)
            await courier.connect(self._plan.credentials(role.address))
            self._couriers[role.address] = courier
        now = self._chain.now()
        for role in self._roles:
            self.perform(role, role.tick(now))
        self._tasks = [asyncio.create_task(self._listen(role)) for role in self._roles]
        self._tasks.append(asyncio.create_task(self._follow()))

    async def _listen(self, role: Role) -> None:
        courier = self._couriers[role.address]
        async for message in courier.received():
            self.perform(role, role.receive(message.data))
            courier.acknowledge(message)
            await asyncio.sleep(0)

    async def _follow(self) -> None:
        while True:
            for event in self._chain.poll():
                for role in self._roles:
                    self.perform(role, role.observe(event))
                    await asyncio.sleep(0)
            await asyncio.sleep(POLL_SECONDS)

    def perform(self, role: Role, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    self.sent_bytes += len(effect.data)
                    self._couriers[role.address].send(effect.recipient, effect.data)
                case Transact():
                    receipt = self._chain.execute(effect.call, role.address)
                    if receipt.error:
                        self.troubles.append(f"{receipt.kind}: {receipt.error}")
                case Note(kind="updated"):
                    self.updated.append(int(effect.fields["round"]))
                case Note(kind="rejected" | "cluster-failed" | "sits-out" | "dropped"):
                    self.troubles.append(f"{role.name}: {effect.kind}: {effect.fields}")
                case _:
                    pass

    async def until(self, done: Any) -> None:
        """Wait for a condition, or for a task that has failed."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not done():
            for task in self._tasks:
                if task.done():
                    task.result()
            if time.monotonic() > end or self.troubles:
                raise Stuck(f"troubles: {self.troubles[:5]}")
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for courier in self._couriers.values():
            await courier.close()


def _contract(plan: Plan) -> ContractS:
    web3 = Web3(OneConnection(plan.node_port), middleware=[])
    return ContractS(web3, plan.contract, artifact().abi, plan.deployed_at)


def _task(plan: Plan, contract: ContractS) -> Task:
    layout = plan.shape.layout
    key = CommitmentKey.load(layout.capacity)
    return Task(plan.shape.parameters, contract.domain, layout, key, VALUE_BOUND)


# ---- a cluster


async def run_cluster(plan: Plan, cluster: int) -> None:
    """Follow commands on standard input: `noise`, `round N`, `end`; answer on standard output."""
    contract, who = _contract(plan), plan.identities
    key = who.fogs[cluster]
    chain = FollowedChain(contract, {key.address: key})
    events = [event for event in chain.poll() if isinstance(event, RoundOpened | BeaconDrawn)]
    if events:
        raise Stuck("a round is open before the clusters have started")
    task, randomness = _task(plan, contract), plan.randomness.child(b"nodes")
    directory = chain.directory
    fog = Fog(
        task,
        directory.roster(cluster),
        set(directory.clouds),
        key,
        FieldVector.zeros(task.layout.length),
        KeepAll(),
        randomness.child(b"fog node %d" % cluster),
        {place: one.address for place, one in enumerate(who.fogs)},
    )
    devices = [
        Device(
            task,
            directory.roster(cluster),
            index,
            keys,
            RandomTrainer(plan.shape.values, (cluster, index)),
            randomness.child(b"device node %d %d" % (cluster, index)),
        )
        for index, keys in enumerate(who.devices[cluster])
    ]
    host = Host(plan, chain, [fog, *devices])
    await host.start()
    _say(ready=True)
    loop = asyncio.get_running_loop()
    while True:
        command = (await loop.run_in_executor(None, sys.stdin.readline)).split()
        used, sent = cpu_seconds(), host.sent_bytes
        if command[:1] == ["noise"]:
            host.perform(fog, fog.call_noise())
            await host.until(lambda: not fog.collecting_noise)
        elif command[:1] == ["round"]:
            number = int(command[1])
            await host.until(lambda number=number: number in host.updated)
        else:
            break
        _say(cpu_seconds=cpu_seconds() - used, bytes=host.sent_bytes - sent)
    await host.stop()


def _say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


class Child:
    """A cluster's process."""

    def __init__(self, plan: Plan, cluster: int) -> None:
        command = [sys.executable, "-m", "bench.broker", "--cluster", str(cluster)]
        self._process = subprocess.Popen(
            [*command, "--plan", plan.to_json()],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, command: str) -> None:
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    async def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101
        loop = asyncio.get_running_loop()
        line = await loop.run_in_executor(None, self._process.stdout.readline)
        if not line:
            raise Stuck("a cluster's process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


# ---- the parent


def _certify(plan: Plan, task: str) -> Credentials:
    """Certificates of all nodes; returns the broker's."""
    now = dt.datetime.now(dt.UTC)
    authority = Authority.create(task, now)
    folder = plan.folder / "certificates"
    who = plan.identities
    accounts = [key.address for key in (*who.clouds, *who.fogs)]
    accounts += [keys.signing.address for members in who.devices for keys in members]
    for account in accounts:
        issued = authority.issue_node(account, now, days=1)
        issued.write(folder, account_name(account), authority.certificate)
    return authority.issue_broker([HOST], now).write(folder, "broker", authority.certificate)


def _mosquitto() -> str:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BrokerMissing("mosquitto is missing (Debian: apt-get install mosquitto)")
    return found


async def _rounds(plan: Plan, contract: ContractS, rounds: int) -> dict[str, Any]:
    who = plan.identities
    key = who.clouds[0]
    chain = LocalChain(contract, {key.address: key})
    chain.poll()
    task = _task(plan, contract)
    fogs = {place: fog.address for place, fog in enumerate(who.fogs)}
    cloud = Cloud(task, fogs, key, FieldVector.zeros(task.layout.length), standby=0)
    host = Host(plan, chain, [cloud])
    children = [Child(plan, cluster) for cluster in range(len(plan.shape.clusters))]
    try:
        for child in children:
            await child.answer()
        await host.start()

        async def ask(command: str) -> dict[str, Any]:
            started, used = time.perf_counter(), cpu_seconds()
            for child in children:
                child.say(command)
            if command.startswith("round"):
                host.perform(cloud, cloud.open_round())
            answers = await asyncio.gather(*(child.answer() for child in children))
            cpu = cpu_seconds() - used + sum(answer["cpu_seconds"] for answer in answers)
            return {
                "seconds": time.perf_counter() - started,
                "cpu_seconds": cpu,
                "bytes": sum(answer["bytes"] for answer in answers),
            }

        noise = await ask("noise")
        made = [await ask(f"round {number}") for number in range(1, rounds + 1)]
        if host.troubles:
            raise Stuck(f"troubles: {host.troubles[:5]}")
        await host.stop()
    finally:
        for child in children:
            child.end()
    share = plan.shape.noise_rounds
    return {
        "noise": {name: noise[name] / share for name in ("seconds", "cpu_seconds")},
        "rounds": made,
    }


def measure(shape: Shape, rounds: int) -> dict[str, Any]:
    """Set up node, broker, contract and processes, and run rounds."""
    program = _mosquitto()
    with local_node() as web3, tempfile.TemporaryDirectory() as temporary:
        randomness = Randomness.from_os()
        seed = randomness.bytes(32)
        who = draw_identities(Randomness(seed).child(b"identities"), shape.clusters)
        give_ether(web3, who.accounts)
        model = bytes(128 * shape.layout.chunks)
        contract = deploy(web3, artifact(), who.authority, shape.parameters, model)
        admit_all(contract, who, shape.parameters)
        contract.transact(who.authority, "fundPool", value=POOL)
        plan = Plan(
            shape,
            seed,
            port_of(web3),
            free_port(),
            contract.address,
            contract.deployed_at,
            Path(temporary),
        )
        task = task_name(contract.domain.separator)
        settings = BrokerSettings(
            folder=plan.folder / "broker",
            task=task,
            credentials=_certify(plan, task),
            host=HOST,
            port=plan.broker_port,
            user=pwd.getpwuid(os.getuid()).pw_name,
        )
        configuration = write_broker(settings)
        process = subprocess.Popen(
            [program, "-c", str(configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return asyncio.run(_rounds(plan, contract, rounds))
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, nargs="+", default=[25, 25, 25, 25])
    parser.add_argument("--values", type=int, default=7850)
    parser.add_argument("--packing", type=int, default=4)
    parser.add_argument("--threshold", type=int, default=14)
    parser.add_argument("--noise-rounds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cluster", type=int, help="run this cluster of a plan")
    parser.add_argument("--plan", help="JSON")
    options = parser.parse_args()
    if options.cluster is not None:
        asyncio.run(run_cluster(Plan.from_json(options.plan), options.cluster))
        return
    shape = Shape(
        tuple(options.clusters),
        options.values,
        options.packing,
        options.threshold,
        options.noise_rounds,
    )
    print(json.dumps(measure(shape, options.rounds)))


if __name__ == "__main__":
    main()
