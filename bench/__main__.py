"""`python -m bench [--full]`: measures, writes bench/results and refreshes docs/performance.md."""

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import peer, report
from bench.measure import ROOT, Failed, machine, run_part
from offchain.crypto.sharing import recommended

RESULTS = ROOT / "bench" / "results"
SPARSE = 0.25
ONE_CHUNK = 4096


def one_chunk(packing: int) -> int:
    """Values that fill a chunk of 4096 slots: one is the count, three a block are random."""
    return ONE_CHUNK - 1 - 3 * packing


def verified(
    name: str, series: str, clusters: list[int], values: int, **more: object
) -> dict[str, Any]:
    """Measure whole rounds of a shape, with the recommended sharing."""
    packing, threshold = recommended(min(clusters))
    values = min(values, one_chunk(packing)) if values <= ONE_CHUNK else values
    options: dict[str, object] = {
        "values": values,
        "packing": packing,
        "threshold": threshold,
        "noise-rounds": 4,
        "rounds": 3,
        **{key.replace("_", "-"): value for key, value in more.items()},
    }
    flags = [item for key, value in options.items() for item in (f"--{key}", value)]
    found = run_part("verified", "--clusters", *clusters, *flags)
    return {
        "name": name,
        "series": series,
        "devices": sum(clusters),
        "values": values,
        "packing": packing,
        "threshold": threshold,
        **found,
    }


def verified_cases(full: bool) -> list[Callable[[], dict[str, Any]]]:
    """Rounds over cluster sizes, over update sizes, and many clusters."""
    sizes = (8, 16, 32, 64, 128, 256) if full else (8, 16, 32, 64)
    cases = [
        lambda n=n: verified(
            f"{n} devices",
            "devices",
            [n],
            ONE_CHUNK,
            rounds=3 if n <= 32 else 2 if n <= 64 else 1,
            **({"profile": RESULTS / f"{today()}-profile.txt"} if n == 32 else {}),
            noise_rounds=5 if n <= 32 else 2 if n <= 64 else 1,
        )
        for n in sizes
    ]
    cases += [
        lambda n=n, rounds=rounds: verified(
            f"{n} devices, one process",
            "one process",
            [n],
            ONE_CHUNK,
            processes=1,
            threads=2,
            rounds=rounds,
            noise_rounds=rounds,
        )
        for n, rounds in ((32, 3), (64, 2))
    ]
    chunks = (2, 4, 8, 25) if full else (2, 4)  # one chunk: the 16 devices above
    for count in chunks:
        values = (ONE_CHUNK - 12) * count - 1
        cases.append(
            lambda values=values, count=count: verified(
                f"16 devices, {count} chunks", "values", [16], values, rounds=1, noise_rounds=1
            )
        )
    if full:
        even, more = divmod(1000, 16)
        clusters = [even + (i < more) for i in range(16)]
        cases.append(
            lambda: verified(
                "1000 devices in 16 clusters", "many", clusters, 970, rounds=1, noise_rounds=1
            )
        )
    return cases


def flower(full: bool) -> dict[str, Any]:
    """Flower's rounds, full graph and sparse."""
    try:
        python = peer.install()
    except peer.PeerMissing as missing:
        return {"missing": str(missing)}
    shapes = [(32, 1.0, 3), (64, 1.0, 2), (32, SPARSE, 3), (64, SPARSE, 3)]
    if full:
        shapes = [(16, 1.0, 4), (16, SPARSE, 4), *shapes, (128, SPARSE, 3)]
    runs, version = [], ""
    for devices, shares, rounds in shapes:
        options = ("--devices", devices, "--values", ONE_CHUNK, "--rounds", rounds)
        try:
            run = peer.run(python, *options, "--shares", shares)
        except peer.PeerMissing as missing:
            return {"missing": str(missing)}
        version = run.pop("version")
        runs.append({"devices": devices, "values": ONE_CHUNK, "shares": shares, **run})
    return {"version": version, "without": peer.WITHOUT, "runs": runs}


def broker(full: bool) -> dict[str, Any]:
    """Rounds over the broker; a message where there is none, or where they failed."""
    packing, threshold = recommended(25)
    options = ("--packing", packing, "--threshold", threshold)
    try:
        made: dict[str, Any] = run_part(
            "broker", *options, "--rounds", 5 if full else 2, "--noise-rounds", 5 if full else 2
        )
    except Failed as error:
        # What the other parts have measured is not lost with this one.
        why = str(error).strip().splitlines()[-1]
        return {"missing": why, "failed": "BrokerMissing" not in str(error)}
    return made


def today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="all sizes, up to 1,000 devices")
    parser.add_argument(
        "--again",
        choices=("operations", "verified", "plain", "flower", "broker", "gas"),
        help="measure one part once more, and keep what today's run found of the others",
    )
    options = parser.parse_args()
    path = RESULTS / f"{today()}.json"
    if options.again and not path.exists():
        parser.error(f"--again: {path.relative_to(ROOT)} is not there; run all parts first")
    full = options.full
    started = time.monotonic()
    data: dict[str, Any] = {"date": today(), "full": full, "machine": machine()}
    if options.again:
        data = json.loads(path.read_text())
        full = data["full"]

    def step(name: str, measure: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        result = measure()
        say(f"{name}: {time.monotonic() - begun:.0f} s")
        return result

    RESULTS.mkdir(parents=True, exist_ok=True)
    flags = ["--full"] if full else []
    parts: dict[str, tuple[str, Callable[[], Any]]] = {
        "operations": ("single operations", lambda: run_part("operations", *flags)),
        "verified": (
            "all verified rounds",
            lambda: [step("verified rounds", case) for case in verified_cases(full)],
        ),
        "plain": ("plain averaging", lambda: run_part("plain", "--clusters", 32)),
        "flower": ("Flower", lambda: flower(full)),
        "broker": ("over the broker", lambda: broker(full)),
        "gas": ("gas", lambda: run_part("gas")),
    }
    for part, (name, measure) in parts.items():
        if options.again in (None, part):
            data[part] = step(name, measure)
    data["load_after"] = list(os.getloadavg())
    data["seconds"] = data.get("seconds", 0.0) + time.monotonic() - started
    path.write_text(json.dumps(data, indent=1) + "\n")
    report.plots(data, RESULTS)
    report.refresh_page(data)
    print(report.markdown(data))
    say(f"written: {path.relative_to(ROOT)}, plots beside it, docs/performance.md")
    for part in ("flower", "broker"):
        if "missing" in data[part]:
            say(f"skipped: {data[part]['missing']}")
    failed = [bound.what for bound in report.must_hold(data) if bound.state == "NOT MET"]
    if failed:
        say("not met: " + "; ".join(failed))
    if data["broker"].get("failed"):
        sys.exit("bench: over the broker: " + data["broker"]["missing"])


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
