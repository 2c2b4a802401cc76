"""All nodes of a task under observation, and ways to interfere between them and with the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from offchain.chain.contract import ContractS
from offchain.chain.port import ChainPort, Receipt
from offchain.nodes.drill_task import VALUE_BOUND, World
from offchain.nodes.simulation import PHASES, RoundOutcome, Simulation
from offchain.protocol.chain import Call, Event
from offchain.protocol.device import Trainer
from offchain.protocol.messages import Message, parse_envelope, seal_envelope
from offchain.protocol.role import Note, Role, Send
from offchain.protocol.selecting import KeepAll, Selector
from offchain.protocol.voting import Solver

Change = Callable[[Any], Any]
Rule = Callable[[Role, Send], Iterable[Send]]
WITHHELD = "withheld"


class Tape:
    """Keeps everything that happened in a run."""

    def __init__(self) -> None:
        self.sends: list[tuple[Role, Send]] = []
        self.notes: list[tuple[Role, Note]] = []
        self.receipts: list[Receipt] = []
        self.events: list[Event] = []

    def handled(self, role: Role, kind: str, seconds: float) -> None:
        """Times are of no interest."""

    def sent(self, role: Role, send: Send) -> None:
        """Keep a message."""
        self.sends.append((role, send))

    def noted(self, role: Role, note: Note) -> None:
        """Keep a note."""
        self.notes.append((role, note))

    def transacted(self, role: Role, receipt: Receipt) -> None:
        """Keep a receipt."""
        del role
        self.receipts.append(receipt)

    def happened(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)


@dataclass
class Wire:
    """Stands between sender and receiver; the latest rule sees a message last."""

    rules: list[Rule] = field(default_factory=list)

    def __call__(self, role: Role, send: Send) -> Iterable[Send]:
        """What passes in place of a message."""
        sends: list[Send] = [send]
        for rule in self.rules:
            sends = [out for one in sends for out in rule(role, one)]
        return sends


class TamperedChain:
    """A chain that may withhold or change the calls of some account."""

    def __init__(self, chain: ChainPort) -> None:
        self._chain = chain
        self.rules: list[tuple[type, bytes | None, Change]] = []

    def now(self) -> int:
        """As the chain says."""
        return self._chain.now()

    def advance(self, to: int) -> None:
        """As the chain does."""
        self._chain.advance(to)

    def poll(self) -> Sequence[Event]:
        """As the chain says."""
        return self._chain.poll()

    def execute(self, call: Call, sender: bytes) -> Receipt:
        """Send a call, or what the rules make of it."""
        for kind, account, change in self.rules:
            if isinstance(call, kind) and account in (None, sender):
                changed = change(call)
                if changed is None:
                    return Receipt(kind.__name__, None, sender, 0, WITHHELD)
                call = changed
        return self._chain.execute(call, sender)


class Stage:
    """All nodes of a task, what they did, and ways to interfere.

    Parameters
    ----------
    world
        Only one stage at a time can use it.
    trainers
        By cluster and index.
    selector, value_bound, solver
        As for the simulation.
    """

    def __init__(
        self,
        world: World,
        trainers: Sequence[Sequence[Trainer]] | None = None,
        selector: Callable[[], Selector] = KeepAll,
        value_bound: int = VALUE_BOUND,
        solver: Callable[[], Solver | None] = lambda: None,
    ) -> None:
        shape = world.shape
        self.shape = shape
        self.trainers = trainers or world.trainers()
        self.record = Tape()
        self.wire = Wire()
        self.contract = ContractS(world.web3, world.address, world.abi, world.deployed_at)
        who = world.identities
        keys = [who.authority, *who.clouds, *who.fogs]
        keys += [own.signing for members in who.devices for own in members]
        self.keys = {key.address: key for key in keys}
        self.sim = Simulation(
            self.contract,
            who,
            self.trainers,
            selector,
            shape.parameters,
            shape.layout,
            value_bound,
            world.randomness.child(b"nodes"),
            self.record,
            self.wire,
            solver,
        )
        self.network = self.sim.network
        self.task = self.sim.task
        self.domain = self.task.separator
        self.devices, self.fogs, self.clouds = self.sim.devices, self.sim.fogs, self.sim.clouds
        self._tampered: TamperedChain | None = None

    # ---- going on

    def round(self) -> RoundOutcome:
        """Run the next round to its end."""
        return self.sim.run_round()

    def deliver(self, recipient: Role, *data: bytes) -> None:
        """Hand bytes to a node, as if from the network, and carry out what it does."""
        for one in data:
            self.network.perform(recipient, recipient.receive(one))

    # ---- interfering

    def signed(
        self, signer: Role, message: Message, *, key: Any = None, domain: Any = None
    ) -> bytes:
        """An envelope signed by a node, or by another key, or for another domain."""
        return seal_envelope(domain or self.domain, key or self.keys[signer.address], message)

    def opened(self, send: Send) -> Any:
        """The message in an envelope."""
        return parse_envelope(self.domain, send.data)[1]

    def on(self, sender: Role, kind: type[Message], react: Rule, *, to: Role | None = None) -> None:
        """Let ``react(sender, send)`` decide what passes in place of a message."""

        def rule(role: Role, send: Send) -> Iterable[Send]:
            meant = role is sender and send.kind == kind.__name__
            if not meant or (to is not None and send.recipient != to.address):
                return [send]
            return react(role, send)

        self.wire.rules.append(rule)

    def alter(
        self,
        sender: Role,
        kind: type[Message],
        change: Change,
        *,
        to: Role | None = None,
        add: bool = False,
        **signing: Any,
    ) -> None:
        """Replace a message by ``change(message)``, signed anew; ``add`` keeps the first too.

        ``change`` returns a message, ready bytes, a list of those, or None for silence.
        """

        def react(role: Role, send: Send) -> Iterable[Send]:
            made = change(self.opened(send))
            if made is None:
                made = []
            made = made if isinstance(made, list) else [made]
            data = [m if isinstance(m, bytes) else self.signed(role, m, **signing) for m in made]
            changed = [Send(send.recipient, send.kind, one) for one in data]
            return [send, *changed] if add else changed

        self.on(sender, kind, react, to=to)

    def insert(
        self,
        when: tuple[Role, type[Message]],
        recipient: Role,
        make: Callable[[], bytes],
        *,
        after: bool = False,
    ) -> None:
        """Hand ``make()`` to ``recipient`` just before (or after) the first such message."""
        done: list[bool] = []

        def react(role: Role, send: Send) -> Iterable[Send]:
            del role
            if done:
                return [send]
            done.append(True)
            extra = Send(recipient.address, "inserted", make())
            return [send, extra] if after else [extra, send]

        self.on(*when, react)

    def silence(self, role: Role, *kinds: type[Message]) -> None:
        """Let a node send nothing, or nothing of these kinds."""
        names = {kind.__name__ for kind in kinds}

        def rule(sender: Role, send: Send) -> Iterable[Send]:
            return [] if sender is role and (not names or send.kind in names) else [send]

        self.wire.rules.append(rule)

    def alter_call(self, kind: type, change: Change, *, sender: Role | None = None) -> None:
        """Replace a transaction by ``change(call)``; None withholds it."""
        if self._tampered is None:
            self._tampered = TamperedChain(self.network.chain)
            self.network.chain = self._tampered
        self._tampered.rules.append((kind, sender.address if sender else None, change))

    def restore(self) -> None:
        """Stop interfering."""
        self.wire.rules.clear()
        if self._tampered is not None:
            self._tampered.rules.clear()

    # ---- what came of it

    @cached_property
    def parties(self) -> dict[str, Role]:
        """Every node by a short name: ``device 0.3``, ``fog 0``, ``cloud 0``."""
        named: dict[str, Role] = {}
        for cluster, members in enumerate(self.devices):
            named |= {f"device {cluster}.{i}": device for i, device in enumerate(members)}
        named |= {f"fog {i}": fog for i, fog in enumerate(self.fogs)}
        return named | {f"cloud {i}": cloud for i, cloud in enumerate(self.clouds)}

    def name_of(self, account: bytes) -> str:
        """The short name of a node by its account."""
        return next(name for name, role in self.parties.items() if role.address == account)

    @property
    def refusals(self) -> dict[str, dict[str, int]]:
        """How often each node refused something, by code; nodes that did not are left out."""
        return {name: dict(role.rejected) for name, role in self.parties.items() if role.rejected}

    @property
    def reverts(self) -> list[str]:
        """Why transactions failed, in order."""
        return [receipt.error for receipt in self.record.receipts if receipt.error]

    @property
    def phase(self) -> str:
        """Of the latest round, as S says."""
        return PHASES[int(self.contract.call("phase"))]

    @property
    def committed(self) -> bytes:
        """Digest of the commitment to the model that S holds."""
        return bytes(self.contract.call("modelDigest"))

    def sent(self, sender: Role, kind: type[Message]) -> list[Any]:
        """What a node sent of a kind, before anybody interfered."""
        name = kind.__name__
        return [
            self.opened(s) for role, s in self.record.sends if role is sender and s.kind == name
        ]

    def notes(self, kind: str) -> list[dict[str, Any]]:
        """The fields of all notes of a kind, in order."""
        return [note.fields for _, note in self.record.notes if note.kind == kind]
