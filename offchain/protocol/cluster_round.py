"""One round of one cluster, as its fog runs it: verify, select, share, attest, reconstruct.

It moves on as soon as everybody awaited has answered, or when the step's deadline has passed. Step
deadlines divide the time until the round's anchor deadline (specification, section 3.4).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from offchain.crypto.candidates import Spread
from offchain.crypto.curve import g1_to_bytes
from offchain.crypto.field import FieldVector
from offchain.crypto.randomness import Randomness
from offchain.errors import VerifogError
from offchain.protocol import (
    aggregation,
    anchoring,
    complaints,
    evidence,
    masking,
    messages,
    noise_book,
    selected_set,
    sharing,
)
from offchain.protocol.chain import Call, RoundOpened, Statement, SubmitAnchor, SubmitCumulative
from offchain.protocol.errors import (
    AttestationMismatch,
    Equivocation,
    ShareMismatch,
    SumMismatch,
    UnknownSender,
    WrongPhase,
    WrongRound,
)
from offchain.protocol.messages import Message
from offchain.protocol.releases import Basis, Releases
from offchain.protocol.role import ClusterRoster, Task
from offchain.protocol.selecting import Chosen, Selector
from offchain.protocol.statements import Statements

M = TypeVar("M")


class Step(IntEnum):
    """Where a cluster's round stands. Steps only grow."""

    WAITING = 0
    MASKING = 1
    SHARING = 2
    REPORTING = 3
    SUMMING = 4
    ATTESTING = 5
    ANCHORING = 6
    REVEALING = 7
    SUBMITTING = 8
    DONE = 9
    FAILED = 10


# Share of the time until the anchor deadline at which each step stops waiting.
_STEP_DEADLINES = {
    Step.MASKING: 0.35,
    Step.SHARING: 0.50,
    Step.REPORTING: 0.65,
    Step.SUMMING: 0.75,
    Step.ATTESTING: 0.85,
}


@dataclass(frozen=True)
class Outbox:
    """The fog's ways out, for its round to use."""

    send: Callable[[bytes, Message], None]
    transact: Callable[[Call], None]
    report: Callable[[Call], None]
    note: Callable[..., None]
    reject: Callable[..., None]


