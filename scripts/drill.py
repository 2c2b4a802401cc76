"""Play every fraud and every silence against a live local chain, and say what came of each."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from ape import networks, project
from ape.logging import logger
from rich.console import Console
from rich.table import Table
from web3 import Web3

from offchain.audit.run import audit
from offchain.chain.artifact import Artifact
from offchain.errors import VerifogError
from offchain.nodes.drill import Drill, DrillOutcome
from offchain.nodes.drill_cases import CASES, case_named
from offchain.nodes.simulation import ETHER
from scripts._public import artifacts

NETWORK = "ethereum:local:foundry"
WIDTH = 160  # of the table where there is no terminal to fit
EPILOG = "Example: ape run drill --case false-share. Exit status 1 unless all went as it should."


@click.command(epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option("--case", "names", multiple=True, help="Only this one; may be repeated.")
@click.option("--list", "listing", is_flag=True, help="Say what cases there are.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON, nothing else.")
def cli(names: tuple[str, ...], *, listing: bool, as_json: bool) -> None:
    """Let real nodes cheat and fall silent on a local chain, and check what the others do about it.

    Each case is a task of its own: the round or rounds in which somebody misbehaves, one after
    them, and the way home, on which everybody claims, exits and withdraws.
    """
    try:
        cases = [case_named(name) for name in names] or list(CASES.values())
        if listing:
            for case in cases:
                click.echo(f"{case.name:28} {case.done}")
            return
        if as_json:
            logger.set_level("ERROR")  # Ape writes to standard output too
        console = Console(quiet=as_json)
        if not console.is_terminal:
            console.width = WIDTH
        outcomes: list[DrillOutcome] = []
        with networks.parse_network_choice(NETWORK) as provider:
            drill = Drill(provider.web3, Artifact.of(project), findings)
            for case in cases:
                console.print(f"{len(outcomes) + 1}/{len(cases)} {case.name}: {case.done}")
                outcomes.append(drill.play(case))
    except VerifogError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(to_json(outcomes))
    else:
        print_outcomes(outcomes, console)
    if not all(outcome.passed for outcome in outcomes):
        sys.exit(1)


def findings(web3: Web3, contract: bytes) -> list[str]:
    """Audit a task; say what is off."""
    _, audited = audit(web3, contract, artifacts())
    return [f"{f.field}: {f.found}, expected {f.expected}" for f in audited.checks.findings]


def to_json(outcomes: Sequence[DrillOutcome]) -> str:
    """The outcomes, wei as decimal texts."""
    plain: list[dict[str, Any]] = []
    for outcome in outcomes:
        fields = asdict(outcome) | {"passed": outcome.passed}
        for name in ("stake_before", "stake_after"):
            if fields[name] is not None:
                fields[name] = str(fields[name])
        plain.append(fields)
    passed = all(outcome.passed for outcome in outcomes)
    return json.dumps({"passed": passed, "cases": plain}, indent=2)


def print_outcomes(outcomes: Sequence[DrillOutcome], console: Console) -> None:
    """The table, then whatever was not as it should be."""
    table = Table(show_lines=True)
    for heading in ("case", "noticed", "S did", "stake, gas of reports", "result", "audit"):
        table.add_column(heading, overflow="fold")
    for outcome in outcomes:
        table.add_row(
            f"[bold]{outcome.case}[/]\n{outcome.done}",
            "\n".join(outcome.noticed) or "nobody had to",
            "\n".join(outcome.enforced),
            _stakes(outcome),
            ("equal" if outcome.honest else "DIFFERS") + ("" if outcome.passed else "\nFAILED"),
            "holds" if outcome.audited else "FAILED",
        )
    console.print(table)
    for outcome in outcomes:
        for failure in outcome.failures:
            console.print(f"{outcome.case}: {failure}", style="red", markup=False)
    passed = sum(outcome.passed for outcome in outcomes)
    console.print(f"{passed} of {len(outcomes)} cases went as they should.")


def _stakes(outcome: DrillOutcome) -> str:
    lines = []
    if outcome.stake_before is not None and outcome.stake_after is not None:
        lines.append(f"{outcome.stake_before / ETHER:g} → {outcome.stake_after / ETHER:g} ETH")
    if outcome.gas:
        lines.append(f"{outcome.gas:,} gas")
    return "\n".join(lines) or "-"
