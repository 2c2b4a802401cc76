"""The fog of one cluster: noise roots, rounds, and the check of the cloud's result."""

from collections.abc import Callable, Iterable, Sequence

from offchain.crypto.candidates import Spread
from offchain.crypto.field import FieldVector, parse_field_vector
from offchain.crypto.layout import SlotLayout
from offchain.crypto.noise import NoiseSeed
from offchain.crypto.randomness import Randomness
from offchain.errors import VerifogError
from offchain.protocol import aggregation, evidence, messages, noise_book, voting
from offchain.protocol.chain import (
    BeaconDrawn,
    Call,
    CloudAdmitted,
    ClusterAnchored,
    CumulativeSubmitted,
    Event,
    FogAdmitted,
    MemberAdmitted,
    MemberRemoved,
    ModelVoted,
    NoiseRootRecorded,
    RecordNoiseRoot,
    ResultAccepted,
    ResultRejected,
    RoundOpened,
)
from offchain.protocol.cluster_round import ClusterRound, Outbox, Step
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.errors import (
    EvidenceTooLarge,
    ModelMismatch,
    ResultMismatch,
    TooEarly,
    UnknownSender,
    WrongPhase,
    WrongRound,
)
from offchain.protocol.releases import Releases
from offchain.protocol.role import ClusterRoster, Effect, Role, Task
from offchain.protocol.selecting import Selector
from offchain.protocol.statements import Statements, equivocation, signed_statement
from offchain.protocol.voting import Ballot, Solver


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
    peers
        Accounts of all fogs by cluster: whom to ask for a model that never came.
    solver
        Makes the next model in a task whose fogs vote for it; None where S computes it.
    """

    name = "fog"
    spread: Spread = map  # who draws opened noise again: a simulation has workers for it

    def __init__(
        self,
        task: Task,
        roster: ClusterRoster,
        clouds: set[bytes],
        signing_key: SigningKey,
        model: FieldVector,
        selector: Selector,
        randomness: Randomness,
        peers: dict[int, bytes] | None = None,
        solver: Solver | None = None,
    ) -> None:
        super().__init__(task, signing_key)
        self.roster = roster
        self.peers = peers or {}
        self.clouds = clouds
        self._models: dict[bytes, FieldVector] = {task.key.commit(model).digest: model}
        self._selector = selector
        self._randomness = randomness
        self._round: ClusterRound | None = None
        self._opened: RoundOpened | None = None
        self._beacon: bytes | None = None
        self._last_round = 0
        self._noise = noise_book.ClusterNoise(task, roster)
        self._debts = noise_book.NoiseDebts()
        self._noise_deadline: int | None = None
        self._accepted: ResultAccepted | None = None
        self._statements = Statements()
        self._releases = Releases(task.parameters.min_qualified)
        self._solver = solver
        self._ballot: Ballot | None = None
        self._submit_at: int | None = None  # when to submit the votes in place of the cloud
        self._reports: list[Call] = []
        self._unlearned: dict[int, ResultAccepted] = {}  # statistics that have not come yet
        self._statistics: tuple[int, bytes] | None = None  # the newest: who joins needs them
        self.results: dict[int, FieldVector] = {}  # verified result of the latest settled round

    @property
    def model(self) -> FieldVector:
        """The newest model that this fog holds."""
        return list(self._models.values())[-1]

    def remember(self, model: FieldVector) -> None:
        """Take back a model that was held before, such as from a copy on disk."""
        self._models[self.task.key.commit(model).digest] = model

    def model_of(self, digest: bytes) -> FieldVector | None:
        """The model with a commitment digest, if this fog holds it."""
        return self._models.get(digest)

    @property
    def collecting_noise(self) -> bool:
        """Whether noise roots are awaited, or one is on its way to S."""
        return self._noise_deadline is not None

    @property
    def last_round(self) -> int:
        """The newest round it has seen open."""
        return self._last_round

    @property
    def step(self) -> Step:
        """Where its round stands."""
        return self._round.step if self._round else Step.WAITING

    # ---- the chain

    def _on_event(self, event: Event) -> None:
        match event:
            case RoundOpened() if event.round > self._last_round:
                self._open(event)
            case BeaconDrawn() if self._round and event.round == self._round.number:
                self._beacon = event.beacon
                self._start()
            case NoiseRootRecorded() if event.cluster == self.roster.cluster:
                self._hand_out_receipts(event)
            case ClusterAnchored() if self._round and event.cluster == self.roster.cluster:
                self._round.anchored(event.anchor_message)
            case CumulativeSubmitted() if event.cluster == self.roster.cluster:
                self._on_submitted(event)
            case ResultAccepted():
                self._accepted = event
                if self._opened is not None and not self._opened.updates_model:
                    self._unlearned[event.round] = event
            case ResultRejected():
                self._accepted = self._ballot = self._submit_at = None
                self._unlearned.pop(event.round, None)
            case ModelVoted():
                self._on_voted(event)
            case MemberRemoved():
                self._forget(event.account)
            case MemberAdmitted():
                self.roster.admit(event)
                self._welcome(event)
            case FogAdmitted():
                self.peers[event.cluster] = event.account
            case CloudAdmitted():
                self.clouds.add(event.account)
            case _:
                pass

    def _forget(self, account: bytes) -> None:
        self.clouds.discard(account)
        self.peers = {c: fog for c, fog in self.peers.items() if fog != account}
        for index, member in list(self.roster.members.items()):
            if member.account == account:
                del self.roster.members[index]
                if self._round is not None:
                    self._round.member_removed()

    def _open(self, event: RoundOpened) -> None:
        if self._last_round:
            self._send_reports()
        self._last_round = event.round
        span = self.task.parameters.noise_rounds
        in_force = set(range(max(1, event.round - span + 1), event.round + 1))
        self._statements.forget(event.round, in_force | self._debts.batches)
        self._seen.clear()
        self._accepted = self._ballot = self._submit_at = None
        self._opened = event
        self._round = None
        self._beacon = None
        self.now = max(self.now, event.opened_at)
        batch = self._noise.batch_for(event.round)
        if batch is None:
            self._sit_out("no noise root covers this round")
        else:
            if event.model_digest not in self._models:
                self._request_model(event)
            self._round = ClusterRound(
                self.task,
                self.roster.copy(),
                self.roster,
                self._selector,
                event,
                batch,
                self._noise.roots(batch),
                self._debts,
                self._statements,
                self._releases,
                self._randomness.child(b"round %d" % event.round),
                Outbox(self._send, self._transact, self._report, self._note, self._reject),
                self._draw_again,
            )

    def _request_model(self, event: RoundOpened) -> None:
        """The result never came: ask whoever may hold the model. The round waits for it."""
        self._note("model-missing", round=event.round, cluster=self.roster.cluster)
        request = messages.ModelRequest(
            round=event.round, cluster=self.roster.cluster, model_digest=event.model_digest
        )
        for account in sorted(self.clouds | set(self.peers.values())):
            if account != self.address:
                self._send(account, request)

    def _answer(self, sender: bytes, request: messages.ModelRequest) -> None:
        """Hand another fog the model that it missed."""
        if self.peers.get(request.cluster) != sender:
            raise UnknownSender(f"sender: 0x{sender.hex()} is not fog {request.cluster}")
        model = self._models.get(request.model_digest)
        if model is not None:
            self._send(
                sender,
                messages.ModelOffer(
                    round=request.round, cluster=request.cluster, model=model.to_bytes()
                ),
            )

    def _take_model(self, offer: messages.ModelOffer) -> None:
        """Take a model from anybody: S says whether it is the one."""
        opened = self._opened
        if opened is None or opened.model_digest in self._models:
            return
        model = parse_field_vector(offer.model, self.task.layout.length)
        digest = self.task.key.commit(model).digest
        if digest != opened.model_digest:
            raise ModelMismatch(f"model: not the one that S holds for round {opened.round}")
        self._models[digest] = model
        self._start()

    def _start(self) -> None:
        """Begin the round once both beacon and model are there."""
        if self._round is None or self._beacon is None:
            return
        model = self._models.get(self._round.opened.model_digest)
        if model is not None:
            self._round.start(self._beacon, model.to_bytes())

    def _sit_out(self, why: str) -> None:
        self._note("cluster-failed", round=self._last_round, cluster=self.roster.cluster, why=why)

    def _on_submitted(self, event: CumulativeSubmitted) -> None:
        message = self._round.submitted() if self._round else None
        if message is not None and message.round == event.round:
            for cloud in sorted(self.clouds):
                self._send(cloud, message)

    # ---- time

    def next_wake(self) -> int | None:
        wakes = [self._noise_deadline, self._submit_at]
        wakes += [self._round.next_wake() if self._round else None]
        return min((wake for wake in wakes if wake is not None), default=None)

    def _on_tick(self) -> None:
        if self._noise_deadline is not None and self.now >= self._noise_deadline:
            self._record_noise()
        if self._submit_at is not None and self.now >= self._submit_at:
            self._submit_votes()
        if self._round is not None:
            self._round.tick(self.now)
            if self.now >= self._round.opened.aggregate_deadline:
                self._send_reports()

    # ---- messages

    def _on_message(self, sender: bytes, message: messages.Message, data: bytes) -> None:
        if isinstance(message, messages.Result):
            self._check_result(sender, message, data)
            return
        if isinstance(message, messages.ModelRequest):
            self._answer(sender, message)
            return
        if isinstance(message, messages.ModelVote):
            self._take_vote(sender, message, data)
            return
        if isinstance(message, messages.ModelOffer):
            if sender not in self.clouds | set(self.peers.values()):
                raise UnknownSender(f"sender: 0x{sender.hex()} is no cloud and no fog")
            self._take_model(message)
            return
        index = self.roster.index_of(sender)
        if getattr(message, "index", index) != index:
            raise UnknownSender(f"sender: device {index} speaks for another index")
        if message.cluster != self.roster.cluster:
            raise WrongRound(f"cluster: {message.cluster}, mine is {self.roster.cluster}")
        self._compare(index, sender, message, data)
        if isinstance(message, messages.NoiseRoot):
            self._collect_noise(message)
            return
        if message.round > self._last_round:
            raise TooEarly(f"round: {message.round}, open is {self._last_round}")
        if self._round is None or message.round != self._round.number:
            raise WrongRound(f"round: {message.round}, open is {self._last_round}")
        self._round.receive(index, message)

    # ---- evidence

    def _compare(self, index: int, sender: bytes, message: messages.Message, data: bytes) -> None:
        """Report a device that contradicts what it signed before, whatever its message is worth."""
        if isinstance(message, messages.Deal):
            data = message.witness
            try:
                signer, message = messages.parse_envelope(self._domain, data)
            except VerifogError:
                return
            own = isinstance(message, messages.Witness) and message.index == index
            if signer != sender or not own or message.cluster != self.roster.cluster:
                return
        statement = signed_statement(message, data)
        if statement is None or statement.round > self._last_round + 1:
            return
        first = self._statements.take(sender, statement)
        if first is not None:
            key = evidence.public_key(self.roster, index)
            self._report(equivocation(first, statement, key))

    def _draw_again(
        self,
        draw: Callable[[NoiseSeed, SlotLayout], FieldVector],
        seeds: Sequence[NoiseSeed],
        layouts: Sequence[SlotLayout],
    ) -> Iterable[FieldVector]:
        return self.spread(draw, seeds, layouts)

    def _report(self, call: Call) -> None:
        self._reports.append(call)

    def _flush(self) -> list[Effect]:
        """Reports wait until the cluster's round is over, so as not to disturb the others in it."""
        if self._round is not None and self._round.step in (Step.DONE, Step.FAILED):
            self._send_reports()
        return super()._flush()

    def _send_reports(self) -> None:
        for call in self._reports:
            self._transact(call)
        self._reports = []

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

    # ---- steps 11 and 12: verify the result, update the model

    def _check_result(self, sender: bytes, result: messages.Result, data: bytes) -> None:
        if sender not in self.clouds:
            raise UnknownSender(f"sender: 0x{sender.hex()} is no cloud")
        late = self._unlearned.get(result.round)
        if late is not None and result.round < self._last_round and late.cloud == sender:
            self._hand_out_statistics(late, self._verified(late, result, data))
            return
        accepted = self._accepted
        ahead = result.round > self._last_round
        if ahead or (result.round == self._last_round and accepted is None):
            raise TooEarly(f"result: S has accepted none in round {result.round} yet")
        if accepted is None or accepted.round != result.round or accepted.cloud != sender:
            raise WrongRound(f"result: round {result.round} has none of this cloud")
        self._learn(accepted, self._verified(accepted, result, data))

    def _verified(
        self, accepted: ResultAccepted, result: messages.Result, data: bytes
    ) -> FieldVector:
        """The vector of a result; one that is not what S accepted is reported at once."""
        try:
            return aggregation.check_result(self.task, accepted, result)
        except ResultMismatch:
            try:
                self._transact(evidence.false_result(accepted, result, data))
            except EvidenceTooLarge as error:
                self._note(error.code, round=result.round, why=str(error))
            raise

    def _learn(self, accepted: ResultAccepted, total: FieldVector) -> None:
        opened = self._opened
        if opened is None or opened.model_digest not in self._models:
            return
        before = self._models[opened.model_digest]
        if not opened.updates_model:
            self._hand_out_statistics(accepted, total)
            after = before
        else:
            after = before - total.scale(accepted.factor)
            self._selector.learn(accepted.round, self.task.layout.extract(total))
        digest = self.task.key.commit(after).digest
        if digest != accepted.model_digest:
            raise ResultMismatch("model: the update does not give the model that S holds")
        self._models = {opened.model_digest: before, digest: after}
        self.results = {accepted.round: total}
        self._note("updated", round=accepted.round, samples=accepted.samples)
        if self._solver is not None and opened.updates_model:
            self._vote(self._solver, accepted, before, total)

    def _hand_out_statistics(self, accepted: ResultAccepted, total: FieldVector) -> None:
        """Give the devices what they standardise with; also when the next round is open already."""
        self._unlearned.pop(accepted.round, None)
        self._statistics = accepted.round, total.to_bytes()
        self.results = {accepted.round: total}
        for member in self.roster.members.values():
            self._send_statistics(member.account)

    def _welcome(self, event: MemberAdmitted) -> None:
        """Who joins after the statistics round needs its result too."""
        if event.cluster == self.roster.cluster and self._statistics is not None:
            self._send_statistics(event.account)

    def _send_statistics(self, account: bytes) -> None:
        if self._statistics is not None:
            number, total = self._statistics
            self._send(
                account,
                messages.Statistics(round=number, cluster=self.roster.cluster, total=total),
            )

    # ---- step 12 where S computes no model: solve, vote, and submit if the cloud does not

    def _vote(
        self, solver: Solver, accepted: ResultAccepted, before: FieldVector, total: FieldVector
    ) -> None:
        found = voting.solve(solver, self.task.layout, before, total, accepted.samples)
        if found is None:
            self._note("no-model", round=accepted.round, cluster=self.roster.cluster)
            return
        self._ballot = ballot = Ballot.on(accepted, self.task.key, found)
        # Fogs stand by one after the other, within a quarter of the time that S waits.
        share = self.task.parameters.model_time // 4 // (1 + len(self.peers))
        self._submit_at = self.now + max(1, share) * (1 + self.roster.cluster)
        vote = ballot.vote(self.roster.cluster)
        ballot.take(vote, self._signing_key.sign(messages.message_digest(self._domain, vote)))
        for account in sorted(self.clouds | set(self.peers.values())):
            if account != self.address:
                self._send(account, vote)

    def _take_vote(self, sender: bytes, vote: messages.ModelVote, data: bytes) -> None:
        if self.peers.get(vote.cluster) != sender:
            raise UnknownSender(f"sender: 0x{sender.hex()} is not fog {vote.cluster}")
        ballot = self._ballot
        if ballot is None:
            if vote.round >= self._last_round:
                raise TooEarly(f"vote: no model found in round {vote.round} yet")
            raise WrongRound(f"vote: round {vote.round}, open is {self._last_round}")
        report = ballot.take(vote, aggregation.envelope_signature(data))
        if report is not None:
            self._transact(report)
        if vote.model_digest != ballot.digest:
            self._note("vote-differs", round=vote.round, cluster=vote.cluster)

    def _submit_votes(self) -> None:
        self._submit_at = None
        if self._ballot is not None and self._opened is not None:
            voters = self.peers.keys() & set(self._opened.serving)
            call = self._ballot.submission(self.task.key, voters)
            if call is not None:
                self._transact(call)

    def _on_voted(self, event: ModelVoted) -> None:
        ballot, opened = self._ballot, self._opened
        self._submit_at = None
        if ballot is None or opened is None or event.round != ballot.round:
            return
        ballot.closed = True
        if event.model_digest != ballot.digest:
            self._note("outvoted", round=event.round, cluster=self.roster.cluster)
            return
        before = self._models[opened.model_digest]
        self._models = {opened.model_digest: before, ballot.digest: ballot.model}
