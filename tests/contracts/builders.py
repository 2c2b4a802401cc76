"""Builders for tests of Contract S: keys, admissions, vectors, anchors, openings.

An implementation of its own over py-arkworks and eth-utils: it can disagree with the product.
Vectors are plain lists of integers; points are py-arkworks objects.
"""

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak, to_canonical_address
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

R = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
BASE_FIELD = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)
SIGNATURE_TAG = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_"
INFINITY_G1 = bytes(128)
INFINITY_G2 = bytes(256)
# On the curve, outside the subgroup: from EIP-2537's vectors (g1 not in correct subgroup).
OUTSIDE_SUBGROUP = bytes.fromhex(
    "000000000000000000000000000000000123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    "0123456789abcdef0123456789abcdef00000000000000000000000000000000193fb7cedb32b2c3adc06ec11a96bc0d"
    "661869316f5e4a577a9f7c179593987beb4fb2ee424dbb2f5dd891e228b46c4a"
)

# ------------------------------------------------------------------------------------------------
# Words, hashes, trees
# ------------------------------------------------------------------------------------------------


def word(value: int | bytes | str) -> bytes:
    """Return an integer, a digest or an address as a 32-byte word."""
    if isinstance(value, str):
        value = to_canonical_address(value)
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    return value.rjust(32, b"\0")


def tagged(tag: str, *words: int | bytes | str) -> bytes:
    return keccak(keccak(text=tag) + b"".join(map(word, words)))


def challenge(tag: str, *words: int | bytes | str) -> int:
    return int.from_bytes(tagged(tag, *words), "big") % R


