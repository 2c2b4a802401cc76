"""Small files that are whole or not there, and that only their owner can read."""

import os
from pathlib import Path

from offchain.store.errors import StateUnwritable

FOLDER_MODE = 0o700
FILE_MODE = 0o600
READABLE_BY_OTHERS = 0o077


def make_folder(path: Path) -> None:
    """Make a folder for its owner only; one that is there gets these rights.

    Raises
    ------
    StateUnwritable
        When it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(FOLDER_MODE)
    except OSError as error:
        raise StateUnwritable(f"{path}: {error.strerror}") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file by way of another and a rename, and wait until the disk has it.

    Raises
    ------
    StateUnwritable
        When the disk is full, read-only or failing; what was there before is still there.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StateUnwritable(f"{path}: {error.strerror}") from error
