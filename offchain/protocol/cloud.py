"""The cloud: checks each cluster's sum against S, adds them, proves that it holds the result."""

from dataclasses import dataclass, field

from offchain.crypto.field import FieldVector
from offchain.protocol import aggregation, messages, voting
from offchain.protocol.chain import (
    ClusterAnchored,
    CumulativeSubmitted,
    Event,
    FogAdmitted,
    MemberRemoved,
    ModelVoted,
    OpenRound,
    ResultAccepted,
    ResultRejected,
    RoundOpened,
)
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.errors import TooEarly, UnknownSender, WrongPhase, WrongRound
from offchain.protocol.role import Effect, Role, Task
from offchain.protocol.voting import Ballot, Solver


@dataclass
class _RoundState:
    opened: RoundOpened
    anchored: dict[int, ClusterAnchored] = field(default_factory=dict)
    submitted: dict[int, CumulativeSubmitted] = field(default_factory=dict)
    sums: dict[int, FieldVector] = field(default_factory=dict)
    accepted: bool = False
    aggregating: bool = False
    ballot: Ballot | None = None
    converges: bool = False  # with the model that this cloud has found
    voted: bool = False


class Cloud(Role):
    """The cloud, or one of several that stand by.

    Parameters
    ----------
    task
        What every party knows.
    fogs
        Account of each cluster's fog.
    model
        The model at the start.
    standby
        Seconds to wait after aggregation becomes possible, for a cloud that stands by.
    solver
        Makes the next model in a task whose fogs vote for it; None where S computes it.
    """

    name = "cloud"

    def __init__(
        self,
        task: Task,
        fogs: dict[int, bytes],
        signing_key: SigningKey,
        model: FieldVector,
        *,
        standby: int = 0,
        solver: Solver | None = None,
    ) -> None:
        super().__init__(task, signing_key)
        self.fogs = fogs
        self._standby = standby
        self._solver = solver
        self._models: dict[bytes, FieldVector] = {task.key.commit(model).digest: model}
        self._round: _RoundState | None = None
        self._last_round = 0
        self.active = True
        self.converged = False  # S holds a model that further rounds would not change

    @property
    def model(self) -> FieldVector:
        """The newest model that this cloud holds."""
        return list(self._models.values())[-1]

    @property
    def last_round(self) -> int:
        """The newest round that this cloud has heard of."""
        return self._last_round

    @property
    def awaits_model(self) -> bool:
        """Whether S may still get the model of the last round from its fogs."""
        state = self._round
        if self._solver is None or state is None or not state.opened.updates_model:
            return False
        until = state.opened.aggregate_deadline + self.task.parameters.model_time
        return not state.voted and self.now < until

    def remember(self, model: FieldVector) -> None:
        """Take back a model that was held before, such as from a copy on disk."""
        self._models[self.task.key.commit(model).digest] = model

    def model_of(self, digest: bytes) -> FieldVector | None:
        """The model with a commitment digest, if this cloud holds it."""
        return self._models.get(digest)

    # ---- the chain

    def _on_event(self, event: Event) -> None:
        state = self._round
        match event:
            case RoundOpened() if event.round > self._last_round:
                self._round = _RoundState(event)
                self._last_round = event.round
                self._seen.clear()
                self.now = max(self.now, event.opened_at)
            case ClusterAnchored() if state:
                state.anchored[event.cluster] = event
            case CumulativeSubmitted() if state:
                state.submitted[event.cluster] = event
            case ResultAccepted() if state:
                self._on_accepted(state, event)
            case ResultRejected() if state:
                state.accepted = state.aggregating = False
                state.ballot = None
                self._aggregate_if_possible(state)
            case ModelVoted() if state:
                self._on_voted(state, event)
            case MemberRemoved():
                self.active = self.active and event.account != self.address
                self.fogs = {c: fog for c, fog in self.fogs.items() if fog != event.account}
            case FogAdmitted():
                self.fogs[event.cluster] = event.account
            case _:
                pass

    def open_round(self) -> list[Effect]:
        """Ask S to open the next round."""
        self._transact(OpenRound())
        return self._flush()

    # ---- time

    def next_wake(self) -> int | None:
        state = self._round
        if state is None or state.accepted or state.aggregating:
            return None
        opened = state.opened
        wakes = [opened.anchor_deadline, opened.cumulative_deadline]
        wakes += [wake + self._standby for wake in wakes if self._standby]
        return min((wake for wake in wakes if wake > self.now), default=None)

    def _on_tick(self) -> None:
        if self._round is not None:
            self._aggregate_if_possible(self._round)

    # ---- step 10: aggregate

    def _on_message(self, sender: bytes, message: messages.Message, data: bytes) -> None:
        if isinstance(message, messages.ModelRequest):
            self._answer(sender, message)
            return
        if isinstance(message, messages.ModelVote):
            self._take_vote(sender, message, data)
            return
        if not isinstance(message, messages.ClusterSum):
            raise WrongPhase(f"message: a cloud takes no {type(message).__name__}")
        if self.fogs.get(message.cluster) != sender:
            raise UnknownSender(f"sender: 0x{sender.hex()} is not fog {message.cluster}")
        state = self._round
        if message.round > self._last_round:
            raise TooEarly(f"round: {message.round}, open is {self._last_round}")
        if state is None or message.round != state.opened.round:
            raise WrongRound(f"round: {message.round}, open is {self._last_round}")
        if message.cluster in state.sums:
            return
        submitted = state.submitted.get(message.cluster)
        if submitted is None:
            raise TooEarly(f"cluster sum: S holds none of cluster {message.cluster} yet")
        state.sums[message.cluster] = aggregation.check_cluster_sum(
            self.task, state.anchored[message.cluster], submitted, message
        )
        self._aggregate_if_possible(state)

    def _answer(self, sender: bytes, request: messages.ModelRequest) -> None:
        """Hand a fog the model that it missed."""
        if self.fogs.get(request.cluster) != sender:
            raise UnknownSender(f"sender: 0x{sender.hex()} is not fog {request.cluster}")
        model = self._models.get(request.model_digest)
        if model is not None:
            self._send(
                sender,
                messages.ModelOffer(
                    round=request.round, cluster=request.cluster, model=model.to_bytes()
                ),
            )

    def _aggregate_if_possible(self, state: _RoundState) -> None:
        """Aggregate once S would take it, and every cluster's sum is here or its time is over."""
        opened = state.opened
        if state.accepted or state.aggregating or not state.sums:
            return
        everybody = len(state.submitted) == opened.clusters
        anchors_closed = self.now >= opened.anchor_deadline
        sums_closed = self.now >= opened.cumulative_deadline
        all_in = everybody or (anchors_closed and len(state.submitted) == len(state.anchored))
        complete = all_in and state.sums.keys() == state.submitted.keys()
        if not (complete or sums_closed):
            return
        if self._standing_by(opened.anchor_deadline if complete else opened.cumulative_deadline):
            return
        built = aggregation.build_result(
            self.task, opened, self._models, state.anchored, state.submitted, state.sums
        )
        if built is None:
            self._note("cannot-aggregate", round=opened.round, why="model of the round is unknown")
            return
        missing = sorted(state.submitted.keys() - state.sums.keys())
        if missing:
            self._note("clusters-left-out", round=opened.round, clusters=missing)
        _, call = built
        state.aggregating = True
        self._transact(call)

    def _standing_by(self, since: int) -> bool:
        """Whether a cloud that stands by still leaves a round to those before it."""
        return self._standby > 0 and self.now < since + self._standby

    # ---- step 11: hand out the result

    def _on_accepted(self, state: _RoundState, event: ResultAccepted) -> None:
        state.accepted = True
        before = self._models.get(state.opened.model_digest)
        if before is None:
            return
        if not set(event.included) <= state.sums.keys():
            return  # another cloud's result, with a sum that never reached this one
        total = FieldVector.sum([state.sums[cluster] for cluster in event.included])
        after = before
        if state.opened.updates_model:
            after = before - total.scale(event.factor)
        self._models = {state.opened.model_digest: before, event.model_digest: after}
        if self._solver is not None and state.opened.updates_model:
            layout = self.task.layout
            found = voting.solve(self._solver, layout, before, total, event.samples)
            if found is not None:
                state.ballot = Ballot.on(event, self.task.key, found)
                slots = layout.extract(before), layout.extract(total)
                state.converges = self._solver.converged(*slots, event.samples)
        if event.cloud != self.address:
            return
        for cluster, fog in self.fogs.items():
            self._send(fog, self._result(event, cluster, total))

    # ---- step 12 where S computes no model: collect the fogs' votes

    def _take_vote(self, sender: bytes, vote: messages.ModelVote, data: bytes) -> None:
        if self.fogs.get(vote.cluster) != sender:
            raise UnknownSender(f"sender: 0x{sender.hex()} is not fog {vote.cluster}")
        state = self._round
        if state is None or vote.round < self._last_round:
            raise WrongRound(f"vote: round {vote.round}, open is {self._last_round}")
        if state.ballot is None:
            raise TooEarly(f"vote: no model found in round {vote.round} yet")
        report = state.ballot.take(vote, aggregation.envelope_signature(data))
        if report is not None:
            self._transact(report)
        if vote.model_digest != state.ballot.digest:
            self._note("vote-differs", round=vote.round, cluster=vote.cluster)
        voters = self.fogs.keys() & set(state.opened.serving)
        call = state.ballot.submission(self.task.key, voters)
        if call is not None:
            self._transact(call)

    def _on_voted(self, state: _RoundState, event: ModelVoted) -> None:
        ballot = state.ballot
        state.voted = state.voted or event.round == state.opened.round
        if ballot is None or event.round != ballot.round:
            return
        ballot.closed = True
        if event.model_digest == ballot.digest:
            before = self._models[state.opened.model_digest]
            self._models = {state.opened.model_digest: before, ballot.digest: ballot.model}
            if state.converges and not self.converged:
                self.converged = True
                self._note("converged", round=event.round)

    def _result(self, event: ResultAccepted, cluster: int, total: FieldVector) -> messages.Result:
        return messages.Result(
            round=event.round,
            cluster=cluster,
            commitment_digest=event.commitment_digest,
            total=total.to_bytes(),
        )
