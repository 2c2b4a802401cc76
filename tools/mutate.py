"""Mutation testing of the libraries, the accounting and the settlement of Contract S.

Every mutant changes one operator, number, condition or statement. All of them are compiled at
once, into a copy of the sources where each place asks ``block.prevrandao`` whether its mutant is
on; forge then runs the tests once for each, with that value, until one fails. A mutant that no
test notices survives, and is printed. The sample is drawn with a fixed seed.

    mutate.py [--most N] [--only TEXT ...] [--list] [--keep FOLDER]

For example, everything in one file:  mutate.py --only contracts/extension/Funds.sol:
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyse import analyse

ROOT = Path(__file__).resolve().parent.parent
SEED = 3
MOST = 120
# What takes longer than five times what the tests take without a mutant, and a minute, is a loop
# without an end, which counts as noticed.
SLOWER = 5
SHORTEST = 60
# The quick ones first; those at the caps take minutes.
STAGES = (("--match-contract", "Test$"), ("--no-match-contract", "(Test|Caps)$"))
LIBRARIES = ("Bitmap", "Bls12381", "BlockHeader", "Horner", "Kzg", "Merkle", "RoundLog")
FILES = (
    *(f"contracts/libraries/{name}.sol" for name in LIBRARIES),
    "contracts/parts/Phases.sol",
    "contracts/parts/Settlement.sol",
    "contracts/extension/Funds.sol",
    "contracts/extension/Disputes.sol",
    "contracts/extension/Opening.sol",
)
OTHERS: Mapping[str, tuple[str, ...]] = {
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "%": ("/",),
    "<<": (">>",),
    ">>": ("<<",),
    "&": ("|",),
    "|": ("&",),
    "&&": ("||",),
    "||": ("&&",),
    "==": ("!=",),
    "!=": ("==",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
}
SWITCH = """// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

library Mutation {
    function on(uint256 k) internal pure returns (bool) {
        return _asPure(_on)(k);
    }

    function _on(uint256 k) private view returns (bool) {
        return block.prevrandao == k;
    }

    function _asPure(function(uint256) internal view returns (bool) viewing)
        private
        pure
        returns (function(uint256) internal pure returns (bool) pure_)
    {
        assembly ("memory-safe") {
            pure_ := viewing
        }
    }
}
"""


@dataclass(frozen=True)
class Mutant:
    """What stands in a file from ``start`` to ``end``, and what stands there instead."""

    path: str
    line: int
    start: int
    end: int
    statement: bool
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {_short(self.before)}  ->  {_short(self.after)}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 70 else f"{text[:67]}..."


def syntax_trees() -> dict[str, Any]:
    """The compiler's syntax tree of each file."""
    sources = analyse(FILES, {"*": {"": ["ast"]}})["sources"]
    return {name: sources[name]["ast"] for name in FILES}


def _nodes(node: Any, inside: bool = False) -> Iterator[dict[str, Any]]:
    """Every node inside of a function's or a modifier's body."""
    if isinstance(node, list):
        for part in node:
            yield from _nodes(part, inside)
    elif isinstance(node, dict):
        if inside and "nodeType" in node:
            yield node
        for key, part in node.items():
            # What a loop does between its turns stays, or it never ends.
            if key == "loopExpression":
                continue
            yield from _nodes(part, inside or (key == "body" and part is not None))


def _place(node: Mapping[str, Any]) -> tuple[int, int]:
    start, length, _ = (int(part) for part in node["src"].split(":"))
    return start, start + length


def _is_number(node: Mapping[str, Any]) -> bool:
    return str(node["typeDescriptions"]["typeIdentifier"]).startswith("t_rational")


def mutants_of(path: str, tree: Any) -> Iterator[Mutant]:
    """Every mutant of a file, in the order of its syntax tree."""
    source = (ROOT / path).read_bytes()

    def text(start: int, end: int) -> str:
        return source[start:end].decode()

    def mutant(start: int, end: int, after: str, statement: bool = False) -> Mutant:
        line = source.count(b"\n", 0, start) + 1
        return Mutant(path, line, start, end, statement, text(start, end), after)

    for node in _nodes(tree):
        start, end = _place(node)
        kind = node["nodeType"]
        if kind == "BinaryOperation" and not _is_number(node):
            left, right = node["leftExpression"], node["rightExpression"]
            (a, b), (c, d) = _place(left), _place(right)
            for other in OTHERS.get(node["operator"], ()):
                operator = text(b, c).replace(node["operator"], other, 1)
                yield mutant(start, end, text(a, b) + operator + text(c, d))
            for part, whole in ((left, right), (right, left)):
                if part["nodeType"] != "Literal" or not _is_number(part):
                    continue
                if whole["typeDescriptions"]["typeIdentifier"] != "t_uint256":
                    continue
                # As a uint256 in both cases, which a literal beside one is anyway.
                yield mutant(*_place(part), f"{text(*_place(part))} + 1")
        elif kind == "UnaryOperation" and node["operator"] in ("!", "~"):
            yield mutant(start, end, text(*_place(node["subExpression"])))
        elif kind == "IfStatement":
            yield mutant(*_place(node["condition"]), "false")
        elif kind == "ExpressionStatement":
            end = source.index(b";", end) + 1
            expression = node["expression"]
            yield mutant(start, end, "", statement=True)
            if expression["nodeType"] == "Assignment" and expression["operator"] != "=":
                operator = expression["operator"]
                for other in OTHERS.get(operator.removesuffix("="), ()):
                    changed = text(start, end).replace(operator, f"{other}=", 1)
                    yield mutant(start, end, changed, statement=True)


def all_mutants() -> list[Mutant]:
    """Every mutant of all files."""
    trees = syntax_trees()
    return [mutant for path in FILES for mutant in mutants_of(path, trees[path])]


