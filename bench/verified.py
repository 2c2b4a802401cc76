"""A whole verified round in one process: `python -m bench.verified --help`. Prints JSON."""

import argparse
import cProfile
import io
import json
import pstats
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.measure import ROOT, cpu_seconds, peak_bytes
from bench.node import artifact, local_node
from bench.shapes import VALUE_BOUND, RandomTrainer, Shape
from offchain.chain.port import Receipt
from offchain.crypto.randomness import Randomness
from offchain.nodes.simulation import (
    Simulation,
    admit_all,
    deploy,
    draw_identities,
    give_ether,
)
from offchain.protocol.chain import Event
from offchain.protocol.fog import Fog
from offchain.protocol.role import Note, Role, Send
from offchain.protocol.selecting import KeepAll
from offchain.reporting.phases import phase_of

POOL = 10**18
DEVICE_ROUNDS = 3  # in which a device's own work is measured
TOP = 30  # functions of a profile that are kept
SCAFFOLD = 0.9  # those that take more of a round only call the others


class Meter:
    """Follows a run: seconds by phase and by role, bytes, gas."""

    def __init__(self) -> None:
        self._steps: dict[bytes, str] = {}
        self.refused: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        self.phases: defaultdict[str, float] = defaultdict(float)
        self.roles: defaultdict[str, float] = defaultdict(float)
        self.bytes: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()
        self.gas: Counter[str] = Counter()
        self.chain_seconds = 0.0

    def handled(self, role: Role, kind: str, seconds: float) -> None:
        step = self._steps.get(role.address)
        if isinstance(role, Fog):
            self._steps[role.address] = role.step.name
        self.phases[phase_of(kind, step)] += seconds
        self.roles[role.name] += seconds

    def sent(self, role: Role, send: Send) -> None:
        self.bytes[role.name] += len(send.data)
        self.messages[send.kind] += 1

    def noted(self, role: Role, note: Note) -> None:
        if note.kind in ("rejected", "cluster-failed", "sits-out", "dropped"):
            self.refused[f"{role.name}: {note.kind}: {note.fields.get('reason', '')}"] += 1

    def transacted(self, role: Role, receipt: Receipt) -> None:
        del role
        self.gas[receipt.kind] += receipt.gas
        if receipt.error:
            self.refused[f"{receipt.kind}: {receipt.error}"] += 1

    def happened(self, event: Event) -> None:
        """Events cost their handlers."""


class MeteredChain:
    """A chain port whose time is booked."""

    def __init__(self, chain: Any, meter: Meter) -> None:
        self._chain, self._meter = chain, meter

    def __getattr__(self, name: str) -> Any:
        action = getattr(self._chain, name)

        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return action(*arguments)
            finally:
                self._meter.chain_seconds += time.perf_counter() - started

        return timed


class WrongResult(Exception):
    """A round did not give the sum of the devices' updates."""


class VerifiedTask:
    """A task with all its nodes, and what its rounds cost."""

    def __init__(self, web3: Any, shape: Shape, processes: int = 1, threads: int = 1) -> None:
        self.shape = shape
        self.meter = Meter()
        randomness = Randomness.from_os()
        who = draw_identities(randomness.child(b"identities"), shape.clusters)
        parameters, layout = shape.parameters, shape.layout
        give_ether(web3, who.accounts)
        contract = deploy(web3, artifact(), who.authority, parameters, bytes(128 * layout.chunks))
        admit_all(contract, who, parameters)
        contract.transact(who.authority, "fundPool", value=POOL)
        trainers, self._expected = _trainers(shape), _trainers(shape)
        self.simulation = Simulation(
            contract,
            who,
            trainers,
            KeepAll,
            parameters,
            layout,
            VALUE_BOUND,
            randomness.child(b"nodes"),
            self.meter,
        )
        self.network = network = self.simulation.network
        network.work_on(threads)
        if processes > 1:
            network.hire(processes, [device for c in self.simulation.devices for device in c])
        network.chain = MeteredChain(network.chain, self.meter)  # type: ignore[assignment]
        self._rounds = 0

    def cpu_seconds(self) -> float:
        """Processor time of all processes, the node apart."""
        return cpu_seconds() + self.network.usage().cpu_seconds

    def prepare_noise(self) -> dict[str, float]:
        """Draw the noise of the next batch: what each of its rounds costs of it."""
        started, cpu = time.perf_counter(), self.cpu_seconds()
        self.simulation.prepare_noise(self._rounds + 1)
        share = self.shape.noise_rounds
        return {
            "seconds": (time.perf_counter() - started) / share,
            "cpu_seconds": (self.cpu_seconds() - cpu) / share,
        }

    def run_round(self) -> dict[str, Any]:
        """One round, its result checked against the devices' plain updates.

        Raises
        ------
        WrongResult
            When they differ, or something was refused.
        """
        meter = self.meter
        meter.reset()
        cpu, started = self.cpu_seconds(), time.perf_counter()
        outcome = self.simulation.run_round()
        seconds, cpu = time.perf_counter() - started, self.cpu_seconds() - cpu
        self._rounds += 1
        result = self.simulation.result(outcome.round)
        expected = sum(
            trainer.update([], updates_model=True)
            for members in self._expected
            for trainer in members
        )
        if result is None or meter.refused:
            raise WrongResult(f"round {outcome.round}: {dict(meter.refused)}")
        got = self.shape.layout.extract_int64(result)
        if not np.array_equal(got, expected):
            raise WrongResult(f"round {outcome.round}: the sum is not that of the updates")
        return {
            "seconds": seconds,
            "cpu_seconds": cpu,
            "phases": dict(meter.phases) | {"chain": meter.chain_seconds},
            "roles": dict(meter.roles),
            "bytes": dict(meter.bytes),
            "gas": dict(meter.gas),
        }


