"""A model file against the chain: whether it is the model that S held after its round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from offchain.audit.arithmetic import commit, encode_points
from offchain.audit.findings import At
from offchain.audit.history import ModelHistory
from offchain.crypto.hashing import keccak256
from offchain.reporting.errors import ModelFileError
from offchain.reporting.model_file import ModelFile, encode_model, parse_model


@dataclass(frozen=True)
class CommittedTask:
    """What a model file is compared with."""

    chain_id: int
    contract: bytes
    task: Mapping[str, int]
    models: ModelHistory


@dataclass(frozen=True)
class ModelVerdict:
    """What a model file is.

    Attributes
    ----------
    round
        After which S held it, by the file's own word.
    digest
        Of the commitment recomputed from its slots.
    current, provisional
        Whether S holds it now, and whether somebody has yet to build on it.
    """

    round: int
    digest: bytes
    current: bool
    provisional: bool


def check_model(at: At, data: bytes, committed: CommittedTask) -> ModelVerdict | None:
    """Check a model file; None if it cannot even be read."""
    try:
        model = read_model(data)
    except ModelFileError as error:
        at.fail(f"model file: {error.field}", error.value, error.bound)
        return None
    _check_bytes(at, data, model)
    at.equal("model file: contract", model.contract, committed.contract)
    at.equal("model file: chain_id", model.chain_id, committed.chain_id)
    for name, found in (
        ("capacity", model.layout.capacity),
        ("packing", model.layout.packing),
        ("chunks", model.layout.chunks),
    ):
        at.equal(f"model file: layout.{name}", found, committed.task[name])
    bits = committed.task["fractionalBits"]
    at.equal("model file: encoding.fraction_bits", model.fraction_bits, bits)
    digest = keccak256(encode_points(commit(model.vector.to_ints(), model.layout.capacity)))
    at.equal("model file: commitment", model.commitment_digest, digest)
    _check_round(at, model, digest, committed.models)
    current = digest == committed.models.current
    return ModelVerdict(model.round, digest, current, current and committed.models.provisional)


def read_model(data: bytes) -> ModelFile:
    """Parse a model file without believing its commitment.

    Raises
    ------
    ModelFileError
        When it is none.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        place = data[error.start : error.end]
        raise ModelFileError("bytes", place.hex(), f"must be UTF-8 at {error.start}") from error
    return parse_model(data, check_commitment=False)


def _check_bytes(at: At, data: bytes, model: ModelFile) -> None:
    """A model has one spelling: whatever else means the same was altered."""
    written = encode_model(model)
    place = next((i for i, (a, b) in enumerate(zip(data, written, strict=False)) if a != b), None)
    if place is None and len(data) != len(written):
        place = min(len(data), len(written))
    found = "the same" if place is None else f"another byte at {place}"
    at.holds("model file: bytes", place is None, found, "the one spelling of these values")


def _check_round(at: At, model: ModelFile, digest: bytes, models: ModelHistory) -> None:
    """S held this commitment after the file's round, and did not take it back."""
    held = models.after.get(model.round)
    if held is None:
        last = f"a round up to {models.latest}"
        at.fail("model file: round", model.round, last)
        return
    expected = f"0x{held.hex()}, held after round {model.round}"
    if digest in models.rejected:
        expected += f"; this one was rejected in round {models.rejected[digest]}"
    at.holds("model file: slots", digest == held, digest, expected)
    withdrawn = models.withdrawn.get(digest)
    if digest == held and withdrawn is not None and digest != models.current:
        found = f"withdrawn when round {withdrawn} ended without an anchor"
        at.fail("model file: round", found, "a model that S kept")
