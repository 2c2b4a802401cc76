"""The finished model as a file that anyone can check against Contract S and predict with.

``digest`` in the file is Keccak-256 of all its other fields in canonical JSON (keys sorted, no
spaces): an altered field is found even where no commitment covers it. It is no signature: who made
the file is not shown by it. That the model is the committed one is shown by ``commitment`` alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from offchain.crypto.commitment import Commitment, CommitmentKey, parse_commitment
from offchain.crypto.curve import G1_BYTES
from offchain.crypto.errors import CryptoError
from offchain.crypto.field import SCALAR_BYTES, FieldVector, parse_field_vector
from offchain.crypto.hashing import keccak256
from offchain.crypto.layout import MAX_CAPACITY, MIN_CAPACITY, SlotLayout
from offchain.learning.arrays import Floats, parse_matrix
from offchain.learning.errors import LearningError
from offchain.learning.models import Model, ModelKind
from offchain.learning.statistics import Standardiser
from offchain.reporting.errors import ModelFileError, ReportFileError
from offchain.reporting.fields import Fields
from offchain.reporting.record import ModelRecord, hex_of

MODEL_VERSION: Final = 1
MAX_MODEL_BYTES: Final = 256 * 1024 * 1024
_FORMAT: Final = "verifog-model"
_MAX_CHUNKS: Final = 64
_ADDRESS_BYTES: Final = 20

# No deeper than a model file is: nesting cannot exhaust the stack, whatever the recursion limit.
_Scalar: TypeAlias = str | int | float | bool | None
_Flat: TypeAlias = _Scalar | list[_Scalar]
_DECODER: Final = msgspec.json.Decoder(dict[str, _Scalar | list[_Scalar] | dict[str, _Flat]])


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """The public map x -> (x - mean) * weight of columns; weight 0 marks a constant column."""

    mean: tuple[float, ...]
    weight: tuple[float, ...]

    @classmethod
    def of(cls, standardiser: Standardiser) -> ColumnMap:
        """Return the map of a standardiser."""
        return cls(tuple(standardiser.mean.tolist()), tuple(standardiser.weight.tolist()))

    def apply(self, X: Floats) -> Floats:
        """Standardise columns, shape (m, columns)."""
        return np.asarray((X - np.array(self.mean)) * np.array(self.weight))

    def invert(self, column: Floats) -> Floats:
        """Bring one standardised column (m,) back to the plant's units."""
        deviation = 1.0 / self.weight[0] if self.weight[0] else 0.0
        return np.asarray(column * deviation + self.mean[0])


@dataclass(frozen=True)
class ModelFile:
    """A committed model with all that is needed to check it and to predict.

    Attributes
    ----------
    contract, chain_id, round
        Address (20 bytes) of the Contract S that holds the commitment, its chain, and the round
        after which it holds it.
    vector, layout, commitment
        The slots, what they hold, and the commitment to them, one point per chunk.
    step, fraction_bits
        A parameter is its slot, as the integer nearest to zero, times step / 2^fraction_bits.
    model, feature_names, class_names, target_name
        What the parameters mean.
    features, target
        Standardisers of the columns, and of the target for regression (else None).
    """

    contract: bytes
    chain_id: int
    round: int
    vector: FieldVector
    layout: SlotLayout
    commitment: Commitment
    step: float
    fraction_bits: int
    model: Model
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    target_name: str
    features: ColumnMap
    target: ColumnMap | None

    @property
    def commitment_digest(self) -> bytes:
        """What Contract S holds if this is its model."""
        return self.commitment.digest

    def parameters(self) -> Floats:
        """Return the model's parameters in real units, shape (d,)."""
        integers = self.layout.extract(self.vector)[1 : 1 + self.model.parameter_count]
        unit = Fraction(self.step) / 2**self.fraction_bits
        return np.array([float(value * unit) for value in integers], dtype=np.float64)

    def predict(self, X: npt.ArrayLike) -> Floats:
        """Predict from rows in the plant's units.

        Parameters
        ----------
        X
            Shape (m, features), columns in the order of ``feature_names``.

        Returns
        -------
        ndarray of float64, shape (m,)
            Values in the target's units, or classes as whole numbers: positions in
            ``class_names``.

        Raises
        ------
        ShapeError, NotFiniteError
            If X is not a finite matrix with a column per feature.
        """
        predicted = self.model.predict(self.parameters(), self._standardised(X))
        return predicted if self.target is None else self.target.invert(predicted)

    def probabilities(self, X: npt.ArrayLike) -> Floats:
        """Return class probabilities (m, classes).

        Raises
        ------
        OptionError
            For a linear model, which has none.
        ShapeError, NotFiniteError
            As ``predict``.
        """
        return self.model.probabilities(self.parameters(), self._standardised(X))

    def _standardised(self, X: npt.ArrayLike) -> Floats:
        return self.features.apply(parse_matrix("X", X, self.model.features))


