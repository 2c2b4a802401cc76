"""From measurements to tables, plots, the list of what must hold, and docs/performance.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SLOTS = 4096
CROWDED = 50  # times the least, from which labels between powers of ten run into each other
SERIES = {"devices": "devices in a cluster", "values": "slots of an update"}  # the plots
Data = dict[str, Any]


@dataclass(frozen=True)
class Bound:
    """Something that must hold."""

    what: str
    found: float | None
    most: float
    unit: str = ""

    @property
    def state(self) -> str:
        if self.found is None:
            return "not measured"
        return "met" if self.found <= self.most else "NOT MET"


def total(case: Data, name: str = "seconds") -> float:
    """Median of a round with its share of the noise."""
    value: float = case["noise"][name] + float(np.median([r[name] for r in case["rounds"]]))
    return value


def fit(points: Sequence[tuple[float, float]]) -> float:
    """Exponent of the power law through points, by least squares of logarithms."""
    x, y = (np.log(np.array(column)) for column in zip(*points, strict=True))
    return float(np.polyfit(x, y, 1)[0])


def _find(cases: Sequence[Data], **wanted: Any) -> Data | None:
    return next((c for c in cases if all(c.get(k) == v for k, v in wanted.items())), None)


def _peer(data: Data, devices: int, shares: float, name: str = "seconds") -> float | None:
    peer = _find(data.get("flower", {}).get("runs", []), devices=devices, shares=shares)
    if peer is None:
        return None
    later = [r[name] for r in peer["rounds"][1:] or peer["rounds"]]
    return float(np.median(later)) if later and later[0] is not None else None


@dataclass(frozen=True)
class DeviceWork:
    """A device's own milliseconds a round at 4096 slots and 32 devices, noise apart.

    Beside them one short and one full commitment: by the curve library alone, and as they are
    computed here, which is what the bound is held against.
    """

    own: float
    library: float
    here: float


def device_work(data: Data) -> DeviceWork | None:
    case = _find(data["verified"], name="32 devices")
    single = _find(data["operations"]["capacities"], capacity=SLOTS)
    if case is None or single is None:
        return None
    library, here = (
        single[f"commit, noise{how}"]["median"] + single[f"commit, full{how}"]["median"]
        for how in (", py-arkworks", "")
    )
    return DeviceWork(1000 * float(case["device_cpu_seconds"]), library, here)


def exponents(data: Data) -> Data:
    """How processor time per device grows with the cluster, once packed, and with the update."""
    by_devices = [c for c in _cases(data, "devices") if c["packing"] > 1]
    by_values = _by_values(data)
    found: Data = {}
    if len(by_devices) > 1:
        points = [(c["devices"], total(c, "cpu_seconds") / c["devices"]) for c in by_devices]
        found["devices"] = fit(points)
        first, last = points[0][0], points[-1][0]
        # What n log n would show over the same range.
        found["n log n"] = log(last * log(last) / (first * log(first))) / log(last / first)
    if len(by_values) > 1:
        chunks = [(c["slots"], total(c, "cpu_seconds") / c["devices"]) for c in by_values]
        found["slots"] = fit(chunks)
    return found


def _cases(data: Data, series: str) -> list[Data]:
    """The cases of a plot."""
    if series == "values":
        return _by_values(data)
    return [case for case in data["verified"] if case["series"] == series]


def _by_values(data: Data) -> list[Data]:
    """The cases of 16 devices, from one chunk on."""
    one = [c for c in data["verified"] if c["name"] == "16 devices"]
    return one + [c for c in data["verified"] if c["series"] == "values"]


def must_hold(data: Data) -> list[Bound]:
    """The bounds, in the order in which they were set."""
    bounds = []
    for devices, share in ((32, 0.5), (64, 0.1)):
        peer = _peer(data, devices, 1.0)
        for name, how in (
            (f"{devices} devices, one process", "one process"),
            (f"{devices} devices", "devices on two processes"),
        ):
            case = _find(data["verified"], name=name)
            ratio = total(case) / peer if case and peer else None
            what = (
                f"1. {devices} devices, {SLOTS} slots, {how}: time over Flower SecAgg+, full graph"
            )
            bounds.append(Bound(what, ratio, share))
    broker = data.get("broker", {})
    what = "2. 100 devices in 4 clusters, 7,850 values, over the broker, a round"
    rounds = [r["seconds"] for r in broker.get("rounds", [])]
    bounds.append(Bound(what, float(np.median(rounds)) if rounds else None, 10.0, "s"))
    with_noise = total(broker) if rounds else None
    bounds.append(Bound(f"{what} and its noise, drawn before", with_noise, 10.0, "s"))
    work = device_work(data)
    what = "3. a device's work over one short and one full commitment, noise audit apart"
    bounds.append(Bound(what, work.own / work.here if work else None, 3.0))
    gas = data["gas"]
    bounds.append(Bound("5. anchor of one chunk", gas["anchor"]["greatest"], 300_000, "gas"))
    bounds.append(
        Bound("5. anchor of one chunk, a cluster's first", gas["anchor"]["first"], 300_000, "gas")
    )
    spread = gas["anchor"]["greatest"] / gas["anchor"]["least"] - 1
    bounds.append(Bound("5. anchor, from 8 to 256 devices, differs by", spread, 0.03))
    for name, most in (("4 clusters of 64", 8_000), ("4 clusters of 256", 2_500)):
        found = gas["per device"][name]["gas per device"]
        bounds.append(Bound(f"5. a device and round, {name}, claims apart", found, most, "gas"))
    grown = exponents(data)
    if "devices" in grown:
        what = "6. exponent of time per device in the size of a cluster (n log n over this range)"
        bounds.append(Bound(what, grown["devices"], grown["n log n"]))
    if "slots" in grown:
        what = "6. exponent of time per device in the slots of an update"
        bounds.append(Bound(what, grown["slots"], 1.05))
    thousand = _find(data["verified"], name="1000 devices in 16 clusters")
    peak = thousand["peak_bytes"] / 2**30 if thousand else None
    what = "7. peak memory of 1,000 devices in 16 clusters, 1,024 slots"
    bounds.append(Bound(what, peak, 4.0, "GiB"))
    return bounds


# ---- the page


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _with_spread(figures: Data) -> str:
    least, most = _cell(float(figures["least"])), _cell(float(figures["greatest"]))
    return f"{_cell(float(figures['median']))} ({least}-{most})"


def _bounds_section(data: Data) -> str:
    rows = [
        (
            b.what,
            None if b.found is None else f"{_cell(b.found)} {b.unit}".strip(),
            f"{_cell(b.most)} {b.unit}".strip(),
            b.state,
        )
        for b in must_hold(data)
    ]
    table = _table(("what must hold", "found", "at most", ""), rows)
    work = device_work(data)
    if work is None:
        return table
    return (
        f"{table}\n\nRow 3: a device works {_cell(work.own)} ms a round (median of three rounds "
        f"after the first, mean of all devices), one short and one full commitment take "
        f"{_cell(work.here)} ms. By the curve library alone the two take {_cell(work.library)} ms, "
        f"and the device {_cell(work.own / work.library)} times that."
    )


def _operations_section(data: Data) -> str:
    parts = []
    for key, first in (
        ("capacities", ("capacity",)),
        ("sharing", ("capacity", "devices", "packing", "threshold")),
    ):
        cases = data["operations"][key]
        names = [n for n in cases[0] if n not in first]
        head = [*first, *names]
        rows = [[*(c[f] for f in first), *(_with_spread(c[n]) for n in names)] for c in cases]
        parts.append(_table(head, rows))
    return "\n\n".join(parts)


def _rounds_section(data: Data) -> str:
    head = (
        "case",
        "values",
        "slots",
        "packing",
        "t",
        "s a round",
        "least-greatest",
        "CPU s",
        "of it noise",
        "CPU ms a device",
        "KB a device sends",
        "peak MB",
    )
    rows = []
    for case in data["verified"]:
        seconds = [r["seconds"] for r in case["rounds"]]
        sent = float(np.median([r["bytes"]["device"] for r in case["rounds"]]))
        cpu = total(case, "cpu_seconds")
        rows.append(
            (
                case["name"],
                case["values"],
                case["slots"],
                case["packing"],
                case["threshold"],
                total(case),
                f"{_cell(min(seconds))}-{_cell(max(seconds))}",
                cpu,
                case["noise"]["cpu_seconds"],
                1000 * cpu / case["devices"],
                sent / case["devices"] / 1000,
                case["peak_bytes"] / 2**20,
            )
        )
    return _table(head, rows)


def _phases_section(data: Data) -> str:
    case = _find(data["verified"], name="32 devices")
    if case is None:
        return ""
    plain = float(np.median([r["seconds"] for r in data["plain"]["rounds"]]))
    names = list(case["rounds"][0]["phases"])
    median = {n: float(np.median([r["phases"].get(n, 0.0) for r in case["rounds"]])) for n in names}
    rows = [
        ("noise, its share of a batch", case["noise"]["seconds"], case["noise"]["seconds"] / plain)
    ]
    rows += [(n, s, s / plain) for n, s in median.items()]
    text = _table(("phase", "s, added up over all nodes", "plain averaging rounds"), rows)
    groups = _table(
        ("where processor time goes", "share"),
        sorted(case["profile"]["groups"].items(), key=lambda item: -item[1]),
    )
    top = _table(
        ("function, by time with all that it calls", "calls", "own share", "with what it calls"),
        [
            (f"`{f['function']}`", f["calls"], f["own"], f["cumulative"])
            for f in case["profile"]["top"]
        ],
    )
    ratio = total(case) / plain
    compared = (
        f"A plain round of averaging over the same transport: {_cell(plain)} s; a verified one "
        f"takes {_cell(ratio)} times as long. Phases overlap: they are added up over all nodes."
    )
    return f"{text}\n\n{compared}\n\n{groups}\n\n{top}"


def _peer_section(data: Data) -> str:
    flower = data["flower"]
    if "missing" in flower:
        return f"Flower was not measured: {flower['missing']}"
    rows = []
    for run in flower["runs"]:
        later = run["rounds"][1:] or run["rounds"]
        ours = _find(data["verified"], name=f"{run['devices']} devices")
        cpu = [r["cpu_seconds"] for r in later if r["cpu_seconds"] is not None]
        seconds = float(np.median([r["seconds"] for r in later]))
        rows.append(
            (
                run["devices"],
                run["values"],
                "none" if run.get("plain") else "full" if run["shares"] == 1 else run["shares"],
                seconds,
                float(np.median(cpu)) if cpu else None,
                run["bytes_up_per_device"] / 1000,
                total(ours) if ours else None,
                total(ours, "cpu_seconds") if ours else None,
                total(ours) / seconds if ours else None,
            )
        )
    head = (
        "devices",
        "values",
        "graph",
        "Flower, s",
        "Flower, CPU s",
        "KB up",
        "Verifog, s",
        "Verifog, CPU s",
        "ratio of times",
    )
    return f"{_table(head, rows)}\n\nFlower {flower['version']}. {flower['without']}"


def _gas_section(data: Data) -> str:
    gas = data["gas"]
    rows = [
        (
            r["devices"],
            r["clusters"],
            r["gas"],
            r["gas per device"],
            r["paper gas"],
            *(
                f"{r['prices'][n]['ether']:.2g} ether, ${r['prices'][n]['dollars']:.3g}"
                for n in ("mainnet", "rollup")
            ),
        )
        for r in gas["rounds"]
    ]
    head = (
        "devices",
        "clusters",
        "gas a round",
        "gas a device",
        "paper, literally",
        "mainnet",
        "rollup",
    )
    assumed = gas["assumed"]
    return (
        f"{_table(head, rows)}\n\nAssumed: {assumed['gwei']['mainnet']} gwei on mainnet, "
        f"{assumed['gwei']['rollup']} gwei on a rollup (its execution only; what it pays for data "
        f"comes on top), {_cell(assumed['ether in dollars'])} dollars an ether. The paper's part: "
        f"{_cell(gas['paper']['recordNoise'])} gas for a device's noise and "
        f"{_cell(gas['paper']['recordHash'])} for its hash, with nothing verified."
    )


def _broker_section(data: Data) -> str:
    broker = data["broker"]
    if "missing" in broker:
        return f"Not measured: {broker['missing']}"
    seconds = [r["seconds"] for r in broker["rounds"]]
    return (
        f"100 devices in 4 clusters, 7,850 values (two chunks), TLS and client certificates, a "
        f"process for each cluster, the local node beside them: {_cell(total(broker))} s a round "
        f"({_cell(min(seconds))}-{_cell(max(seconds))} s, and "
        f"{_cell(broker['noise']['seconds'])} s for its share of the noise), "
        f"{_cell(total(broker, 'cpu_seconds'))} s of processor time "
        "without broker and node."
    )


def markdown(data: Data) -> str:
    """The refreshed part of the page."""
    grown = exponents(data)
    machine = data["machine"]
    load = ", ".join(f"{one:.1f}" for one in machine["load_before"])
    after = ", ".join(f"{one:.1f}" for one in data["load_after"])
    header = (
        f"Measured {data['date']} ({'full' if data['full'] else 'short'} run) on "
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python "
        f"{machine['python']}. Load average before: {load}; after: {after}. Above "
        f"{machine['cores']} other work shared the processor: compare times within this run only, "
        "and processor seconds (CPU s) where load was high."
    )
    parts = [
        header,
        _bounds_section(data),
        "### Single operations\n\nProcessor milliseconds: median (least-greatest).\n\n"
        + _operations_section(data),
        "### A whole verified round, in process\n\n" + _rounds_section(data),
    ]
    parts += [
        f"![{label}](../bench/results/{data['date']}-{name}.svg)"
        for name, label in SERIES.items()
        if len(_cases(data, name)) > 1
    ]
    if grown:
        named = "; ".join(f"{name}: {value:.2f}" for name, value in grown.items())
        parts.append(f"Fitted exponents of processor time per device: {named}.")
    parts += [
        "### By phase, beside plain averaging (32 devices)\n\n" + _phases_section(data),
        "### Over the broker\n\n" + _broker_section(data),
        "### Beside Flower's SecAgg+\n\n" + _peer_section(data),
        "### Gas\n\n" + _gas_section(data),
    ]
    return "\n\n".join(part for part in parts if part.strip())


def refresh_page(data: Data) -> None:
    """Put the figures between the marks of docs/performance.md."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(data)}\n{END}{after}")


