"""Drills: a fraud or a silence against a live chain, and whether all went as it should.

A drill plays a case in one or two rounds, then a round without interference, and then lets
everybody go home: claim, exit, withdraw. What the honest parties computed is compared with the
result of a task of just those parties in which nothing was disturbed. In the end the whole task is
audited from its public record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.chain.errors import TransactionReverted
from offchain.crypto.field import FieldVector
from offchain.nodes.drill_cases import AFTERMATH, Case
from offchain.nodes.drill_stage import WITHHELD, Stage
from offchain.nodes.drill_task import FixedTrainer, Shape, World, fixed_update
from offchain.protocol.chain import ResultAccepted
from offchain.protocol.role import Role

OFFENCES = (
    "FalseShare",
    "FalseWitness",
    "Equivocation",
    "FalseAnchor",
    "FalseNoise",
    "FalseResult",
    "FalseVector",
)
Place = tuple[int, int]  # cluster and index of a device
Auditor = Callable[[Web3, bytes], Sequence[str]]
"""Audits the Contract S at an address; returns what is off."""
ROUTINE = frozenset(
    {"RoundOpened", "NoiseRootRecorded", "ClusterAnchored", "CumulativeSubmitted", "ResultAccepted"}
)
# How S refuses a report of what another has reported before.
SECOND = {f"report{offence}: NothingToSlash" for offence in OFFENCES} | {
    f"report{offence}: RoundNotSettled" for offence in ("FalseResult", "FalseVector")
}
NOTICES = {
    "rejected": "reason",
    "dropped": "step",
    "cluster-failed": "why",
    "clusters-left-out": "clusters",
    "model-missing": "round",
    "evidence-too-large": "why",
}


@dataclass(frozen=True)
class DrillOutcome:
    """What came of a case.

    Attributes
    ----------
    done
        What was done.
    noticed
        Which node saw what.
    enforced
        What Contract S did.
    stake_before, stake_after
        Of the party that misbehaved, wei; None where it has none.
    gas
        Of all reports.
    honest
        Whether the honest parties' result equals that of an undisturbed run.
    audited
        Whether everything holds in an audit of the task's public record.
    failures
        What was not as it should be; empty if all was.
    """

    case: str
    done: str
    noticed: tuple[str, ...]
    enforced: tuple[str, ...]
    stake_before: int | None
    stake_after: int | None
    gas: int
    honest: bool
    audited: bool
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all went as it should."""
        return not self.failures


class Reference:
    """Sums of undisturbed tasks, each of a given set of devices and of nobody else."""

    def __init__(self, web3: Web3, artifact: Artifact) -> None:
        self._web3 = web3
        self._artifact = artifact
        self._sums: dict[tuple[Place, ...], list[int]] = {}

    def sum_of(self, places: Iterable[Place], shape: Shape) -> list[int]:
        """The data slots that one round of these devices alone releases."""
        key = tuple(sorted(places))
        if key not in self._sums:
            self._sums[key] = self._run(key, shape)
        return self._sums[key]

    def _run(self, places: Sequence[Place], shape: Shape) -> list[int]:
        members = [[p for p in places if p[0] == c] for c in sorted({c for c, _ in places})]
        alone = replace(shape, clusters=tuple(len(own) for own in members), clouds=1)
        world = World.found(self._web3, self._artifact, alone, b"reference %d" % len(self._sums))
        trainers = [[FixedTrainer(fixed_update(*place)) for place in own] for own in members]
        stage = Stage(world, trainers)
        number = stage.round().round
        total = stage.sim.result(number)
        return shape.layout.extract(total) if total is not None else []


@dataclass
class _Played:
    """What is kept while a case runs."""

    stage: Stage
    case: Case
    culprit: Role | None = None
    failures: list[str] = field(default_factory=list)
    honest: bool = True
    model: list[int] = field(default_factory=list)  # data slots it should have by now
    pending: list[int] = field(default_factory=list)  # the same before a result that may not stand

    def expect(self, what: str, found: object, expected: object) -> bool:
        """Note a difference."""
        if found != expected:
            self.failures.append(f"{what}: {found}, expected {expected}")
        return bool(found == expected)


