"""The fog: verifies, selects and reconstructs its cluster's sum, and never stops for a culprit.

It moves on as soon as everybody awaited has answered, or when the step's deadline has passed. Step
deadlines divide the time until the round's anchor deadline (specification, section 3.3).
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

from offchain.crypto.curve import g1_to_bytes
from offchain.crypto.field import FieldVector
from offchain.crypto.randomness import Randomness
from offchain.protocol import aggregation, anchoring, masking, messages, sharing
from offchain.protocol.chain import (
    BeaconDrawn,
    ClusterAnchored,
    CumulativeSubmitted,
    Event,
    MemberRemoved,
    NoiseRootRecorded,
    RecordNoiseRoot,
    ReportFalseResult,
    ResultAccepted,
    ResultRejected,
    RoundOpened,
    SubmitAnchor,
    SubmitCumulative,
)
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.errors import (
    AttestationMismatch,
    Equivocation,
    ResultMismatch,
    SumMismatch,
    TooEarly,
    UnknownSender,
    WrongPhase,
    WrongRound,
)
from offchain.protocol.role import ClusterRoster, Effect, Role, Task
from offchain.protocol.selecting import Selector

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


@dataclass
class _RoundState:
    opened: RoundOpened
    batch: int | None
    step: Step = Step.WAITING
    beacon: bytes | None = None
    offered: set[int] = field(default_factory=set)
    packets: dict[int, messages.MaskedPacket] = field(default_factory=dict)
    selection: sharing.SelectedSet | None = None
    deals: dict[int, messages.Deal] = field(default_factory=dict)
    witnesses: dict[int, messages.Witness] = field(default_factory=dict)
    reports: dict[int, messages.ShareReport] = field(default_factory=dict)
    live: tuple[int, ...] = ()
    qualified: tuple[int, ...] = ()
    digests: dict[int, bytes] = field(default_factory=dict)
    anchor: anchoring.BuiltAnchor | None = None
    attestations: dict[int, bytes] = field(default_factory=dict)
    signers: tuple[int, ...] = ()
    reveals: dict[int, FieldVector] = field(default_factory=dict)
    tried: int = 0
    total: FieldVector | None = None


class Fog(Role):
    """The fog node of one cluster.

    Parameters
    ----------
    task
        What every party knows.
    roster
        The members of its cluster.
    clouds
        Accounts admitted as clouds; kept current from events.
    model
        The model at the start, as every party knows it.
    selector
        The selection rule.
    randomness
        Secret stream for the coefficients of batched checks.
    """

    name = "fog"

    def __init__(
        self,
        task: Task,
        roster: ClusterRoster,
        clouds: set[bytes],
        signing_key: SigningKey,
        model: FieldVector,
        selector: Selector,
        randomness: Randomness,
    ) -> None:
        super().__init__(task, signing_key)
        self.roster = roster
        self.clouds = clouds
        self._models: dict[bytes, FieldVector] = {task.key.commit(model).digest: model}
        self._selector = selector
        self._randomness = randomness
        self._round: _RoundState | None = None
        self._last_round = 0
        self._noise = masking.ClusterNoise(task, roster)
        self._noise_deadline: int | None = None
        self._accepted: ResultAccepted | None = None
        self.results: dict[int, FieldVector] = {}  # verified result of the latest settled round

    @property
    def model(self) -> FieldVector:
        """The newest model that this fog holds."""
        return list(self._models.values())[-1]

    def model_of(self, digest: bytes) -> FieldVector | None:
        """The model with a commitment digest, if this fog holds it."""
        return self._models.get(digest)

    @property
    def collecting_noise(self) -> bool:
        """Whether noise roots are awaited, or one is on its way to S."""
        return self._noise_deadline is not None

    @property
    def step(self) -> Step:
        """Where its round stands."""
        return self._round.step if self._round else Step.WAITING

    # ---- the chain

    def _on_event(self, event: Event) -> None:
        match event:
            case RoundOpened():
                self._open(event)
            case BeaconDrawn() if self._round and event.round == self._round.opened.round:
                self._round.beacon = event.beacon
                self._start_masking(self._round)
            case NoiseRootRecorded() if event.cluster == self.roster.cluster:
                self._hand_out_receipts(event)
            case ClusterAnchored() if event.cluster == self.roster.cluster:
                self._on_anchored(event)
            case CumulativeSubmitted() if event.cluster == self.roster.cluster:
                self._on_submitted(event)
            case ResultAccepted():
                self._accepted = event
            case ResultRejected():
                self._accepted = None
            case MemberRemoved():
                self._forget(event.account)
            case _:
                pass

    def _forget(self, account: bytes) -> None:
        self.clouds.discard(account)
        for index, member in list(self.roster.members.items()):
            if member.account == account:
                del self.roster.members[index]

    def _open(self, event: RoundOpened) -> None:
        self._last_round = event.round
        self._seen.clear()
        self._accepted = None
        batch = self._noise.batch_for(event.round)
        self._round = _RoundState(event, batch)
        self.now = max(self.now, event.opened_at)
        if batch is None:
            self._fail(self._round, "no noise root covers this round")
        if event.model_digest not in self._models:
            self._fail(self._round, "the model that S holds never reached this fog")

    # ---- time

    def next_wake(self) -> int | None:
        wakes = []
        if self._noise_deadline is not None:
            wakes.append(self._noise_deadline)
        state = self._round
        if state is not None and state.step in _STEP_DEADLINES:
            wakes.append(self._deadline(state))
        if state is not None and state.step is Step.REVEALING:
            wakes.append(self._reveal_deadline(state))
        return min(wakes) if wakes else None

    @staticmethod
    def _deadline(state: _RoundState) -> int:
        span = state.opened.anchor_deadline - state.opened.opened_at
        return state.opened.opened_at + int(span * _STEP_DEADLINES[state.step])

    @staticmethod
    def _reveal_deadline(state: _RoundState) -> int:
        opened = state.opened
        return (opened.anchor_deadline + opened.cumulative_deadline) // 2

    def _on_tick(self) -> None:
        if self._noise_deadline is not None and self.now >= self._noise_deadline:
            self._record_noise()
        state = self._round
        if state is None:
            return
        if state.step in _STEP_DEADLINES and self.now >= self._deadline(state):
            self._advance(state, late=True)
        elif state.step is Step.REVEALING and self.now >= self._reveal_deadline(state):
            self._reconstruct(state, last=True)

    def _advance(self, state: _RoundState, *, late: bool = False) -> None:
        """Go to the next step if nobody is awaited any more, or the deadline has passed."""
        awaited = self._awaited(state)
        if awaited and not late:
            return
        if awaited:
            self._note(
                "dropped", round=state.opened.round, step=state.step.name, devices=sorted(awaited)
            )
        actions = {
            Step.MASKING: self._select,
            Step.SHARING: self._deliver,
            Step.REPORTING: self._qualify,
            Step.SUMMING: self._propose,
            Step.ATTESTING: self._anchor,
        }
        actions[state.step](state)

    def _awaited(self, state: _RoundState) -> set[int]:
        selected = set(state.selection.indices) if state.selection else set()
        waiting = {
            Step.MASKING: state.offered - state.packets.keys(),
            Step.SHARING: selected - state.deals.keys(),
            Step.REPORTING: selected - state.reports.keys(),
            Step.SUMMING: set(state.live) - state.digests.keys(),
            Step.ATTESTING: state.digests.keys() - state.attestations.keys(),
        }
        return waiting[state.step] & self.roster.members.keys()

    def _fail(self, state: _RoundState, why: str) -> None:
        state.step = Step.FAILED
        self._note("cluster-failed", round=state.opened.round, cluster=self.roster.cluster, why=why)

    # ---- messages

    def _on_message(self, sender: bytes, message: messages.Message, data: bytes) -> None:
        if isinstance(message, messages.Result):
            self._check_result(sender, message, data)
            return
        index = self.roster.index_of(sender)
        if getattr(message, "index", index) != index:
            raise UnknownSender(f"sender: device {index} speaks for another index")
        if message.cluster != self.roster.cluster:
            raise WrongRound(f"cluster: {message.cluster}, mine is {self.roster.cluster}")
        if isinstance(message, messages.NoiseRoot):
            self._collect_noise(message)
            return
        state = self._round
        if message.round > self._last_round:
            raise TooEarly(f"round: {message.round}, open is {self._last_round}")
        if state is None or message.round != state.opened.round:
            raise WrongRound(f"round: {message.round}, open is {self._last_round}")
        match message:
            case messages.MaskedPacket():
                self._collect(state, Step.MASKING, state.packets, index, message)
            case messages.Deal():
                self._collect_deal(state, index, message)
            case messages.ShareReport():
                self._collect(state, Step.REPORTING, state.reports, index, message)
            case messages.SumDigest():
                self._collect_digest(state, index, message)
            case messages.Attestation():
                self._collect_attestation(state, index, message)
            case messages.Reveal():
                self._collect_reveal(state, index, message)
            case _:
                raise WrongPhase(f"message: a fog takes no {type(message).__name__}")

    def _collect(
        self, state: _RoundState, step: Step, into: dict[int, M], index: int, message: M
    ) -> None:
        if state.step is not step:
            raise WrongPhase(f"{type(message).__name__}: the round is in step {state.step.name}")
        if index in into:
            if into[index] != message:
                raise Equivocation(f"{type(message).__name__}: device {index} sent two")
            return
        into[index] = message
        self._advance(state)

    # ---- noise roots

    def call_noise(self) -> list[Effect]:
        """Ask the devices for their noise roots of the batch that begins with the next round."""
        batch = self._last_round + 1
        self._noise.start(batch)
        self._noise_deadline = self.now + self.task.parameters.anchor_time // 4
        for member in self.roster.members.values():
            self._send(member.account, messages.NoiseCall(round=batch, cluster=self.roster.cluster))
        return self._flush()

    def _collect_noise(self, message: messages.NoiseRoot) -> None:
        if self._noise_deadline is None:
            raise WrongPhase("noise root: none is awaited")
        self._noise.add(message)
        if self._noise.complete:
            self._record_noise()

    def _record_noise(self) -> None:
        self._noise_deadline = None
        if not self._noise.collected:
            self._note("noise-failed", cluster=self.roster.cluster, why="no device sent a root")
            return
        root = self._noise.close()
        self._transact(RecordNoiseRoot(self.roster.cluster, self._noise.pending, root))

    def _hand_out_receipts(self, event: NoiseRootRecorded) -> None:
        for account, receipt in self._noise.receipts(event.batch, event.root):
            self._send(account, receipt)

    def needs_noise(self, round_number: int) -> bool:
        """Whether no recorded root covers a round."""
        return self._noise.batch_for(round_number) is None

    # ---- steps 1 to 4: offer the model, verify, select

    def _start_masking(self, state: _RoundState) -> None:
        if state.step is not Step.WAITING or state.batch is None:
            return
        state.step = Step.MASKING
        model = self._models[state.opened.model_digest].to_bytes()
        for index in self._noise.members(state.batch):
            member = self.roster.members.get(index)
            if member is None:
                continue
            state.offered.add(index)
            self._send(
                member.account,
                messages.ModelOffer(
                    round=state.opened.round, cluster=self.roster.cluster, model=model
                ),
            )
        self._advance(state)

    def _select(self, state: _RoundState) -> None:
        round_number = state.opened.round
        verified = masking.verify_packets(
            self.task,
            self.roster,
            self._noise.roots(state.batch or 0),
            round_number,
            state.batch or 0,
            state.beacon or b"",
            state.packets,
            self._randomness.child(b"masking %d" % round_number),
        )
        for index, error in verified.refused:
            self._reject(error, device=index, round=round_number)
        chosen = self._selector.choose(
            round_number, verified.masked, updates_model=state.opened.updates_model
        )
        for index, error in chosen.refused:
            self._reject(error, device=index, round=round_number)
        self._note("selected", round=round_number, cluster=self.roster.cluster, devices=chosen.kept)
        least = max(self.task.parameters.min_qualified, self.task.parameters.quorum)
        if len(chosen.kept) < least:
            self._fail(state, f"selected: {len(chosen.kept)} devices, at least {least} are needed")
            return
        state.selection = sharing.select(
            self.roster, {i: verified.commitments[i] for i in chosen.kept}
        )
        state.packets = {}
        state.step = Step.SHARING
        selection = state.selection.message(round_number, self.roster.cluster)
        for index in chosen.kept:
            self._send(self.roster.members[index].account, selection)

    # ---- steps 5 to 7: hand on the shares, qualify

    def _collect_deal(self, state: _RoundState, index: int, deal: messages.Deal) -> None:
        if state.step is not Step.SHARING or state.selection is None:
            raise WrongPhase(f"Deal: the round is in step {state.step.name}")
        if index not in state.deals:
            state.witnesses[index] = sharing.parse_deal(
                self.task, self._domain, self.roster, state.selection, index, deal
            )
        self._collect(state, Step.SHARING, state.deals, index, deal)

    def _deliver(self, state: _RoundState) -> None:
        state.step = Step.REPORTING
        if state.selection is None:
            return
        for recipient in state.selection.indices:
            delivery = sharing.delivery(
                state.opened.round, self.roster.cluster, recipient, state.deals
            )
            self._send(self.roster.members[recipient].account, delivery)
        self._advance(state)

    def _qualify(self, state: _RoundState) -> None:
        if state.selection is None:
            return
        resolution = sharing.resolve(
            self.task,
            self.roster,
            state.selection,
            state.witnesses,
            state.reports,
            self._randomness.child(b"complaints %d" % state.opened.round),
        )
        for index, error in resolution.refused:
            self._reject(error, device=index, round=state.opened.round)
        least = self.task.parameters.min_qualified
        if len(resolution.qualified) < least:
            self._fail(state, f"qualified: {len(resolution.qualified)}, at least {least}")
            return
        if len(resolution.live) < self.task.parameters.quorum:
            quorum = self.task.parameters.quorum
            self._fail(state, f"live: {len(resolution.live)}, quorum is {quorum}")
            return
        state.qualified, state.live = resolution.qualified, resolution.live
        state.step = Step.SUMMING
        message = messages.Qualified(
            round=state.opened.round,
            cluster=self.roster.cluster,
            root=state.selection.root_of(state.qualified),
            indices=state.qualified,
        )
        for index in state.live:
            self._send(self.roster.members[index].account, message)

    # ---- step 8: sum and anchor

    def _collect_digest(self, state: _RoundState, index: int, message: messages.SumDigest) -> None:
        if index not in state.live or state.selection is None:
            raise WrongPhase(f"SumDigest: device {index} is not among the live ones")
        if message.root != state.selection.root_of(state.qualified):
            raise WrongRound("SumDigest: for another qualified set")
        self._collect(state, Step.SUMMING, state.digests, index, message.digest)

    def _propose(self, state: _RoundState) -> None:
        if len(state.digests) < self.task.parameters.quorum or state.selection is None:
            self._fail(
                state, f"sums: {len(state.digests)}, quorum is {self.task.parameters.quorum}"
            )
            return
        state.anchor = anchoring.build_anchor(
            self.task,
            self.roster,
            state.opened.round,
            state.selection,
            state.qualified,
            state.digests,
        )
        state.step = Step.ATTESTING
        for index in sorted(state.digests):
            proposal = state.anchor.proposal(state.opened.round, self.roster.cluster, index)
            self._send(self.roster.members[index].account, proposal)

    def _collect_attestation(
        self, state: _RoundState, index: int, message: messages.Attestation
    ) -> None:
        if state.anchor is None or message.message != state.anchor.message:
            raise AttestationMismatch(f"attestation: device {index} signed another anchor")
        if index not in state.digests:
            raise WrongPhase(f"attestation: device {index} sent no digest")
        self._collect(state, Step.ATTESTING, state.attestations, index, message.signature)

    def _anchor(self, state: _RoundState) -> None:
        if state.anchor is None:
            return
        aggregate = anchoring.aggregate(
            self.roster,
            state.anchor.message,
            state.attestations,
            self._randomness.child(b"attestations %d" % state.opened.round),
        )
        for index, error in aggregate.refused:
            self._reject(error, device=index, round=state.opened.round)
        quorum = self.task.parameters.quorum
        if len(aggregate.signers) < quorum or aggregate.signature is None:
            self._fail(state, f"attestations: {len(aggregate.signers)}, quorum is {quorum}")
            return
        state.signers = aggregate.signers
        state.step = Step.ANCHORING
        self._transact(
            SubmitAnchor(
                round=state.opened.round,
                cluster=self.roster.cluster,
                batch=state.batch or 0,
                anchor=state.anchor.anchor,
                signers=aggregate.signers,
                absent_keys=aggregate.absent_keys,
                signature=aggregate.signature,
            )
        )

    # ---- step 9: reconstruct

    def _on_anchored(self, event: ClusterAnchored) -> None:
        state = self._round
        if state and state.anchor and event.anchor_message == state.anchor.message:
            state.step = Step.REVEALING

    def _collect_reveal(self, state: _RoundState, index: int, message: messages.Reveal) -> None:
        if state.step in (Step.SUBMITTING, Step.DONE) or index in state.reveals:
            return  # enough have come already
        if state.step not in (Step.ANCHORING, Step.REVEALING) or state.anchor is None:
            raise WrongPhase(f"Reveal: the round is in step {state.step.name}")
        state.reveals[index] = anchoring.check_reveal(self.task, state.digests, index, message)
        self._reconstruct(state, last=len(state.reveals) == len(state.digests))

    def _reconstruct(self, state: _RoundState, *, last: bool) -> None:
        """Interpolate from the first t + l - 1 sums; when that fails, wait for all and locate."""
        quorum = self.task.parameters.quorum
        if state.anchor is None or state.total is not None:
            return
        if len(state.reveals) < quorum:
            if last and self.now >= self._reveal_deadline(state):
                self._fail(state, f"sums: {len(state.reveals)}, {quorum} are needed")
            return
        if not last and state.tried:
            return
        state.tried = len(state.reveals)
        outcome = anchoring.reconstruct(
            self.task,
            state.anchor.anchor.commitments,
            state.reveals,
            self._randomness.child(b"decoding %d" % state.opened.round),
            locate=last,
        )
        for index in outcome.wrong:
            self._reject(
                SumMismatch(f"sum: device {index} released a wrong sum"),
                device=index,
                round=state.opened.round,
            )
        if outcome.total is None:
            if last and self.now >= self._reveal_deadline(state):
                self._fail(state, "sums: too many are wrong to locate")
            return
        state.total = outcome.total
        state.step = Step.SUBMITTING
        opening = aggregation.open_cumulative(self.task, state.anchor.message, outcome.total)
        self._transact(
            SubmitCumulative(
                round=state.opened.round,
                cluster=self.roster.cluster,
                anchor=state.anchor.anchor,
                signer_count=len(state.signers),
                vector_digest=outcome.total.keccak(),
                y=opening.value,
                proof=g1_to_bytes(opening.proof),
            )
        )

    def _on_submitted(self, event: CumulativeSubmitted) -> None:
        state = self._round
        if state is None or state.total is None or event.round != state.opened.round:
            return
        state.step = Step.DONE
        message = messages.ClusterSum(
            round=event.round, cluster=self.roster.cluster, total=state.total.to_bytes()
        )
        for cloud in self.clouds:
            self._send(cloud, message)

    # ---- steps 11 and 12: verify the result, update the model

    def _check_result(self, sender: bytes, result: messages.Result, data: bytes) -> None:
        if sender not in self.clouds:
            raise UnknownSender(f"sender: 0x{sender.hex()} is no cloud")
        accepted = self._accepted
        if result.round == self._last_round and accepted is None:
            raise TooEarly(f"result: S has accepted none in round {result.round} yet")
        if accepted is None or accepted.round != result.round or accepted.cloud != sender:
            raise WrongRound(f"result: round {result.round} has none of this cloud")
        try:
            total = aggregation.check_result(self.task, accepted, result)
        except ResultMismatch:
            self._transact(
                ReportFalseResult(
                    round=result.round,
                    commitment_digest=result.commitment_digest,
                    vector_digest=aggregation.vector_digest(result.total),
                    signature=aggregation.envelope_signature(data),
                )
            )
            raise
        self._learn(accepted, total)

    def _learn(self, accepted: ResultAccepted, total: FieldVector) -> None:
        state = self._round
        if state is None or state.opened.model_digest not in self._models:
            return
        before = self._models[state.opened.model_digest]
        if not state.opened.updates_model:
            statistics = messages.Statistics(
                round=accepted.round, cluster=self.roster.cluster, total=total.to_bytes()
            )
            for member in self.roster.members.values():
                self._send(member.account, statistics)
            after = before
        else:
            after = before - total.scale(accepted.factor)
        digest = self.task.key.commit(after).digest
        if digest != accepted.model_digest:
            raise ResultMismatch("model: the update does not give the model that S holds")
        self._models = {state.opened.model_digest: before, digest: after}
        self.results = {accepted.round: total}
        self._note("updated", round=accepted.round, samples=accepted.samples)
