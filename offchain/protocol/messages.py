"""Messages between devices, fogs and the cloud, and the envelope that signs them.

Every message is a typed struct in MessagePack; ``typed()`` projects it on the flat EIP-712 struct
that its sender signs (specification, section 3.1), so that a signed message is evidence for
Contract S. Decoding checks lengths and ranges; points and field elements are parsed where used.
"""

from hashlib import sha256
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from offchain.crypto.hashing import keccak256, tagged
from offchain.protocol.eip712 import SIGNATURE_BYTES, SigningKey, recover, typed_digest, word
from offchain.protocol.errors import BadSignature, MalformedMessage, WrongDomain

Round = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Cluster = Annotated[int, Meta(ge=0, lt=64)]
Index = Annotated[int, Meta(ge=0, lt=1024)]
Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
Seed = Annotated[bytes, Meta(min_length=32, max_length=32)]
Element = Annotated[bytes, Meta(min_length=32, max_length=32)]
Proof = Annotated[bytes, Meta(min_length=48, max_length=48)]
AddressBytes = Annotated[bytes, Meta(min_length=20, max_length=20)]
Path = Annotated[tuple[Digest, ...], Meta(max_length=32)]
Points = Annotated[bytes, Meta(min_length=48, max_length=48 * 64)]
Vector = Annotated[bytes, Meta(min_length=32, max_length=32 * 4096 * 64)]

MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class Body(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, kw_only=True):
    """What every message carries."""

    TYPE: ClassVar[str] = ""
    round: Round
    cluster: Cluster

    def typed(self) -> tuple[int | bytes, ...]:
        """The words of the EIP-712 struct, in the order of ``TYPE``."""
        return ()


class NoiseCall(Body, frozen=True, tag=1, kw_only=True):
    """Fog to devices: the next batch of noise is due; ``round`` is the first round it covers."""

    TYPE = "NoiseCall(uint256 round,uint256 cluster)"

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster)


class NoiseRoot(Body, frozen=True, tag=2, kw_only=True):
    """Device to fog: the root over the noise candidates of a batch."""

    TYPE = "NoiseRoot(uint256 round,uint256 cluster,uint256 index,bytes32 root)"
    index: Index
    root: Digest

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, self.index, self.root)


class NoiseReceipt(Body, frozen=True, tag=3, kw_only=True):
    """Fog to device: where its noise root lies under the cluster's root that S holds."""

    TYPE = "NoiseReceipt(uint256 round,uint256 cluster,uint256 position,uint256 count,bytes32 root)"
    position: Index
    count: Annotated[int, Meta(ge=1, le=1024)]
    root: Digest
    path: Path

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, self.position, self.count, self.root)


class ModelOffer(Body, frozen=True, tag=4, kw_only=True):
    """Fog to devices: the model to train on."""

    TYPE = "ModelOffer(uint256 round,uint256 cluster,bytes32 modelDigest,bytes32 owed)"
    model: Vector
    owed: Annotated[tuple[Round, ...], Meta(max_length=1024)] = ()  # rounds whose noise is due

    def typed(self) -> tuple[int | bytes, ...]:
        owed = keccak256(b"".join(word(number) for number in self.owed))
        return (self.round, self.cluster, keccak256(self.model), owed)


def _noise_digest(number: int, leaves: tuple["NoiseLeaf", ...], seeds: tuple[bytes, ...]) -> bytes:
    # With the paths: a packet is kept before they are checked; nobody may change them on its way.
    content = b"".join(
        keccak256(leaf.commitment) + leaf.seed_hash + keccak256(b"".join(leaf.path))
        for leaf in leaves
    )
    return keccak256(word(number) + keccak256(content) + keccak256(b"".join(seeds)))


