"""Checks a node before it starts, and says what to do about each failure."""

import asyncio
import datetime as dt
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from web3 import Web3

from offchain.chain.code import Source
from offchain.chain.contract import ContractS
from offchain.chain.provider import connect
from offchain.chain.translate import checksum
from offchain.errors import VerifogError
from offchain.nodes.builder import read_own_rows, require_admitted
from offchain.nodes.kit import identity
from offchain.nodes.program import ETHER, Opened, contract_of, open_kit
from offchain.store.database import DATABASE_FILE
from offchain.store.errors import StateLocked
from offchain.store.state import State
from offchain.transport.certificates import require_owner, require_valid
from offchain.transport.mqtt import Broker, probe, task_name, tls_context

CLOCK_SLACK: Final = 120.0  # seconds
LEAST_DISK: Final = 2**30
SOON: Final = dt.timedelta(days=30)
_PATIENCE: Final = 5.0
_POINT: Final = bytes([0xC0]) + bytes(
    47
)  # infinity: commitment to and proof of the zero polynomial
_EVALUATION: Final = b"\x01" + hashlib.sha256(_POINT).digest()[1:] + bytes(64) + _POINT + _POINT
PRECOMPILES: Final[dict[int, tuple[bytes, int]]] = {
    0x0A: (_EVALUATION, 64),
    0x0B: (bytes(256), 128),
    0x0C: (bytes(160), 128),
    0x0D: (bytes(512), 256),
    0x0E: (bytes(288), 256),
    0x0F: (bytes(384), 32),
    0x10: (bytes(64), 128),
    0x11: (bytes(128), 256),
}
"""A call that holds, and the length of its answer, by the precompile's address."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    check
        Its name.
    good
        Whether the node can start.
    told
        What was found.
    remedy
        What to do about it.
    """

    check: str
    good: bool
    told: str
    remedy: str = ""


@dataclass
class _Patient:
    path: Path
    source: Source
    opened: Opened | None = None
    contract: ContractS | None = None

    def need_kit(self) -> Opened:
        if self.opened is None:
            raise VerifogError("not looked at: the kit does not open")
        return self.opened

    def need_contract(self) -> ContractS:
        if self.contract is None:
            raise VerifogError("not looked at: the contract is not as expected")
        return self.contract


def examine(path: Path, source: Source) -> Iterator[Finding]:
    """Check everything that a node needs, one finding after the other.

    Parameters
    ----------
    path
        The node's configuration file.
    source
        The contracts as compiled here.
    """
    patient = _Patient(path, source)
    for name, check, remedy in _CHECKS:
        try:
            told = check(patient)
        except (VerifogError, OSError, ValueError) as error:
            yield Finding(name, good=False, told=str(error), remedy=remedy)
        else:
            yield Finding(name, good=True, told=told)


def _kit(patient: _Patient) -> str:
    opened = patient.opened = open_kit(patient.path)
    return f"{opened.keys.name}, account {checksum(opened.keys.signing.address)}"


def _state(patient: _Patient) -> str:
    opened = patient.need_kit()
    folder = opened.loaded.state
    if not (folder / DATABASE_FILE).exists():
        return f"{folder}: none yet, made at the first start"
    try:
        state = State.open(folder, opened.owner, opened.loaded.unlock)
    except StateLocked:
        return f"{folder}: the node runs"
    entries = state.journal.last
    state.close()
    return f"{folder}: opens, {entries} entries"


def _disk(patient: _Patient) -> str:
    folder = patient.need_kit().loaded.state
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if free < LEAST_DISK:
        raise VerifogError(f"{there}: {free:,} bytes free, at least {LEAST_DISK:,}")
    return f"{free / 2**30:.1f} GiB free"


def _providers(patient: _Patient) -> str:
    opened = patient.need_kit()
    config, told = opened.loaded.config.chain, []
    for place, url in enumerate(config.urls):
        web3 = connect([url], config.timeout, _PATIENCE, opened.task.chain_id)
        told.append(f"provider {place} at block {web3.eth.block_number}")
    return ", ".join(told)


