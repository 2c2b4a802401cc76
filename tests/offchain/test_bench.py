"""What the benchmark makes of its measurements: no figure is measured here."""

import json
import re

import pytest

from bench import __main__ as command
from bench import gas, report
from bench.measure import Failed


def case(name, series, devices, cpu, slots=4096, seconds=2.0):
    made = {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "phases": {"share": 1.5, "check": 0.5},
        "bytes": {"device": 1000 * devices},
    }
    return {
        "name": name,
        "series": series,
        "devices": devices,
        "values": slots - 1,
        "slots": slots,
        "packing": 4,
        "threshold": 3,
        "noise": {"seconds": 0.5, "cpu_seconds": 0.5},
        "rounds": [made, made],
        "peak_bytes": 2**30,
        "device_cpu_seconds": 0.1,
        "profile": {
            "groups": {"sums of products": 0.7, "all else": 0.3},
            "top": [{"function": "sum", "calls": 7, "own": 0.6, "cumulative": 0.7}],
        },
    }


@pytest.fixture
def data():
    """A short run in which 64 devices are too slow."""
    spread = {"median": 10.0, "least": 9.0, "greatest": 12.0}
    fast = {name: value / 4 for name, value in spread.items()}
    flower = {"seconds": 10.0, "cpu_seconds": 12.0}
    figures = json.loads(gas.SNAPSHOT.read_text())
    priced = gas.round_gas(figures, 100, 4)
    return {
        "date": "2026-01-02",
        "full": False,
        "machine": {"system": "s", "processor": "p", "cores": 2, "python": "3", "load_before": [0]},
        "load_after": [0],
        "operations": {
            "capacities": [
                {
                    "capacity": 4096,
                    "commit, noise": fast,
                    "commit, full": fast,
                    "commit, noise, py-arkworks": spread,
                    "commit, full, py-arkworks": spread,
                }
            ],
            "sharing": [
                {"capacity": 64, "devices": 8, "packing": 1, "threshold": 3, "deal": spread}
            ],
        },
        "verified": [
            case("32 devices", "devices", 32, 3.5),
            case("64 devices", "devices", 64, 7.5),
            case("32 devices, one process", "one process", 32, 3.5, seconds=3.0),
            case("16 devices, 2 chunks", "values", 16, 1.5),
            case("16 devices, 4 chunks", "values", 16, 3.5, slots=8192),
        ],
        "plain": {"rounds": [{"seconds": 0.5}]},
        "flower": {
            "version": "1",
            "without": "Nothing is checked.",
            "runs": [
                {
                    "devices": devices,
                    "values": 4096,
                    "shares": 1.0,
                    "rounds": [{"seconds": 99.0, "cpu_seconds": 99.0}, flower],
                    "bytes_up_per_device": 5000,
                }
                for devices in (32, 64)
            ],
        },
        "broker": {"missing": "mosquitto is missing"},
        "gas": {
            "paper": {"recordNoise": 1, "recordHash": 2},
            "rounds": [priced | {"prices": gas.prices(priced["gas"]), "paper gas": 7}],
            "per device": {
                "4 clusters of 64": {"gas per device": 7_000},
                "4 clusters of 256": {"gas per device": 2_600},
            },
            "anchor": {"least": 280_000, "greatest": 290_000, "first": 295_000},
            "assumed": {"ether in dollars": 1.0, "gwei": {"mainnet": 1.0, "rollup": 1.0}},
        },
    }


def test_must_hold__figures_on_both_sides__are_judged_and_missing_ones_named(data):
    states = [(bound.what[:2], bound.found, bound.state) for bound in report.must_hold(data)]
    assert states[0] == ("1.", 0.35, "met")  # (0.5 + 3.0) / 10, the first round of the peer apart
    assert states[1] == ("1.", 0.25, "met")
    assert states[2] == ("1.", None, "not measured")
    assert states[3] == ("1.", 0.25, "NOT MET")
    assert states[4] == ("2.", None, "not measured")
    assert states[5] == ("2.", None, "not measured")
    assert states[6] == ("3.", 20.0, "NOT MET")  # 100 ms over 2.5 + 2.5
    passed = [state for *_, state in states[7:12]]
    assert passed == ["met", "met", "NOT MET", "met", "NOT MET"]
    assert states[-1] == ("7.", None, "not measured")


