"""An audit from a provider to a verdict: read, ask, verify."""

from __future__ import annotations

from dataclasses import replace

from web3 import Web3

from offchain.audit.decoding import Abi
from offchain.audit.reader import Progress, Reader
from offchain.audit.record import PublicRecord
from offchain.audit.task import Artifacts
from offchain.audit.verifier import Audited, questions, verify


def read_record(
    web3: Web3,
    contract: bytes,
    artifacts: Artifacts,
    to_block: int | None = None,
    progress: Progress | None = None,
) -> PublicRecord:
    """Read all that is public about a Contract S, the answers of its views included.

    Raises
    ------
    AuditError
        When there is no such contract, or the provider fails.
    """
    abi = Abi(artifacts.contract.abi)
    reader = Reader(web3, contract, abi, progress) if progress else Reader(web3, contract, abi)
    record = reader.record(to_block)
    asked = questions(record, artifacts)
    return replace(record, views=reader.answers(record.head, asked))


def audit(
    web3: Web3,
    contract: bytes,
    artifacts: Artifacts,
    *,
    model: bytes | None = None,
    sums: bytes | None = None,
    from_block: int = 0,
    to_block: int | None = None,
    progress: Progress | None = None,
) -> tuple[PublicRecord, Audited]:
    """Read the public record of a Contract S and audit it.

    Parameters
    ----------
    contract
        20 bytes.
    model
        Content of a model file to check against the chain.
    sums
        Content of a file of released sums, to solve for the voted models again.
    from_block
        Signatures and openings in earlier blocks are not checked, only followed.
    to_block
        Last block to read; the newest by default.
    progress
        Told how many of how many blocks are read.

    Raises
    ------
    AuditError
        When there is no such contract, or the provider fails.
    """
    record = read_record(web3, contract, artifacts, to_block, progress)
    return record, verify(record, artifacts, model=model, sums=sums, from_block=from_block)