def bitmap(indices: Iterable[int], devices: int) -> list[int]:
    words = [0] * -(-devices // 256)
    for index in indices:
        words[index // 256] |= 1 << (index % 256)
    return words


def bitmap_digest(words: Sequence[int]) -> bytes:
    return keccak(b"".join(map(word, words)))


def vector_bytes(vector: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in vector)


def vector_digest(vector: Sequence[int]) -> bytes:
    return keccak(vector_bytes(vector))


def merkle_levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    level = [keccak(b"\0" + leaf) for leaf in leaves]
    level += [bytes(32)] * ((1 << (len(level) - 1).bit_length()) - len(level))
    levels = [level]
    while len(level) > 1:
        level = [keccak(b"\1" + level[i] + level[i + 1]) for i in range(0, len(level), 2)]
        levels.append(level)
    return levels


def merkle_path(levels: list[list[bytes]], position: int) -> list[bytes]:
    return [level[(position >> k) ^ 1] for k, level in enumerate(levels[:-1])]


# ------------------------------------------------------------------------------------------------
# Points, commitments, openings
# ------------------------------------------------------------------------------------------------


def scalar(value: int) -> Scalar:
    return Scalar.from_be_bytes((value % R).to_bytes(32, "big"))


def eip2537(point: G1Point | G2Point) -> bytes:
    """Encode a point for the precompiles: coordinates of 64 bytes."""
    if point == type(point).identity():
        return bytes(128 if isinstance(point, G1Point) else 256)
    raw = point.to_xy_bytes_be()
    return b"".join(bytes(16) + raw[i : i + 48] for i in range(0, len(raw), 48))


@lru_cache(maxsize=4)
def powers_of_tau(count: int) -> tuple[G1Point, ...]:
    """[tau^i] of Ethereum's ceremony for i below `count`."""
    path = files("eth_account") / "typed_transactions/blob_transactions/kzg_trusted_setup.txt"
    lines = path.read_text().split()
    first = 2 + int(lines[0]) + int(lines[1])
    return tuple(
        G1Point.from_compressed_bytes_unchecked(bytes.fromhex(line))
        for line in lines[first : first + count]
    )


def commit_chunk(vector: Sequence[int]) -> G1Point:
    if not any(vector):
        return G1Point.identity()
    points = list(powers_of_tau(len(vector)))
    return G1Point.multiexp_unchecked(points, [scalar(value) for value in vector])


def commit(vector: Sequence[int], capacity: int) -> list[G1Point]:
    """Commit to a vector in chunks of `capacity`."""
    return [
        commit_chunk(vector[start : start + capacity]) for start in range(0, len(vector), capacity)
    ]


def encode_commitment(points: Sequence[G1Point]) -> bytes:
    return b"".join(map(eip2537, points))


def evaluate(vector: Sequence[int], z: int) -> int:
    value = 0
    for coefficient in reversed(vector):
        value = (value * z + coefficient) % R
    return value


def open_at(vector: Sequence[int], z: int, capacity: int) -> tuple[int, bytes]:
    """Value and proof at `z` of the whole vector, folded into one chunk as Contract S does."""
    step = pow(z, capacity, R)
    folded = [
        sum(value * pow(step, c, R) for c, value in enumerate(vector[j::capacity])) % R
        for j in range(capacity)
    ]
    quotient = [0] * capacity
    carry = 0
    for j in range(capacity - 1, 0, -1):
        carry = (folded[j] + z * carry) % R
        quotient[j - 1] = carry
    return evaluate(folded, z), commit_chunk(quotient).to_compressed_bytes()


# ------------------------------------------------------------------------------------------------
# BLS
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BlsKey:
    secret: int

    @cached_property
    def point(self) -> G1Point:
        return G1Point() * scalar(self.secret)

    @cached_property
    def public(self) -> bytes:
        return eip2537(self.point)

    def sign(self, message: bytes) -> G2Point:
        return G2Point.hash_to_curve(message, SIGNATURE_TAG) * scalar(self.secret)


def aggregate(signatures: Iterable[G2Point]) -> bytes:
    total = G2Point.identity()
    for signature in signatures:
        total = total + signature
    return eip2537(total)


# ------------------------------------------------------------------------------------------------
# Members
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Device:
    """A device with its Ethereum key (which needs no ether) and its BLS key."""

    secret: bytes
    bls: BlsKey

    @classmethod
    def numbered(cls, number: int) -> "Device":
        seed = hashlib.sha256(b"device %d" % number).digest()
        bls = BlsKey(int.from_bytes(hashlib.sha256(b"bls" + seed).digest(), "big") % R)
        return cls(seed, bls)

    @cached_property
    def address(self) -> str:
        return str(Account.from_key(self.secret).address)

    @cached_property
    def sealing_key(self) -> bytes:
        return hashlib.sha256(b"sealing" + self.secret).digest()

    def admission(self, contract: Any, **changes: Any) -> dict[str, Any]:
        """Build the Authority's statement about this device, with some fields changed."""
        public = changes.get("publicKey", self.bls.public)
        account = changes.get("account", self.address)
        sealing = changes.get("sealingKey", self.sealing_key)
        message = tagged("verifog pop v1", domain(contract), account, keccak(public), sealing)
        return {
            "account": account,
            "sealingKey": self.sealing_key,
            "publicKey": public,
            "proofOfPossession": eip2537(self.bls.sign(message)),
            **changes,
        }

    def sign_exit(self, contract: Any) -> bytes:
        return sign_typed(
            self.secret,
            contract,
            {"Exit": [{"name": "account", "type": "address"}]},
            {"account": self.address},
        )


def sign_typed(
    secret: bytes | str, contract: Any, types: dict[str, Any], message: dict[str, Any]
) -> bytes:
    """EIP-712 signature for a contract, by eth-account."""
    data = {
        "name": "Verifog",
        "version": "1",
        "chainId": contract.provider.chain_id,
        "verifyingContract": contract.address,
    }
    signable = encode_typed_data(domain_data=data, message_types=types, message_data=message)
    return bytes(Account.sign_message(signable, secret).signature)


RESULT_TYPE = {
    "Result": [
        {"name": "round", "type": "uint256"},
        {"name": "commitmentDigest", "type": "bytes32"},
        {"name": "vectorDigest", "type": "bytes32"},
    ]
}


def domain(contract: Any) -> bytes:
    """EIP-712 domain separator, computed here."""
    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    return keccak(
        keccak(text=kind)
        + keccak(text="Verifog")
        + keccak(text="1")
        + word(contract.provider.chain_id)
        + word(contract.address)
    )


# ------------------------------------------------------------------------------------------------
# A cluster's round
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClusterRound:
    """What one cluster brings to one round; `replace` makes a false one."""

    round: int
    cluster: int
    devices: tuple[Device, ...]
    qualified: tuple[int, ...]
    signers: tuple[int, ...]
    vector: tuple[int, ...]
    capacity: int
    absent: tuple[int, ...] = ()
    batch: int = 1
    shares_root: bytes = field(default=keccak(text="R"))

    @cached_property
    def commitments(self) -> bytes:
        return encode_commitment(commit(self.vector, self.capacity))

    @cached_property
    def commitment_digest(self) -> bytes:
        return keccak(self.commitments)

    @cached_property
    def vector_digest(self) -> bytes:
        return vector_digest(self.vector)

    @cached_property
    def sum_digests(self) -> dict[int, bytes]:
        """Stand-ins for the digests of the devices' sums of shares."""
        return {i: keccak(b"sum" + word(self.round) + word(i)) for i in self.signers}

    @cached_property
    def sum_levels(self) -> list[list[bytes]]:
        return merkle_levels(
            [tagged("verifog sum v1", i, digest) for i, digest in self.sum_digests.items()]
        )

    @cached_property
    def words(self) -> list[int]:
        return bitmap(self.qualified, len(self.devices))

    @cached_property
    def anchor(self) -> tuple[bytes, bytes, bytes, list[int]]:
        return (self.shares_root, self.sum_levels[-1][0], self.commitments, self.words)

    def message(self, contract: Any) -> bytes:
        return tagged(
            "verifog anchor v1",
            domain(contract),
            self.round,
            self.cluster,
            self.shares_root,
            self.sum_levels[-1][0],
            self.commitment_digest,
            bitmap_digest(self.words),
        )

    def signature(self, contract: Any) -> bytes:
        message = self.message(contract)
        return aggregate(self.devices[i].bls.sign(message) for i in self.signers)

    @cached_property
    def absent_keys(self) -> bytes:
        return b"".join(self.devices[i].bls.public for i in self.absent)

    def anchor_arguments(self, contract: Any, **changes: Any) -> list[Any]:
        """Arguments of `anchor`; a change replaces one of them by name."""
        arguments = {
            "round": self.round,
            "cluster": self.cluster,
            "batch": self.batch,
            "anchor": self.anchor,
            "signers": bitmap(self.signers, len(self.devices)),
            "absent_keys": self.absent_keys,
            "signature": None,
            **changes,
        }
        if arguments["signature"] is None:
            arguments["signature"] = self.signature(contract)
        return list(arguments.values())

    def cumulative_arguments(self, contract: Any, **changes: Any) -> list[Any]:
        z = challenge("verifog cumulative v1", self.message(contract), self.vector_digest)
        y, proof = open_at(self.vector, z, self.capacity)
        arguments = {
            "round": self.round,
            "cluster": self.cluster,
            "anchor": self.anchor,
            "signer_count": len(self.signers),
            "vector_digest": self.vector_digest,
            "y": y,
            "proof": proof,
            **changes,
        }
        return list(arguments.values())

    def cluster_sum(self, contract: Any, **changes: Any) -> dict[str, Any]:
        return {
            "anchorMessage": self.message(contract),
            "signerCount": len(self.signers),
            "qualifiedCount": len(self.qualified),
            "commitments": self.commitments,
            "vectorDigest": self.vector_digest,
            **changes,
        }

    def changed(self, **changes: Any) -> "ClusterRound":
        return replace(self, **changes)


@dataclass(frozen=True)
class Aggregate:
    """The cloud's result over some clusters' rounds."""

    parts: tuple[ClusterRound, ...]

    @cached_property
    def vector(self) -> list[int]:
        return [sum(values) % R for values in zip(*(p.vector for p in self.parts), strict=True)]

    @cached_property
    def capacity(self) -> int:
        return self.parts[0].capacity

    @cached_property
    def points(self) -> list[G1Point]:
        return commit(self.vector, self.capacity)

    @cached_property
    def commitments(self) -> bytes:
        return encode_commitment(self.points)

    @cached_property
    def commitment_digest(self) -> bytes:
        return keccak(self.commitments)

    @cached_property
    def vector_digest(self) -> bytes:
        return vector_digest(self.vector)

    @cached_property
    def included(self) -> int:
        return sum(1 << part.cluster for part in self.parts)

    @cached_property
    def result_digest(self) -> bytes:
        return keccak(self.commitment_digest + self.vector_digest)

    def challenge(self, contract: Any, digest: bytes | None = None) -> int:
        return challenge(
            "verifog aggregate v1",
            domain(contract),
            self.parts[0].round,
            self.included,
            self.commitment_digest,
            digest or self.vector_digest,
        )

    def arguments(self, contract: Any, model: Sequence[G1Point], /, **changes: Any) -> list[Any]:
        """Arguments of `submitAggregate`; a change replaces one of them by name."""
        digest = changes.get("vector_digest", self.vector_digest)
        z = self.challenge(contract, digest)
        y, proof = open_at(self.vector, z, self.capacity)
        first = self.vector[: self.capacity]
        samples, count_proof = open_at(first, 0, self.capacity)
        arguments = {
            "round": self.parts[0].round,
            "included": self.included,
            "sums": [part.cluster_sum(contract) for part in self.parts],
            "model": encode_commitment(model),
            "vector_digest": digest,
            "samples": samples,
            "count_proof": count_proof,
            "y": y,
            "proof": proof,
            **changes,
        }
        return list(arguments.values())

    def updated(self, model: Sequence[G1Point], factor: int) -> list[G1Point]:
        """COM(theta) - factor COM(c), in the group."""
        return [m - c * scalar(factor) for m, c in zip(model, self.points, strict=True)]


def random_vector(seed: str, slots: int, samples: int) -> tuple[int, ...]:
    """A sum vector: the sample total in slot 0, then scalars."""
    source = random.Random(seed)
    return (samples % R, *(source.randrange(R) for _ in range(slots - 1)))
