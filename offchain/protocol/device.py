"""The device: trains on its own rows, masks, deals, checks shares, attests and reveals its sum.

Each step is one method named after the step of the specification (section 3). A device signs one
thing a step and a round: what it has signed it repeats, and never replaces.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from offchain.crypto import candidates
from offchain.crypto.attestation import BlsSecretKey
from offchain.crypto.field import FieldVector, parse_field_vector
from offchain.crypto.noise import NoiseSeed, noise_values
from offchain.crypto.randomness import Randomness
from offchain.crypto.sealing import SealingKey
from offchain.errors import VerifogError
from offchain.protocol import anchoring, evidence, masking, messages, selected_set, sharing
from offchain.protocol.chain import (
    BeaconDrawn,
    Call,
    ClusterAnchored,
    CumulativeSubmitted,
    Event,
    MemberAdmitted,
    MemberRemoved,
    NoiseRootRecorded,
    ResultAccepted,
    RoundOpened,
)
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.errors import (
    AnchorMismatch,
    Equivocation,
    ModelMismatch,
    NoisePathMismatch,
    QualifiedMismatch,
    ResultMismatch,
    TooEarly,
    UnknownSender,
    WrongPhase,
    WrongRound,
)
from offchain.protocol.held_model import HeldModel
from offchain.protocol.releases import Basis, Releases
from offchain.protocol.role import ClusterRoster, Role, Task
from offchain.protocol.statements import Statements, equivocation, signed_statement


class Trainer(Protocol):
    """What a device does with its own rows. Implemented over ``offchain.learning``."""

    def update(self, model: Sequence[int], *, updates_model: bool) -> NDArray[np.int64]:
        """Make the update ``[count, values...]`` (int64) from the model's slots (centred ints)."""
        ...

    def absorb(self, statistics: Sequence[int]) -> None:
        """Take the data slots (centred ints) of a statistics round's result."""
        ...


@dataclass(frozen=True)
class DeviceKeys:
    """The three keys of a device. Their types hide themselves."""

    signing: SigningKey
    attestation: BlsSecretKey
    sealing: SealingKey


@dataclass
class _RoundState:
    opened: RoundOpened
    roster: ClusterRoster  # the members when the round opened
    beacon: bytes | None = None
    model: FieldVector | None = None
    owed: tuple[int, ...] = ()
    update: masking.MaskedUpdate | None = None
    selection: selected_set.SelectedSet | None = None
    accepted: dict[int, FieldVector] = field(default_factory=dict)
    reported: bool = False
    qualified: tuple[int, ...] = ()
    total: FieldVector | None = None
    anchor_message: bytes | None = None
    revealed: bool = False
    apart: bool = False  # noise of its own stays in the update


@dataclass
class _SuspectAnchor:
    """An anchor that is not the one this device attested, with what it knows of that round."""

    anchored: ClusterAnchored
    selection: selected_set.SelectedSet
    qualified: tuple[int, ...]
    vector_digest: bytes = evidence.NOTHING


