"""Ethereum's KZG ceremony: powers of a secret tau that nobody knows.

The file ships inside the `eth-account` package: 4096 points of G1 in Lagrange form, 65 of G2, 4096
of G1 in monomial form. Its hash is checked at every load. Decompressing takes a tenth of a second,
so the points are kept uncompressed in the user's cache folder; a cache file is used only if it has
the one content that the ceremony gives.
"""

import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from py_arkworks_bls12381 import G1Point, G2Point

from offchain.crypto.curve import G1, G2
from offchain.crypto.errors import CeremonyError

POWERS_IN_G1: Final = 4096
_POWERS_IN_G2: Final = 65
FILE_SHA256: Final = "d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7"
_CACHE_SHA256: Final = "2ab2ea576293ede14f62cc315d49d2f98a54df399546a0e52ca546c2d2f9601f"
_CACHE_NAME: Final = f"ceremony-{FILE_SHA256[:16]}.bin"
_POINT_BYTES: Final = 96


@dataclass(frozen=True, slots=True)
class Ceremony:
    """The powers of tau that commitments use.

    Attributes
    ----------
    g1
        tau^j times the generator of G1, j = 0 .. 4095.
    g2
        The generator of G2 and tau times it.
    """

    g1: tuple[G1, ...]
    g2: tuple[G2, G2]


def cache_directory() -> Path:
    """Return the folder for cached points: the platform's cache folder of the user."""
    if configured := os.environ.get("XDG_CACHE_HOME"):
        base = Path(configured)
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", "~\\AppData\\Local"))
    elif sys.platform == "darwin":
        base = Path("~/Library/Caches")
    else:
        base = Path("~/.cache")
    return Path(os.path.expanduser(base)) / "verifog"


def ceremony_file() -> Path:
    """Return the path of the ceremony file.

    Raises
    ------
    CeremonyError
        If `eth-account` is not installed.
    """
    spec = find_spec("eth_account")
    if spec is None or spec.origin is None:
        raise CeremonyError("package eth-account, which holds the KZG ceremony, is not installed")
    name = "kzg_trusted_setup.txt"
    return Path(spec.origin).parent / "typed_transactions" / "blob_transactions" / name


def _read_file(path: Path) -> list[bytes]:
    """Return the lines of the ceremony file after checking its hash."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CeremonyError(f"cannot read the KZG ceremony file {path}: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != FILE_SHA256:
        raise CeremonyError(f"{path}: sha256 is {found}, expected {FILE_SHA256}")
    return content.split()


def _read_cache(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == _CACHE_SHA256 else None


def _write_cache(path: Path, content: bytes) -> None:
    """Write atomically; a folder that cannot be written only costs time at the next start."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            temporary = file.name
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def load_ceremony(source: Path | None = None, cache: Path | None = None) -> Ceremony:
    """Load the ceremony.

    Parameters
    ----------
    source
        Ceremony file; by default the one inside `eth-account`.
    cache
        Folder of the cache; by default `cache_directory()`.

    Raises
    ------
    CeremonyError
        If the file is missing or does not have the known hash.
    """
    lines = _read_file(source or ceremony_file())
    path = (cache or cache_directory()) / _CACHE_NAME
    content = _read_cache(path)
    if content is None:
        # Unchecked decoding is right here: the hash of the file has just been verified.
        monomial = lines[2 + POWERS_IN_G1 + _POWERS_IN_G2 :]
        points = [
            G1Point.from_compressed_bytes_unchecked(bytes.fromhex(line.decode()))
            for line in monomial
        ]
        _write_cache(path, b"".join([point.to_xy_bytes_be() for point in points]))
    else:
        points = [
            G1Point.from_xy_bytes_unchecked_be(content[i : i + _POINT_BYTES])
            for i in range(0, len(content), _POINT_BYTES)
        ]
    second = lines[2 + POWERS_IN_G1 : 4 + POWERS_IN_G1]
    one, tau = (G2Point.from_compressed_bytes(bytes.fromhex(line.decode())) for line in second)
    return Ceremony(tuple(points), (one, tau))


@lru_cache(maxsize=1)
def default_ceremony() -> Ceremony:
    """Return the ceremony from its usual place, loaded once per process."""
    return load_ceremony()
