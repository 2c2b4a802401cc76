"""That the symbolic checks can fail: each must find the fault that is planted for it in Contract S.

All faults are compiled at once, as mutants are (tools/mutate.py), into a copy in which the
environment says which one is on. Halmos then runs the check over S with that fault, and must find a
counterexample; without a fault the first check must pass.

    planted.py [CHECK ...]      e.g. check_slash; without names, all (make symbolic ARGS=--planted)
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mutate

# Check, file, what stands there, what is planted instead.
FAULTS: Sequence[tuple[str, str, str, str]] = (
    ("check_deposit", "extension/Membership.sol", "_accounts.stakes += uint128(msg.value);", ""),
    (
        "check_withdrawStake",
        "extension/Membership.sol",
        "block.timestamp < m.withdrawableAt",
        "block.timestamp + 1 < m.withdrawableAt",
    ),
    ("check_pool", "extension/Funds.sol", "_accounts.pool = uint128(pool - amount);", ""),
    (
        "check_slash",
        "extension/Disputes.sol",
        "(stake * BURNT_PERCENT) / 100",
        "(stake * BURNT_PERCENT) / 101",
    ),
    ("check_silence", "extension/Opening.sol", "m.stake -= uint96(fee);", ""),
    ("check_settle_and_reject", "extension/Disputes.sol", "l.settledRounds -= 1;", ""),
    (
        "check_settle_and_claim",
        "parts/Settlement.sol",
        "_claimed[account][c.word] = c.claimed | c.fresh;",
        "",
    ),
    ("check_settle_any_counts", "parts/Phases.sol", "signers * s.device", "signers + s.device"),
    ("check_claim_of_credit", "parts/Settlement.sol", "_credits[account] = 0;", ""),
    (
        "check_returnUnclaimed",
        "extension/Funds.sol",
        "(r.owed, r.returned) = (0, uint32(upTo));",
        "r.returned = uint32(upTo);",
    ),
)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
OPTIONS = ("--no-status", "--early-exit")
SWITCH_ON = (
    (
        "    function warp(",
        "    function envUint(string calldata) external view returns (uint256);",
    ),
    ("    function warp(", "    function difficulty(uint256 number) external;"),
    ("        vm.warp(1_000_000);", '        vm.difficulty(vm.envUint("PLANTED"));'),
)


def mutant(path: str, before: str, after: str) -> mutate.Mutant:
    """The one place in the file where this stands, changed."""
    name = f"contracts/{path}"
    source = (mutate.ROOT / name).read_bytes()
    start = source.find(before.encode())
    if start < 0 or source.count(before.encode()) != 1:
        raise SystemExit(f"planted: {name} must have `{before}` once")
    line = source.count(b"\n", 0, start) + 1
    end = start + len(before.encode())
    return mutate.Mutant(name, line, start, end, before.endswith(";"), before, after)


def write_copy(folder: Path) -> None:
    """The contracts with all faults, and the checks, which switch on the one that PLANTED names."""
    faults = {i + 1: mutant(*fault[1:]) for i, fault in enumerate(FAULTS)}
    mutate.write_copy(folder, faults)
    checks = folder / "forge_tests/symbolic"
    shutil.copytree(mutate.ROOT / "forge_tests/symbolic", checks)
    books = checks / "Books.sol"
    text = books.read_text()
    for where, line in SWITCH_ON:
        if text.count(where) != 1:
            raise SystemExit(f"planted: Books.sol must have `{where.strip()}` once")
        text = text.replace(where, f"{line}\n{where}")
    books.write_text(text)


def check(folder: Path, name: str, number: int) -> str:
    """What Halmos says of a check with this fault on; 0: none."""
    done = subprocess.run(
        ["sh", str(mutate.ROOT / "tools/symbolic.sh"), "--function", name, *OPTIONS],
        env={**os.environ, "SOURCES": str(folder), "PLANTED": str(number)},
        check=False,
        capture_output=True,
        text=True,
    )
    output = COLOUR.sub("", done.stdout + done.stderr)
    if f"[PASS] {name}(" in output and done.returncode == 0:
        return "passes"
    if f"[FAIL] {name}(" in output and "Counterexample:" in output:
        return "counterexample"
    raise SystemExit(f"planted: {name} neither passes nor finds a fault\n{output[-6000:]}")


def main(names: Sequence[str]) -> int:
    """Print what each check finds; 1 if one does not find its fault."""
    numbers = {fault[0]: i + 1 for i, fault in enumerate(FAULTS)}
    if unknown := [name for name in names if name not in numbers]:
        raise SystemExit(f"planted: no fault for {unknown[0]}; there are {', '.join(numbers)}")
    blind = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_copy(folder)
        first = next(iter(numbers))
        if check(folder, first, 0) != "passes":
            raise SystemExit(f"planted: {first} fails without a fault")
        for name in names or numbers:
            found = check(folder, name, numbers[name])
            blind += found == "passes"
            _, path, before, after = FAULTS[numbers[name] - 1]
            print(f"{name}: {path}: {before}  ->  {after}: {found}", flush=True)
    print(f"{blind} checks did not find their fault")
    return 1 if blind else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
