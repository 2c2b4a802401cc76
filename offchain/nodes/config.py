"""The configuration file of a node: TOML, every key checked, its meaning beside it.

Relative paths are relative to the file's own folder. Secrets may come from the environment instead
(``ENVIRONMENT``), so that the file can be shown to anybody.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from offchain.nodes.errors import ConfigRefused
from offchain.store.keyring import KeyFile, Passphrase, Unlock

T = TypeVar("T", bound=Struct)

Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Ether = Annotated[float, Meta(ge=0, le=1e9)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class ChainConfig(Section, frozen=True, kw_only=True):
    """Where the chain is, and how transactions are sent."""

    urls: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="Providers (HTTP). The next one serves when one fails."),
    ]
    confirmations: Annotated[
        Count, Meta(description="Blocks on top of an event before a node acts on it.")
    ] = 2
    poll: Annotated[Seconds, Meta(description="Seconds between looks at the chain.")] = 2.0
    timeout: Annotated[Seconds, Meta(description="Seconds for one request to a provider.")] = 20.0
    patience: Annotated[
        Seconds, Meta(description="Seconds of failing providers before a request is given up.")
    ] = 120.0
    bump_after: Annotated[
        Seconds, Meta(description="Seconds before a transaction is sent again with a higher fee.")
    ] = 45.0
    max_fee_gwei: Annotated[
        float, Meta(gt=0, le=1e9, description="Most that is offered for a unit of gas, gwei.")
    ] = 200.0
    least_balance: Annotated[
        Ether, Meta(description="Below this many ether no transaction is sent.")
    ] = 0.0
    gas_budget: Annotated[
        Ether, Meta(description="Most ether that this node may spend on gas; 0: no bound.")
    ] = 0.0


class BrokerConfig(Section, frozen=True, kw_only=True):
    """Where the message broker is."""

    host: Annotated[
        str, Meta(min_length=1, description="As it stands in the broker's certificate.")
    ]
    port: Annotated[Port, Meta(description="Its port for TLS with client certificates.")] = 8883
    keepalive: Annotated[
        int, Meta(ge=5, le=300, description="Seconds of silence before the line counts as lost.")
    ] = 30


class UnlockConfig(Section, frozen=True, kw_only=True):
    """What opens the kit and the state; exactly one of the two."""

    key_file: Annotated[
        str, Meta(description="File of 64 hexadecimal digits, readable by its owner only.")
    ] = ""
    passphrase: Annotated[
        str, Meta(description="A passphrase; better in VERIFOG_PASSPHRASE than here.")
    ] = ""


class DataConfig(Section, frozen=True, kw_only=True):
    """A device's own rows."""

    path: Annotated[str, Meta(min_length=1, description="CSV or Parquet file with the rows.")]
    seed: Annotated[
        tuple[int, ...],
        Meta(description="Seeds the order of mini-batches; empty: from the node's own secret."),
    ] = ()

    max_epsilon: Annotated[
        float, Meta(ge=0, description="Privacy budget against the fog; 0: no bound.")
    ] = 0.0
    delta: Annotated[float, Meta(gt=0, lt=1, description="Delta of that budget.")] = 1e-5


class LogConfig(Section, frozen=True, kw_only=True):
    """What is logged, to standard error."""

    json: Annotated[bool, Meta(description="One JSON object a line, for machines.")] = False
    level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="Least level.")
    ] = "info"


class MetricsConfig(Section, frozen=True, kw_only=True):
    """Where Prometheus finds the node's figures."""

    port: Annotated[
        int, Meta(ge=0, le=65535, description="Port of the figures; 0: none are served.")
    ] = 0
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"


class CloudConfig(Section, frozen=True, kw_only=True):
    """What only a cloud does: it opens the rounds."""

    rounds: Annotated[
        Count,
        Meta(description="Open no more once so many training rounds settled; 0: as the task."),
    ] = 0
    patience: Annotated[
        Seconds, Meta(description="Seconds to wait for noise roots and fogs before a round opens.")
    ] = 600.0


