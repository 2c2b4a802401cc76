"""Runs inside the peer's own environment: Flower's SecAgg+ in its simulation engine, in one round
after another. Prints one line of JSON. Only the standard library and what Flower brings.

Flower's secure aggregation is in its older workflow API: `SecAggPlusWorkflow` on the server,
`secaggplus_mod` on the client.
"""

import argparse
import json
import logging
import os
import threading
import time
import warnings
from pathlib import Path

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
warnings.filterwarnings("ignore")

import flwr  # noqa: E402
import numpy as np  # noqa: E402
from flwr.client import ClientApp, NumPyClient  # noqa: E402
from flwr.client.mod import secaggplus_mod  # noqa: E402
from flwr.common import Context, ndarrays_to_parameters, parameters_to_ndarrays  # noqa: E402
from flwr.server import LegacyContext, ServerApp, ServerConfig  # noqa: E402
from flwr.server.strategy import FedAvg  # noqa: E402
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow  # noqa: E402
from flwr.simulation import run_simulation  # noqa: E402

logging.getLogger("flwr").setLevel(logging.ERROR)
CLIPPING = 8.0
THRESHOLD = 2 / 3


def update_of(device, round_number, values):
    """The update of a device: known to the server too, which measures the error of the mean."""
    return np.random.default_rng([device, round_number]).normal(0, 0.5, values)


class Device(NumPyClient):
    def __init__(self, number, values):
        self._number, self._values = number, values

    def fit(self, parameters, config):
        del parameters
        return [update_of(self._number, int(config["round"]), self._values)], 1, {}


def family_cpu_seconds():
    """Processor time of this process and all below it, ended children apart; None off Linux."""
    try:
        entries = [p for p in Path("/proc").iterdir() if p.name.isdigit()]
    except OSError:
        return None
    parents, used = {}, {}
    for entry in entries:
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(entry.name)] = int(fields[1])
        used[int(entry.name)] = sum(int(f) for f in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    family, grown = {os.getpid()}, True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in family} - family
        family |= children
        grown = bool(children)
    return sum(used.get(pid, 0.0) for pid in family)


class Measured(FedAvg):
    """Averaging, its rounds timed and its result compared with the true mean."""

    def __init__(self, options, log, **settings):
        super().__init__(**settings)
        self._options, self._log = options, log

    def configure_fit(self, server_round, parameters, client_manager):
        self._started, self._cpu = time.perf_counter(), family_cpu_seconds()
        instructions = super().configure_fit(server_round, parameters, client_manager)
        for _, instruction in instructions:
            instruction.config = {"round": server_round}
        return instructions

    def aggregate_fit(self, server_round, results, failures):
        aggregate, metrics = super().aggregate_fit(server_round, results, failures)
        cpu = family_cpu_seconds()
        options = self._options
        mean = np.mean(
            [update_of(d, server_round, options.values) for d in range(options.devices)], axis=0
        )
        error = None
        if aggregate is not None:
            error = float(np.abs(parameters_to_ndarrays(aggregate)[0] - mean).max())
        self._log.append(
            {
                "seconds": time.perf_counter() - self._started,
                "cpu_seconds": None if cpu is None or self._cpu is None else cpu - self._cpu,
                "results": len(results),
                "failures": len(failures),
                "error": error,
            }
        )
        return aggregate, metrics


def count_bytes(grid, log):
    """Add up what the server sends and receives."""
    try:
        from flwr.common.serde import recorddict_to_proto
    except ImportError:
        from flwr.app.serde import recorddict_to_proto
    inner = grid.send_and_receive

    def size(message):
        return recorddict_to_proto(message.content).ByteSize() if message.has_content() else 0

    def counted(messages, **settings):
        messages = list(messages)
        replies = list(inner(messages, **settings))
        log["down"] += sum(size(message) for message in messages)
        log["up"] += sum(size(message) for message in replies)
        return replies

    grid.send_and_receive = counted


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--values", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shares", type=float, default=1.0, help="1: full graph")
    parser.add_argument("--plain", action="store_true", help="no secure aggregation")
    parser.add_argument("--seconds", type=float, default=900, help="give up after")
    options = parser.parse_args()
    watchdog = threading.Timer(options.seconds, os._exit, (3,))
    watchdog.daemon = True
    watchdog.start()
    rounds, traffic = [], {"up": 0, "down": 0}

    def make_client(context: Context):
        return Device(int(context.node_config["partition-id"]), options.values).to_client()

    client = ClientApp(client_fn=make_client, mods=[] if options.plain else [secaggplus_mod])
    server = ServerApp()

    @server.main()
    def serve(grid, context):
        count_bytes(grid, traffic)
        strategy = Measured(
            options,
            rounds,
            fraction_fit=1.0,
            fraction_evaluate=0.0,
            min_available_clients=options.devices,
            min_fit_clients=options.devices,
            initial_parameters=ndarrays_to_parameters([np.zeros(options.values)]),
        )
        settings = ServerConfig(num_rounds=options.rounds)
        legacy = LegacyContext(context=context, config=settings, strategy=strategy)
        secure = SecAggPlusWorkflow(
            num_shares=options.shares,
            reconstruction_threshold=THRESHOLD,
            clipping_range=CLIPPING,
            max_weight=1.0,
        )
        workflow = DefaultWorkflow() if options.plain else DefaultWorkflow(fit_workflow=secure)
        workflow(grid, legacy)

    run_simulation(
        server_app=server,
        client_app=client,
        num_supernodes=options.devices,
        backend_config={
            "client_resources": {"num_cpus": 1.0, "num_gpus": 0.0},
            "init_args": {"include_dashboard": False},
        },
        verbose_logging=False,
    )
    per_device = options.devices * max(len(rounds), 1)
    print(
        json.dumps(
            {
                "version": flwr.__version__,
                "rounds": rounds,
                "bytes_up_per_device": traffic["up"] // per_device,
                "bytes_down_per_device": traffic["down"] // per_device,
            }
        )
    )


if __name__ == "__main__":
    main()
