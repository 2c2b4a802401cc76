"""Errors of the cryptographic package: one class per cause, never any secret in a message."""

from offchain.errors import VerifogError


class CryptoError(VerifogError):
    """Base of every error raised by `offchain.crypto`."""


class LengthError(CryptoError):
    """A byte string or a sequence has the wrong length."""

    def __init__(self, field: str, actual: int, expected: int) -> None:
        super().__init__(f"{field}: length {actual}, expected {expected}")
        self.field = field
        self.actual = actual
        self.expected = expected


class RangeError(CryptoError):
    """A public number lies outside its range."""

    def __init__(self, field: str, value: int, low: int, high: int) -> None:
        super().__init__(f"{field}: {value} is not in [{low}, {high}]")
        self.field = field
        self.value = value
        self.low = low
        self.high = high


class NonCanonicalError(CryptoError):
    """Bytes decode to a value that has another, canonical encoding, or to none."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: not canonical, {reason}")
        self.field = field
        self.reason = reason


class ScalarOverflowError(CryptoError):
    """An element of a vector is not below the group order, or too big for an integer slot.

    The message names the position only: the element may be secret.
    """

    def __init__(self, field: str, index: int, bound: str) -> None:
        super().__init__(f"{field}: element {index} is not below {bound}")
        self.field = field
        self.index = index
        self.bound = bound


class NotOnCurveError(CryptoError):
    """Coordinates do not satisfy the equation of the curve."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: point is not on the curve")
        self.field = field


class NotInSubgroupError(CryptoError):
    """A point of the curve lies outside the subgroup of prime order."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: point is not in the subgroup")
        self.field = field


class InfinityError(CryptoError):
    """The point at infinity where it is not allowed."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: the point at infinity is not allowed")
        self.field = field


class CeremonyError(CryptoError):
    """The ceremony file is missing or is not the one that this program trusts."""


class MerklePathError(CryptoError):
    """A Merkle path does not lead from the leaf to the root."""


class OpeningError(CryptoError):
    """An opening does not belong to its commitment."""


class LayoutError(CryptoError):
    """The slots of a vector do not fit the declared layout."""


class ShareError(CryptoError):
    """A share contradicts the witness of its dealer."""


class WitnessError(CryptoError):
    """A witness contradicts the opening that it carries."""


class ReconstructionError(CryptoError):
    """Shares are too few, or do not fit together."""


class DecodingError(CryptoError):
    """More values are wrong than error-correcting decoding can locate."""


class NoiseError(CryptoError):
    """Opened noise seeds do not give what was committed."""


class SignatureError(CryptoError):
    """A BLS signature, or an aggregate of them, is not valid."""


class SealError(CryptoError):
    """A sealed message was altered, or was sealed for someone else."""
