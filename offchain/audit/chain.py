"""Whether the chain's own hashes bear out the record: headers, transactions, receipts, accounts."""

from __future__ import annotations

from itertools import pairwise

from offchain.audit.ethereum import (
    Malformed,
    Receipt,
    SignedTransaction,
    account_leaf,
    decode_receipt,
    decode_transaction,
    index_key,
    proven_value,
)
from offchain.audit.findings import At, Checks, Part
from offchain.audit.record import PublicRecord, PublicTransaction
from offchain.crypto.hashing import keccak256


def check_headers(checks: Checks, record: PublicRecord) -> None:
    """Check each header's hash, its number, and the links and times between headers."""
    for number, header in record.headers.items():
        at = checks.at(Part.CHAIN, block=number)
        at.equal("header.hash", header.hash, header.computed_hash())
        at.equal("header.number", header.number, number)
    for before, after in pairwise(sorted(record.headers)):
        earlier, later = record.headers[before], record.headers[after]
        at = checks.at(Part.CHAIN, block=after)
        rising = earlier.timestamp <= later.timestamp
        name = "header.timestamp"
        at.holds(name, rising, later.timestamp, f"not before {earlier.timestamp}")
        if after == before + 1:
            at.equal("header.parent_hash", later.parent_hash, earlier.hash)


def check_transaction(
    at: At, record: PublicRecord, public: PublicTransaction
) -> tuple[SignedTransaction | None, Receipt | None]:
    """Check that the block holds a transaction and its receipt, and decode both."""
    header = record.headers.get(public.block)
    if header is None:
        at.fail("header", "none", "the header of the transaction's block")
        return None, None
    encoded, receipt = public.transaction.encoded, public.receipt.encoded
    key = index_key(public.index)
    at.equal("transaction.hash", public.hash, keccak256(encoded))
    listed = proven_value(header.transactions_root, key, public.transaction.proof)
    at.holds("transaction", listed == encoded, encoded, "the one under the block's root")
    proven = proven_value(header.receipts_root, key, public.receipt.proof)
    at.holds("receipt", proven == receipt, receipt, "the one under the block's root")
    try:
        decoded = decode_receipt(receipt)
    except Malformed as error:
        at.fail("receipt", str(error), "a receipt")
        return None, None
    at.holds("receipt.status", decoded.succeeded, "failed", "a transaction that succeeded")
    try:
        return decode_transaction(encoded), decoded
    except Malformed as error:
        at.fail("transaction", str(error), "a signed transaction")
        return None, decoded


def check_accounts(checks: Checks, record: PublicRecord) -> None:
    """Check code and balance of accounts against the last block's state root."""
    header = record.headers.get(record.head)
    at = checks.at(Part.CHAIN, block=record.head)
    if header is None:
        at.fail("header", "none", "the header of the last block")
        return
    for address, account in record.accounts.items():
        if account.proof is None:
            continue
        leaf = account_leaf(
            account.nonce, account.balance, account.storage_root, keccak256(account.code)
        )
        proven = proven_value(header.state_root, keccak256(address), account.proof)
        name = f"account 0x{address.hex()}"
        at.holds(name, proven == leaf, leaf, "the one under the block's state root")