class NoiseLeaf(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One noise candidate as claimed: COM(noise), hash of its seed, place in the device's tree."""

    commitment: Points
    seed_hash: Digest
    path: Path


class PastNoise(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The noise of a round that the device missed: leaves, and the seeds that were not drawn."""

    round: Round
    leaves: Annotated[tuple[NoiseLeaf, ...], Meta(min_length=2, max_length=64)]
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1, max_length=63)]

    def digest(self) -> bytes:
        """Keccak of its content."""
        return _noise_digest(self.round, self.leaves, self.seeds)


class MaskedPacket(Body, frozen=True, tag=5, kw_only=True):
    """Device to fog: the masked update with its commitments and the opened noise candidates."""

    TYPE = (
        "MaskedPacket(uint256 round,uint256 cluster,uint256 index,uint256 batch,"
        "bytes32 commitment,bytes32 masked,bytes32 noiseRoot,bytes32 noise,bytes32 past)"
    )
    index: Index
    batch: Round
    commitment: Points
    masked: Vector
    noise_root: Digest
    leaves: Annotated[tuple[NoiseLeaf, ...], Meta(min_length=2, max_length=64)]
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1, max_length=63)]
    past: Annotated[tuple[PastNoise, ...], Meta(max_length=1024)] = ()

    def typed(self) -> tuple[int | bytes, ...]:
        return (
            self.round,
            self.cluster,
            self.index,
            self.batch,
            keccak256(self.commitment),
            keccak256(self.masked),
            self.noise_root,
            _noise_digest(self.round, self.leaves, self.seeds),
            keccak256(b"".join(entry.digest() for entry in self.past)),
        )


class Selected(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One selected device."""

    index: Index
    commitment: Points


class Selection(Body, frozen=True, tag=6, kw_only=True):
    """Fog to selected devices: its approval of their commitments."""

    TYPE = "Selection(uint256 round,uint256 cluster,bytes32 root,uint256 count)"
    root: Digest
    members: Annotated[tuple[Selected, ...], Meta(min_length=1, max_length=1024)]

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, self.root, len(self.members))


class Witness(Body, frozen=True, tag=7, kw_only=True):
    """A dealer's witness: signed by itself, so that a share that contradicts it is evidence."""

    TYPE = (
        "Witness(uint256 round,uint256 cluster,uint256 index,bytes32 selection,uint256 count,"
        "bytes32 commitment,bytes32 root,bytes32 polynomial,bytes32 opening)"
    )
    index: Index
    selection: Digest
    count: Annotated[int, Meta(ge=1, le=1024)]
    commitment: Points
    root: Digest
    polynomial: Annotated[tuple[Element, ...], Meta(min_length=1, max_length=2048)]
    opened: Element
    proof: Proof

    def typed(self) -> tuple[int | bytes, ...]:
        return (
            self.round,
            self.cluster,
            self.index,
            self.selection,
            self.count,
            keccak256(self.commitment),
            self.root,
            keccak256(b"".join(self.polynomial)),
            keccak256(self.opened + self.proof),
        )


class SealedShare(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A share with its path, sealed to one recipient."""

    recipient: Index
    sealed: bytes


class Deal(Body, frozen=True, tag=8, kw_only=True):
    """Device to fog: its signed witness (an envelope) and the sealed shares to hand on."""

    TYPE = "Deal(uint256 round,uint256 cluster,uint256 index,bytes32 witness,bytes32 shares)"
    index: Index
    witness: bytes
    shares: Annotated[tuple[SealedShare, ...], Meta(max_length=1024)]

    def typed(self) -> tuple[int | bytes, ...]:
        shares = keccak256(
            b"".join(word(s.recipient) + sha256(s.sealed).digest() for s in self.shares)
        )
        return (self.round, self.cluster, self.index, keccak256(self.witness), shares)


class Delivered(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One dealer's signed witness and the share sealed to the recipient of the delivery."""

    witness: bytes
    sealed: bytes


class Delivery(Body, frozen=True, tag=9, kw_only=True):
    """Fog to device: what every dealer sent it."""

    TYPE = "Delivery(uint256 round,uint256 cluster,bytes32 content)"
    dealings: Annotated[tuple[Delivered, ...], Meta(max_length=1024)]

    def typed(self) -> tuple[int | bytes, ...]:
        content = keccak256(
            b"".join(keccak256(d.witness) + sha256(d.sealed).digest() for d in self.dealings)
        )
        return (self.round, self.cluster, content)


class Complaint(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A share that contradicts its dealer's witness: evidence by itself."""

    dealer: Index
    share: Vector
    path: Path


class ShareReport(Body, frozen=True, tag=10, kw_only=True):
    """Device to fog: whose shares it accepts, and the shares that prove a dealer false."""

    TYPE = (
        "ShareReport(uint256 round,uint256 cluster,uint256 index,bytes32 accepted,"
        "bytes32 complaints)"
    )
    index: Index
    accepted: Annotated[tuple[Index, ...], Meta(max_length=1024)]
    complaints: Annotated[tuple[Complaint, ...], Meta(max_length=1024)] = ()

    def typed(self) -> tuple[int | bytes, ...]:
        accepted = keccak256(b"".join(word(index) for index in self.accepted))
        complaints = keccak256(
            b"".join(
                word(c.dealer) + keccak256(c.share) + keccak256(b"".join(c.path))
                for c in self.complaints
            )
        )
        return (self.round, self.cluster, self.index, accepted, complaints)


class Qualified(Body, frozen=True, tag=11, kw_only=True):
    """Fog to live devices: the qualified set to sum over."""

    TYPE = "Qualified(uint256 round,uint256 cluster,bytes32 root)"
    root: Digest
    indices: Annotated[tuple[Index, ...], Meta(min_length=1, max_length=1024)]

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, self.root)


class SumDigest(Body, frozen=True, tag=12, kw_only=True):
    """Device to fog: the digest of its sum of shares over the qualified set."""

    TYPE = "SumDigest(uint256 round,uint256 cluster,uint256 index,bytes32 root,bytes32 digest)"
    index: Index
    root: Digest
    digest: Digest

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, self.index, self.root, self.digest)


class AnchorProposal(Body, frozen=True, tag=13, kw_only=True):
    """Fog to device: the roots and the sum of commitments to attest."""

    TYPE = "AnchorProposal(uint256 round,uint256 cluster,bytes32 sums,bytes32 commitments)"
    sums_root: Digest
    commitments: Points
    position: Index
    count: Annotated[int, Meta(ge=1, le=1024)]
    path: Path

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, self.sums_root, keccak256(self.commitments))


