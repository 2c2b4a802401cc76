"""What is wrong with lines, clocks and chains: for clusters whose processes are separate."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from offchain.nodes.__main__ import main
from offchain.nodes.processes import Started
from offchain.transport.mqtt import MqttCarrier
from tests.offchain.transport.proxy import Proxy

_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long off(void) { const char *s = getenv("CLOCK_OFF"); return s ? atol(s) : 0; }
int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int made = real(id, t);
    if (!made && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += off();
    return made;
}
time_t time(time_t *out) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out) *out = t.tv_sec;
    return t.tv_sec;
}
int gettimeofday(struct timeval *out, void *zone) {
    struct timespec t;
    (void) zone;
    clock_gettime(CLOCK_REALTIME, &t);
    out->tv_sec = t.tv_sec;
    out->tv_usec = t.tv_nsec / 1000;
    return 0;
}
"""


def clock_library(folder: Path) -> Path:
    """A library under which a process has its clock off by CLOCK_OFF seconds."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("cc is missing: a clock that is off needs a compiled library")
    source, made = folder / "clock.c", folder / "clock.so"
    source.write_text(_CLOCK)
    command = [compiler, "-shared", "-fPIC", "-o", str(made), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return made


def with_clock(node: Started, library: Path, seconds: int) -> None:
    """Let a node, from its next start on, have its clock off."""
    node.environment = {
        **node.environment,
        "LD_PRELOAD": str(library),
        "CLOCK_OFF": str(seconds),
    }


class Line:
    """A line of a node that can be cut: to the broker, or to the chain."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._proxy = Proxy(port)
        self._end = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        assert self._ready.wait(30)

    async def _run(self) -> None:
        async with self._proxy.running():
            self._ready.set()
            await self._end.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    @property
    def port(self) -> int:
        return self._proxy.port

    @property
    def refused(self) -> int:
        """Connections that were tried while it was cut."""
        return self._proxy.refused

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.cut)

    def mend(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.mend)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)


def redirect(kit: Path, old: object, new: object) -> None:
    """Change a value in a kit's configuration."""
    path = kit / "node.toml"
    text = path.read_text()
    assert str(old) in text
    path.write_text(text.replace(str(old), str(new)))


# ---- frames


class DirtyCarrier(MqttCarrier):
    """Publishes some frames twice, some cut short first, some late and so out of their order."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._rng = random.Random(b"dirt")
        self._late: set[asyncio.Task[Any]] = set()

    async def publish(self, recipient: bytes, frame: bytes, *, lasting: bool) -> None:
        hand = super().publish
        match self._rng.randrange(5):
            case 0:
                await hand(recipient, frame, lasting=lasting)
            case 1:
                await hand(recipient, frame[: self._rng.randrange(len(frame))], lasting=lasting)
            case 2:
                self._later(hand(recipient, frame, lasting=lasting))
                return
            case 3:
                await hand(recipient, self._rng.randbytes(len(frame)), lasting=lasting)
        await hand(recipient, frame, lasting=lasting)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(self._after(self._rng.uniform(0.1, 2.0), work))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    @staticmethod
    async def _after(seconds: float, work: Coroutine[Any, Any, None]) -> None:
        await asyncio.sleep(seconds)
        await work


def with_dirt(node: Started) -> None:
    """Let a node, from its next start on, have a dirty line."""
    node.command = [
        "tests.faults.lines" if part == "offchain.nodes" else part for part in node.command
    ]


if __name__ == "__main__":
    import offchain.nodes.program

    offchain.nodes.program.MqttCarrier = DirtyCarrier  # type: ignore[misc]
    sys.exit(main())
