"""Check a node before it starts: what is wrong, and what to do about it."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from ape import project
from ape.logging import logger
from rich.console import Console

from offchain.chain.code import Source
from offchain.errors import VerifogError
from offchain.nodes.doctor import examine
from scripts._node import config_option


@click.command(help=__doc__)
@config_option()
@click.option(
    "--contracts",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the compiled contracts to this file, for `python -m offchain.nodes`; no checks.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, nothing else.")
def cli(config: Path, contracts: Path | None, as_json: bool) -> None:
    """Status 1 when the node cannot start."""
    logger.set_level("ERROR")  # Ape writes to standard output too
    try:
        source = Source.of(project)
    except VerifogError as error:
        raise click.ClickException(str(error)) from None
    if contracts is not None:
        contracts.write_text(json.dumps(source.to_json()))
        return
    findings = []
    console = Console(quiet=as_json, highlight=False, soft_wrap=True)
    for finding in examine(config, source):
        findings.append(finding)
        mark = "[green]good[/]" if finding.good else "[bold red]bad [/]"
        console.print(f"{mark} {finding.check:12} ", end="")
        console.print(finding.told, markup=False)
        if finding.remedy:
            console.print(f"                  -> {finding.remedy}", markup=False)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    if not all(finding.good for finding in findings):
        sys.exit(1)