class Attestation(Body, frozen=True, tag=14, kw_only=True):
    """Device to fog: its BLS signature of the anchor message."""

    TYPE = (
        "Attestation(uint256 round,uint256 cluster,uint256 index,bytes32 message,bytes32 signature)"
    )
    index: Index
    message: Digest
    signature: Annotated[bytes, Meta(min_length=96, max_length=96)]

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, self.index, self.message, keccak256(self.signature))


class Reveal(Body, frozen=True, tag=15, kw_only=True):
    """Device to fog: its sum, once the anchor it signed is on chain."""

    TYPE = "Reveal(uint256 round,uint256 cluster,uint256 index,bytes32 digest)"
    index: Index
    total: Vector

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, self.index, keccak256(self.total))


class ClusterSum(Body, frozen=True, tag=16, kw_only=True):
    """Fog to cloud: the sum of its cluster."""

    TYPE = "ClusterSum(uint256 round,uint256 cluster,bytes32 digest)"
    total: Vector

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, keccak256(self.total))


class Result(Body, frozen=True, tag=17, kw_only=True):
    """Cloud to fogs: the sum of all clusters. One that differs from S slashes the cloud."""

    TYPE = "Result(uint256 round,bytes32 commitmentDigest,bytes32 vectorDigest)"
    commitment_digest: Digest
    total: Vector

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.commitment_digest, keccak256(self.total))