class ClusterRound:
    """A cluster's round.

    Parameters
    ----------
    task, selector
        As the fog's.
    roster
        The members when the round opened.
    live
        The members as they are: only they can attest.
    opened
        What S said of the round.
    batch
        Start of the noise batch in force.
    noise_roots
        Each device's noise root of that batch: who takes part.
    debts
        Noise of earlier rounds that devices have still to open.
    statements
        What devices signed first: their noise roots are evidence.
    releases
        Over whom sums of this cluster were released.
    randomness
        Secret stream of this round.
    outbox
        The fog's ways out.
    spread
        As the built-in `map`: who recomputes the noise that is opened.
    """

    def __init__(
        self,
        task: Task,
        roster: ClusterRoster,
        live: ClusterRoster,
        selector: Selector,
        opened: RoundOpened,
        batch: int,
        noise_roots: Mapping[int, bytes],
        debts: noise_book.NoiseDebts,
        statements: Statements,
        releases: Releases,
        randomness: Randomness,
        outbox: Outbox,
        spread: Spread,
    ) -> None:
        self.task = task
        self.roster = roster
        self._live_roster = live
        self.opened = opened
        self.number = opened.round
        self.step = Step.WAITING
        self.total: FieldVector | None = None
        self._now = opened.opened_at
        self._selector = selector
        self._batch = batch
        self._noise_roots = noise_roots
        self._debts = debts
        self._statements = statements
        self._releases = releases
        self._randomness = randomness
        self._send, self._transact, self._report = outbox.send, outbox.transact, outbox.report
        self._note, self._refuse = outbox.note, outbox.reject
        self._spread = spread
        self._beacon = b""
        self._offered: set[int] = set()
        self._packets: dict[int, messages.MaskedPacket] = {}
        self._selection: selected_set.SelectedSet | None = None
        self._deals: dict[int, messages.Deal] = {}
        self._witnesses: dict[int, messages.Witness] = {}
        self._reports: dict[int, messages.ShareReport] = {}
        self._live: tuple[int, ...] = ()
        self._qualified: tuple[int, ...] = ()
        self._digests: dict[int, bytes] = {}
        self._built: anchoring.BuiltAnchor | None = None
        self._attestations: dict[int, bytes] = {}
        self._signers: tuple[int, ...] = ()
        self._reveals: dict[int, FieldVector] = {}
        self._tried = False

    # ---- time

    def next_wake(self) -> int | None:
        """When the step in hand stops waiting."""
        if self.step in _STEP_DEADLINES:
            return self._deadline()
        return self._reveal_deadline() if self.step is Step.REVEALING else None

    def tick(self, now: int) -> None:
        """Stop waiting where the deadline has passed."""
        self._now = now
        if self.step in _STEP_DEADLINES and now >= self._deadline():
            self._advance(late=True)
        elif self.step is Step.REVEALING and now >= self._reveal_deadline():
            self._reconstruct(last=True)

    def _deadline(self) -> int:
        span = self.opened.anchor_deadline - self.opened.opened_at
        return self.opened.opened_at + int(span * _STEP_DEADLINES[self.step])

    def _reveal_deadline(self) -> int:
        opened = self.opened
        return (opened.anchor_deadline + opened.cumulative_deadline) // 2

    def _advance(self, *, late: bool = False) -> None:
        """Go to the next step if nobody is awaited any more, or the deadline has passed."""
        awaited = self._awaited()
        if awaited and not late:
            return
        if awaited:
            self._note("dropped", round=self.number, step=self.step.name, devices=sorted(awaited))
        actions = {
            Step.MASKING: self._select,
            Step.SHARING: self._deliver,
            Step.REPORTING: self._qualify,
            Step.SUMMING: self._propose,
            Step.ATTESTING: self._anchor,
        }
        actions[self.step]()

    def _awaited(self) -> set[int]:
        selected = set(self._selection.indices) if self._selection else set()
        waiting = {
            Step.MASKING: self._offered - self._packets.keys(),
            Step.SHARING: selected - self._deals.keys(),
            Step.REPORTING: selected - self._reports.keys(),
            Step.SUMMING: set(self._live) - self._digests.keys(),
            Step.ATTESTING: self._digests.keys() - self._attestations.keys(),
        }
        return waiting[self.step] & self._live_roster.members.keys()

    def _fail(self, why: str) -> None:
        self.step = Step.FAILED
        self._note("cluster-failed", round=self.number, cluster=self.roster.cluster, why=why)

    def receive(self, index: int, message: Message) -> None:
        """Take a device's message of this round.

        Raises
        ------
        ProtocolError
            Naming the check that failed.
        """
        match message:
            case messages.MaskedPacket():
                self._collect(Step.MASKING, self._packets, index, message)
            case messages.Deal():
                self._collect_deal(index, message)
            case messages.ShareReport():
                self._collect_report(index, message)
            case messages.SumDigest():
                self._collect_digest(index, message)
            case messages.Attestation():
                self._collect_attestation(index, message)
            case messages.Reveal():
                self._collect_reveal(index, message)
            case _:
                raise WrongPhase(f"message: a fog takes no {type(message).__name__}")

    def member_removed(self) -> None:
        """A member left or was slashed: an attestation on its way holds without it."""
        if self.step is Step.ANCHORING:
            self._anchor()
        elif self.step in _STEP_DEADLINES:
            self._advance()

    def _collect(self, step: Step, into: dict[int, M], index: int, message: M) -> None:
        if self.step is not step:
            raise WrongPhase(f"{type(message).__name__}: the round is in step {self.step.name}")
        if index in into:
            if into[index] != message:
                raise Equivocation(f"{type(message).__name__}: device {index} sent two")
            return
        into[index] = message
        self._advance()

    # ---- steps 1 to 4: offer the model, verify, select

    def start(self, beacon: bytes, model: bytes) -> None:
        """Offer the model to every device whose noise is committed."""
        if self.step is not Step.WAITING:
            return
        self.step = Step.MASKING
        self._beacon = beacon
        for index in sorted(self._noise_roots):
            member = self.roster.members.get(index)
            if member is None:
                continue
            self._offered.add(index)
            self._send(
                member.account,
                messages.ModelOffer(
                    round=self.number,
                    cluster=self.roster.cluster,
                    model=model,
                    owed=tuple(owed.round for owed in self._debts.of(index)),
                ),
            )
        self._advance()

    def _select(self) -> None:
        round_number = self.number
        verified = masking.verify_packets(
            self.task,
            self.roster,
            self._noise_roots,
            round_number,
            self._batch,
            self._beacon,
            self._packets,
            self._randomness.child(b"masking"),
            self._debts,
            self._spread,
        )
        self._book_debts(verified.audited)
        for index, error in verified.refused:
            self._reject(error, index)
        self._report_noise(verified.false_noise)
        chosen = self._choose(verified.masked)
        for index, error in chosen.refused:
            self._reject(error, index)
        self._note("selected", round=round_number, cluster=self.roster.cluster, devices=chosen.kept)
        least = max(self.task.parameters.min_qualified, self.task.parameters.quorum)
        if len(chosen.kept) < least:
            self._fail(f"selected: {len(chosen.kept)} devices, at least {least} are needed")
            return
        self._selection = selected_set.select(
            self.roster,
            {i: verified.commitments[i] for i in chosen.kept},
        )
        self._packets = {}
        self.step = Step.SHARING
        selection = self._selection.message(round_number, self.roster.cluster)
        for index in chosen.kept:
            self._send(self._selection.accounts[index], selection)

    def _choose(self, masked: Mapping[int, NDArray[np.int64]]) -> Chosen:
        """Who is selected: where a sum was released on this model, just those of it, if all came.

        Devices release no other sum on it that shows fewer (decision 25).
        """
        before = self._releases.last(Basis.of(self.opened))
        if before and before <= masked.keys():
            return Chosen(tuple(sorted(before)))
        return self._selector.choose(self.number, masked, updates_model=self.opened.updates_model)

    def _report_noise(self, found: tuple[tuple[int, masking.OpenedCandidate], ...]) -> None:
        for index, false in found:
            device = self.roster.members[index].account
            root = self._statements.first(Statement.NOISE_ROOT, false.batch, device)
            if root is not None:
                for call in evidence.false_noise(
                    self.task, self.roster, index, device, root, false
                ):
                    self._report(call)

    def _book_debts(self, audited: frozenset[int]) -> None:
        """Who has shown its noise owes nothing; who was offered the model and has not, owes it."""
        for index in self._offered:
            if index in audited:
                self._debts.settle(index)
            else:
                root = self._noise_roots[index]
                owed = noise_book.OwedRound(self.number, self._batch, root, self._beacon)
                self._debts.incur(index, owed)

    # ---- steps 5 to 7: hand on the shares, qualify

    def _collect_deal(self, index: int, deal: messages.Deal) -> None:
        if self.step is not Step.SHARING or self._selection is None:
            raise WrongPhase(f"Deal: the round is in step {self.step.name}")
        if index not in self._deals:
            self._witnesses[index] = sharing.parse_deal(
                self.task, self.task.separator, self.roster, self._selection, index, deal
            )
        self._collect(Step.SHARING, self._deals, index, deal)

    def _deliver(self) -> None:
        self.step = Step.REPORTING
        if self._selection is None:
            return
        for recipient in self._selection.indices:
            delivery = sharing.delivery(self.number, self.roster.cluster, recipient, self._deals)
            self._send(self._selection.accounts[recipient], delivery)
        self._advance()

    def _collect_report(self, index: int, report: messages.ShareReport) -> None:
        if self._selection is not None and index not in self._selection.accounts:
            raise UnknownSender(f"ShareReport: device {index} was not selected: it holds no share")
        self._collect(Step.REPORTING, self._reports, index, report)

    def _qualify(self) -> None:
        if self._selection is None:
            return
        resolution = complaints.resolve(
            self.task,
            self.roster,
            self._selection,
            self._witnesses,
            self._reports,
            self._randomness.child(b"complaints"),
        )
        for index, error in resolution.refused:
            self._reject(error, index)
        for found in resolution.proven:
            self._report_dealer(self._selection, found)
        least = self.task.parameters.min_qualified
        if len(resolution.qualified) < least:
            self._fail(f"qualified: {len(resolution.qualified)}, at least {least}")
            return
        if len(resolution.live) < self.task.parameters.quorum:
            quorum = self.task.parameters.quorum
            self._fail(f"live: {len(resolution.live)}, quorum is {quorum}")
            return
        self._qualified, self._live = resolution.qualified, resolution.live
        self.step = Step.SUMMING
        message = messages.Qualified(
            round=self.number,
            cluster=self.roster.cluster,
            root=self._selection.root_of(self._qualified),
            indices=self._qualified,
        )
        for index in self._live:
            self._send(self._selection.accounts[index], message)

    def _report_dealer(
        self, selection: selected_set.SelectedSet, found: complaints.ProvenComplaint
    ) -> None:
        dealer = found.complaint.dealer
        witness, data = self._witnesses[dealer], self._deals[dealer].witness
        if isinstance(found.error, ShareMismatch):
            self._report(
                evidence.false_share(
                    self.task,
                    self.roster,
                    selection,
                    witness,
                    data,
                    found.peer,
                    found.complaint,
                )
            )
        else:
            self._report(evidence.false_witness(self.task, self.roster, witness, data))

    # ---- step 8: sum and anchor

    def _collect_digest(self, index: int, message: messages.SumDigest) -> None:
        if index not in self._live or self._selection is None:
            raise WrongPhase(f"SumDigest: device {index} is not among the live ones")
        if message.root != self._selection.root_of(self._qualified):
            raise WrongRound("SumDigest: for another qualified set")
        self._collect(Step.SUMMING, self._digests, index, message.digest)

    def _propose(self) -> None:
        if len(self._digests) < self.task.parameters.quorum or self._selection is None:
            self._fail(f"sums: {len(self._digests)}, quorum is {self.task.parameters.quorum}")
            return
        self._built = anchoring.build_anchor(
            self.task,
            self.roster,
            self.number,
            self._selection,
            self._qualified,
            self._digests,
        )
        self.step = Step.ATTESTING
        for index in sorted(self._digests):
            proposal = self._built.proposal(self.number, self.roster.cluster, index)
            self._send(self._selection.accounts[index], proposal)

    def _collect_attestation(self, index: int, message: messages.Attestation) -> None:
        if self._built is None or message.message != self._built.message:
            raise AttestationMismatch(f"attestation: device {index} signed another anchor")
        if index not in self._digests:
            raise WrongPhase(f"attestation: device {index} sent no digest")
        self._collect(Step.ATTESTING, self._attestations, index, message.signature)

    def _anchor(self) -> None:
        if self._built is None:
            return
        live = self._live_roster
        aggregate = anchoring.aggregate(
            live,
            self._built.message,
            {i: s for i, s in self._attestations.items() if i in live.members},
            self._randomness.child(b"attestations"),
        )
        for index, error in aggregate.refused:
            self._reject(error, index)
        quorum = self.task.parameters.quorum
        if len(aggregate.signers) < quorum or aggregate.signature is None:
            self._fail(f"attestations: {len(aggregate.signers)}, quorum is {quorum}")
            return
        self._signers = aggregate.signers
        self.step = Step.ANCHORING
        self._transact(
            SubmitAnchor(
                round=self.number,
                cluster=self.roster.cluster,
                batch=self._batch,
                anchor=self._built.anchor,
                signers=aggregate.signers,
                absent_keys=aggregate.absent_keys,
                signature=aggregate.signature,
            )
        )

    # ---- step 9: reconstruct

    def anchored(self, anchor_message: bytes) -> None:
        """S holds an anchor of this cluster."""
        meant = self._built is not None and anchor_message == self._built.message
        if meant and self.step is Step.ANCHORING:
            self._releases.add(Basis.of(self.opened), self._qualified)
            self.step = Step.REVEALING

    def _collect_reveal(self, index: int, message: messages.Reveal) -> None:
        if self.step in (Step.SUBMITTING, Step.DONE) or index in self._reveals:
            return  # enough have come already
        if self.step not in (Step.ANCHORING, Step.REVEALING) or self._built is None:
            raise WrongPhase(f"Reveal: the round is in step {self.step.name}")
        self._reveals[index] = anchoring.check_reveal(self.task, self._digests, index, message)
        self._reconstruct(last=len(self._reveals) == len(self._digests))

    def _reconstruct(self, *, last: bool) -> None:
        """Interpolate from the first t + l - 1 sums; when that fails, wait for all and locate."""
        quorum = self.task.parameters.quorum
        if self._built is None or self.total is not None:
            return
        if len(self._reveals) < quorum:
            if last and self._now >= self._reveal_deadline():
                self._fail(f"sums: {len(self._reveals)}, {quorum} are needed")
            return
        if not last and self._tried:
            return
        self._tried = True
        outcome = anchoring.reconstruct(
            self.task,
            self._built.anchor.commitments,
            self._reveals,
            self._randomness.child(b"decoding"),
            locate=last,
        )
        for index in outcome.wrong:
            self._reject(SumMismatch(f"sum: device {index} released a wrong sum"), index)
        if outcome.total is None:
            if last and self._now >= self._reveal_deadline():
                self._fail("sums: too many are wrong to locate")
            return
        self.total = outcome.total
        self.step = Step.SUBMITTING
        opening = aggregation.open_cumulative(self.task, self._built.message, outcome.total)
        self._transact(
            SubmitCumulative(
                round=self.number,
                cluster=self.roster.cluster,
                anchor=self._built.anchor,
                signer_count=len(self._signers),
                vector_digest=outcome.total.keccak(),
                y=opening.value,
                proof=g1_to_bytes(opening.proof),
            )
        )

    def submitted(self) -> messages.ClusterSum | None:
        """S holds the digest of the sum: the message to the cloud."""
        if self.total is None:
            return None
        self.step = Step.DONE
        return messages.ClusterSum(
            round=self.number, cluster=self.roster.cluster, total=self.total.to_bytes()
        )

    def _reject(self, error: VerifogError, device: int) -> None:
        self._refuse(error, device=device, round=self.number)
