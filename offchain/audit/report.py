"""What an audit tells: a table for people, JSON for machines."""

from __future__ import annotations

import json
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from offchain.audit.arithmetic import ORDER
from offchain.audit.committed import VerifiedModel
from offchain.audit.findings import Finding, Part, Place
from offchain.audit.models import ModelVerdict
from offchain.audit.record import PublicRecord
from offchain.audit.state import Phase, Round, State
from offchain.audit.verifier import Audited

VERSION: Final = 1
_SHOWN_FINDINGS: Final = 40
_ETHER: Final = 10**18
_ABOUT: Final = {
    Part.CHAIN: "headers, transactions and receipts against the blocks' own roots",
    Part.CODE: "code of S and of its tools against the compiled contracts",
    Part.TASK: "parameters within bounds, initial model",
}


def to_json(record: PublicRecord, audited: Audited, from_block: int) -> str:
    """Return the audit as JSON; docs/audit.md describes the fields."""
    checks, state = audited.checks, audited.state
    head = record.headers.get(record.head)
    content = {
        "version": VERSION,
        "contract": _hex(record.contract),
        "chain_id": record.chain_id,
        "from_block": from_block,
        "to_block": record.head,
        "block_hash": _hex(head.hash) if head else None,
        "valid": audited.valid,
        "checks": sum(checks.made.values()),
        "parts": [
            {
                "part": part.value,
                "checks": checks.made_in(part),
                "findings": checks.found_in(part),
            }
            for part in Part
            if part is not Part.ROUND
        ],
        "rounds": _rounds_json(record, audited),
        "money": _money_json(record, state) if state else None,
        "model": _model_json(audited.model),
        "findings": [_finding_json(finding) for finding in checks.findings],
        "notes": list(record.notes),
    }
    return json.dumps(content, indent=1)


def model_to_json(verified: VerifiedModel) -> str:
    """Return the check of one model file as JSON."""
    content = {
        "version": VERSION,
        "valid": verified.valid,
        "contract": _hex(verified.contract) if verified.contract else None,
        "chain_id": verified.chain_id,
        "to_block": verified.block,
        "model": _model_json(verified.verdict),
        "findings": [_finding_json(finding) for finding in verified.checks.findings],
    }
    return json.dumps(content, indent=1)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _rounds_json(record: PublicRecord, audited: Audited) -> list[dict[str, Any]]:
    state, head = audited.state, record.headers.get(record.head)
    if state is None:
        return []
    now = head.timestamp if head else 0
    return [_round_json(audited, state, round_, now) for round_ in state.rounds.values()]


def _round_json(audited: Audited, state: State, round_: Round, now: int) -> dict[str, Any]:
    result, checks = round_.result, audited.checks
    included = sorted(result.included) if result else []
    parts = [round_.anchored[c] for c in included if c in round_.anchored]
    return {
        "round": round_.number,
        "kind": _kind(round_),
        "status": _status(state, round_, now),
        "beacon": _hex(round_.beacon) if round_.beacon else None,
        "clusters": len(round_.clusters),
        "anchored": sorted(round_.anchored),
        "included": included,
        "signers": sum(len(part.signers) for part in parts),
        "qualified": sum(len(part.qualified) for part in parts),
        "samples": _samples(round_),
        "factor": str(result.factor) if result else None,
        "rejected": len(round_.rejected),
        "model_digest": _hex(state.models.after.get(round_.number, b"")),
        "checks": checks.made_in(Part.ROUND, round_.number),
        "valid": not checks.found_in(Part.ROUND, round_.number),
    }


def _kind(round_: Round) -> str:
    return "training" if round_.updates_model else "statistics"


def _status(state: State, round_: Round, now: int) -> str:
    if round_.result is not None:
        return "settled"
    over = round_.number < state.latest or round_.phase(now) is Phase.FAILED
    return "failed" if over else "open"


def _samples(round_: Round) -> int | None:
    if round_.result is None:
        return None
    samples = round_.result.samples
    return samples if samples <= ORDER // 2 else samples - ORDER


def _money_json(record: PublicRecord, state: State) -> dict[str, str]:
    ledger, account = state.ledger, record.accounts.get(record.contract)
    amounts = {
        "received": ledger.received,
        "paid": ledger.paid,
        "stakes": ledger.stakes,
        "owed": ledger.owed,
        "pool": ledger.pool,
        "burnt": ledger.burnt,
        "balance": account.balance if account else 0,
    }
    return {name: str(amount) for name, amount in amounts.items()}


