"""The released sums of a voted task: whether the models that fogs voted for follow from them."""

from __future__ import annotations

from offchain.audit.arithmetic import commit, encode_points
from offchain.audit.findings import At
from offchain.audit.state import Round, State
from offchain.crypto.field import FieldVector
from offchain.crypto.hashing import keccak256
from offchain.errors import VerifogError
from offchain.learning.errors import LearningError
from offchain.reporting.errors import ModelFileError
from offchain.reporting.sums_file import SumsFile, parse_sums


def check_sums(at: At, data: bytes, state: State) -> int:
    """Solve for the model of every round whose sum is in the file; return how many were.

    The models begin with zeros, and each is the next round's start, so that a method that steps
    from the last model (`newton`) needs the sums of all rounds before.
    """
    try:
        file = parse_sums(data)
        solver = file.solver()
    except ModelFileError as error:
        at.fail(f"sums file: {error.field}", error.value, error.bound)
        return 0
    except LearningError as error:
        at.fail("sums file", str(error), "method, model and layout that go together")
        return 0
    _check_task(at, file, state)
    model, solved = FieldVector.zeros(file.layout.length), 0
    for number, total in file.sums.items():
        here = at.within(round=number)
        current = state.rounds.get(number)
        if current is None or current.result is None or not current.updates_model:
            here.fail("sums file: rounds", number, "a settled round of training")
            continue
        _check_total(here, file, current, total)
        voted = state.models.after.get(number)
        if voted == current.model_digest:
            continue  # S got no model in this round: nothing was to be solved for
        if _digest(file, model) != current.model_digest:
            here.fail("sums file: sums", f"no model before round {number}", "all earlier sums")
            return solved
        slots = file.layout.extract(model), file.layout.extract(total)
        try:
            parameters = solver.next_model(*slots, current.result.samples)
        except VerifogError as error:
            here.fail("ModelVoted.model", voted, f"no model: {error}")
            return solved
        model = file.layout.spread([0, *parameters])
        here.equal("ModelVoted.modelDigest", voted, _digest(file, model))
        solved += 1
    return solved


def _check_task(at: At, file: SumsFile, state: State) -> None:
    at.equal("sums file: contract", file.contract, state.contract)
    at.equal("sums file: chain_id", file.chain_id, state.chain_id)
    for name, found in (
        ("capacity", file.layout.capacity),
        ("packing", file.layout.packing),
        ("chunks", file.layout.chunks),
        ("fractionalBits", file.encoding.fraction_bits),
        ("minSamples", file.encoding.min_samples),
        ("maxSamples", file.encoding.max_samples),
    ):
        at.equal(f"sums file: {name}", found, state.task[name])


def _check_total(at: At, file: SumsFile, current: Round, total: FieldVector) -> None:
    """The vector is the one whose digest and commitment S accepted."""
    result = current.result
    if result is None:
        return
    at.equal("sums file: vector digest", keccak256(total.data), result.vector_digest)
    points = commit(total.to_ints(), file.layout.capacity)
    at.equal("sums file: commitment", encode_points(points), result.commitments)


def _digest(file: SumsFile, model: FieldVector) -> bytes:
    return keccak256(encode_points(commit(model.to_ints(), file.layout.capacity)))
