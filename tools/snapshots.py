"""What the contracts look like from outside: interfaces, storage, code sizes and gas, in a file.

Interfaces and storage layout need the compiler's analysis only and are compared by ``make lint``.
Code sizes and gas need all of it: lint compares the sources with those that the snapshot was taken
of, and tests (tests/contracts/test_snapshots.py, test_gas.py) the figures with the compiled code.
``make snapshots`` takes everything anew, so that a commit shows what a change of the contracts
changed.

    snapshots.py            is the snapshot of these sources?
    snapshots.py --write    take it; Ape has compiled before
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analyse import analyse

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "tests" / "contracts" / "snapshots.json"
GAS = ROOT / "tests" / "contracts" / "gas.json"
CONTRACTS = ("ContractS", "Extension", "Judge", "NoiseSampler", "Toolbox", "Verifier")
LAYOUT_OF = "ContractS"  # the extension's is the same, by a test


def sources_digest() -> str:
    """SHA-256 over all sources, the compiler's settings and the recorded gas."""
    digest = hashlib.sha256()
    files = sorted((ROOT / "contracts").rglob("*.sol"))
    for path in (*files, ROOT / "ape-config.yaml", ROOT / "package-lock.json", GAS):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def signature(entry: Mapping[str, Any]) -> str:
    """One line for an entry of an ABI."""
    arguments = ",".join(_type(field) for field in entry.get("inputs", ()))
    line = f"{entry['type']} {entry.get('name', '')}({arguments})"
    if entry.get("outputs"):
        line += " -> (" + ",".join(_type(field) for field in entry["outputs"]) + ")"
    mutability = entry.get("stateMutability", "")
    return line if mutability in ("", "nonpayable") else f"{line} {mutability}"


def _type(field: Mapping[str, Any]) -> str:
    kind = str(field["type"])
    if kind.startswith("tuple"):
        parts = ",".join(_type(part) for part in field["components"])
        kind = f"({parts}){kind.removeprefix('tuple')}"
    return f"{kind} indexed" if field.get("indexed") else kind


def interface(abi: Sequence[Mapping[str, Any]]) -> list[str]:
    """An ABI as sorted lines."""
    return sorted(signature(entry) for entry in abi)


def _analyse() -> dict[str, Any]:
    """Interfaces and storage layout, by the compiler's analysis without code generation."""
    sources = [f"contracts/{name}.sol" for name in CONTRACTS]
    answer = analyse(sources, {"*": {"*": ["abi", "storageLayout"]}})
    found = {name: answer["contracts"][f"contracts/{name}.sol"][name] for name in CONTRACTS}
    layout = found[LAYOUT_OF]["storageLayout"]
    kinds = {name: kind["label"] for name, kind in layout["types"].items()}
    return {
        "interface": {name: interface(found[name]["abi"]) for name in CONTRACTS},
        "storage": {
            LAYOUT_OF: [
                f"{entry['slot']}+{entry['offset']} {entry['label']}: {kinds[entry['type']]}"
                for entry in layout["storage"]
            ]
        },
    }


def _sizes() -> dict[str, int]:
    """Bytes of deployed code, as Ape compiled it last."""
    types = json.loads((ROOT / ".build" / "__local__.json").read_text())["contractTypes"]
    return {
        name: len(types[name]["runtimeBytecode"]["bytecode"].removeprefix("0x")) // 2
        for name in CONTRACTS
    }


def differences(taken: Mapping[str, Any]) -> list[str]:
    """What a snapshot says otherwise than the sources."""
    if taken.get("sources") != sources_digest():
        return ["the contracts or their gas changed"]
    return [f"another {what}" for what, value in _analyse().items() if taken.get(what) != value]


def main(arguments: Sequence[str]) -> int:
    if arguments == ["--write"]:
        snapshot = {"code size, bytes": _sizes(), **_analyse(), "sources": sources_digest()}
        SNAPSHOT.write_text(json.dumps(snapshot, indent=2) + "\n")
        print(f"snapshots: written to {SNAPSHOT.relative_to(ROOT)}")
        return 0
    if arguments:
        print(__doc__)
        return 2
    found = differences(json.loads(SNAPSHOT.read_text()) if SNAPSHOT.exists() else {})
    for difference in found:
        print(f"snapshots: {difference}: run `make snapshots`, and look at what it changes")
    if not found:
        print("snapshots: of these sources")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
