"""A ballot: who counts, from when on there is a quorum, what is evidence."""

from __future__ import annotations

import pytest
from eth_utils import keccak

from offchain.crypto.field import FieldVector
from offchain.crypto.layout import SlotLayout
from offchain.errors import VerifogError
from offchain.protocol import voting
from offchain.protocol.chain import Statement
from offchain.protocol.errors import WrongRound
from offchain.protocol.messages import ModelVote
from offchain.protocol.voting import Ballot, required

RESULT, MINE, OTHER = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
MODEL = FieldVector.from_ints([0, 5, -7])


def ballot() -> Ballot:
    return Ballot(3, RESULT, MINE, MODEL)


def vote(
    cluster: int, digest: bytes = MINE, *, number: int = 3, result: bytes = RESULT
) -> ModelVote:
    return ModelVote(round=number, cluster=cluster, result_digest=result, model_digest=digest)


def signature(cluster: int, digest: bytes = MINE) -> bytes:
    return bytes([cluster]) * 32 + digest + b"\x1b"


class Committer:
    """Stands for the commitment key: a commitment that tells what it is of."""

    def commit(self, model: FieldVector) -> tuple[str, FieldVector]:
        return ("commitment", model)


@pytest.mark.parametrize(
    ("voters", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (64, 43)]
)
def test_required__of_voters__is_two_thirds_rounded_up(voters, needed):
    assert required(voters) == needed
    assert 3 * needed >= 2 * voters > 3 * (needed - 1)


def test_submission__two_of_three_agree__once_and_without_the_other():
    count = ballot()
    count.take(vote(2), signature(2))
    count.take(vote(1, OTHER), signature(1, OTHER))
    assert count.submission(Committer(), {0, 1, 2}) is None
    count.take(vote(0), signature(0))
    call = count.submission(Committer(), {0, 1, 2})
    assert call.round == 3
    assert call.model == ("commitment", MODEL)
    assert call.votes == ((0, signature(0)), (2, signature(2)))
    assert count.submission(Committer(), {0, 1, 2}) is None


def test_agreeing__votes_of_fogs_that_do_not_serve__are_not_counted():
    count = ballot()
    count.take(vote(0), signature(0))
    count.take(vote(7), signature(7))
    assert count.agreeing({0, 1, 2}) is None
    assert count.agreeing({0}) == ((0, signature(0)),)
    assert count.agreeing(set()) is None


def test_take__second_vote_for_another_model__is_evidence_and_the_first_counts():
    count = ballot()
    assert count.take(vote(0), signature(0)) is None
    assert count.take(vote(0), signature(0)) is None
    report = count.take(vote(0, OTHER), signature(0, OTHER))
    assert (report.kind, report.cluster) == (Statement.MODEL_VOTE, 0)
    word = (3).to_bytes(32, "big")
    assert report.first == word + RESULT + MINE
    assert report.second == word + RESULT + OTHER
    assert (report.first_signature, report.second_signature) == (
        signature(0),
        signature(0, OTHER),
    )
    assert count.agreeing({0}) == ((0, signature(0)),)


@pytest.mark.parametrize("changes", [{"number": 2}, {"number": 4}, {"result": OTHER}], ids=str)
def test_take__vote_on_another_result__is_refused(changes):
    count = ballot()
    with pytest.raises(WrongRound, match="not on the result that S accepted in round 3"):
        count.take(vote(0, **changes), signature(0))
    assert count.votes == {}


def test_result_digest__is_the_keccak_of_both():
    assert voting.result_digest(RESULT, OTHER) == keccak(RESULT + OTHER)


class NoModel(VerifogError):
    """The sum gives none."""


class Doubling:
    """The next model is the sum less the model; 13 rows give none."""

    def next_model(self, model, total, samples):
        if samples == 13:
            raise NoModel("none")
        return [b - a for a, b in zip(model[1:], total[1:], strict=True)]

    def converged(self, model, total, samples):
        return False


def test_solve__sum_gives_a_model__is_padded_with_zeros():
    layout = SlotLayout(64, 2, 1, 3)
    model, total = layout.spread([9, 1, 2, 3]), layout.spread([8, 2, 2**100, -4])
    found = voting.solve(Doubling(), layout, model, total, 12)
    assert layout.extract(found) == [0, 1, 2**100 - 2, -7]
    assert sum(value != 0 for value in found.to_ints()) == 3


def test_solve__sum_gives_no_model__is_none():
    layout = SlotLayout(64, 1, 1, 3)
    zeros = FieldVector.zeros(64)
    assert voting.solve(Doubling(), layout, zeros, zeros, 13) is None
