"""Train a model end to end on a local chain, every step verified by Contract S."""

import socket
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from ape import networks, project
from ape.logging import logger
from rich.console import Console

from offchain.chain.artifact import Artifact
from offchain.errors import VerifogError
from offchain.learning.datasets import dataset_names
from offchain.learning.methods import METHOD_NAMES
from offchain.learning.models import ModelKind
from offchain.learning.selection import rule_names
from offchain.learning.user_data import UserDataOptions
from offchain.nodes.options import OptionRefused, TrainOptions, TrainPlan, plan
from offchain.nodes.training import TrainingRun, TrainResult
from offchain.reporting.progress import Progress
from offchain.reporting.report import check_report_folder, encode_report, write_report
from offchain.reporting.summary import print_summary

DEFAULTS = TrainOptions()
OWN_DEFAULTS = {f.name: f.default for f in fields(UserDataOptions) if isinstance(f.default, str)}
NETWORK = "ethereum:local:foundry"
EPILOG = (
    "Example: ape run train --dataset softsensor --devices 24 --fogs 3 --drop 0.1. "
    "The report folder gets report.json, model.json, plots and a page (index.html)."
)


def own_option(name: str, text: str) -> Callable[[Any], Any]:
    """An option of UserDataOptions with its default."""
    default = OWN_DEFAULTS.get(name.replace("-", "_"))
    return click.option(f"--{name}", default=default, show_default=default is not None, help=text)


def option(name: str, text: str, **settings: Any) -> Callable[[Any], Any]:
    """An option of TrainOptions with its default."""
    field = name.replace("-", "_")
    default = getattr(DEFAULTS, field)
    shown = default is not None
    return click.option(f"--{name}", default=default, show_default=shown, help=text, **settings)


@click.command(epilog=EPILOG, context_settings={"max_content_width": 100})
@option("dataset", f"Data set: {', '.join(dataset_names())}.", type=str)
@option("model", f"{', '.join(k.value for k in ModelKind)}. Default: as the data set.", type=str)
@option("method", f"How the model is fitted: {', '.join(METHOD_NAMES)}.", type=str)
@option("devices", "Devices, spread evenly over the clusters.", type=int)
@option("fogs", "Clusters, each with one fog node.", type=int)
@option("rounds", "Training rounds, after a statistics round. Default: as the data set.", type=int)
@option("capacity", "Slots of an update, 64 to 4096. Default: the fewest that do.", type=int)
@option(
    "packing",
    "Blocks in one polynomial; 1: plain Shamir, 0: see the README.",
    type=int,
)
@option("threshold", "Fewer shares than this reveal nothing. Default: see the README.", type=int)
@option("noise-multiplier", "Mask's standard deviation over the clip norm.", type=float)
@option("clip", "L2 bound on a device's update. Default: as the data set.", type=float)
@option("candidates", "Noise candidates a round; all but one are audited.", type=int)
@option("noise-rounds", "Rounds that one noise commitment covers.", type=int)
@option("selection", f"Selection rule: {', '.join(rule_names())}.", type=str)
@option("deviations", "Deviations that the rule allows. Default: as suits the rule.", type=float)
@option("split", "How rows are spread: even, or dirichlet:ALPHA.", type=str)
@option("drop", "Share of devices that fall silent in a round, at a random step.", type=float)
@option("seed", "Seeds data split, local training and drop-outs.", type=int)
@option("secrets", "Keys and noise from: os, or seed (repeatable, and open to readers).", type=str)
@option("delta", "Delta of the privacy accounting.", type=float)
@option("max-epsilon", "Budget of a device: it refuses the round that would pass it.", type=float)
@option("release-noise", "Noise left in the released sums, over the clip norm.", type=float)
@option("release-colluders", "Devices of a cluster that may know each other's noise.", type=int)
@own_option("data", "Your own data: CSV or Parquet; a file, a folder, a pattern (docs/data.md).")
@own_option("target", "With --data: the column to predict.")
@own_option("features", "With --data: columns to predict from, a,b,c*. Default: all others.")
@own_option("ignore", "With --data: columns to leave out.")
@own_option("task", "With --data: classification or regression. Default: as the target says.")
@own_option("device-column", "With --data: column that names the device. Default: by file.")
@own_option("ranges", "With --data: CSV file feature,low,high of public instrument ranges.")
@own_option("missing", "With --data: drop or refuse rows with missing values.")
@own_option("missing-marks", "With --data: further texts that stand for a missing value.")
@own_option("holdout", "With --data: rows to test with, random:SHARE or last:SHARE.")
@click.option(
    "--report",
    "report",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports/latest"),
    show_default=True,
    help="Folder of the report.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, nothing else.")
@click.option("--network", default=NETWORK, show_default=True, help="A local network of Ape.")
@click.option("--port", type=int, help="Port of the local node. Default: a free one.")
def cli(report: Path, as_json: bool, network: str, port: int | None, **values: Any) -> None:
    """Train a model over devices, fog nodes and a cloud, on a local Ethereum node.

    All parties run in this process; every message of the protocol is sent and checked, and
    Contract S verifies, pays and updates the model's commitment on a chain of its own.
    """
    try:
        own = {f.name: values.pop(f.name) for f in fields(UserDataOptions)}
        checked = plan(TrainOptions(**values, own=_own_options(own)))
        for note in checked.notes:
            click.echo(f"{'Warning' if note.warning else 'Note'}: {note.text}", err=True)
        check_report_folder(report)
        if network.split(":")[1:2] != ["local"]:
            raise OptionRefused("network", network, "must be a local one, such as " + NETWORK)
        if as_json:
            logger.set_level("ERROR")  # Ape writes to standard output too
        settings = {"host": _free_address(port)} if port is not None else {}
        with networks.parse_network_choice(network, provider_settings=settings) as provider:
            _run(checked, provider.web3, report, as_json=as_json)
    except VerifogError as error:
        raise click.ClickException(str(error)) from None


def _own_options(values: dict[str, Any]) -> UserDataOptions | None:
    if values["data"] is None:
        for name, value in values.items():
            if value != OWN_DEFAULTS.get(name):
                raise OptionRefused(name.replace("_", "-"), value, "goes with --data only")
        return None
    if values["target"] is None:
        raise OptionRefused("target", "none", "which column of --data is to be predicted?")
    return UserDataOptions(**values)


def _free_address(port: int) -> str:
    if not 1024 <= port <= 65535:
        raise OptionRefused("port", port, "from 1024 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise OptionRefused("port", port, "is in use; choose another, or none") from None
    return f"http://127.0.0.1:{port}"


def _run(checked: TrainPlan, web3: Any, report: Path, *, as_json: bool) -> None:
    console = Console()
    with Progress(console, quiet=as_json) as progress:
        result: TrainResult = TrainingRun(checked, web3, Artifact.of(project), progress).run()
    folder = write_report(result.record, report, result.model, result.sums)
    if as_json:
        click.echo(encode_report(result.record))
    else:
        print_summary(result.record, console)
        console.print(f"Report: {folder / 'index.html'}")
    matches = result.record.model is not None and result.record.model.matches
    if not matches or result.record.interrupted:
        sys.exit(1)
