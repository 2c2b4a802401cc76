"""Messages on the wire: what is signed, what is refused, and that bytes cannot do anything else."""

import re
from typing import get_args

import msgspec
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from offchain.errors import VerifogError
from offchain.protocol import messages
from offchain.protocol.eip712 import Domain, SigningKey
from offchain.protocol.errors import BadSignature, MalformedMessage, WrongDomain
from offchain.protocol.messages import Envelope, Message, message_digest, parse_envelope
from tests.offchain.protocol.builders import signing_key
from tests.offchain.protocol.samples import SAMPLES

DOMAIN = Domain(31_337, b"\x0c" * 20)
KEY = signing_key(7)
EACH_KIND = pytest.mark.parametrize("message", SAMPLES, ids=lambda m: type(m).__name__)


def sealed(message: Message, key: SigningKey = KEY, domain: Domain = DOMAIN) -> bytes:
    return messages.seal_envelope(domain.separator, key, message)


def tampered(data: bytes, **changes: object) -> bytes:
    envelope = msgspec.msgpack.decode(data, type=Envelope)
    return msgspec.msgpack.encode(replace(envelope, **changes))


def typed_data(message: Message) -> dict[str, object]:
    """The message as a wallet would be asked to sign it, from its type string alone."""
    name, members = re.fullmatch(r"(\w+)\((.*)\)", message.TYPE).groups()
    entries = [dict(zip(("type", "name"), m.split(" "), strict=True)) for m in members.split(",")]
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            name: entries,
        },
        "primaryType": name,
        "domain": {
            "name": "Verifog",
            "version": "1",
            "chainId": DOMAIN.chain_id,
            "verifyingContract": "0x" + DOMAIN.contract.hex(),
        },
        "message": {
            entry["name"]: value for entry, value in zip(entries, message.typed(), strict=True)
        },
    }


def test_samples__every_kind_of_message__has_one() -> None:
    assert {type(sample) for sample in SAMPLES} == set(get_args(Message))


@EACH_KIND
def test_digest__of_a_message__equals_that_of_eth_account(message: Message) -> None:
    signable = encode_typed_data(full_message=typed_data(message))
    expected = keccak(b"\x19\x01" + signable.header + signable.body)
    assert message_digest(DOMAIN.separator, message) == expected
    signature = Account.sign_message(signable, KEY.secret()).signature
    assert msgspec.msgpack.decode(sealed(message), type=Envelope).signature == bytes(signature)


@EACH_KIND
def test_envelope__sealed_then_parsed__gives_sender_and_message(message: Message) -> None:
    assert parse_envelope(DOMAIN.separator, sealed(message)) == (KEY.address, message)


@EACH_KIND
def test_envelope__of_another_chain_or_contract__refused(message: Message) -> None:
    for other in (Domain(1, DOMAIN.contract), Domain(31_337, b"\x0d" * 20)):
        with pytest.raises(WrongDomain, match=other.separator.hex()):
            parse_envelope(DOMAIN.separator, sealed(message, domain=other))
        moved = tampered(sealed(message, domain=other), domain=DOMAIN.separator)
        with pytest.raises(BadSignature):
            parse_envelope(DOMAIN.separator, moved)


@EACH_KIND
def test_envelope__in_the_name_of_another__refused(message: Message) -> None:
    with pytest.raises(BadSignature, match="not signed by its sender"):
        parse_envelope(DOMAIN.separator, tampered(sealed(message), sender=signing_key(8).address))


# Not signed: paths and places, which must lead to a signed root; lists under a signed root.
UNSIGNED = {
    "NoiseReceipt": {"path"},
    "AnchorProposal": {"position", "count", "path"},
    "Qualified": {"indices"},
    "Result": {"cluster"},  # the result is the same for all
    "ModelVote": {"cluster"},  # S knows the fog by its signature
}


def altered(value: object) -> object:
    match value:
        case int():
            return value + 1
        case bytes():
            return value[:-1] + bytes([value[-1] ^ 1])
        case tuple():
            return value[:-1] if len(value) > 1 else (*value, *value)
    raise TypeError(value)


