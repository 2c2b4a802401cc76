"""What the commands that run a node share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from ape import project
from ape.logging import logger

from offchain.chain.code import Source
from offchain.errors import VerifogError
from offchain.nodes.config import ENVIRONMENT
from offchain.nodes.program import run_node

EPILOG = (
    "Keys of the file: docs/operations.md. Environment variables that take the place of a key: "
    f"{', '.join(ENVIRONMENT)}."
)


def config_option(default: str = "node.toml") -> Callable[[Any], Any]:
    """The configuration file."""
    return click.option(
        "--config",
        "config",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path(default),
        show_default=True,
        help="Configuration file (TOML).",
    )


def node_command(role: str, text: str) -> click.Command:
    """The command that runs a node of a role."""

    @click.command(help=text, epilog=EPILOG)
    @config_option()
    @click.option("--anew", is_flag=True, help="Start without the journal: after an upgrade.")
    def command(config: Path, anew: bool) -> None:
        logger.set_level("ERROR")  # Ape writes to standard output
        try:
            run_node(config, role, Source.of(project), anew=anew)
        except VerifogError as error:
            click.echo(f"{role}: {error}", err=True)
            sys.exit(1)

    return command
