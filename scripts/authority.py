"""The Authority of a task: makes keys and start-up kits, admits everybody."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from ape import project
from ape.logging import logger

from offchain.chain.code import Source
from offchain.chain.contract import ContractS
from offchain.chain.provider import connect
from offchain.errors import VerifogError
from offchain.nodes.admission import admit
from offchain.nodes.authority import BROKER, KITS, initialise, open_office
from offchain.nodes.upkeep import add_device, renew
from scripts._node import config_option


def reported(work: Callable[..., Any]) -> Callable[..., Any]:
    """Errors become one line, and status 1."""

    @wraps(work)
    def wrapped(**values: Any) -> None:
        logger.set_level("ERROR")  # Ape writes to standard output too
        try:
            work(**values)
        except VerifogError as error:
            click.echo(f"authority: {error}", err=True)
            sys.exit(1)

    return wrapped


@click.group(help=__doc__)
def cli() -> None:
    """Keys, kits, admission: see docs/operations.md."""


@cli.command()
@config_option("authority.toml")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, nothing else.")
@reported
def init(config: Path, as_json: bool) -> None:
    """Make keys, certificates and one start-up kit for each node."""
    office = open_office(config)
    names = initialise(office, datetime.now(UTC))
    address = "0x" + office.key.address.hex()
    if as_json:
        click.echo(json.dumps({"authority": address, "kits": names}))
        return
    click.echo(f"Authority: {address} (send it ether before you deploy)")
    click.echo(f"{len(names)} kits in {office.folder / KITS}: {names[0]} to {names[-1]}")


@cli.command(name="add-device")
@config_option("authority.toml")
@click.option("--cluster", type=int, required=True, help="Cluster that it joins, from 0.")
@click.option(
    "--rows",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV file with its rows, copied into the kit. Default: its operator puts rows.csv there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, nothing else.")
@reported
def add_device_command(config: Path, cluster: int, rows: Path | None, as_json: bool) -> None:
    """Make the kit of one more device for a task that runs; then `ape run authority admit`."""
    office = open_office(config)
    name = add_device(office, cluster, rows, datetime.now(UTC))
    account = "0x" + office.nodes()[name].hex()
    if as_json:
        click.echo(json.dumps({"node": name, "account": account}))
        return
    click.echo(f"{name}, account {account}: {office.kit(name)}")
    click.echo(f"Next: ape run authority admit --config {config}")


@cli.command(name="renew")
@config_option("authority.toml")
@click.option("--node", "names", multiple=True, help="A node, or broker; repeatable. Default: all.")
@click.option("--days", type=click.IntRange(1, 3650), help="Default: kits.certificate_days.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, nothing else.")
@reported
def renew_command(config: Path, names: tuple[str, ...], days: int | None, as_json: bool) -> None:
    """Issue new certificates before the old ones expire. Accounts and the task stay as they are.

    They lie in the kits (hand over node.pem, node.key, authority.pem) and in the broker's folder.
    """
    office = open_office(config)
    renewed = renew(office, names, datetime.now(UTC), days)
    if as_json:
        click.echo(json.dumps({"renewed": renewed}))
        return
    click.echo(
        f"{len(renewed)} certificates, in {office.folder / KITS} and {office.folder / BROKER}"
    )
    click.echo("Nodes take theirs at the next connection; send the broker SIGHUP")


@cli.command(name="admit")
@config_option("authority.toml")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, nothing else.")
@reported
def admit_command(config: Path, as_json: bool) -> None:
    """Stake and admit everybody, fund them, sign the task file. Does only what is still missing."""
    office = open_office(config)
    record, source, chain = office.record(), Source.of(project), office.config.chain
    web3 = connect(chain.urls, chain.timeout, chain.patience, record.content.get("chain_id"))
    contract = ContractS(web3, record.contract, source.artifact.abi, record.block)
    transactions = admit(office, contract)
    if as_json:
        click.echo(json.dumps({"transactions": transactions, "nodes": list(office.names())}))
        return
    click.echo(f"{transactions} transactions; every kit has its task file now")
    click.echo(f"Broker: mosquitto -c {office.folder / 'broker' / 'mosquitto.conf'}")
