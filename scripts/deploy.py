"""Deploy Contract S for a task, with a record; run again, it does what is still missing."""

import json
import sys
from pathlib import Path

import click
from ape import compilers, project
from ape.logging import logger
from web3 import Web3

from offchain.chain.code import Source
from offchain.chain.deployment import deploy
from offchain.chain.provider import connect
from offchain.chain.translate import checksum
from offchain.errors import VerifogError
from offchain.nodes.authority import Office, open_office
from offchain.nodes.program import INFINITY
from scripts._node import config_option
from scripts._public import provider

CONTRACTS = ("ContractS.sol", "Extension.sol", "Toolbox.sol")
STANDARD_JSON = "standard-input.json"


@click.command(
    epilog="The record, deployment.json, lies beside the configuration file; so does "
    f"{STANDARD_JSON}, the compiler's input, which block explorers take to verify the source."
)
@config_option("authority.toml")
@click.option(
    "--network",
    help="A network of Ape, as ethereum:sepolia:node, or a node's address. "
    "Default: chain.urls of the file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON, nothing else.")
def cli(config: Path, network: str | None, as_json: bool) -> None:
    """Deploy Contract S and its toolbox from the Authority's account.

    The constructor tests every precompile that the task needs, and refuses a chain without them.
    """
    logger.set_level("ERROR")  # Ape writes to standard output too
    try:
        office = open_office(config)
        if network is None:
            chain = office.config.chain
            _deploy(office, connect(chain.urls, chain.timeout, chain.patience), as_json=as_json)
        else:
            with provider(network, as_json=True) as web3:
                _deploy(office, web3, as_json=as_json)
    except VerifogError as error:
        click.echo(f"deploy: {error}", err=True)
        sys.exit(1)


def _deploy(office: Office, web3: Web3, *, as_json: bool) -> None:
    record, source = office.record(), Source.of(project)
    parameters = office.parameters
    model = INFINITY * parameters.chunks
    fresh = deploy(web3, source, office.key, parameters, model, record)
    if fresh or "compiler" not in record.content:
        settings = _write_standard_json(office.folder / STANDARD_JSON)
        record.put(compiler=settings)
    if as_json:
        click.echo(json.dumps(record.content))
        return
    state = "deployed now" if fresh else "was deployed before, nothing to do"
    click.echo(f"Contract S {checksum(record.contract)}: {state}")
    click.echo(f"chain {record.content['chain_id']}, block {record.block}; record {record.path}")


def _write_standard_json(path: Path) -> dict[str, object]:
    """Write the compiler's input; returns its version and settings."""
    solidity = compilers.get_compiler("solidity")
    sources = [project.path / "contracts" / name for name in CONTRACTS]
    made = solidity.get_standard_input_json(sources, project=project)
    version, content = next(iter(made.items()))
    path.write_text(json.dumps(content, indent=1) + "\n")
    settings = {k: v for k, v in content["settings"].items() if k != "outputSelection"}
    return {"name": "solc", "version": str(version), "settings": settings}
