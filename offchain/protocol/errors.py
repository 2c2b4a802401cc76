"""Why a message is refused: one exception for each check of the protocol."""

from offchain.errors import VerifogError


class ProtocolError(VerifogError):
    """A message failed a check. ``code`` names the check in logs, counts and reports."""

    code = "protocol"


class MalformedMessage(ProtocolError):
    """The bytes are no message of this protocol."""

    code = "malformed"


class WrongDomain(ProtocolError):
    """The message was signed for another chain or another contract."""

    code = "wrong-domain"


class BadSignature(ProtocolError):
    """The signature is not the claimed sender's."""

    code = "bad-signature"


class UnknownSender(ProtocolError):
    """The sender is not admitted, or does not speak for the index or role it names."""

    code = "unknown-sender"


class WrongRound(ProtocolError):
    """The message belongs to another round, cluster or batch."""

    code = "wrong-round"


class WrongPhase(ProtocolError):
    """The message comes before its time or after its deadline."""

    code = "wrong-phase"


class TooEarly(WrongPhase):
    """The message is ahead of what its receiver has seen of the chain: kept and tried again."""

    code = "too-early"


class Equivocation(ProtocolError):
    """The sender has already signed something else for this step."""

    code = "equivocation"


class ModelMismatch(ProtocolError):
    """The model given is not the one that Contract S has committed to."""

    code = "false-model"


class NoiseRootMismatch(ProtocolError):
    """The noise root is not the one recorded with Contract S before the beacon."""

    code = "noise-root"


class NoisePathMismatch(ProtocolError):
    """A noise candidate does not lie under the recorded noise root."""

    code = "noise-path"


class NoiseSeedMismatch(ProtocolError):
    """An opened seed does not give the noise committed to."""

    code = "noise-seed"


class NoiseOwed(ProtocolError):
    """The device has missed rounds, and does not open the noise that was not drawn in them."""

    code = "noise-owed"


class NoiseChoiceMismatch(ProtocolError):
    """The mask is not the candidate that the beacon chose."""

    code = "noise-choice"


class MaskMismatch(ProtocolError):
    """COM(masked) differs from COM(u) + COM(noise)."""

    code = "mask"


class MaskedRangeError(ProtocolError):
    """A masked slot lies outside what an honest update and its noise can reach."""

    code = "masked-range"


class NotSelected(ProtocolError):
    """The selection rule left the update out."""

    code = "not-selected"


class SelectionMismatch(ProtocolError):
    """The fog's selection names another commitment, an unknown device, or too few."""

    code = "selection"


class WitnessMismatch(ProtocolError):
    """A dealer's witness does not fit its commitment."""

    code = "witness"


class OpeningMismatch(ProtocolError):
    """The opening of a commitment is false."""

    code = "opening"


class SharePathMismatch(ProtocolError):
    """A share does not lie under the dealer's root."""

    code = "share-path"


class ShareMismatch(ProtocolError):
    """A share is not the evaluation that the witness shows."""

    code = "share"


class SharesMissing(ProtocolError):
    """A share did not come or could not be unsealed."""

    code = "share-missing"


class QualifiedMismatch(ProtocolError):
    """The qualified set holds a dealer whose share was not accepted, or too few dealers."""

    code = "qualified"


class UnsafeSum(ProtocolError):
    """With a sum released before on the same model, this one would show too few devices."""

    code = "unsafe-sum"


class AnchorMismatch(ProtocolError):
    """The fog's roots or sum of commitments are not what the device computed itself."""

    code = "anchor"


class AttestationMismatch(ProtocolError):
    """A device's BLS signature does not verify."""

    code = "attestation"


class SumDigestMismatch(ProtocolError):
    """A released sum is not the one whose digest was anchored."""

    code = "sum-digest"


class SumMismatch(ProtocolError):
    """A released sum was located as wrong by error-correcting decoding."""

    code = "sum"


class ClusterSumMismatch(ProtocolError):
    """The vector of a cluster does not match what Contract S holds."""

    code = "cluster-sum"


class ResultMismatch(ProtocolError):
    """The cloud's result does not match what Contract S holds."""

    code = "result"


class EvidenceTooLarge(ProtocolError):
    """S cannot be shown this evidence: it fits no transaction."""

    code = "evidence-too-large"
