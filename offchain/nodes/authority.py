"""The Authority of a task: makes keys and kits, admits everybody, signs the task.

Its folder, beside the configuration file:

| path | holds |
|---|---|
| ``authority/`` | its account and the certificate authority, both encrypted; accounts by name |
| ``kits/NAME/`` | the start-up kit of each node, to be handed over and then deleted here |
| ``broker/`` | configuration, access list and certificate of the message broker |
| ``deployment.json`` | the record of the deployment |
"""

import csv
import datetime as dt
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from offchain.chain.deployment import DeploymentRecord
from offchain.learning.partition import DeviceData
from offchain.learning.tasks import Dataset
from offchain.learning.user_data import UserDataOptions
from offchain.nodes.config import (
    BrokerConfig,
    ChainConfig,
    Ether,
    Port,
    Seconds,
    Section,
    UnlockConfig,
    convert,
    read_toml,
    unlock_of,
)
from offchain.nodes.errors import ConfigRefused, KitRefused
from offchain.nodes.kit import (
    ACCOUNT_FILE,
    CERTIFICATE_NAME,
    CONFIG_FILE,
    UNLOCK_FILE,
    NodeKeys,
    read_account,
    write_account,
    write_keys,
)
from offchain.nodes.options import TrainOptions, TrainPlan, plan
from offchain.nodes.simulation import (
    ETHER,
    Identities,
    draw_identities,
)
from offchain.nodes.trainer import LearningTask
from offchain.nodes.training import (
    account,
    divide,
    root_randomness,
    task_parameters,
)
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.role import TaskParameters
from offchain.store.files import make_folder, write_whole
from offchain.store.keyring import KeyFile, Passphrase, Unlock
from offchain.transport.certificates import Authority as CertificateAuthority

_LOG = logging.getLogger(__name__)
KITS: Final = "kits"
RECORD: Final = "deployment.json"
BROKER: Final = "broker"
NODES_FILE: Final = "nodes.json"


class Terms(Section, frozen=True, kw_only=True):
    """Times (seconds of chain time) and money (ether) of a task."""

    anchor_time: Annotated[int, Meta(ge=1, description="For the devices' part of a round.")] = 3600
    cumulative_time: Annotated[int, Meta(ge=1, description="For the fogs' sums.")] = 1200
    aggregate_time: Annotated[int, Meta(ge=1, description="For the cloud's result.")] = 1200
    unbonding_time: Annotated[int, Meta(ge=1, description="From leaving to the stake.")] = 604_800
    beacon_delay: Annotated[int, Meta(ge=2, le=200, description="Blocks to the beacon.")] = 2
    device_stake: Annotated[Ether, Meta(description="Stake of a device.")] = 0.1
    fog_stake: Annotated[Ether, Meta(description="Stake of a fog.")] = 1.0
    cloud_stake: Annotated[Ether, Meta(description="Stake of a cloud.")] = 1.0
    reward: Annotated[Ether, Meta(description="Shared out for a settled round.")] = 0.01
    silence_fee: Annotated[Ether, Meta(description="Taken from who lets a round wait.")] = 0.001


class Funding(Section, frozen=True, kw_only=True):
    """Ether that the Authority tops nodes up to, for gas."""

    device: Annotated[Ether, Meta(description="For reporting a fraud of its fog.")] = 0.0
    fog: Annotated[Ether, Meta(description="For two transactions a round.")] = 0.1
    cloud: Annotated[Ether, Meta(description="For two transactions a round.")] = 0.1


class KitConfig(Section, frozen=True, kw_only=True):
    """What goes into the kits."""

    clouds: Annotated[
        int, Meta(ge=1, le=256, description="Clouds; all but the first stand by.")
    ] = 1
    rows: Annotated[
        bool, Meta(description="Whether each device's kit holds its part of the data set.")
    ] = True
    passphrase: Annotated[
        str, Meta(description="Opens every kit; empty: each has a key file of its own.")
    ] = ""
    certificate_days: Annotated[int, Meta(ge=1, le=3650, description="How long one is valid.")] = (
        365
    )
    state: Annotated[str, Meta(description="Folder of a node's state.")] = "state"
    json_logs: Annotated[bool, Meta(description="Whether nodes log JSON.")] = False
    log_level: Annotated[str, Meta(description="Least level that nodes log.")] = "info"
    metrics_port: Annotated[
        int, Meta(ge=0, le=60_000, description="Of the first node; each next has one more.")
    ] = 0
    patience: Annotated[Seconds, Meta(description="Of clouds, see cloud.patience.")] = 600.0


class BrokerPlace(BrokerConfig, frozen=True, kw_only=True):
    """The broker, as nodes reach it and as it listens."""

    listen: Annotated[str, Meta(description="Address that it listens on.")] = "0.0.0.0"  # noqa: S104
    listen_port: Annotated[Port | None, Meta(description="Its port there; none: the same.")] = None
    user: Annotated[str, Meta(description="Account of the system that it runs under.")] = (
        "mosquitto"
    )


