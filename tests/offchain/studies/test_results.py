"""Results that outlive an interrupt."""

from __future__ import annotations

import pytest

from offchain.learning.errors import OptionError
from offchain.studies.results import RUNS_FILE, Results, RunsUnreadable, key_of

JOBS = {key_of(n=n): n for n in range(4)}


def square(n):
    return {"square": n * n}


def test_complete__interrupted__goes_on_where_it_stopped(tmp_path):
    done = []

    def stops_at_two(n):
        if n == 2:
            raise KeyboardInterrupt
        done.append(n)
        return square(n)

    with pytest.raises(KeyboardInterrupt):
        Results(tmp_path).complete(JOBS, stops_at_two)
    assert done == [0, 1]

    told = []
    found = Results(tmp_path).complete(
        JOBS, lambda n: done.append(n) or square(n), advance=lambda *seen: told.append(seen)
    )
    assert done == [0, 1, 2, 3]
    assert list(found.items()) == [(key, square(n)) for key, n in JOBS.items()]
    assert told == [(2, 4), (3, 4), (4, 4)]


def test_complete__two_processes__same_results(tmp_path):
    (tmp_path / "two").mkdir()
    assert Results(tmp_path / "two").complete(JOBS, square, workers=2) == Results(
        tmp_path
    ).complete(JOBS, square)


def test_complete__no_worker__option_error(tmp_path):
    with pytest.raises(OptionError, match="workers"):
        Results(tmp_path).complete(JOBS, square, workers=0)


def test_results__last_line_cut_short__that_result_is_done_again(tmp_path):
    Results(tmp_path).complete(JOBS, square)
    file = tmp_path / RUNS_FILE
    file.write_text(file.read_text()[:-5])
    results = Results(tmp_path)
    assert [results.get(key) for key in JOBS] == [square(0), square(1), square(2), None]
    results.put(key_of(n=3), square(3))
    assert Results(tmp_path).get(key_of(n=3)) == square(3)


def test_results__fresh__forgets(tmp_path):
    Results(tmp_path).put("a", square(1))
    assert Results(tmp_path, fresh=True).get("a") is None
    assert Results(tmp_path).get("a") is None


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"key": 1, "result": {}}', "[]"])
def test_results__another_file__refused_by_line(tmp_path, line):
    Results(tmp_path).put("a", square(1))
    with (tmp_path / RUNS_FILE).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunsUnreadable, match=r"line 2 is no result of a study") as caught:
        Results(tmp_path)
    assert caught.value.line == 2