class Device(Role):
    """A device of one cluster.

    Parameters
    ----------
    task
        What every party knows.
    roster
        The members of its cluster, as S announced them.
    index
        Its own index in the cluster.
    keys
        Its keys.
    trainer
        Its own data and model kind.
    randomness
        Secret stream; every random choice derives from it, round by round.
    """

    name = "device"

    def __init__(
        self,
        task: Task,
        roster: ClusterRoster,
        index: int,
        keys: DeviceKeys,
        trainer: Trainer,
        randomness: Randomness,
    ) -> None:
        super().__init__(task, keys.signing)
        self.roster = roster
        self.index = index
        self._keys = keys
        self._trainer = trainer
        self._randomness = randomness
        self._round: _RoundState | None = None
        self._last_round = 0
        self._batches: dict[int, masking.NoiseBatch] = {}
        self._recorded: dict[int, bytes] = {}
        self._confirmed: set[int] = set()
        self._drawn: dict[int, tuple[int, int]] = {}  # batch and candidate drawn, by round
        self._statistics: dict[int, tuple[bytes, bytes]] = {}
        self._statements = Statements()
        self._releases = Releases(task.parameters.min_qualified)
        self._reports: list[Call] = []
        self._suspect: _SuspectAnchor | None = None
        self._held = HeldModel()

    # ---- the chain

    def _on_event(self, event: Event) -> None:
        match event:
            case RoundOpened() if event.round > self._last_round:
                self._send_reports()
                self._statements.forget(event.round)
                self._round = _RoundState(event, self.roster.copy())
                self._last_round = event.round
                self._seen.clear()
                self._drop_old_batches(event.round)
            case BeaconDrawn() if self._round and event.round == self._round.opened.round:
                # The first beacon seen stays: another one would open the seed that masks.
                self._round.beacon = self._round.beacon or event.beacon
                self._draw(self._round)
                self._guarded_train()
            case NoiseRootRecorded() if event.cluster == self.roster.cluster:
                self._recorded[event.batch] = event.root
            case ClusterAnchored() if event.cluster == self.roster.cluster:
                self._suspect_anchor(event)
                self._reveal(event)
            case CumulativeSubmitted() if event.cluster == self.roster.cluster and self._suspect:
                self._suspect.vector_digest = event.vector_digest
            case ResultAccepted():
                if self.task.parameters.model_rule == 0:
                    self._held.change(event.factor)
                if self._round and not self._round.opened.updates_model:
                    self._statistics[event.round] = (event.commitment_digest, event.vector_digest)
                self._send_reports()
            case MemberRemoved():
                self._forget(event.account)
            case MemberAdmitted():
                self.roster.admit(event)
            case _:
                pass

    def _forget(self, account: bytes) -> None:
        for index, member in list(self.roster.members.items()):
            if member.account == account:
                del self.roster.members[index]

    def _drop_old_batches(self, current: int) -> None:
        keep = self.task.parameters.noise_rounds
        for batch in [b for b in self._batches if b + keep <= current]:
            del self._batches[batch]
            self._recorded.pop(batch, None)
            self._confirmed.discard(batch)

    def _on_tick(self) -> None:
        if self._round is not None and self.now >= self._round.opened.aggregate_deadline:
            self._send_reports()

    # ---- messages

    def _on_message(self, sender: bytes, message: messages.Message, data: bytes) -> None:
        if sender != self.roster.fog:
            raise UnknownSender(f"sender: 0x{sender.hex()} is not the fog of this cluster")
        if message.cluster != self.roster.cluster:
            raise WrongRound(f"cluster: {message.cluster}, mine is {self.roster.cluster}")
        self._compare(message, data)
        match message:
            case messages.NoiseCall():
                self._prepare_noise(message)
                return
            case messages.NoiseReceipt():
                self._confirm_noise(message)
                return
            case messages.Statistics():
                self._absorb(message)
                return
        state = self._round
        if message.round > self._last_round:
            raise TooEarly(f"round: {message.round}, open is {self._last_round}")
        if state is None or message.round != state.opened.round:
            raise WrongRound(f"round: {message.round}, open is {self._last_round}")
        match message:
            case messages.ModelOffer():
                self._take_model(state, message)
            case messages.Selection():
                self._deal(state, message)
            case messages.Delivery():
                self._check_shares(state, message)
            case messages.Qualified():
                self._sum(state, message)
            case messages.AnchorProposal():
                self._attest(state, message)
            case _:
                raise WrongPhase(f"message: a device takes no {type(message).__name__}")

    # ---- evidence against the fog

    def _compare(self, message: messages.Message, data: bytes) -> None:
        """Report a fog that contradicts what it signed before, whatever its message is worth."""
        statement = signed_statement(message, data)
        if statement is None or statement.round > self._last_round + 1:
            return
        first = self._statements.take(self.roster.fog, statement)
        if first is not None:
            self._reports.append(equivocation(first, statement, b""))

    def _suspect_anchor(self, event: ClusterAnchored) -> None:
        state = self._round
        if state is None or state.selection is None or event.round != state.opened.round:
            return
        if event.anchor_message != state.anchor_message:
            self._suspect = _SuspectAnchor(event, state.selection, state.qualified)

    def _send_reports(self) -> None:
        """After a round, so as not to disturb those who are honest in it."""
        if self._suspect is not None:
            suspect, self._suspect = self._suspect, None
            false = evidence.anchor_evidence(
                suspect.anchored, suspect.selection, suspect.vector_digest, suspect.qualified
            )
            if false is not None:
                self._reports.append(false)
        for call in self._reports:
            self._transact(call)
        self._reports = []

    # ---- noise (before the rounds it serves)

    def _prepare_noise(self, call: messages.NoiseCall) -> None:
        if call.round > self._last_round + 1:
            raise TooEarly(f"batch: {call.round}, due is {self._last_round + 1}")
        if call.round != self._last_round + 1:
            raise WrongRound(f"batch: {call.round}, due is {self._last_round + 1}")
        batch = self._batches[call.round] = self._noise_batch(call.round)
        self._send(
            self.roster.fog,
            messages.NoiseRoot(
                round=call.round, cluster=call.cluster, index=self.index, root=batch.root
            ),
        )

    def _confirm_noise(self, receipt: messages.NoiseReceipt) -> None:
        batch = self._batches.get(receipt.round)
        if batch is not None and receipt.round not in self._recorded:
            raise TooEarly(f"noise: S has recorded no root for batch {receipt.round} yet")
        if batch is None or self._recorded.get(receipt.round) != receipt.root:
            raise NoisePathMismatch("noise: the receipt names a root that S does not hold")
        leaf = messages.noise_root_leaf(self.index, self.address, batch.root)
        if not anchoring.under(receipt.root, receipt.position, receipt.count, leaf, receipt.path):
            raise NoisePathMismatch("noise: the device's root does not lie under the recorded one")
        self._confirmed.add(receipt.round)
        if self._round is not None:
            self._draw(self._round)
        self._guarded_train()

    def _current_batch(
        self, round_number: int, *, confirmed: bool = True
    ) -> masking.NoiseBatch | None:
        """The newest batch that covers a round, of those whose receipt has come or of all."""
        span = self.task.parameters.noise_rounds
        for start in sorted(self._confirmed if confirmed else self._batches, reverse=True):
            if start <= round_number < start + span:
                return self._batches[start]
        return None

    # ---- steps 1 and 2: train and mask

    def _take_model(self, state: _RoundState, offer: messages.ModelOffer) -> None:
        if state.model is not None:
            return
        model = parse_field_vector(offer.model, self.task.layout.length)
        commitment = self._held.commit(self.task.key, model)
        if commitment.digest != state.opened.model_digest:
            raise ModelMismatch(f"model: not the one that S holds for round {state.opened.round}")
        self._held = HeldModel(model, commitment)
        state.model = model
        state.owed = offer.owed
        self._guarded_train()

    def _guarded_train(self) -> None:
        """Train when all is there. A failure of one's own costs the round, and is said."""
        state = self._round
        if state is None or state.update or state.beacon is None or state.model is None:
            return
        batch = self._current_batch(state.opened.round)
        if batch is None:
            return
        try:
            values = self._trainer.update(
                self.task.layout.extract(state.model), updates_model=state.opened.updates_model
            )
        except VerifogError as error:
            self._note("sits-out", round=state.opened.round, detail=str(error))
            self._round = None
            return
        values = self._set_apart(state, values)
        secret = self._randomness.child(b"update %d" % state.opened.round)
        state.update = masking.mask_update(
            self.task, self.address, values, batch, state.opened.round, state.beacon, secret
        )
        packet = masking.packet(
            state.update,
            batch,
            state.opened.round,
            self.roster.cluster,
            self.index,
            self._past_noise(state),
        )
        self._send(self.roster.fog, packet)

    def _set_apart(self, state: _RoundState, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where a sum was refused, noise as of one mask goes into the update, but not its count.

        Sums of such updates show no more than masked updates do (decision 25).
        """
        linear = self.task.parameters.model_rule == 0 and state.opened.updates_model
        if not linear or not self._releases.stuck(Basis.of(state.opened)):
            return values
        state.apart = True
        self._note("noise-stays", round=state.opened.round)
        randomness = self._randomness.child(b"apart %d" % state.opened.round)
        noise = noise_values(NoiseSeed.draw(randomness), self.task.layout)[: len(values)]
        noise[0] = 0
        return values + noise

    def _draw(self, state: _RoundState) -> None:
        """Remember which candidate the first beacon of a round drew: it is never opened.

        A round without a receipt counts too: the fog will want to see its noise.
        """
        number = state.opened.round
        batch = self._current_batch(number) or self._current_batch(number, confirmed=False)
        if batch is not None and state.beacon is not None and number not in self._drawn:
            place = number - batch.start
            per_round = self.task.parameters.candidates
            drawn = candidates.choose(state.beacon, self.address, place, per_round)
            self._drawn[number] = (batch.start, drawn)

    def _past_noise(self, state: _RoundState) -> tuple[messages.PastNoise, ...]:
        """The noise of earlier rounds that the fog has missed, but for what was drawn."""
        shown = []
        for number in sorted(set(state.owed)):
            if number >= state.opened.round or number not in self._drawn:
                continue
            start, drawn = self._drawn[number]
            shown.append(masking.past_noise(self._noise_batch(start), number, drawn))
        return tuple(shown)

    def _noise_batch(self, start: int) -> masking.NoiseBatch:
        """The batch that begins with a round; made again from its secret if it was dropped."""
        batch = self._batches.get(start)
        if batch is None:
            secret = self._randomness.child(b"noise batch %d" % start)
            batch = masking.make_noise_batch(self.task, start, secret)
        return batch

    # ---- step 5: share

    def _deal(self, state: _RoundState, selection: messages.Selection) -> None:
        if state.update is None:
            raise WrongPhase("selection: nothing was sent in this round")
        if state.selection is not None:
            if state.selection.root != selection.root:
                raise Equivocation("selection: the fog has signed two different ones")
            return
        chosen = selected_set.parse_selection(self.task, state.roster, selection)
        chosen.require_member(self.index, self.address, state.update.commitment)
        state.selection = chosen
        secret = self._randomness.child(b"deal %d" % state.opened.round)
        dealing = sharing.deal_shares(
            self.task,
            state.roster,
            chosen,
            self.index,
            state.update,
            state.opened.round,
            secret,
        )
        state.accepted[self.index] = dealing.own_share
        witness = messages.seal_envelope(self._domain, self._signing_key, dealing.witness)
        self._send(
            self.roster.fog,
            messages.Deal(
                round=state.opened.round,
                cluster=self.roster.cluster,
                index=self.index,
                witness=witness,
                shares=dealing.sealed,
            ),
        )

    # ---- step 6: check shares

    def _check_shares(self, state: _RoundState, delivery: messages.Delivery) -> None:
        if state.selection is None or state.reported:
            raise WrongPhase("delivery: before the selection, or after the report")
        outcome = sharing.check_delivery(
            self.task,
            self._domain,
            state.roster,
            state.selection,
            self.index,
            self._keys.sealing,
            delivery,
            self._randomness.child(b"check %d" % state.opened.round),
        )
        for refused, error in outcome.refused:
            self._reject(error, dealer=refused)
        state.accepted.update(outcome.shares)
        state.reported = True
        self._send(
            self.roster.fog,
            messages.ShareReport(
                round=state.opened.round,
                cluster=self.roster.cluster,
                index=self.index,
                accepted=tuple(sorted(state.accepted)),
                complaints=outcome.complaints,
            ),
        )

    # ---- step 8: sum and attest

    def _sum(self, state: _RoundState, qualified: messages.Qualified) -> None:
        if state.selection is None:
            raise WrongPhase("qualified set: before the selection")
        if state.total is None:
            self._check_qualified(state, state.selection, qualified)
            state.qualified = qualified.indices
            state.total = FieldVector.sum([state.accepted[i] for i in qualified.indices])
        elif qualified.indices != state.qualified:
            raise Equivocation("qualified set: the fog has named two different ones")
        self._send(
            self.roster.fog,
            messages.SumDigest(
                round=state.opened.round,
                cluster=self.roster.cluster,
                index=self.index,
                root=qualified.root,
                digest=state.total.keccak(),
            ),
        )

    def _check_qualified(
        self,
        state: _RoundState,
        selection: selected_set.SelectedSet,
        qualified: messages.Qualified,
    ) -> None:
        indices = qualified.indices
        minimum = self.task.parameters.min_qualified
        if list(indices) != sorted(set(indices)):
            raise QualifiedMismatch("qualified set: indices must rise")
        if len(indices) < minimum:
            raise QualifiedMismatch(f"qualified set: {len(indices)} dealers, at least {minimum}")
        missing = [i for i in indices if i not in state.accepted]
        if missing:
            raise QualifiedMismatch(f"qualified set: shares of {missing} were not accepted")
        if not state.apart:
            self._releases.require_safe(Basis.of(state.opened), indices)
        if qualified.root != selection.root_of(indices):
            raise QualifiedMismatch(
                "qualified set: the root is not that of the selected commitments"
            )

    def _attest(self, state: _RoundState, proposal: messages.AnchorProposal) -> None:
        if state.total is None or state.selection is None:
            raise WrongPhase("anchor: before the sum")
        leaf = messages.sum_leaf(self.index, state.total.keccak())
        if not anchoring.under(
            proposal.sums_root, proposal.position, proposal.count, leaf, proposal.path
        ):
            raise AnchorMismatch("anchor: the digest of my sum does not lie under the root of sums")
        anchor = anchoring.make_anchor(state.selection, state.qualified, proposal.sums_root)
        if anchor.commitments.to_bytes() != proposal.commitments:
            raise AnchorMismatch("anchor: the sum of commitments is not that of the qualified set")
        message = anchoring.anchor_message(self.task, state.opened.round, state.roster, anchor)
        if state.anchor_message not in (None, message):
            raise Equivocation("anchor: another one was attested in this round")
        state.anchor_message = message
        self._send(
            self.roster.fog,
            messages.Attestation(
                round=state.opened.round,
                cluster=self.roster.cluster,
                index=self.index,
                message=message,
                signature=self._keys.attestation.sign(message).to_bytes(),
            ),
        )

    # ---- step 9: reveal

    def _reveal(self, event: ClusterAnchored) -> None:
        state = self._round
        if state is None or state.total is None or event.round != state.opened.round:
            return
        if event.anchor_message != state.anchor_message or state.revealed:
            return  # S holds another anchor than mine: my sum stays with me
        state.revealed = True
        if not state.apart:
            self._releases.add(Basis.of(state.opened), state.qualified)
        self._send(
            self.roster.fog,
            messages.Reveal(
                round=event.round,
                cluster=self.roster.cluster,
                index=self.index,
                total=state.total.to_bytes(),
            ),
        )

    # ---- the result of a statistics round

    def _absorb(self, message: messages.Statistics) -> None:
        expected = self._statistics.get(message.round)
        total = parse_field_vector(message.total, self.task.layout.length)
        if expected is None and message.round >= self._last_round:
            raise TooEarly("statistics: S has accepted no result of this round yet")
        if expected is None or expected != (
            self.task.key.commit(total).digest,
            total.keccak(),
        ):
            raise ResultMismatch("statistics: not the result that S accepted")
        self._trainer.absorb(self.task.layout.extract(total))
