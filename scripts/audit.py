"""Check a task from its public record alone: every round, every payment, every slash."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from offchain.audit.report import print_audit, to_json
from offchain.audit.run import audit
from scripts._public import Address, artifacts, json_option, network_option, provider

EPILOG = (
    "Example: ape run audit 0x5FbDB2315678afecb367f032d93F642f64180aa3 --model "
    "reports/latest/model.json. Exit status 1 if anything is off."
)


@click.command(epilog=EPILOG, context_settings={"max_content_width": 100})
@click.argument("address", type=Address())
@click.option(
    "--from-block",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Follow earlier blocks without checking their signatures and openings again.",
)
@click.option(
    "--to-block", type=click.IntRange(min=0), help="Last block to read. Default: the newest."
)
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check this model file against the chain too.",
)
@click.option(
    "--sums",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Solve for the voted models again, from this file of released sums.",
)
@network_option()
@json_option()
def cli(
    address: bytes,
    from_block: int,
    to_block: int | None,
    model: Path | None,
    sums: Path | None,
    network: str,
    as_json: bool,
) -> None:
    """Check the Contract S at ADDRESS from public data alone, trusting no party.

    Reads code, events, calldata and headers, rebuilds every round with arithmetic of its own, and
    says for each round whether everything holds, naming the place of whatever does not.
    """
    console = Console()
    content = model.read_bytes() if model else None
    with provider(network, as_json=as_json) as web3, _Reading(console, quiet=as_json) as reading:
        record, audited = audit(
            web3,
            address,
            artifacts(),
            model=content,
            sums=sums.read_bytes() if sums else None,
            from_block=from_block,
            to_block=to_block,
            progress=reading,
        )
    if as_json:
        click.echo(to_json(record, audited, from_block))
    else:
        print_audit(record, audited, console, from_block)
    if not audited.valid:
        sys.exit(1)


class _Reading:
    """A line that says how far reading is, on a terminal only."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._status = None if quiet or not console.is_terminal else console.status("Reading")

    def __enter__(self) -> "_Reading":
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, done: int, total: int) -> None:
        if self._status:
            self._status.update(f"Reading block {done + 1} of {total}")
