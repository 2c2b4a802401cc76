import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_utils import keccak

from offchain.crypto.errors import LengthError, NonCanonicalError, SealError
from offchain.crypto.randomness import Randomness
from offchain.crypto.sealing import (
    OVERHEAD_BYTES,
    Sealer,
    SealingKey,
    SealingPublicKey,
    open_sealed,
    parse_sealing_public_key,
    seal,
)

CONTEXT = b"round 7, dealer 3, recipient 5"
LOW_ORDER = [
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
NOT_CANONICAL = [
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ff" * 32,
    "09" + "00" * 30 + "80",
]


@pytest.fixture
def recipient(randomness):
    return SealingKey.draw(randomness)


@pytest.mark.parametrize("size", [0, 1, 131_072])
def test_open_sealed__right_key_and_context__gives_the_plain_text(recipient, randomness, size):
    plain = randomness.bytes(size)
    sealed = seal(plain, recipient.public_key, CONTEXT, randomness)
    assert len(sealed) == size + OVERHEAD_BYTES
    assert open_sealed(sealed, recipient, CONTEXT) == plain
    if size > 32:
        assert plain[:32] not in sealed


def test_sealer__several_recipients__each_opens_its_own(recipient, randomness):
    other, sealer = SealingKey.draw(randomness), Sealer(randomness)
    boxes = {key: sealer.seal(b"share", key.public_key, CONTEXT) for key in (recipient, other)}
    assert len({box[:32] for box in boxes.values()}) == 1  # one ephemeral key
    assert len({box[32:] for box in boxes.values()}) == 2
    for key, box in boxes.items():
        assert open_sealed(box, key, CONTEXT) == b"share"
    with pytest.raises(SealError):
        open_sealed(boxes[other], recipient, CONTEXT)


def test_sealer__same_recipient_and_context_twice__raises(recipient, randomness):
    sealer = Sealer(randomness)
    sealer.seal(b"share", recipient.public_key, CONTEXT)
    sealer.seal(b"share", recipient.public_key, CONTEXT + b"2")
    with pytest.raises(SealError, match="a second message"):
        sealer.seal(b"other", recipient.public_key, CONTEXT)
    assert repr(sealer) == "Sealer(<hidden>)"


def test_open_sealed__any_byte_altered__raises(recipient, randomness):
    sealed = seal(b"share", recipient.public_key, CONTEXT, randomness)
    for i in range(len(sealed)):
        altered = sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :]
        with pytest.raises(SealError):
            open_sealed(altered, recipient, CONTEXT)


def test_open_sealed__other_key_or_context__raises(recipient, randomness):
    sealed = seal(b"share", recipient.public_key, CONTEXT, randomness)
    with pytest.raises(SealError, match="does not open"):
        open_sealed(sealed, SealingKey.draw(randomness), CONTEXT)
    with pytest.raises(SealError, match="does not open"):
        open_sealed(sealed, recipient, CONTEXT + b"!")


@pytest.mark.parametrize("size", [0, 32, 47])
def test_open_sealed__too_short__raises(recipient, size):
    with pytest.raises(SealError, match=f"{size} bytes, at least 48"):
        open_sealed(bytes(size), recipient, CONTEXT)


def test_open_sealed__truncated_or_extended__raises(recipient, randomness):
    sealed = seal(b"share", recipient.public_key, CONTEXT, randomness)
    for wrong in (sealed[:-1], sealed + b"\0"):
        with pytest.raises(SealError):
            open_sealed(wrong, recipient, CONTEXT)


@pytest.mark.parametrize("encoded", LOW_ORDER)
def test_public_key__low_order__is_refused_everywhere(recipient, randomness, encoded):
    data = bytes.fromhex(encoded)
    with pytest.raises(NonCanonicalError, match="low order"):
        parse_sealing_public_key(data)
    with pytest.raises(NonCanonicalError, match="low order"):
        seal(b"share", SealingPublicKey(data), CONTEXT, randomness)
    with pytest.raises(SealError, match="low order"):
        open_sealed(data + bytes(40), recipient, CONTEXT)


@pytest.mark.parametrize("encoded", NOT_CANONICAL)
def test_public_key__not_canonical__is_refused(encoded):
    with pytest.raises(NonCanonicalError, match="2\\^255 - 19"):
        parse_sealing_public_key(bytes.fromhex(encoded))


def test_public_key__used_or_not__equal_and_pickled_by_its_bytes(recipient, randomness):
    data = recipient.public_key.data
    used, fresh = parse_sealing_public_key(data), SealingPublicKey(data)
    seal(b"share", used, CONTEXT, randomness)
    assert used == fresh
    assert hash(used) == hash(fresh)
    assert repr(used) == repr(fresh) == f"SealingPublicKey(data={data!r})"
    assert pickle.dumps(used) == pickle.dumps(fresh)


def test_exchange__both_sides_and_repeated__one_secret(recipient, randomness):
    other = SealingKey.draw(randomness)
    secrets = {recipient.exchange(other.public_key) for _ in range(2)}
    assert secrets == {other.exchange(recipient.public_key)}


def test_public_key__bytes__round_trip_or_raise(recipient):
    data = recipient.public_key.data
    assert parse_sealing_public_key(data) == recipient.public_key
    assert SealingKey(recipient.to_bytes()).public_key == recipient.public_key
    for size in (0, 31, 33):
        with pytest.raises(LengthError):
            parse_sealing_public_key(bytes(size))
        with pytest.raises(LengthError):
            SealingKey(bytes(size))


def test_seal__same_stream_or_not__ephemeral_keys_follow_it(recipient):
    def once(seed):
        return seal(b"share", recipient.public_key, CONTEXT, Randomness(bytes([seed]) * 32))

    assert once(1) == once(1)
    assert once(1)[:32] != once(2)[:32]


def test_seal__format__is_the_documented_construction(recipient, randomness):
    # Opened with the primitives alone, as another implementation would.
    sealed = seal(b"share", recipient.public_key, CONTEXT, randomness)
    private = X25519PrivateKey.from_private_bytes(recipient.to_bytes())
    shared = private.exchange(X25519PublicKey.from_public_bytes(sealed[:32]))
    info = b"verifog sealed share v1" + sealed[:32] + recipient.public_key.data + keccak(CONTEXT)
    material = HKDF(SHA256(), 44, salt=None, info=info).derive(shared)
    cipher = ChaCha20Poly1305(material[:32])
    assert cipher.decrypt(material[32:], sealed[32:], CONTEXT) == b"share"


def test_repr_and_pickle__secret_key__is_hidden(recipient):
    assert repr(recipient) == str(recipient) == "SealingKey(<hidden>)"
    with pytest.raises(TypeError):
        pickle.dumps(recipient)