class AuthorityConfig(Section, frozen=True, kw_only=True):
    """The Authority's file."""

    task: TrainOptions
    own: UserDataOptions | None = None
    terms: Terms = Terms()
    chain: ChainConfig
    broker: BrokerPlace
    unlock: UnlockConfig
    kits: KitConfig = KitConfig()
    funding: Funding = Funding()


@dataclass(frozen=True)
class Office:
    """A loaded configuration with everything that follows from it."""

    config: AuthorityConfig
    folder: Path
    plan: TrainPlan
    learning: LearningTask
    parts: tuple[DeviceData, ...]

    @property
    def unlock(self) -> Unlock:
        """Opens the Authority's own keys."""
        return unlock_of(self.config.unlock, self.folder)

    @property
    def own(self) -> Path:
        """Folder of the Authority's own keys."""
        return self.folder / "authority"

    @property
    def parameters(self) -> TaskParameters:
        """Of Contract S."""
        terms = self.config.terms
        times = ("anchor_time", "cumulative_time", "aggregate_time", "unbonding_time")
        money = ("device_stake", "fog_stake", "cloud_stake", "reward", "silence_fee")
        return replace(
            task_parameters(self.plan, self.learning),
            beacon_delay=terms.beacon_delay,
            **{name: getattr(terms, name) for name in times},
            **{name: round(getattr(terms, name) * ETHER) for name in money},
        )

    @property
    def key(self) -> SigningKey:
        """The Authority's account."""
        return read_account(self.own / ACCOUNT_FILE, self.unlock)

    def record(self) -> DeploymentRecord:
        """Of the deployment."""
        return DeploymentRecord(self.folder / RECORD)

    def kit(self, name: str) -> Path:
        """Folder of a node's kit."""
        return self.folder / KITS / name

    def kit_unlock(self, name: str) -> Unlock:
        """What opens a node's kit."""
        text = self.config.kits.passphrase
        return Passphrase(text) if text else KeyFile(self.kit(name) / UNLOCK_FILE)

    def nodes(self) -> dict[str, bytes]:
        """Accounts of all nodes by name: clouds, each fog with its devices, those added later.

        Raises
        ------
        KitRefused
            When there are none yet.
        """
        path = self.own / NODES_FILE
        try:
            held = json.loads(path.read_bytes())
            return {name: bytes.fromhex(account[2:]) for name, account in held.items()}
        except OSError as error:
            raise KitRefused(f"{path}: {error.strerror}: run `ape run authority init`") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise KitRefused(f"{path}: damaged: {error}") from None

    def names(self) -> tuple[str, ...]:
        """Names of all nodes, in that order."""
        return tuple(self.nodes())

    def register(self, keys: Sequence[NodeKeys]) -> None:
        """Note nodes that have keys now."""
        known = self.nodes() if (self.own / NODES_FILE).exists() else {}
        known |= {one.name: one.signing.address for one in keys}
        held = {name: "0x" + account.hex() for name, account in known.items()}
        write_whole(self.own / NODES_FILE, json.dumps(held, indent=1).encode() + b"\n")


def open_office(path: Path) -> Office:
    """Read the Authority's configuration and check the task.

    Raises
    ------
    NodeError, OptionRefused
        Naming what is wrong.
    """
    raw = read_toml(path)
    for name, kind in (("task", TrainOptions), ("own", UserDataOptions)):
        unknown = sorted(raw.get(name, {}).keys() - {f.name for f in fields(kind)})
        if unknown:
            raise ConfigRefused(f"{path}: {name}.{unknown[0]}: there is no such option")
    config = convert(raw, AuthorityConfig, str(path))
    own = config.own
    if own is not None:
        own = replace(own, data=str(path.parent / Path(own.data).expanduser()))
    checked = plan(replace(config.task, own=own))
    parts, learning = divide(checked)
    account(checked, learning)
    return Office(config, path.parent, checked, learning, parts)


