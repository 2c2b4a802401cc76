"""The file of the sums that a voted task released: from it anybody solves for its models again.

Contract S holds each sum's commitment and digest, and the model that the fogs voted for; the sums
themselves go from the cloud to the fogs. A run writes them beside its report, so that an audit can
make every model anew (`ape run audit --sums FILE`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from offchain.crypto.errors import CryptoError
from offchain.crypto.field import SCALAR_BYTES, FieldVector, parse_field_vector
from offchain.crypto.layout import SlotLayout
from offchain.learning.encoding import UpdateEncoding
from offchain.learning.errors import LearningError
from offchain.learning.methods import digit_encoding, method_named
from offchain.learning.model_solver import ModelSolver
from offchain.learning.models import Model
from offchain.reporting.errors import ModelFileError
from offchain.reporting.fields import Fields
from offchain.reporting.model_file import layout_of, model_of

SUMS_VERSION: Final = 1
_FORMAT: Final = "verifog-sums"
_MOST_ROUNDS: Final = 65_535


@dataclass(frozen=True, repr=False)
class SumsFile:
    """Sums of a task's training rounds, and what one needs to solve with them.

    Attributes
    ----------
    contract, chain_id
        Contract S (20 bytes) and its chain.
    layout, model
        Of the updates; what is trained.
    method, l2
        Name of the method, and its penalty.
    encoding
        Gives noise multiplier, clip norm, sample bounds and fraction bits.
    sums
        The released vector of each settled training round, by round.
    """

    contract: bytes
    chain_id: int
    layout: SlotLayout
    model: Model
    method: str
    l2: float
    encoding: UpdateEncoding
    sums: dict[int, FieldVector]

    def solver(self) -> ModelSolver:
        """Return what the fogs solved with.

        Raises
        ------
        LearningError
            If method, model and noise do not go together, or the layout does not hold the update.
        """
        method, of = method_named(self.method), self.encoding
        digits = digit_encoding(
            method, self.model, of.noise_multiplier, of.clip_norm, of.min_samples, of.max_samples
        )
        if digits is None or digits.slots > self.layout.values:
            raise LearningError(f"layout: {self.layout.values} values are too few")
        return ModelSolver(self.model, method, self.l2, of, digits)


def encode_sums(file: SumsFile) -> bytes:
    """Return the file's bytes."""
    of = file.encoding
    content: dict[str, Any] = {
        "format": _FORMAT,
        "version": SUMS_VERSION,
        "contract": "0x" + file.contract.hex(),
        "chain_id": file.chain_id,
        "layout": {
            "capacity": file.layout.capacity,
            "packing": file.layout.packing,
            "chunks": file.layout.chunks,
            "values": file.layout.values,
        },
        "model": {
            "kind": file.model.kind.value,
            "features": file.model.features,
            "classes": file.model.classes,
        },
        "method": file.method,
        "l2": file.l2,
        "encoding": {
            "noise_multiplier": of.noise_multiplier,
            "clip_norm": of.clip_norm,
            "min_samples": of.min_samples,
            "max_samples": of.max_samples,
            "fraction_bits": of.fraction_bits,
        },
        "count": len(file.sums),
        "rounds": list(file.sums),
        "sums": ["0x" + total.data.hex() for total in file.sums.values()],
    }
    return json.dumps(content, indent=1).encode() + b"\n"


def parse_sums(data: bytes) -> SumsFile:
    """Read a file of sums.

    Raises
    ------
    ModelFileError
        Naming the field, its value and its bound.
    """
    try:
        top = Fields(json.loads(data), "")
    except ValueError as error:
        raise ModelFileError("sums file", "…", f"must be JSON: {error}") from error
    top.constant("format", _FORMAT)
    top.constant("version", SUMS_VERSION)
    layout, model = layout_of(top.section("layout")), model_of(top.section("model"))
    count = top.integer("count", 0, _MOST_ROUNDS)
    rounds = [int(number) for number in top.numbers("rounds", count)]
    if rounds != sorted(set(rounds)):
        raise ModelFileError("rounds", rounds, "must rise")
    vectors = top.many_data("sums", count, layout.length * SCALAR_BYTES)
    try:
        sums = [parse_field_vector(vector, layout.length, "sums") for vector in vectors]
    except CryptoError as error:
        raise ModelFileError("sums", "…", str(error)) from error
    file = SumsFile(
        contract=top.data("contract", 20),
        chain_id=top.integer("chain_id", 1, 2**256 - 1),
        layout=layout,
        model=model,
        method=top.text("method"),
        l2=top.positive("l2"),
        encoding=_encoding(top.section("encoding")),
        sums=dict(zip(rounds, sums, strict=True)),
    )
    top.done()
    return file


def _encoding(section: Fields) -> UpdateEncoding:
    noise, clip_norm = section.positive("noise_multiplier"), section.positive("clip_norm")
    least = section.integer("min_samples", 1, 2**31)
    most = section.integer("max_samples", 1, 2**31)
    bits = section.integer("fraction_bits", 1, 128)
    section.done()
    try:
        return UpdateEncoding(noise, clip_norm, least, most, bits)
    except LearningError as error:
        raise ModelFileError("encoding", "…", str(error)) from error
