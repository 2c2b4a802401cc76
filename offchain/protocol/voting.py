"""Step 12 of a task whose model is no linear step: every fog solves, and a quorum signs.

The vector of such a model holds its integers in the data slots behind a count of 0, and zeros
elsewhere: it is public, and determined by its parameters alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.field import FieldVector
from offchain.crypto.hashing import keccak256
from offchain.crypto.layout import SlotLayout
from offchain.errors import VerifogError
from offchain.protocol.chain import ReportEquivocation, ResultAccepted, Statement, SubmitModel
from offchain.protocol.eip712 import word
from offchain.protocol.errors import WrongRound
from offchain.protocol.messages import ModelVote


class Solver(Protocol):
    """Makes the next model from a round's sum. Implemented over ``offchain.learning``."""

    def next_model(self, model: Sequence[int], total: Sequence[int], samples: int) -> Sequence[int]:
        """Return the next model's integers, count not included.

        Parameters
        ----------
        model, total
            Data slots of the round's model and of its verified sum, count first, nearest to zero.
        samples
            The sample total as S has accepted it.

        Raises
        ------
        VerifogError
            When the sum gives no model. Everybody finds so alike, and the model stays.
        """
        ...

    def converged(self, model: Sequence[int], total: Sequence[int], samples: int) -> bool:
        """Whether further rounds would change nothing that matters, from the same arguments."""
        ...


def model_vector(layout: SlotLayout, parameters: Sequence[int]) -> FieldVector:
    """Return the vector of a model that was voted for.

    Raises
    ------
    LengthError
        When there are more parameters than the layout has values.
    """
    return layout.spread([0, *parameters])


def solve(
    solver: Solver, layout: SlotLayout, model: FieldVector, total: FieldVector, samples: int
) -> FieldVector | None:
    """Return the next model, None when the sum gives none."""
    try:
        made = solver.next_model(layout.extract(model), layout.extract(total), samples)
    except VerifogError:
        return None
    return model_vector(layout, made)


def result_digest(commitment_digest: bytes, vector_digest: bytes) -> bytes:
    """What a vote names the result by."""
    return keccak256(commitment_digest + vector_digest)


def required(voters: int) -> int:
    """How many of the fogs that may vote must agree: two thirds, rounded up."""
    return -(-2 * voters // 3)


@dataclass
class Ballot:
    """The votes on the model of one accepted result, as one party counts them.

    Attributes
    ----------
    round, result
        The round, and the digest of the result that is voted on.
    digest, model
        What this party itself has found.
    votes
        The first vote and signature of every fog, by cluster.
    closed
        Whether this party has sent the votes to S, or S has accepted a model.
    """

    round: int
    result: bytes
    digest: bytes
    model: FieldVector
    votes: dict[int, tuple[ModelVote, bytes]] = field(default_factory=dict)
    closed: bool = False

    @staticmethod
    def on(accepted: ResultAccepted, key: CommitmentKey, model: FieldVector) -> "Ballot":
        """The ballot of a party that has found this model."""
        result = result_digest(accepted.commitment_digest, accepted.vector_digest)
        return Ballot(accepted.round, result, key.commit(model).digest, model)

    def vote(self, cluster: int) -> ModelVote:
        """What a fog that has found this model signs."""
        return ModelVote(
            round=self.round,
            cluster=cluster,
            result_digest=self.result,
            model_digest=self.digest,
        )

    def take(self, vote: ModelVote, signature: bytes) -> ReportEquivocation | None:
        """Count a fog's first vote; a second for another model is evidence against it.

        Raises
        ------
        WrongRound
            When it is on another round or result.
        """
        if vote.round != self.round or vote.result_digest != self.result:
            raise WrongRound(f"vote: not on the result that S accepted in round {self.round}")
        first, first_signature = self.votes.setdefault(vote.cluster, (vote, signature))
        if first.model_digest == vote.model_digest:
            return None
        return ReportEquivocation(
            Statement.MODEL_VOTE,
            vote.cluster,
            b"".join(word(value) for value in first.typed()),
            first_signature,
            b"".join(word(value) for value in vote.typed()),
            signature,
            b"",
        )

    def agreeing(self, voters: Collection[int]) -> tuple[tuple[int, bytes], ...] | None:
        """Cluster and signature of those who agree; None while they are no quorum of the voters."""
        agreed = tuple(
            (cluster, signature)
            for cluster, (vote, signature) in sorted(self.votes.items())
            if vote.model_digest == self.digest and cluster in voters
        )
        return agreed if voters and len(agreed) >= required(len(voters)) else None

    def submission(self, key: CommitmentKey, voters: Collection[int]) -> SubmitModel | None:
        """The transaction, once, as soon as a quorum agrees."""
        agreed = None if self.closed else self.agreeing(voters)
        if agreed is None:
            return None
        self.closed = True
        return SubmitModel(self.round, key.commit(self.model), agreed)
