"""Train with every party a process of its own on this machine: chain, broker, nodes."""

import json
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from ape import project
from ape.logging import logger
from rich.console import Console
from rich.live import Live

from offchain.chain.code import Source
from offchain.errors import VerifogError
from offchain.learning.methods import METHOD_NAMES
from offchain.nodes.cluster import Cluster, ClusterOptions, Ending
from offchain.nodes.cluster_table import MEGABYTE, memory_by_role, table

TASK = (  # options that go into the task
    *("dataset", "devices", "fogs", "method", "rounds", "seed", "secrets"),
    *("noise_multiplier", "max_epsilon", "release_noise", "release_colluders"),
)


@click.command(help=__doc__)
@click.option("--dataset", default="fault7", show_default=True, help="Data set.")
@click.option("--devices", default=8, show_default=True, help="Devices, spread over the fogs.")
@click.option("--fogs", default=2, show_default=True, help="Clusters, each with one fog.")
@click.option("--method", help=f"How the model is fitted: {', '.join(METHOD_NAMES)}.")
@click.option("--rounds", type=int, help="Training rounds. Default: as the data set.")
@click.option("--seed", default=1, show_default=True, help="Seed of data split and training.")
@click.option(
    "--secrets", default="seed", show_default=True, help="Keys and noise from: os, or seed."
)
@click.option("--noise-multiplier", type=float, help="Mask's deviation over the clip norm.")
@click.option("--max-epsilon", type=float, help="Budget of a device; the cloud stops at it.")
@click.option("--release-noise", type=float, help="Noise left in sums, over the clip norm.")
@click.option("--release-colluders", type=int, help="Devices that may know each other's noise.")
@click.option("--block-time", default=1, show_default=True, help="Seconds between blocks.")
@click.option("--poll", default=0.25, show_default=True, help="Seconds between looks at the chain.")
@click.option("--confirmations", default=0, show_default=True, help="Blocks before nodes act.")
@click.option("--chain-id", default=31337, show_default=True, help="Chain id of the local chain.")
@click.option(
    "--shared", is_flag=True, help="The devices of a cluster share a process: for hundreds."
)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep everything in this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, nothing else.")
def cli(folder: Path | None, as_json: bool, **values: object) -> None:
    """Set up, train to the end, stop everything that was started."""
    logger.set_level("ERROR")  # Ape writes to standard output too
    task = {name: values[name] for name in TASK if values[name] is not None}
    options = ClusterOptions(
        task,
        block_time=int(str(values["block_time"])),
        confirmations=int(str(values["confirmations"])),
        chain_id=int(str(values["chain_id"])),
        poll=float(str(values["poll"])),
        shared=bool(values["shared"]),
    )
    try:
        with ExitStack() as stack:
            where = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            where.mkdir(parents=True, exist_ok=True)
            cluster = Cluster(where.absolute(), project.path, Source.of(project), options)
            ending, used = _run(cluster, quiet=as_json)
    except VerifogError as error:
        click.echo(f"cluster: {error}", err=True)
        sys.exit(1)
    _print(ending, used, as_json=as_json)


def _run(cluster: Cluster, *, quiet: bool) -> tuple[Ending, dict[str, int]]:
    console = Console(stderr=True, quiet=quiet)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped
    try:
        cluster.start(lambda text: console.print(text, style="dim"))
        with Live(console=console, refresh_per_second=4, auto_refresh=console.is_terminal) as live:
            ending = cluster.run(lambda running: live.update(table(running)))
            live.update(table(cluster))
        return ending, memory_by_role(cluster)
    finally:
        cluster.stop()


def _print(ending: Ending, used: dict[str, int], *, as_json: bool) -> None:
    told = {
        "commitment": "0x" + ending.digest.hex(),
        ending.metric: ending.score,
        "rounds": ending.rounds,
        "seconds": round(ending.seconds, 1),
        "ended": ending.why,
        **{f"MB of a {role}": round(size / MEGABYTE, 1) for role, size in used.items()},
    }
    if as_json:
        click.echo(json.dumps(told))
    else:
        click.echo("  ".join(f"{name} {value}" for name, value in told.items()))