def test_exponents__processor_time_per_device__of_each_series(data):
    found = report.exponents(data)
    assert found["devices"] == pytest.approx(0.0)  # 4 s for 32 and 8 s for 64
    assert found["slots"] == pytest.approx(1.0)
    assert 1.0 < found["n log n"] < 1.5
    for case in data["verified"]:
        case["packing"] = 1  # plain shares grow otherwise: not fitted
    assert "devices" not in report.exponents(data)


def test_markdown__a_short_run__has_every_section_and_full_rows(data):
    text = report.markdown(data)
    for title in ("Single operations", "verified round", "By phase", "broker", "Flower", "Gas"):
        assert re.search(rf"### .*{title}", text), title
    tables = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    assert len(tables) == 9
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "mosquitto is missing" in text
    # 100 ms, 10 + 10 by the curve library, 2.5 + 2.5 here.
    assert "a device works 100 ms a round (median" in text
    assert "one short and one full commitment take 5 ms" in text
    assert "the two take 20 ms, and the device 5 times that" in text


def test_refresh_page__a_page_with_marks__keeps_what_stands_around_them(
    data, tmp_path, monkeypatch
):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    report.refresh_page(data)
    first = page.read_text()
    report.refresh_page(data)
    assert page.read_text() == first
    assert first.startswith(f"before\n{report.BEGIN}\n")
    assert first.endswith(f"{report.END}\nafter\n")
    assert "\nold\n" not in first


def test_round_gas__from_the_snapshot__adds_up_all_transactions():
    several = {
        "anchor": 1000,
        "submitCumulative": 500,
        "anchor, first of four rounds": 1000,
        "submitCumulative, first of four rounds": 540,
        "recordNoiseRoot": 80,
        "submitAggregate": 130,
    }
    figures = {
        "1 cluster of 64": {"openRound": 10, "submitAggregate": 100},
        "4 clusters of 64": several,
        "4 clusters of 256": several | {"submitCumulative": 900},
    }
    found = gas.round_gas(figures, 256, 4)
    assert found["gas"] == 10 + 4 * (1000 + 510 + 10) + 100 + 3 * 10
    assert found["gas per device"] == round(found["gas"] / 256)
    dearest = gas.round_gas(figures, 256, 4, dearest=True)
    assert dearest["gas"] == 10 + 4 * (1000 + 540 + 10) + 100 + 3 * 10
    large = gas.round_gas(figures, 257, 4, dearest=True)
    assert large["gas"] == 10 + 4 * (1000 + 900 + 10) + 100 + 3 * 10
    assert gas.prices(10**9)["mainnet"]["ether"] == gas.GWEI["mainnet"]


@pytest.mark.parametrize(
    ("told", "failed"),
    [("Traceback\nStuck: no round", True), ("x\nBrokerMissing: no mosquitto", False)],
)
def test_broker__its_part_fails__what_else_was_measured_is_not_lost(monkeypatch, told, failed):
    def part(*_: object) -> None:
        raise Failed(told)

    monkeypatch.setattr(command, "run_part", part)
    assert command.broker(full=False) == {"missing": told.splitlines()[-1], "failed": failed}


@pytest.fixture
def results(data, tmp_path, monkeypatch):
    """A folder with today's results, of a full run, and nothing else that the command writes to."""
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(command.report, "plots", lambda *_: [])
    monkeypatch.setattr(command.report, "refresh_page", lambda _: None)
    figures = {"seconds": 1.0, "cpu_seconds": 1.0}

    def measured(part, *flags):
        return {"part": part, "flags": flags, "rounds": [figures], "noise": figures}

    monkeypatch.setattr(command, "run_part", measured)
    path = tmp_path / f"{command.today()}.json"
    path.write_text(json.dumps(data | {"full": True, "seconds": 100.0}))
    return path


def test_again__one_part__the_others_stay(results, monkeypatch):
    before = json.loads(results.read_text())
    monkeypatch.setattr("sys.argv", ["bench", "--again", "broker"])
    command.main()
    after = json.loads(results.read_text())
    assert after["broker"]["part"] == "broker"
    assert after["broker"]["flags"][-2:] == ["--noise-rounds", 5]  # of a full run
    assert after["seconds"] >= 100.0
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"broker", "seconds", "load_after"}


def test_again__nothing_was_measured_today__says_so(results, monkeypatch, capsys):
    results.unlink()
    monkeypatch.setattr("sys.argv", ["bench", "--again", "gas"])
    with pytest.raises(SystemExit):
        command.main()
    assert "run all parts first" in capsys.readouterr().err