class NodeConfig(Section, frozen=True, kw_only=True):
    """A node's file."""

    kit: Annotated[
        str, Meta(min_length=1, description="Folder of the start-up kit: keys, certificate, task.")
    ] = "."
    state: Annotated[
        str, Meta(min_length=1, description="Folder of the node's state, on a local disk.")
    ] = "state"
    chain: ChainConfig
    broker: BrokerConfig
    unlock: UnlockConfig = UnlockConfig()
    data: DataConfig | None = None
    cloud: CloudConfig = CloudConfig()
    log: LogConfig = LogConfig()
    metrics: MetricsConfig = MetricsConfig()


ENVIRONMENT: Final[Mapping[str, tuple[str, str]]] = {
    "VERIFOG_PASSPHRASE": ("unlock", "passphrase"),
    "VERIFOG_KEY_FILE": ("unlock", "key_file"),
    "VERIFOG_CHAIN_URLS": ("chain", "urls"),
    "VERIFOG_STATE": ("", "state"),
}
"""Environment variables that take the place of a key; several providers with commas between."""


@dataclass(frozen=True)
class Loaded:
    """A checked file and the folder that its paths start from."""

    config: NodeConfig
    folder: Path

    def path(self, text: str) -> Path:
        """A path of the file."""
        return self.folder / Path(text).expanduser()

    @property
    def kit(self) -> Path:
        """Folder of the kit."""
        return self.path(self.config.kit)

    @property
    def state(self) -> Path:
        """Folder of the state."""
        return self.path(self.config.state)

    @property
    def unlock(self) -> Unlock:
        """What opens kit and state."""
        return unlock_of(self.config.unlock, self.folder)


def unlock_of(config: UnlockConfig, folder: Path) -> Unlock:
    """Passphrase or key file.

    Raises
    ------
    ConfigRefused
        When there is none, or both.
    """
    if bool(config.key_file) == bool(config.passphrase):
        raise ConfigRefused("unlock: exactly one of key_file and passphrase is needed")
    if config.passphrase:
        return Passphrase(config.passphrase)
    return KeyFile(folder / Path(config.key_file).expanduser())


def load_config(path: Path, environment: Mapping[str, str] = os.environ) -> Loaded:
    """Read a node's file; values from the environment take precedence.

    Raises
    ------
    ConfigRefused
        Naming the file, the key and what is wrong with it.
    """
    raw = read_toml(path)
    for variable, (table, key) in ENVIRONMENT.items():
        if variable in environment:
            text = environment[variable]
            value: Any = text.split(",") if key == "urls" else text
            inner = raw.setdefault(table, {}) if table else raw
            inner[key] = value
            if table == "unlock":  # the other way to unlock is no longer meant
                inner.pop("key_file" if key == "passphrase" else "passphrase", None)
    return Loaded(convert(raw, NodeConfig, str(path)), path.parent)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    ConfigRefused
        When it is missing or no TOML.
    """
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigRefused(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigRefused(f"{path}: no TOML: {error}") from None


def convert(raw: object, kind: type[T], where: str) -> T:
    """Check plain data against a type.

    Raises
    ------
    ConfigRefused
        Naming key and bound.
    """
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigRefused(f"{where}: {str(error).replace('`$.', '`')}") from None


@dataclass(frozen=True)
class Key:
    """A key as the guide shows it."""

    name: str
    meaning: str
    default: object


def keys(kind: type[Struct] = NodeConfig, prefix: str = "") -> Iterator[Key]:
    """Every key of a file, with its meaning and default."""
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        inner = [
            a for a in (hint, *get_args(hint)) if isinstance(a, type) and issubclass(a, Struct)
        ]
        if inner:
            yield from keys(inner[0], f"{prefix}{field.name}.")
            continue
        metas = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        meaning = next((m.description for m in reversed(metas) if m.description), "")
        default = "" if field.default is msgspec.NODEFAULT else field.default
        yield Key(prefix + field.name, meaning, default)