class Drill:
    """Plays cases on a chain.

    Parameters
    ----------
    web3
        A local chain (anvil): time is moved.
    artifact
        Contract S.
    auditor
        Nodes and audit share no code, so a drill is given one.
    """

    def __init__(self, web3: Web3, artifact: Artifact, auditor: Auditor) -> None:
        self._web3 = web3
        self._artifact = artifact
        self._auditor = auditor
        self._reference = Reference(web3, artifact)

    def play(self, case: Case) -> DrillOutcome:
        """Play a case on a task of its own."""
        stage = Stage(World.found(self._web3, self._artifact, case.shape))
        played = _Played(stage, case, model=case.shape.layout.extract(stage.sim.model))
        stakes = {name: _stake(stage, role) for name, role in stage.parties.items()}
        authority = self._transactions_of_the_authority(stage)
        start = self._web3.eth.block_number + 1

        played.culprit = case.plant(stage)
        for settles in case.settles:
            self._round(played, settles=settles, left_out=case.left_out, tells=case.tells)
        stage.restore()
        for _ in range(AFTERMATH):
            self._round(played, settles=True, left_out=case.missing_after, tells=True)
        events = list(stage.contract.events(start, self._web3.eth.block_number))
        self._check_model(played)
        left = dict(stakes)
        self._check_punishment(played, events, left)
        after = _stake(stage, played.culprit) if played.culprit else None
        self._check_refusals(played)
        go_home(played, left)
        played.expect(
            "transactions of the Authority", self._transactions_of_the_authority(stage), authority
        )
        findings = [
            f"audit: {found}" for found in self._auditor(self._web3, stage.contract.address)
        ]
        played.failures += findings
        culprit = stage.name_of(played.culprit.address) if played.culprit else None
        return DrillOutcome(
            case=case.name,
            done=case.done,
            noticed=_noticed(stage),
            enforced=_enforced(stage, events),
            stake_before=stakes[culprit] if culprit else None,
            stake_after=after,
            gas=sum(r.gas for r in stage.record.receipts if r.kind.startswith(("rep", "adv"))),
            honest=played.honest,
            audited=not findings,
            failures=tuple(played.failures),
        )

    def _transactions_of_the_authority(self, stage: Stage) -> int:
        account = stage.sim.identities.authority.address
        return int(self._web3.eth.get_transaction_count(Web3.to_checksum_address(account)))

    # ---- rounds

    def _round(
        self, played: _Played, *, settles: bool, left_out: tuple[str, ...], tells: bool
    ) -> None:
        stage, shape = played.stage, played.case.shape
        outcome = stage.round()
        if not played.expect(f"round {outcome.round} settled", outcome.settled, settles):
            played.honest = False
        result = outcome.result
        if result is None:
            if played.pending:
                played.model, played.pending = played.pending, []  # nobody built on that model
            return
        counted = _counted(stage, left_out)
        expected = self._reference.sum_of(counted, shape)
        if tells:
            total = stage.sim.result(outcome.round)
            found = shape.layout.extract(total) if total is not None else None
            if found != expected:
                played.honest = False
                played.failures.append(f"round {outcome.round}: not the sum of {sorted(counted)}")
        played.pending = [] if tells else played.model
        played.model = [
            held - result.factor * value for held, value in zip(played.model, expected, strict=True)
        ]

    def _check_model(self, played: _Played) -> None:
        """The model that S holds is the one that the counted updates lead to."""
        stage = played.stage
        model: FieldVector = stage.sim.model
        committed = stage.task.key.commit(model).digest == stage.committed
        if not committed or stage.shape.layout.extract(model) != played.model:
            played.honest = False
            played.failures.append("model: not what the undisturbed sums lead to")

    # ---- what S did about it

    def _check_punishment(
        self, played: _Played, events: Sequence[Any], stakes: dict[str, int]
    ) -> None:
        stage, case = played.stage, played.case
        proven = [e["args"] for e in events if e["event"] == "OffenceProven"]
        slashed = [e["args"] for e in events if e["event"] == "Slashed"]
        guilty = stage.name_of(played.culprit.address) if played.culprit else ""
        expected = [(guilty, case.offence)] if case.offence else []
        played.expect(
            "offences",
            [(_name(stage, p["account"]), OFFENCES[p["offence"]]) for p in proven],
            expected,
        )
        played.expect(
            "slashed, and paid for it",
            [(_name(stage, s["account"]), _name(stage, s["reporter"])) for s in slashed],
            [(guilty, case.reporter)] if case.offence else [],
        )
        for s in slashed:
            parts = s["toReporter"] + s["burnt"] + s["toPool"]
            played.expect("parts of the stake", parts, stakes[guilty])
            if not s["toReporter"] or not s["burnt"]:
                played.failures.append("slash: nothing burnt, or nothing for the reporter")
        for name, role in stage.parties.items():
            fees = case.shape.silence_fee * case.charged.count(name)
            left = 0 if case.offence and name == guilty else stakes[name] - fees
            played.expect(f"stake of {name}", _stake(stage, role), left)
            stakes[name] = left

    def _check_refusals(self, played: _Played) -> None:
        """No honest transaction is refused, but for reports that came second."""
        own = played.culprit.address if played.culprit else b""
        for receipt in played.stage.record.receipts:
            error = receipt.error
            if error is None or error == WITHHELD or receipt.sender == own:
                continue
            if error.split("(")[0] not in SECOND:
                played.failures.append(f"refused: {error}")