class Statistics(Body, frozen=True, tag=18, kw_only=True):
    """Fog to devices: the result of a statistics round, from which all standardise alike."""

    TYPE = "Statistics(uint256 round,uint256 cluster,bytes32 digest)"
    total: Vector

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, keccak256(self.total))


class ModelRequest(Body, frozen=True, tag=19, kw_only=True):
    """Fog to clouds and other fogs: the model that S holds has not come; answered by ModelOffer."""

    TYPE = "ModelRequest(uint256 round,uint256 cluster,bytes32 modelDigest)"
    model_digest: Digest

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.cluster, self.model_digest)


class ModelVote(Body, frozen=True, tag=20, kw_only=True):
    """Fog to clouds and fogs: the next model that it finds. S judges it; it names no cluster."""

    TYPE = "ModelVote(uint256 round,bytes32 resultDigest,bytes32 modelDigest)"
    result_digest: Digest
    model_digest: Digest

    def typed(self) -> tuple[int | bytes, ...]:
        return (self.round, self.result_digest, self.model_digest)


Message = (
    NoiseCall
    | NoiseRoot
    | NoiseReceipt
    | ModelOffer
    | MaskedPacket
    | Selection
    | Witness
    | Deal
    | Delivery
    | ShareReport
    | Qualified
    | SumDigest
    | AnchorProposal
    | Attestation
    | Reveal
    | ClusterSum
    | Result
    | Statistics
    | ModelRequest
    | ModelVote
)


class Envelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A signed message on the wire."""

    domain: Digest
    sender: AddressBytes
    body: bytes
    signature: Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]


_ENCODER = msgspec.msgpack.Encoder()
_ENVELOPE = msgspec.msgpack.Decoder(Envelope)
_BODY = msgspec.msgpack.Decoder(Message)


def message_digest(domain: bytes, message: Message) -> bytes:
    """The EIP-712 digest of a message under a domain separator."""
    return typed_digest(domain, message.TYPE, message.typed())


def seal_envelope(domain: bytes, key: SigningKey, message: Message) -> bytes:
    """Sign a message and encode it for the wire."""
    signature = key.sign(message_digest(domain, message))
    return _ENCODER.encode(Envelope(domain, key.address, _ENCODER.encode(message), signature))


def parse_envelope(domain: bytes, data: bytes) -> tuple[bytes, Message]:
    """Decode and authenticate a message.

    Returns
    -------
    (sender, message)
        The 20-byte address that signed, and the message.

    Raises
    ------
    MalformedMessage
        Not an envelope, not a known message, or a field out of its length or range.
    WrongDomain
        Signed for another chain or contract.
    BadSignature
        The signature is malformed.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise MalformedMessage(f"message: {len(data)} bytes, at most {MAX_MESSAGE_BYTES}")
    try:
        envelope = _ENVELOPE.decode(data)
        message = _BODY.decode(envelope.body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedMessage(f"message: {error}") from None
    if envelope.domain != domain:
        raise WrongDomain(
            f"message: signed for domain 0x{envelope.domain.hex()}, here it is 0x{domain.hex()}"
        )
    signer = recover(message_digest(domain, message), envelope.signature)
    if signer != envelope.sender:
        raise BadSignature(f"message: not signed by its sender 0x{envelope.sender.hex()}")
    return envelope.sender, message


def selected_leaf(index: int, device: bytes, commitment_digest: bytes) -> bytes:
    """Leaf of the selection and of the qualified set."""
    return tagged("verifog selected v1", word(index), word(device), commitment_digest)


def sum_leaf(index: int, digest: bytes) -> bytes:
    """Leaf of the tree of sum digests."""
    return tagged("verifog sum v1", word(index), digest)


def noise_root_leaf(index: int, device: bytes, root: bytes) -> bytes:
    """Leaf of a cluster's noise tree."""
    return tagged("verifog noise root v1", word(index), word(device), root)