@EACH_KIND
def test_envelope__any_field_altered__signature_does_not_fit(message: Message) -> None:
    data, kind = sealed(message), type(message).__name__
    names = {field.name for field in fields(message) if getattr(message, field.name) != ()}
    unsigned = UNSIGNED.get(kind, set())
    for name in names - unsigned:
        changed = replace(message, **{name: altered(getattr(message, name))})
        with pytest.raises(BadSignature):
            parse_envelope(DOMAIN.separator, tampered(data, body=msgspec.msgpack.encode(changed)))
    for name in names & unsigned:
        changed = replace(message, **{name: altered(getattr(message, name))})
        assert changed.typed() == message.typed()


BODIES = {
    "empty": b"",
    "no_array": msgspec.msgpack.encode({"round": 1}),
    "unknown_kind": msgspec.msgpack.encode([99, 1, 1]),
    "field_missing": msgspec.msgpack.encode([1, 1]),
    "field_too_many": msgspec.msgpack.encode([1, 1, 1, 1]),
    "negative_round": msgspec.msgpack.encode([1, -1, 0]),
    "round_too_big": msgspec.msgpack.encode([1, 2**63, 0]),
    "cluster_too_big": msgspec.msgpack.encode([1, 1, 64]),
    "digest_too_short": msgspec.msgpack.encode([2, 1, 0, 0, bytes(31)]),
    "index_too_big": msgspec.msgpack.encode([2, 1, 0, 1024, bytes(32)]),
    "text_for_bytes": msgspec.msgpack.encode([2, 1, 0, 0, "x" * 32]),
    "path_too_long": msgspec.msgpack.encode([3, 1, 0, 0, 1, bytes(32), [bytes(32)] * 33]),
    "one_candidate": msgspec.msgpack.encode(replace(SAMPLES[4], leaves=SAMPLES[4].leaves[:1])),
    "nested_deeply": b"\x91" * 100_000 + b"\xc0",
}


@pytest.mark.parametrize("name", sorted(BODIES))
def test_envelope__body_is_no_message__malformed(name: str) -> None:
    data = msgspec.msgpack.encode(Envelope(DOMAIN.separator, KEY.address, BODIES[name], bytes(65)))
    with pytest.raises(MalformedMessage):
        parse_envelope(DOMAIN.separator, data)


ENVELOPES = {
    "empty": b"",
    "zero": b"\x00",
    "too_big": bytes(messages.MAX_MESSAGE_BYTES + 1),
    "sender_too_short": tampered(sealed(SAMPLES[0]), sender=bytes(19)),
    "signature_too_short": tampered(sealed(SAMPLES[0]), signature=bytes(64)),
    "domain_too_long": tampered(sealed(SAMPLES[0]), domain=bytes(33)),
    "more_after_it": sealed(SAMPLES[0]) + b"\x00",
}


@pytest.mark.parametrize("name", sorted(ENVELOPES))
def test_envelope__malformed__refused(name: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_envelope(DOMAIN.separator, ENVELOPES[name])


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_envelope__any_bytes__nothing_but_own_errors(data: bytes) -> None:
    with pytest.raises(VerifogError):
        parse_envelope(DOMAIN.separator, data)


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(min_size=65, max_size=65))
def test_envelope__any_body_and_signature__nothing_but_own_errors(
    body: bytes, signature: bytes
) -> None:
    data = msgspec.msgpack.encode(Envelope(DOMAIN.separator, KEY.address, body, signature))
    with pytest.raises(VerifogError):
        parse_envelope(DOMAIN.separator, data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_envelope__some_bytes_changed__same_message_or_own_error(
    message: Message, data: st.DataObject
) -> None:
    raw = bytearray(sealed(message))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 2))
    try:
        sender, parsed = parse_envelope(DOMAIN.separator, bytes(raw[: len(raw) - cut]))
    except VerifogError:
        return
    assert sender == KEY.address
    assert message_digest(DOMAIN.separator, parsed) == message_digest(DOMAIN.separator, message)


VALUES = st.none() | st.integers(-1, 2**64 - 1) | st.binary(max_size=64) | st.text(max_size=3)


@settings(deadline=None)
@given(st.integers(0, 20), st.lists(VALUES | st.lists(VALUES, max_size=3), max_size=10))
def test_body__any_fields_under_any_tag__nothing_but_own_errors(tag: int, content: list) -> None:
    body = msgspec.msgpack.encode([tag, *content])
    data = msgspec.msgpack.encode(Envelope(DOMAIN.separator, KEY.address, body, bytes(65)))
    with pytest.raises(VerifogError):
        parse_envelope(DOMAIN.separator, data)
