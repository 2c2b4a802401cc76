"""Run a cluster of processes for many rounds and tell whether memory and disk stay bounded."""

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

from offchain.chain.code import Source
from offchain.errors import VerifogError
from offchain.nodes.cluster import Cluster
from offchain.nodes.soak import Soak, as_json, failures, soak_options, soak_table, verdicts

_TOLD_EVERY = 10


@click.command(help=__doc__)
@click.option("--dataset", default="fault2", show_default=True, help="Data set.")
@click.option("--devices", default=8, show_default=True, help="Devices, spread over the fogs.")
@click.option("--fogs", default=2, show_default=True, help="Clusters, each with one fog.")
@click.option(
    "--rounds", type=click.IntRange(4), default=100, show_default=True, help="Rounds to settle."
)
@click.option(
    "--base",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Round whose memory is compared with the last one's.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep everything in this folder.")
@click.option("--json", "as_json_", is_flag=True, help="Print all samples as JSON, nothing else.")
def cli(
    dataset: str,
    devices: int,
    fogs: int,
    rounds: int,
    base: int,
    folder: Path | None,
    as_json_: bool,
) -> None:
    """Run, print how every process grew, and fail when one grew too much."""
    logger.set_level("ERROR")  # Ape writes to standard output too
    if base >= rounds:
        raise click.BadParameter(f"{base}: below --rounds, {rounds}", param_hint="--base")
    options = soak_options(dataset, devices, fogs, rounds)
    soak = Soak(rounds)
    console = Console(width=110, quiet=as_json_)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped
    try:
        with ExitStack() as stack:
            where = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            where.mkdir(parents=True, exist_ok=True)
            cluster = Cluster(where.absolute(), project.path, Source.of(project), options)
            stack.callback(cluster.stop)
            cluster.start(lambda text: console.print(text, style="dim"))
            cluster.run(lambda running: _watch(running, soak, console))
    except VerifogError as error:
        click.echo(f"soak: {error}", err=True)
        sys.exit(1)
    found = verdicts(soak.samples, base)
    if as_json_:
        click.echo(json.dumps(as_json(soak.samples, found)))
    else:
        console.print(soak_table(found, base, soak.samples[-1].round))
    for failure in failures(found):
        click.echo(failure, err=True)
    sys.exit(1 if failures(found) else 0)


def _watch(cluster: Cluster, soak: Soak, console: Console) -> None:
    before = len(soak.samples)
    soak(cluster)
    if len(soak.samples) > before and soak.samples[-1].round % _TOLD_EVERY == 0:
        console.print(f"{soak.samples[-1].round} of {soak.rounds} rounds settled", style="dim")