def initialise(office: Office, now: dt.datetime) -> list[str]:
    """Make keys, certificates and kits; refuses where there are some already.

    Returns
    -------
    list
        Names of the kits.

    Raises
    ------
    KitRefused
        When the folder has kits.
    """
    if office.own.exists() or (office.folder / KITS).exists():
        raise KitRefused(f"{office.folder}: there are keys here already: use another folder")
    make_folder(office.own)
    unlock = office.unlock
    if isinstance(unlock, KeyFile) and not unlock.path.exists():
        KeyFile.create(unlock.path)
    root = root_randomness(office.plan.options)
    identities = draw_identities(
        root.child(b"identities"), office.plan.clusters, office.config.kits.clouds
    )
    write_account(office.own / ACCOUNT_FILE, identities.authority, unlock)
    certificates = CertificateAuthority.create("of Verifog", now)
    certificates.save(office.own, _certificate_password(unlock))
    nodes = root.child(b"nodes")
    made: list[NodeKeys] = []
    for number, keys in enumerate(_all_keys(identities, nodes.child_seed)):
        write_kit(office, keys, number, certificates, now)
        made.append(keys)
    if office.config.kits.rows:
        _write_rows(office)
    broker = certificates.issue_broker(
        [office.config.broker.host], now, office.config.kits.certificate_days
    )
    broker.write(office.folder / BROKER, BROKER, certificates.certificate)
    office.register(made)
    return [keys.name for keys in made]


def write_kit(
    office: Office,
    keys: NodeKeys,
    number: int,
    certificates: CertificateAuthority,
    now: dt.datetime,
) -> None:
    """Write the kit of the node of a number: keys, certificate, configuration."""
    kit = office.kit(keys.name)
    make_folder(kit)
    opens = office.kit_unlock(keys.name)
    if isinstance(opens, KeyFile):
        KeyFile.create(opens.path)
    write_keys(kit, keys, opens)
    days = office.config.kits.certificate_days
    issued = certificates.issue_node(keys.signing.address, now, days)
    issued.write(kit, CERTIFICATE_NAME, certificates.certificate)
    write_whole(kit / CONFIG_FILE, _node_config(office, keys, number).encode())


def _all_keys(identities: Identities, seed: Callable[[bytes], bytes]) -> Iterator[NodeKeys]:
    for place, key in enumerate(identities.clouds):
        yield NodeKeys("cloud", place, 0, key, seed(b"cloud node %d" % place))
    for cluster, key in enumerate(identities.fogs):
        yield NodeKeys("fog", cluster, 0, key, seed(b"fog node %d" % cluster))
        for index, device in enumerate(identities.devices[cluster]):
            own = seed(b"device node %d %d" % (cluster, index))
            yield NodeKeys("device", cluster, index, device.signing, own, device)


def certificate_authority(office: Office) -> CertificateAuthority:
    """What issues certificates.

    Raises
    ------
    CredentialsError
        When its files are missing or damaged.
    """
    return CertificateAuthority.load(office.own, _certificate_password(office.unlock))


def _certificate_password(unlock: Unlock) -> bytes:
    text = unlock.text if isinstance(unlock, Passphrase) else unlock.path.read_text().strip()
    return text.encode()


def _node_config(office: Office, keys: NodeKeys, number: int) -> str:
    """The file of a node; its operator changes what differs at his place."""
    config = office.config
    lines = [
        f"# {keys.name}: every key is explained in docs/operations.md.",
        f"state = {_text(config.kits.state)}",
        "",
        "[chain]",
        f"urls = [{', '.join(map(_text, config.chain.urls))}]",
        *(
            f"{name} = {getattr(config.chain, name)}"
            for name in ("confirmations", "poll", "timeout", "patience", "bump_after")
        ),
        *(f"{n} = {getattr(config.chain, n)}" for n in ("max_fee_gwei", "least_balance")),
        "",
        "[broker]",
        f"host = {_text(config.broker.host)}",
        f"port = {config.broker.port}",
        f"keepalive = {config.broker.keepalive}",
    ]
    if not config.kits.passphrase:
        lines += ["", "[unlock]", f"key_file = {_text(UNLOCK_FILE)}"]
    if keys.role == "device":
        lines += ["", "[data]", 'path = "rows.csv"']
        if office.plan.options.secrets == "seed":
            device = sum(office.plan.clusters[: keys.cluster]) + keys.index
            lines.append(f"seed = [{office.plan.options.seed}, 2, {device}]")
    if keys.role == "cloud":
        lines += ["", "[cloud]", f"patience = {config.kits.patience}"]
    lines += ["", "[log]", f"json = {str(config.kits.json_logs).lower()}"]
    lines += [f"level = {_text(config.kits.log_level)}"]
    if config.kits.metrics_port:
        lines += ["", "[metrics]", f"port = {config.kits.metrics_port + number}"]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write_rows(office: Office) -> None:
    dataset = office.plan.dataset
    parts = iter(office.parts)
    for cluster, size in enumerate(office.plan.clusters):
        for index in range(size):
            path = office.kit(f"device-{cluster}-{index}") / "rows.csv"
            _write_csv(path, dataset, next(parts))


def _write_csv(path: Path, dataset: Dataset, part: DeviceData) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*dataset.feature_names, dataset.target_name])
        for features, target in zip(part.X.tolist(), part.y.tolist(), strict=True):
            shown = dataset.class_names[int(target)] if dataset.class_names else repr(target)
            writer.writerow([*map(repr, features), shown])
    path.chmod(0o600)