def _model_json(verdict: ModelVerdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {
        "round": verdict.round,
        "commitment_digest": _hex(verdict.digest),
        "current": verdict.current,
        "provisional": verdict.provisional,
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    place = finding.place
    return {
        "part": place.part.value,
        "round": place.round,
        "cluster": place.cluster,
        "block": place.block,
        "transaction": _hex(place.transaction) if place.transaction else None,
        "field": finding.field,
        "found": finding.found,
        "expected": finding.expected,
    }


# ---- for people


def print_audit(
    record: PublicRecord, audited: Audited, console: Console, from_block: int = 0
) -> None:
    """Print the audit: parts, rounds, what is off, and the verdict."""
    contract, head = _hex(record.contract), record.headers.get(record.head)
    where = f"chain {record.chain_id}, up to block {record.head}"
    _line(console, f"Contract S {contract}, {where} ({_hex(head.hash) if head else '?'})")
    console.print(_parts_table(record, audited))
    if audited.state is not None and audited.state.rounds:
        console.print(_rounds_table(record, audited))
    if from_block:
        _line(console, f"Note: signatures and openings before block {from_block} were not checked")
    for note in record.notes:
        _line(console, f"Note: {note}")
    _print_findings(console, audited.checks.findings)
    made = sum(audited.checks.made.values())
    if audited.valid:
        _line(console, f"Everything holds: {made:,} checks.", "green")
    else:
        _line(console, f"{len(audited.checks.findings):,} of {made:,} checks FAILED.", "bold red")


def print_model(verified: VerifiedModel, console: Console) -> None:
    """Print what a model file is."""
    _print_findings(console, verified.checks.findings)
    verdict = verified.verdict
    if verified.valid and verdict is not None and verified.contract is not None:
        where = f"Contract S {_hex(verified.contract)} on chain {verified.chain_id}"
        _line(console, f"This is {_model_text(verdict)} of {where}.", "green")
    else:
        _line(console, "This is NOT a model that Contract S holds or held.", "bold red")


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        right = column in ("checks", "signers", "qualified", "samples")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _verdict(findings: int) -> Text:
    return Text(f"{findings:,} FAILED", style="bold red") if findings else Text("holds", "green")


def _parts_table(record: PublicRecord, audited: Audited) -> Table:
    table = _table("part", "what", "checks", "verdict")
    checks, state = audited.checks, audited.state
    about = dict(_ABOUT)
    if state is not None:
        about |= {
            Part.MEMBERS: f"{len(state.clouds)} clouds, {len(state.clusters)} fogs, "
            f"{len(state.key_hashes)} devices with proofs of possession",
            Part.MONEY: _money_text(state),
            Part.STATE: f"{len(record.views)} views of S against the rebuilt state",
        }
    if audited.model is not None:
        about[Part.MODEL] = f"the file is {_model_text(audited.model)}"
    for part in Part:
        made = checks.made_in(part)
        if part is not Part.ROUND and made:
            verdict = _verdict(checks.found_in(part))
            table.add_row(part.value, about.get(part, ""), f"{made:,}", verdict)
    return table


def _money_text(state: State) -> str:
    ledger = state.ledger
    names = ("stakes", "owed", "pool", "burnt")
    held = ", ".join(f"{name} {getattr(ledger, name) / _ETHER:.6g}" for name in names)
    received, paid = ledger.received / _ETHER, ledger.paid / _ETHER
    return f"{received:.6g} in, {paid:.6g} out; {held} (ether)"


def _model_text(verdict: ModelVerdict) -> str:
    if not verdict.current:
        return f"the model after round {verdict.round}; S holds a newer one"
    state = "provisional until a cluster builds on it" if verdict.provisional else "the current one"
    return f"the model after round {verdict.round}, {state}"


def _rounds_table(record: PublicRecord, audited: Audited) -> Table:
    table = _table(
        "round",
        "kind",
        "result",
        "clusters",
        "signers",
        "qualified",
        "samples",
        "checks",
        "verdict",
    )
    for told in _rounds_json(record, audited):
        result = told["status"]
        if told["rejected"]:
            result += f", {told['rejected']} rejected before"
        table.add_row(
            str(told["round"]),
            told["kind"],
            result,
            f"{len(told['included'])} of {told['clusters']}",
            str(told["signers"]),
            str(told["qualified"]),
            "-" if told["samples"] is None else f"{told['samples']:,}",
            f"{told['checks']:,}",
            _verdict(audited.checks.found_in(Part.ROUND, told["round"])),
        )
    return table


def _print_findings(console: Console, findings: list[Finding]) -> None:
    for finding in findings[:_SHOWN_FINDINGS]:
        _line(console, _place_text(finding.place), "bold")
        _line(console, f"  {finding.field}: found {finding.found}, expected {finding.expected}")
    if len(findings) > _SHOWN_FINDINGS:
        _line(console, f"... and {len(findings) - _SHOWN_FINDINGS} more; --json lists all")


def _place_text(place: Place) -> str:
    parts = [] if place.part is Part.ROUND else [place.part.value]
    for name in ("round", "cluster", "block"):
        value = getattr(place, name)
        if value is not None:
            parts.append(f"{name} {value}")
    if place.transaction is not None:
        parts.append(f"transaction {_hex(place.transaction)}")
    return ", ".join(parts)