def model_record(model: ModelFile, on_chain_digest: bytes) -> ModelRecord:
    """Return what a report says of a model, beside the digest (32 bytes) that S holds."""
    return ModelRecord(
        commitment=tuple(_pieces(model.commitment.to_bytes(), G1_BYTES)),
        digest=hex_of(model.commitment_digest),
        on_chain_digest=hex_of(on_chain_digest),
        matches=model.commitment_digest == on_chain_digest,
    )


def encode_model(model: ModelFile) -> bytes:
    """Return a model file as indented JSON with sorted keys."""
    content = _content(model)
    content["digest"] = _digest(content)
    plain = msgspec.json.encode(content, order="sorted")
    return msgspec.json.format(plain, indent=1) + b"\n"


def write_model(model: ModelFile, path: Path) -> None:
    """Write a model file whole or not at all.

    Raises
    ------
    ReportFileError
        When it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        partial.write_bytes(encode_model(model))
        partial.replace(path)
    except OSError as error:
        raise ReportFileError(str(path), f"cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def parse_model(data: bytes, *, check_commitment: bool = True) -> ModelFile:
    """Read and check a model file.

    Parameters
    ----------
    check_commitment
        Whether to recompute the commitment from the slots (needs the ceremony's powers).

    Raises
    ------
    ModelFileError
        Naming the first field that is missing, unknown, or not what it must be, with its value
        and bound.
    """
    if len(data) > MAX_MODEL_BYTES:
        raise ModelFileError("model file", len(data), f"at most {MAX_MODEL_BYTES} bytes")
    try:
        content = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        bound = f"must be JSON of a model file: {error}"
        raise ModelFileError("model file", data[:20], bound) from error
    top = Fields(content)
    top.constant("format", _FORMAT)
    top.constant("version", MODEL_VERSION)
    parsed = _parse(top)
    digest = hex_of(top.data("digest", SCALAR_BYTES))
    top.done()
    expected = _digest({name: value for name, value in content.items() if name != "digest"})
    if digest != expected:
        raise ModelFileError("digest", digest, f"the other fields give {expected}: altered")
    if check_commitment:
        _check_commitment(parsed)
    return parsed


def read_model(path: Path, *, check_commitment: bool = True) -> ModelFile:
    """Read a model file from disk.

    Raises
    ------
    ReportFileError
        When it cannot be read.
    ModelFileError
        As ``parse_model``.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReportFileError(str(path), f"cannot be read: {error}") from error
    return parse_model(data, check_commitment=check_commitment)


def _content(model: ModelFile) -> dict[str, Any]:
    slots = model.vector.data
    points = model.commitment.to_bytes()
    return {
        "format": _FORMAT,
        "version": MODEL_VERSION,
        "contract": hex_of(model.contract),
        "chain_id": model.chain_id,
        "round": model.round,
        "commitment": _pieces(points, G1_BYTES),
        "commitment_digest": hex_of(model.commitment_digest),
        "slots": _pieces(slots, SCALAR_BYTES),
        "layout": {
            "capacity": model.layout.capacity,
            "packing": model.layout.packing,
            "chunks": model.layout.chunks,
            "values": model.layout.values,
        },
        "encoding": {"step": model.step, "fraction_bits": model.fraction_bits},
        "model": {
            "kind": model.model.kind.value,
            "features": model.model.features,
            "classes": model.model.classes,
        },
        "feature_names": list(model.feature_names),
        "class_names": list(model.class_names),
        "target_name": model.target_name,
        "standardiser": _columns(model.features),
        "target_standardiser": _columns(model.target) if model.target else None,
    }


def _columns(columns: ColumnMap) -> dict[str, list[float]]:
    return {"mean": list(columns.mean), "weight": list(columns.weight)}


def _pieces(data: bytes, size: int) -> list[str]:
    return [hex_of(data[i : i + size]) for i in range(0, len(data), size)]


def _digest(content: dict[str, Any]) -> str:
    return hex_of(keccak256(msgspec.json.encode(content, order="sorted")))


def _parse(top: Fields) -> ModelFile:
    layout = layout_of(top.section("layout"))
    model = model_of(top.section("model"))
    if model.parameter_count > layout.values:
        bound = f"must be at least {model.parameter_count}, the model's parameters"
        raise ModelFileError("layout.values", layout.values, bound)
    encoding = top.section("encoding")
    step, fraction_bits = encoding.positive("step"), encoding.integer("fraction_bits", 1, 128)
    encoding.done()
    slots = top.many_data("slots", layout.length, SCALAR_BYTES)
    points = top.many_data("commitment", layout.chunks, G1_BYTES)
    try:
        vector = parse_field_vector(b"".join(slots), layout.length, "slots")
    except CryptoError as error:
        raise ModelFileError("slots", "…", str(error)) from error
    try:
        commitment = parse_commitment(b"".join(points), layout.chunks, infinity=True)
    except CryptoError as error:
        raise ModelFileError("commitment", points[0].hex(), str(error)) from error
    digest = top.data("commitment_digest", SCALAR_BYTES)
    if digest != commitment.digest:
        bound = f"the commitment gives {hex_of(commitment.digest)}"
        raise ModelFileError("commitment_digest", hex_of(digest), bound)
    target = top.optional_section("target_standardiser")
    if (target is None) is (model.kind is ModelKind.LINEAR):
        bound = "must be there for a linear model, and null for all others"
        raise ModelFileError("target_standardiser", "null" if target is None else "…", bound)
    return ModelFile(
        contract=top.data("contract", _ADDRESS_BYTES),
        chain_id=top.integer("chain_id", 1, 2**64 - 1),
        round=top.integer("round", 0, 2**64 - 1),
        vector=vector,
        layout=layout,
        commitment=commitment,
        step=step,
        fraction_bits=fraction_bits,
        model=model,
        feature_names=top.texts("feature_names", model.features),
        class_names=top.texts("class_names", model.classes),
        target_name=top.text("target_name"),
        features=_parse_columns(top.section("standardiser"), model.features),
        target=_parse_columns(target, 1) if target else None,
    )


def layout_of(fields: Fields) -> SlotLayout:
    """Read the layout of a file's vectors; errors as ``parse_model``."""
    capacity = fields.integer("capacity", MIN_CAPACITY, MAX_CAPACITY)
    packing = fields.integer("packing", 1, MAX_CAPACITY)
    chunks = fields.integer("chunks", 1, _MAX_CHUNKS)
    values = fields.integer("values", 1, MAX_CAPACITY * _MAX_CHUNKS)
    fields.done()
    try:
        return SlotLayout(capacity, packing, chunks, values)
    except CryptoError as error:
        raise ModelFileError("layout", (capacity, packing, chunks, values), str(error)) from error


def model_of(fields: Fields) -> Model:
    """Read what a file's parameters mean; errors as ``parse_model``."""
    kind = fields.text("kind")
    if kind not in list(ModelKind):
        raise ModelFileError("model.kind", kind, f"must be one of {', '.join(ModelKind)}")
    features = fields.integer("features", 1, MAX_CAPACITY * _MAX_CHUNKS)
    classes = fields.integer("classes", 0, MAX_CAPACITY * _MAX_CHUNKS)
    fields.done()
    try:
        return Model(ModelKind(kind), features, classes)
    except LearningError as error:
        raise ModelFileError("model", (kind, features, classes), str(error)) from error


def _parse_columns(fields: Fields, count: int) -> ColumnMap:
    mean, weight = fields.numbers("mean", count), fields.numbers("weight", count)
    fields.done()
    for index, value in enumerate(weight):
        if value < 0.0:
            name = f"{fields.name_of('weight')}[{index}]"
            raise ModelFileError(name, value, "must be at least 0")
    return ColumnMap(mean, weight)


def _check_commitment(model: ModelFile) -> None:
    computed = CommitmentKey.load(model.layout.capacity).commit(model.vector)
    if computed.to_bytes() != model.commitment.to_bytes():
        claimed = hex_of(model.commitment.to_bytes()[:G1_BYTES])
        raise ModelFileError("commitment", claimed, "is not that of the slots")
