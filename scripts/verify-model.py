"""Check one model file against the contract and the chain that it names."""

import sys
from pathlib import Path

import click
from rich.console import Console

from offchain.audit.committed import verify_model
from offchain.audit.report import model_to_json, print_model
from scripts._public import artifacts, json_option, network_option, provider

EPILOG = (
    "Example: ape run verify-model reports/latest/model.json --network ethereum:sepolia:node. "
    "Exit status 1 if the file is not a model that Contract S held."
)


@click.command(epilog=EPILOG, context_settings={"max_content_width": 100})
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@network_option()
@json_option()
def cli(file: Path, network: str, as_json: bool) -> None:
    """Check that FILE is a model that Contract S holds or held.

    Recomputes the commitment from the file's slots and looks it up in the events of the contract
    that the file names, after comparing that contract's code with the compiled one. It trusts the
    contract to have checked the rounds; `ape run audit` checks them again.
    """
    with provider(network, as_json=as_json) as web3:
        verified = verify_model(web3, artifacts(), file.read_bytes())
    if as_json:
        click.echo(model_to_json(verified))
    else:
        print_model(verified, Console())
    if not verified.valid:
        sys.exit(1)