# ---- plots


def plots(data: Data, folder: Path) -> list[Path]:
    """Time of a round by devices, by slots, and by phase."""
    made = []
    for name, label in SERIES.items():
        cases = _cases(data, name)
        if len(cases) < 2:
            continue
        key = "devices" if name == "devices" else "slots"
        figure = Figure(figsize=(6, 4))
        axes = figure.subplots()
        x = [c[key] for c in cases]
        axes.loglog(x, [total(c) for c in cases], "o-", label="Verifog, verified")
        axes.loglog(x, [total(c, "cpu_seconds") for c in cases], "o--", label="processor time")
        if name == "devices":
            for shares, text in ((1.0, "full graph"), (0.25, "sparse")):
                peers = [(n, s) for n in x if (s := _peer(data, n, shares)) is not None]
                if peers:
                    axes.loglog(*zip(*peers, strict=True), "s-", label=f"Flower SecAgg+, {text}")
        axes.set_xticks(x, [f"{value:,}" for value in x])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
        low, high = axes.get_ylim()
        axes.yaxis.set_minor_formatter("{x:g}" if high < CROWDED * low else NullFormatter())
        axes.set_xlabel(label)
        axes.set_ylabel("seconds a round")
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
        made.append(folder / f"{data['date']}-{name}.svg")
        figure.tight_layout()
        figure.savefig(made[-1])
    return made
