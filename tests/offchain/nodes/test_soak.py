"""What counts as grown, of made-up samples; and the long run itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from offchain.nodes.soak import CHAIN, PAGE_ROOM, Sample, failures, size_of, verdicts

MEGABYTE = 10**6


def samples(
    memory: Callable[[int], int], disk: Callable[[int], int], name: str = "fog-0"
) -> list[Sample]:
    return [Sample(n, {name: memory(n)}, {name: disk(n)}) for n in range(1, 101)]


def test_verdicts__steady__nothing_fails() -> None:
    found = verdicts(samples(lambda n: 100 * MEGABYTE, lambda n: MEGABYTE), 20)
    assert failures(found) == []
    assert found[0].growth == 0


@pytest.mark.parametrize(("last", "grew"), [(110, False), (111, True)])
def test_verdicts__memory_of_the_last_round__at_most_a_tenth_above_the_base(
    last: int, grew: bool
) -> None:
    def memory(n: int) -> int:
        return last if n == 100 else 100 if n >= 20 else 1

    found = failures(verdicts(samples(memory, lambda n: 0), 20))
    assert found == (["fog-0: memory grew by 11.0%, at most 10%"] if grew else [])


def test_verdicts__disk_that_breathes__is_compared_by_its_largest() -> None:
    found = verdicts(samples(lambda n: 1, lambda n: MEGABYTE * (1 + n % 3)), 20)
    assert failures(found) == []
    assert found[0].disk_base == found[0].disk_last == 3 * MEGABYTE


def test_verdicts__disk_that_grows_with_the_rounds__fails() -> None:
    found = failures(verdicts(samples(lambda n: 1, lambda n: n * MEGABYTE), 20))
    most = 50 * MEGABYTE * 11 // 10 + PAGE_ROOM
    assert found == [f"fog-0: {100 * MEGABYTE} bytes of state, at most {most}"]


def test_verdicts__chain__is_shown_and_not_judged() -> None:
    found = verdicts(samples(lambda n: n * MEGABYTE, lambda n: 0, CHAIN), 20)
    assert found[0].growth == 4
    assert failures(found) == []


def test_size_of__folder__is_the_sum_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(bytes(10))
    (tmp_path / "b").write_bytes(bytes(5))
    assert size_of(tmp_path) == 15
    assert size_of(tmp_path, "*.db") == 10
    assert size_of(tmp_path / "missing") == 0
