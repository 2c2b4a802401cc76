"""Several nodes in one process, each with its own kit, state, certificate and connection.

For many devices on one machine: a process each would cost them its libraries' memory each. The
nodes share the thread in which roles work, and nothing else.
"""

import asyncio
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from offchain.chain.code import Source
from offchain.crypto.warm import warm_up
from offchain.nodes.logs import PLACE, Place, start_logs
from offchain.nodes.program import Program, open_kit


async def run_programs(programs: Sequence[Program]) -> None:
    """Work until asked to stop; when one node cannot go on, none does."""

    def stop() -> None:
        for one in programs:
            one.stop.set()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    jobs = [asyncio.create_task(_run(one)) for one in programs]
    done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_EXCEPTION)
    stop()
    await asyncio.wait(jobs)
    for job in (*done, *jobs):
        job.result()


async def _run(program: Program) -> None:
    PLACE.set(program.place)  # of this task, and of what it starts
    await program.run()


def run_host(paths: Sequence[Path], source: Source) -> None:
    """Run the nodes of some configuration files until they are stopped.

    Raises
    ------
    VerifogError
        When one cannot start, or cannot go on.
    """
    worker = ThreadPoolExecutor(1, thread_name_prefix="role")
    opened = [open_kit(path) for path in paths]
    start_logs(opened[0].loaded.config.log, Place("host", "host"))
    warm_up()  # as `run_node` does
    asyncio.run(run_programs([Program(one, source, worker) for one in opened]))
