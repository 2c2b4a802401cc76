import pickle
from functools import reduce

import pytest
from eth_utils import keccak
from py_ecc.bls import G2Basic
from py_ecc.bls.g2_primitives import G1_to_pubkey, G2_to_signature, pubkey_to_G1
from py_ecc.bls.hash_to_curve import hash_to_G2
from py_ecc.optimized_bls12_381 import add

from offchain.crypto import curve, errors
from offchain.crypto.attestation import (
    SIGNATURE_DST,
    BlsPublicKey,
    BlsSecretKey,
    BlsSignature,
    aggregate,
    aggregate_keys,
    hash_to_g2,
    locate_bad_signatures,
    parse_public_key,
    parse_secret_key,
    parse_signature,
    verify,
    verify_batch,
)
from offchain.crypto.errors import (
    LengthError,
    RangeError,
    ScalarOverflowError,
    SignatureError,
)
from offchain.crypto.field import R
from offchain.crypto.randomness import Randomness
from tests.offchain.crypto.oracles import compressed_cases

DIGEST = keccak(b"anchor")
OTHER = keccak(b"other")


@pytest.fixture
def signers(randomness):
    return [BlsSecretKey.draw(randomness) for _ in range(5)]


def signed(signers, digests=None):
    digests = digests or [DIGEST] * len(signers)
    return [
        (key.public_key, digest, key.sign(digest))
        for key, digest in zip(signers, digests, strict=True)
    ]


def test_hash_to_g2__digests__equals_py_ecc():
    assert SIGNATURE_DST == G2Basic.DST
    for digest in (DIGEST, bytes(32)):
        expected = bytes(
            G2_to_signature(hash_to_G2(digest, SIGNATURE_DST, G2Basic.xmd_hash_function))
        )
        assert curve.g2_to_bytes(hash_to_g2(digest)) == expected


def test_sign__secret_key__equals_py_ecc(signers):
    key = signers[0]
    secret = int.from_bytes(key.to_bytes(), "big")
    assert key.public_key.to_bytes() == G2Basic.SkToPk(secret)
    signature = key.sign(DIGEST)
    assert signature.to_bytes() == G2Basic.Sign(secret, DIGEST)
    assert G2Basic.Verify(key.public_key.to_bytes(), DIGEST, signature.to_bytes())
    verify(key.public_key, DIGEST, signature)


def test_aggregate__one_digest__equals_py_ecc_and_verifies(signers):
    items = signed(signers)
    total = aggregate([signature for _, _, signature in items])
    assert total.to_bytes() == G2Basic.Aggregate([s.to_bytes() for _, _, s in items])
    keys = aggregate_keys([key for key, _, _ in items])
    verify(keys, DIGEST, total)
    points = [pubkey_to_G1(key.to_bytes()) for key, _, _ in items]
    assert keys.to_bytes() == bytes(G1_to_pubkey(reduce(add, points)))
    assert G2Basic.Verify(keys.to_bytes(), DIGEST, total.to_bytes())
    with pytest.raises(SignatureError):
        verify(aggregate_keys([key for key, _, _ in items[:-1]]), DIGEST, total)
    with pytest.raises(SignatureError):
        verify(keys, OTHER, total)


def test_aggregate__distinct_digests__agrees_with_py_ecc(signers, randomness):
    digests = [keccak(bytes([i])) for i in range(3)]
    items = signed(signers[:3], digests)
    keys = [key.to_bytes() for key, _, _ in items]
    total = aggregate([signature for _, _, signature in items]).to_bytes()
    assert G2Basic.AggregateVerify(keys, digests, total)
    verify_batch(items, randomness)
    swapped = [(key, digests[0], signature) for key, _, signature in items]
    assert not G2Basic.AggregateVerify(keys, [digests[1], *digests[1:]], total)
    assert locate_bad_signatures(swapped, randomness) == [1, 2]


