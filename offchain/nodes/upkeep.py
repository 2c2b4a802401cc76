"""What the Authority does for a task that runs: devices that join, new certificates."""

import datetime as dt
import shutil
from collections.abc import Sequence
from pathlib import Path

from offchain.crypto.attestation import BlsSecretKey
from offchain.crypto.randomness import Randomness
from offchain.crypto.sealing import SealingKey
from offchain.learning.schema import Schema
from offchain.nodes.authority import BROKER, Office, certificate_authority, write_kit
from offchain.nodes.builder import read_own_rows
from offchain.nodes.errors import ConfigRefused, KitRefused
from offchain.nodes.kit import CERTIFICATE_NAME, NodeKeys
from offchain.nodes.options import MAX_DEVICES_IN_CLUSTER
from offchain.protocol.device import DeviceKeys
from offchain.protocol.eip712 import SigningKey
from offchain.store.files import make_folder

ROWS_FILE = "rows.csv"


def add_device(office: Office, cluster: int, rows: Path | None, now: dt.datetime) -> str:
    """Make keys and kit of one more device; ``admit`` admits it. The task file stays as it is.

    Parameters
    ----------
    rows
        Its rows, copied into the kit; None: its operator puts them there.

    Returns
    -------
    str
        Its name.

    Raises
    ------
    ConfigRefused
        When there is no such cluster, it is full, or the rows do not fit the task.
    """
    clusters = len(office.plan.clusters)
    if not 0 <= cluster < clusters:
        raise ConfigRefused(f"cluster: {cluster}: from 0 to {clusters - 1}")
    names = office.names()
    index = sum(name.startswith(f"device-{cluster}-") for name in names)
    if index >= MAX_DEVICES_IN_CLUSTER:
        raise ConfigRefused(f"cluster: {cluster}: it has {index} devices, the most there can be")
    if rows is not None:
        _require_rows(office, rows)
    root = Randomness.from_os()
    account = SigningKey(root.child(b"account").scalar().to_bytes(32, "big"))
    attestation = BlsSecretKey.draw(root.child(b"attestation"))
    own = DeviceKeys(account, attestation, SealingKey.draw(root.child(b"sealing")))
    keys = NodeKeys("device", cluster, index, account, root.child_seed(b"node"), own)
    kit = office.kit(keys.name)
    if kit.exists():
        raise KitRefused(f"{kit}: left by an attempt that was interrupted: remove it")
    write_kit(office, keys, len(names), certificate_authority(office), now)
    if rows is not None:
        shutil.copyfile(rows, kit / ROWS_FILE)
        (kit / ROWS_FILE).chmod(0o600)
    office.register([keys])
    return keys.name


def _require_rows(office: Office, rows: Path) -> None:
    data, encoding = office.plan.dataset, office.learning.encoding
    names = tuple(data.feature_names), data.target_name, data.task, tuple(data.class_names)
    read_own_rows(rows, Schema(*names), encoding.min_samples, encoding.max_samples)


def renew(
    office: Office, names: Sequence[str], now: dt.datetime, days: int | None = None
) -> list[str]:
    """Issue new certificates; accounts, keys of the protocol and the task stay.

    Parameters
    ----------
    names
        Of nodes, or ``broker``; none: everybody.
    days
        How long they are valid; None: as the configuration says.

    Returns
    -------
    list
        Names of those that have one now, in their kits or, for the broker, in its folder.

    Raises
    ------
    KitRefused
        When there is no such node.
    """
    nodes = office.nodes()
    known = (*nodes, BROKER)
    for name in names:
        if name not in known:
            raise KitRefused(f"node: {name!r}: one of {known[0]} to {known[-2]}, or {BROKER}")
    days = days or office.config.kits.certificate_days
    certificates = certificate_authority(office)
    chosen = list(names) or list(known)
    for name in chosen:
        if name == BROKER:
            issued = certificates.issue_broker([office.config.broker.host], now, days)
            issued.write(office.folder / BROKER, BROKER, certificates.certificate)
            continue
        make_folder(office.kit(name))
        issued = certificates.issue_node(nodes[name], now, days)
        issued.write(office.kit(name), CERTIFICATE_NAME, certificates.certificate)
    return chosen
