"""One instance of a node at a time: a lock on its state directory.

The lock is the operating system's (``flock``): it ends with the process, however that ends. The
file's text only tells who holds it. It does not work across machines that share a directory over a
network file system without locks; such a directory is no place for a node's state.
"""

import contextlib
import fcntl
import os
import socket
from pathlib import Path

from offchain.store.errors import StateLocked, StateUnwritable
from offchain.store.files import FILE_MODE

LOCK_FILE = "lock"


class DirectoryLock:
    """Holds a directory until released.

    Raises
    ------
    StateLocked
        When another process, or another part of this one, holds it; says which.
    StateUnwritable
        When the file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_FILE
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
        except OSError as error:
            raise StateUnwritable(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._descriptor, 200, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise StateLocked(
                f"{folder}: used by another instance of this node ({holder or 'unknown'}): "
                "stop that one first"
            ) from None
        # Who holds it is a courtesy: on a full disk the lock holds all the same.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, self._holder().encode(), 0)

    @staticmethod
    def _holder() -> str:
        return f"process {os.getpid()} on {socket.gethostname()}\n"

    def release(self) -> None:
        """Let go of the directory."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