def switched(source: bytes, places: Sequence[tuple[int, Mutant]]) -> bytes:
    """The source in which every mutant is there, and on where the switch has its number."""
    ordered = sorted(places, key=lambda item: (item[1].start, -item[1].end))

    def render(start: int, end: int, items: Sequence[tuple[int, Mutant]]) -> str:
        out, at, i = "", start, 0
        while i < len(items):
            first = items[i][1]
            same = [m for m in items[i:] if (m[1].start, m[1].end) == (first.start, first.end)]
            inner = [m for m in items[i + len(same) :] if m[1].start < first.end]
            out += source[at : first.start].decode()
            whole = render(first.start, first.end, inner)
            for number, mutant in same:
                whole = _switch(number, mutant, whole)
            out += whole
            at, i = first.end, i + len(same) + len(inner)
        return out + source[at:end].decode()

    return render(0, len(source), ordered).encode()


def _switch(number: int, mutant: Mutant, whole: str) -> str:
    if mutant.statement:
        return f"{{ if (Mutation.on({number})) {{ {mutant.after} }} else {{ {whole} }} }}"
    if mutant.after == f"{mutant.before} + 1":
        return f"(Mutation.on({number}) ? uint256({mutant.after}) : uint256({whole}))"
    return f"(Mutation.on({number}) ? ({mutant.after}) : ({whole}))"


def write_copy(folder: Path, sample: Mapping[int, Mutant]) -> None:
    """The contracts with all of these mutants, and the tests."""
    for name in ("contracts", "forge_tests"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns(".cache", "symbolic")
        )
    for name in (".venv", "node_modules"):
        (folder / name).symlink_to((ROOT / name).resolve())
    shutil.copy(ROOT / "foundry.toml", folder)
    (folder / "contracts/libraries/Mutation.sol").write_text(SWITCH)
    for path in sorted({*FILES, *(m.path for m in sample.values())}):
        places = [(k, m) for k, m in sample.items() if m.path == path]
        source = switched((ROOT / path).read_bytes(), places).decode()
        relative = "./" if "/libraries/" in path else "../libraries/"
        pragma = "pragma solidity =0.8.37;\n"
        source = source.replace(
            pragma, f'{pragma}import {{ Mutation }} from "{relative}Mutation.sol";\n', 1
        )
        (folder / path).write_text(source)


def noticed(folder: Path, number: int, seconds: float | None) -> bool:
    """Whether a test fails with this mutant on, or takes longer than so many seconds."""
    return any(_fails(folder, number, stage, seconds) for stage in STAGES)


def _fails(folder: Path, number: int, stage: Sequence[str], seconds: float | None) -> bool:
    for name in ("fuzz", "invariant"):
        # Else forge would first try what another mutant failed at.
        shutil.rmtree(folder / ".forge/cache" / name, ignore_errors=True)
    command = [str(ROOT / ".venv/bin/forge"), "test", "--fail-fast", "--threads", "1"]
    try:
        done = subprocess.run(
            [*command, *stage, "--block-prevrandao", f"0x{number:064x}"],
            cwd=folder,
            env={**os.environ, "FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT": "0"},
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return True
    output = done.stdout + done.stderr
    if "Compiler run failed" in output or "Suite result" not in output:
        raise SystemExit(f"mutate: the tests did not run\n{output[-6000:]}")
    return done.returncode != 0


def run(sample: Mapping[int, Mutant], folder: Path, total: int) -> int:
    """Try each mutant; print those that survive, and the share of those that did not."""
    write_copy(folder, sample)
    begun = time.monotonic()
    # The first time it compiles.
    if noticed(folder, 0, None):
        print("mutate: the tests fail without a mutant", flush=True)
        return 1
    print(f"{len(sample)} of {total} mutants, seed {SEED}; built in", end=" ")
    print(f"{time.monotonic() - begun:.0f} s", flush=True)
    tested = time.monotonic()
    noticed(folder, 0, None)
    seconds = max(SHORTEST, SLOWER * (time.monotonic() - tested))
    survivors = []
    for number, mutant in sample.items():
        if noticed(folder, number, seconds):
            print(f"killed: {number}", flush=True)
            continue
        survivors.append(mutant)
        print(f"survived: {number} {mutant}", flush=True)
    killed = len(sample) - len(survivors)
    print(f"killed {killed} of {len(sample)} ({killed / len(sample):.0%}),", end=" ")
    print(f"{time.monotonic() - begun:.0f} s")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--most", type=int, default=MOST, help="size of the sample (default: 120)")
    parser.add_argument("--only", nargs="*", default=(), help="those whose line has one of these")
    parser.add_argument("--list", action="store_true", help="print the sample, try nothing")
    parser.add_argument("--keep", type=Path, help="an empty folder for the copy, which is kept")
    arguments = parser.parse_args()
    everything = all_mutants()
    chosen = list(range(len(everything)))
    if arguments.only:
        chosen = [i for i in chosen if any(t in str(everything[i]) for t in arguments.only)]
    elif arguments.most < len(chosen):
        # No secret: the same sample every time.
        chosen = sorted(random.Random(SEED).sample(chosen, arguments.most))  # noqa: S311
    sample = {index + 1: everything[index] for index in chosen}
    if arguments.list:
        print("\n".join(f"{number} {mutant}" for number, mutant in sample.items()))
        print(f"{len(sample)} of {len(everything)}")
        return 0
    if arguments.keep:
        return run(sample, arguments.keep, len(everything))
    with tempfile.TemporaryDirectory() as folder:
        return run(sample, Path(folder), len(everything))


if __name__ == "__main__":
    sys.exit(main())
