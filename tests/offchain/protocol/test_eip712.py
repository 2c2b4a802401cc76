"""Signatures of accounts, against eth_account."""

from contextlib import suppress

import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.protocol.eip712 import Domain, SigningKey, recover, typed_digest, word
from offchain.protocol.errors import BadSignature

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SECRET = bytes(range(1, 33))
DIGEST = bytes(reversed(range(32)))


def parts(signature: bytes) -> tuple[bytes, int, int]:
    return signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]


def test_domain__separator__equals_that_of_eth_account() -> None:
    domain = Domain(11_155_111, bytes(range(20)))
    signable = encode_typed_data(
        domain_data={
            "name": "Verifog",
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": "0x" + domain.contract.hex(),
        },
        message_types={"Exit": [{"name": "account", "type": "address"}]},
        message_data={"account": "0x" + bytes(range(20, 40)).hex()},
    )
    assert domain.separator == signable.header
    account = bytes(range(20, 40))
    digest = typed_digest(domain.separator, "Exit(address account)", (account,))
    key = SigningKey(SECRET)
    assert Account.recover_message(signable, signature=key.sign(digest)) == (
        Account.from_key(SECRET).address
    )


@pytest.mark.parametrize(
    "changed",
    [Domain(2, b"\1" * 20), Domain(1, b"\2" * 20)],
    ids=["chain", "contract"],
)
def test_domain__another_chain_or_contract__another_separator(changed: Domain) -> None:
    assert changed.separator != Domain(1, b"\1" * 20).separator


def test_signing_key__address__equals_that_of_eth_account() -> None:
    expected = bytes.fromhex(Account.from_key(SECRET).address[2:])
    assert SigningKey(SECRET).address == expected
    assert recover(DIGEST, SigningKey(SECRET).sign(DIGEST)) == expected


def test_signing_key__shown__hides_the_secret() -> None:
    key = SigningKey(SECRET)
    assert repr(key) == str(key) == f"SigningKey(0x{key.address.hex()})"
    assert SECRET.hex() not in repr(vars(key))


def test_signature__always__has_low_s() -> None:
    key = SigningKey(SECRET)
    for i in range(64):
        _, s, _ = parts(key.sign(word(i)))
        assert s <= ORDER // 2


def test_signature__with_high_s__refused() -> None:
    """The other signature that the same key could make of the same digest (EIP-2)."""
    r, s, v = parts(SigningKey(SECRET).sign(DIGEST))
    twin = r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    recovered = Account._recover_hash(DIGEST, signature=twin)
    assert bytes.fromhex(recovered[2:]) == SigningKey(SECRET).address
    with pytest.raises(BadSignature, match="upper half"):
        recover(DIGEST, twin)


SIGNATURE = PrivateKey(SECRET).sign_recoverable(DIGEST, hasher=None)[:64] + b"\x1b"


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        SIGNATURE[:64],
        SIGNATURE + b"\x1b",
        SIGNATURE[:64] + b"\x00",
        SIGNATURE[:64] + b"\x1d",
        bytes(64) + b"\x1b",
        SIGNATURE[:32] + bytes(32) + b"\x1b",
        bytes(32) + SIGNATURE[32:64] + b"\x1b",
        b"\xff" * 32 + SIGNATURE[32:64] + b"\x1b",
    ],
    ids=[
        "empty",
        "short",
        "long",
        "v_is_0",
        "v_is_29",
        "zero",
        "s_is_zero",
        "r_is_zero",
        "r_too_big",
    ],
)
def test_signature__malformed__refused(signature: bytes) -> None:
    with pytest.raises(BadSignature):
        recover(DIGEST, signature)


@settings(deadline=None)
@given(st.binary(max_size=70))
def test_recover__any_bytes__an_address_or_own_error(signature: bytes) -> None:
    with suppress(BadSignature):
        assert len(recover(DIGEST, signature)) == 20


@settings(deadline=None)
@given(st.binary(min_size=64, max_size=64), st.sampled_from([27, 28]))
def test_recover__any_r_and_s__as_eth_account_or_own_error(rs: bytes, v: int) -> None:
    try:
        recovered = recover(DIGEST, rs + bytes([v]))
    except BadSignature:
        return
    assert (
        "0x" + recovered.hex() == Account._recover_hash(DIGEST, signature=rs + bytes([v])).lower()
    )
