"""Results kept as they come, so that a study can be interrupted and goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

from offchain.errors import VerifogError
from offchain.learning.arrays import require_at_least

RUNS_FILE: Final = "runs.jsonl"

J = TypeVar("J")
Result = dict[str, Any]
Advance = Callable[[int, int], None]
"""Called with (results there are, results there will be)."""


class RunsUnreadable(VerifogError):
    """The file of earlier results cannot be read.

    Attributes
    ----------
    path, line
        Where.
    """

    def __init__(self, path: Path, line: int) -> None:
        self.path, self.line = path, line
        super().__init__(
            f"{path}: line {line} is no result of a study; choose another folder, or --fresh"
        )


class Results:
    """A file with one line of JSON for each finished piece of work.

    Parameters
    ----------
    folder
        Exists; `runs.jsonl` in it is read and appended to.
    fresh
        Begin anew, whatever there is.

    Raises
    ------
    RunsUnreadable
        If the file holds something else.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self._path = folder / RUNS_FILE
        if fresh:
            self._path.unlink(missing_ok=True)
        self._known = _read(self._path)

    def get(self, key: str) -> Result | None:
        """Return the result under a key: all that determines it, as text."""
        return self._known.get(key)

    def put(self, key: str, result: Result) -> None:
        """Keep a result, on disk at once."""
        self._known[key] = result
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "result": result}) + "\n")

    def complete(
        self,
        jobs: Mapping[str, J],
        work: Callable[[J], Result],
        *,
        workers: int = 1,
        advance: Advance = lambda _done, _total: None,
    ) -> dict[str, Result]:
        """Do the jobs that have no result yet; return the results of all, in the jobs' order.

        Parameters
        ----------
        jobs
            By key.
        work
            Does one; with several workers it must be a function of a module.
        workers
            Processes; 1 works in this one.

        Raises
        ------
        OptionError
            If there is less than one worker.
        """
        require_at_least("workers", workers, 1)
        todo = {key: job for key, job in jobs.items() if key not in self._known}
        done = len(jobs) - len(todo)
        advance(done, len(jobs))
        for key, result in _work(todo, work, workers):
            self.put(key, result)
            done += 1
            advance(done, len(jobs))
        return {key: self._known[key] for key in jobs}


def _work(
    jobs: Mapping[str, J], work: Callable[[J], Result], workers: int
) -> Iterator[tuple[str, Result]]:
    if workers == 1:
        for key, job in jobs.items():
            yield key, work(job)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(work, job): key for key, job in jobs.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def key_of(**parts: object) -> str:
    """Return a key from plain values."""
    return json.dumps(parts, sort_keys=True)


def _read(path: Path) -> dict[str, Result]:
    """Return the results in a file; a last line cut short by an interrupt is dropped."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    whole, _, rest = text.rpartition("\n")
    if rest:
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    return dict(_parse(path, whole.splitlines()))


def _parse(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, Result]]:
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            key, result = entry["key"], entry["result"]
        except (ValueError, KeyError, TypeError):
            raise RunsUnreadable(path, number) from None
        if not isinstance(key, str) or not isinstance(result, dict):
            raise RunsUnreadable(path, number)
        yield key, result
