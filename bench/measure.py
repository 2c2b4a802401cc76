"""Timing of one operation, and what the machine was doing meanwhile."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def cpu_seconds() -> float:
    """Processor time of this process and all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_bytes() -> int:
    """Largest resident set so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": median(values), "least": min(values), "greatest": max(values)}


def repeat(action: Callable[[], object], seconds: float = 0.3, least: int = 3) -> dict[str, float]:
    """Processor milliseconds of an action, repeated for a while; the first time does not count."""
    action()
    times: list[float] = []
    end = time.monotonic() + seconds
    while len(times) < least or time.monotonic() < end:
        started = cpu_seconds()
        action()
        times.append(1000 * (cpu_seconds() - started))
    return spread(times)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = named[0].split(":", 1)[1].strip() if named else model
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": list(os.getloadavg()),
    }


class Failed(Exception):
    """A part of the benchmark ended with an error."""


def run_part(module: str, *options: object, timeout: float = 3600) -> Any:
    """Run a part in a process of its own, so that peak memory is its own; returns its JSON."""
    command = [sys.executable, "-m", f"bench.{module}", *(str(option) for option in options)]
    # Threads of the linear algebra library would wait for work by turning on the spot.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(command[2:])}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