def _web3(patient: _Patient) -> Web3:
    opened = patient.need_kit()
    config = opened.loaded.config.chain
    return connect(config.urls, config.timeout, _PATIENCE, opened.task.chain_id)


def _clock(patient: _Patient) -> str:
    ahead = time.time() - int(_web3(patient).eth.get_block("latest")["timestamp"])
    if abs(ahead) > CLOCK_SLACK:
        raise VerifogError(f"this clock and the newest block's time are {ahead:+.0f} s apart")
    return f"{ahead:+.0f} s from the newest block"


def _precompiles(patient: _Patient) -> str:
    web3, missing = _web3(patient), []
    for number, (data, length) in PRECOMPILES.items():
        call: Any = {"to": Web3.to_checksum_address(number.to_bytes(20, "big")), "data": data}
        if len(web3.eth.call(call)) != length:
            missing.append(f"0x{number:02x}")
    if missing:
        raise VerifogError(f"these do not answer: {', '.join(missing)}")
    return "0x0a to 0x11 answer"


def _code(patient: _Patient) -> str:
    opened = patient.need_kit()
    patient.contract = contract_of(opened.task, opened.loaded.config.chain, patient.source)
    return f"{checksum(patient.contract.address)} is what this source compiles to"


def _admitted(patient: _Patient) -> str:
    require_admitted(patient.need_contract(), patient.need_kit().keys)
    return "as its kit says"


def _balance(patient: _Patient) -> str:
    opened, contract = patient.need_kit(), patient.need_contract()
    account = Web3.to_checksum_address(opened.keys.signing.address)
    ether = int(contract.web3.eth.get_balance(account)) / ETHER
    least = opened.loaded.config.chain.least_balance
    if opened.keys.role != "device" and ether <= least:
        raise VerifogError(f"{account}: {ether:.6f} ether, more than {least:.6f} needed")
    return f"{ether:.6f} ether"


def _certificate(patient: _Patient) -> str:
    opened = patient.need_kit()
    facts = require_owner(identity(opened.loaded.kit, opened.keys))
    now = dt.datetime.now(dt.UTC)
    require_valid(facts, now)
    soon = " (soon: ask the Authority for a new one)" if facts.not_after - now < SOON else ""
    return f"valid until {facts.not_after:%Y-%m-%d}{soon}"


def _broker(patient: _Patient) -> str:
    opened = patient.need_kit()
    config = opened.loaded.config.broker
    broker = Broker(
        config.host, config.port, task_name(opened.task.domain.separator), timeout=_PATIENCE
    )
    asyncio.run(probe(broker, tls_context(identity(opened.loaded.kit, opened.keys))))
    return f"{config.host}:{config.port} takes this certificate"


def _rows(patient: _Patient) -> str:
    opened = patient.need_kit()
    config, learning = opened.loaded.config.data, opened.task.learning
    if opened.keys.role != "device":
        return "needs none"
    if config is None:
        raise VerifogError("data.path: a device needs its rows")
    path = opened.loaded.path(config.path)
    rows = read_own_rows(path, opened.task.schema, learning.min_samples, learning.max_samples)
    return f"{path}: {rows.count} rows fit the task's schema"


_CHECKS: Final[tuple[tuple[str, Callable[[_Patient], str], str], ...]] = (
    ("kit", _kit, "check node.toml, the kit's files, and key file or VERIFOG_PASSPHRASE"),
    ("state", _state, "never copy it back; on a damaged one leave the task and join anew"),
    ("disk", _disk, "free some space, or move `state` to a larger local disk"),
    ("providers", _providers, "check chain.urls and the network; every one must serve the chain"),
    ("clock", _clock, "set the clock by NTP, or see whether the provider still follows the chain"),
    ("precompiles", _precompiles, "the chain is too old for this task: another chain or provider"),
    ("contracts", _code, "do not start: ask the Authority; is this source the task's version?"),
    ("admission", _admitted, "the Authority has to admit it: ape run authority admit"),
    ("balance", _balance, "send this account some ether"),
    ("certificate", _certificate, "ask the Authority for a new certificate"),
    ("broker", _broker, "check broker.host, broker.port, a firewall between, the certificate"),
    ("rows", _rows, "mend the file that data.path names; the message says which cell or column"),
)