# ---- going home


def go_home(played: _Played, stakes: dict[str, int]) -> None:
    """Everybody claims, exits and withdraws; S keeps what is the pool's or burnt, no more."""
    stage = played.stage
    contract, who = stage.contract, stage.sim.identities
    last = int(contract.call("currentRound"))
    stage.network.advance(int(contract.call("round", last)[4]))
    helper = who.clouds[-1]
    public_keys = {
        keys.signing.address: keys.attestation.public_key.to_eip2537()
        for members in who.devices
        for keys in members
    }
    for role in stage.parties.values():
        account = Web3.to_checksum_address(role.address)
        for number in range(1, last + 1):
            _try(contract.transact, helper, "claim", account, [number])
        if contract.call("creditOf", account):
            contract.transact(helper, "claim", account, [])
        if contract.call("member", account)[1]:
            key = public_keys.get(role.address, b"")
            contract.transact(stage.keys[role.address], "requestExit", key)
    stage.network.advance(stage.network.chain.now() + stage.shape.parameters.unbonding_time)
    before = contract.web3.eth.block_number
    for role in stage.parties.values():
        account = Web3.to_checksum_address(role.address)
        if contract.call("member", account)[3]:
            contract.transact(helper, "withdrawStake", account)
    events = contract.events(before, contract.web3.eth.block_number)
    withdrawn = {
        _name(stage, e["args"]["account"]): e["args"]["amount"]
        for e in events
        if e["event"] == "StakeWithdrawn"
    }
    played.expect("withdrawn", withdrawn, {name: left for name, left in stakes.items() if left})
    staked, owed, pool, burnt = contract.call("accounting")
    balance = contract.web3.eth.get_balance(Web3.to_checksum_address(contract.address))
    played.expect("left in S: stakes, owed, and all but pool and burnt", (staked, owed), (0, 0))
    played.expect("balance of S", balance, pool + burnt)


def _try(action: Callable[..., object], *arguments: Any) -> None:
    """Claim a round that may not have been earned."""
    try:
        action(*arguments)
    except TransactionReverted as error:
        if error.error not in ("NotEarned", "NotClaimable", "NothingToClaim"):
            raise


# ---- in words


def _stake(stage: Stage, role: Role) -> int:
    return int(stage.contract.call("member", Web3.to_checksum_address(role.address))[3])


def _name(stage: Stage, account: str) -> str:
    return stage.name_of(bytes.fromhex(account[2:]))


def _counted(stage: Stage, left_out: tuple[str, ...]) -> list[Place]:
    """The devices whose updates are in a sum."""
    return [
        (cluster, index)
        for cluster, members in enumerate(stage.devices)
        for index in range(len(members))
        if f"fog {cluster}" not in left_out and f"device {cluster}.{index}" not in left_out
    ]


def _noticed(stage: Stage) -> tuple[str, ...]:
    """What nodes noted, each thing once, and who."""
    seen: dict[str, dict[str, None]] = {}
    for role, note in stage.record.notes:
        if note.kind in NOTICES:
            told = f"{note.kind} {note.fields.get(NOTICES[note.kind])}"
            seen.setdefault(told, {})[stage.name_of(role.address)] = None
    for receipt in stage.record.receipts:
        if receipt.kind.startswith("report") and receipt.error is None:
            seen.setdefault(receipt.kind, {})[stage.name_of(receipt.sender)] = None
    return tuple(f"{', '.join(names)}: {told}" for told, names in seen.items())


def _enforced(stage: Stage, events: Sequence[Any]) -> tuple[str, ...]:
    """What S did beyond the routine, and which rounds it settled with which clusters."""
    said: list[str] = []
    for event in events:
        values = event["args"]
        match event["event"]:
            case "OffenceProven":
                said.append(f"{OFFENCES[values['offence']]} proven")
            case "Slashed":
                said.append(f"slashed {_name(stage, values['account'])}")
            case "SilenceCharged":
                said.append(f"charged {_name(stage, values['account'])} a fee")
            case other if other not in ROUTINE:
                said.append(other)
    settled = {e.round: e for e in stage.record.events if isinstance(e, ResultAccepted)}
    for number in range(1, int(stage.contract.call("currentRound")) + 1):
        result = settled.get(number)
        clusters = " ".join(str(c) for c in result.included) if result else ""
        said.append(f"round {number} settled ({clusters})" if result else f"round {number} failed")
    return tuple(said)