def _trainers(shape: Shape) -> list[list[RandomTrainer]]:
    """The devices' trainers: two sets make the same updates."""
    return [
        [RandomTrainer(shape.values, (cluster, i)) for i in range(count)]
        for cluster, count in enumerate(shape.clusters)
    ]


def device_cpu(task: VerifiedTask) -> float:
    """Processor seconds that one device spends in a round, on the mean, on one thread."""
    used = [0.0]

    def timed(action: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            started = time.process_time()
            try:
                return action(*arguments)
            finally:
                used[0] += time.process_time() - started

        return call

    devices = [device for members in task.simulation.devices for device in members]
    names = ("receive", "observe", "tick")
    for device in devices:
        for name in names:
            setattr(device, name, timed(getattr(device, name)))
    task.run_round()
    for device in devices:
        for name in names:
            delattr(device, name)
    return used[0] / len(devices)


# By what stands in file or function: the first that fits counts.
GROUPS = {
    "sums of products": (
        "native.py",
        "points.py",
        "kernels/buckets.py",
        "kernels/lane_products.py",
        "variable_base.py",
        "multiexp",
    ),
    "pairings, decoding of points": (
        "pairing",
        "is_in_subgroup",
        "compressed",
        "curve.py",
        "kernels/decoding.py",
        "kernels/lane_decoding.py",
    ),
    "keccak, Merkle trees": ("keccak", "sha3", "hashing.py", "merkle.py"),
    "drawing noise": ("sha256", "_hashlib", "noise.py", "kernels/sampler.py"),
    "field vectors": (
        "field.py",
        "kernels/scalars.py",
        "kernels/lane_scalars.py",
        "polynomial.py",
        "layout.py",
        "crypto/commitment.py",
        "crypto/sharing.py",
        "crypto/opening.py",
    ),
    "sealing": ("x25519", "chacha", "hkdf", "sealing.py", "cryptography"),
    "signatures": ("secp256k1", "coincurve", "eip712.py", "attestation.py"),
    "chain client and node": ("web3", "http", "socket", "eth_", "json", "offchain/chain"),
    "messages": ("msgspec", "messages.py"),
}


def profile(task: VerifiedTask, kept: Path | None) -> dict[str, Any]:
    """Where a round's time goes, on one thread; the profile itself goes to a file."""
    profiler = cProfile.Profile()
    profiler.enable()
    task.run_round()
    profiler.disable()
    text = io.StringIO()
    stats = pstats.Stats(profiler, stream=text)
    for order in ("cumtime", "tottime"):
        stats.sort_stats(order).print_stats(80)
    if kept is not None:
        kept.write_text(_portable(text.getvalue()))
    table = stats.stats  # type: ignore[attr-defined]
    shares: defaultdict[str, float] = defaultdict(float)
    for (file, _, name), (_, _, own, _, callers) in table.items():
        group = _group(f"{file} {name}")
        if group is None and file == "~" and callers:
            # What is built in belongs to whoever called it.
            for (caller, _, calling), (_, _, part, _) in callers.items():
                shares[_group(f"{caller} {calling}") or "all else"] += part
        else:
            shares[group or "all else"] += own
    total = sum(shares.values())
    functions = sorted(table.items(), key=lambda item: -item[1][3])
    return {
        "groups": {group: share / total for group, share in shares.items()},
        "top": [
            {
                "function": _portable(f"{name} ({file})" if file != "~" else name),
                "calls": calls,
                "own": own / total,
                "cumulative": cumulative / total,
            }
            for (file, _, name), (_, calls, own, cumulative, _) in functions
            if cumulative < SCAFFOLD * total
        ][:TOP],
    }


def _portable(text: str) -> str:
    """Paths below the project only."""
    return text.replace(f"{ROOT}/", "").replace(str(Path.home()), "~")


def _group(place: str) -> str | None:
    return next((g for g, marks in GROUPS.items() if any(mark in place for mark in marks)), None)


def measure(
    shape: Shape, rounds: int, processes: int, threads: int = 1, kept: Path | None = None
) -> dict[str, Any]:
    """Set a task up and run rounds."""
    with local_node() as web3:
        task = VerifiedTask(web3, shape, processes, threads)
        noise = task.prepare_noise()
        made = [task.run_round() for _ in range(rounds)]
        result = {
            "slots": shape.layout.length,
            "noise": noise,
            "rounds": made,
            "peak_bytes": peak_bytes() + task.network.usage().peak_bytes,
        }
        task.network.dismiss()
    if kept is not None:
        with local_node() as web3:
            task = VerifiedTask(web3, replace(shape, noise_rounds=DEVICE_ROUNDS + 2))
            task.prepare_noise()
            task.run_round()  # its model is zero: nothing to be committed to by its devices
            result["device_cpu_seconds"] = median(device_cpu(task) for _ in range(DEVICE_ROUNDS))
            result["profile"] = profile(task, kept)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, nargs="+", default=[32])
    parser.add_argument("--values", type=int, default=4068)
    parser.add_argument("--packing", type=int, default=8)
    parser.add_argument("--threshold", type=int, default=15)
    parser.add_argument("--noise-rounds", type=int, default=8)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", type=Path, help="profile one more round into this file")
    parser.add_argument("--processes", type=int, default=2, help="that devices are spread over")
    parser.add_argument("--threads", type=int, default=1, help="of this process")
    options = parser.parse_args()
    shape = Shape(
        tuple(options.clusters),
        options.values,
        options.packing,
        options.threshold,
        options.noise_rounds,
        options.candidates,
    )
    found = measure(shape, options.rounds, options.processes, options.threads, options.profile)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