def test_verify__key_digest_or_signature_of_another__raises(signers):
    key, _, signature = signed(signers)[0]
    for arguments in (
        (signers[1].public_key, DIGEST, signature),
        (key, OTHER, signature),
        (key, DIGEST, signers[1].sign(DIGEST)),
        (key, DIGEST, BlsSignature(-signature.point)),
    ):
        with pytest.raises(SignatureError):
            verify(*arguments)


def test_verify__keys_that_cancel__are_refused(signers):
    key, negative = signers[0].public_key, BlsPublicKey(-signers[0].public_key.point)
    nothing = BlsSignature(curve.G2_INFINITY)
    keys = aggregate_keys([key, negative])
    with pytest.raises(SignatureError):
        verify(keys, DIGEST, nothing)
    with pytest.raises(SignatureError):
        verify_batch([(keys, DIGEST, nothing)], Randomness(bytes(32)))


@pytest.mark.parametrize("bad", [[], [0], [4], [1, 2], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("same_digest", [True, False])
def test_locate_bad_signatures__some_false__names_exactly_those(
    signers, randomness, bad, same_digest
):
    digests = [DIGEST if same_digest or i % 2 else OTHER for i in range(5)]
    items = signed(signers, digests)
    for i in bad:
        items[i] = (*items[i][:2], BlsSignature(items[i][2].point + curve.G2_GENERATOR))
    assert locate_bad_signatures(items, randomness) == bad
    if bad:
        with pytest.raises(SignatureError, match="batch of 5"):
            verify_batch(items, randomness)
    else:
        verify_batch(items, randomness)


def test_verify_batch__errors_that_cancel_in_a_plain_sum__are_found(signers, randomness):
    first, second = signed(signers)[:2]
    shift = curve.G2_GENERATOR
    items = [
        (*first[:2], BlsSignature(first[2].point + shift)),
        (*second[:2], BlsSignature(second[2].point - shift)),
    ]
    assert locate_bad_signatures(items, randomness) == [0, 1]
    verify_batch([], randomness)


def test_encodings__keys_and_signatures__round_trip(signers):
    key, _, signature = signed(signers)[0]
    assert parse_public_key(key.to_bytes()) == key
    assert parse_signature(signature.to_bytes()) == signature
    assert parse_secret_key(signers[0].to_bytes()).public_key == key
    assert curve.parse_g1_eip2537(key.to_eip2537()) == key.point
    assert curve.parse_g2_eip2537(signature.to_eip2537()) == signature.point


@pytest.mark.parametrize(("name", "data", "error"), compressed_cases(48))
def test_parse_public_key__bad_encoding__raises(name, data, error):
    with pytest.raises(getattr(errors, error)):
        parse_public_key(data)


@pytest.mark.parametrize(("name", "data", "error"), compressed_cases(96))
def test_parse_signature__bad_encoding__raises(name, data, error):
    with pytest.raises(getattr(errors, error)):
        parse_signature(data)


def test_parse_secret_key__out_of_range__raises_without_showing_it():
    parse_secret_key((R - 1).to_bytes(32, "big"))
    for value in (0, R, 2**256 - 1):
        with pytest.raises(ScalarOverflowError) as caught:
            parse_secret_key(value.to_bytes(32, "big"))
        assert value == 0 or str(value) not in str(caught.value)
    with pytest.raises(LengthError):
        parse_secret_key(bytes(31))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_sign__digest_of_wrong_length__raises(signers, size):
    with pytest.raises(LengthError):
        signers[0].sign(bytes(size))
    with pytest.raises(LengthError):
        verify(signers[0].public_key, bytes(size), signers[0].sign(DIGEST))


def test_aggregate__nothing__raises():
    with pytest.raises(RangeError):
        aggregate([])
    with pytest.raises(RangeError):
        aggregate_keys([])


def test_repr_and_pickle__secret_key__is_hidden(signers):
    assert repr(signers[0]) == str(signers[0]) == "BlsSecretKey(<hidden>)"
    with pytest.raises(TypeError):
        pickle.dumps(signers[0])
