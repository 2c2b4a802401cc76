"""Checks that no linter knows: no registry's host or developer's folder in any file, one compiler.

Run by ``make lint``; prints one line per finding and ends with status 1 when there is one.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent

# Written with character classes so that this file does not match itself.
FORBIDDEN = re.compile(
    rb"pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|yarnpkg[.]com|npmmirror[.]com"
    rb"|anaconda[.](?:org|com)|crates[.]io|(?<![\w./])/(?:root|work|home/\w+)/[a-z.]"
)


def repository_files() -> Iterator[Path]:
    """Every file that is, or could be, committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    for name in listing.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and not path.is_symlink():
            yield path


def foreign_addresses() -> Iterator[str]:
    for path in repository_files():
        content = path.read_bytes()
        for found in FORBIDDEN.finditer(content):
            line = content.count(b"\n", 0, found.start()) + 1
            yield f"{path.relative_to(ROOT)}:{line}: names {found.group().decode()}"


def different_compiler_settings() -> Iterator[str]:
    """Ape and forge must compile to the same bytes."""
    ape: dict[str, Any] = yaml.safe_load((ROOT / "ape-config.yaml").read_text())
    forge = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
    solidity = ape["solidity"]
    pairs = {
        "version": (f"solc-v{solidity['version']}", Path(forge["solc"]).name),
        "evm_version": (solidity["evm_version"], forge["evm_version"]),
        "node's evm_version": (solidity["evm_version"], ape["foundry"]["evm_version"]),
        "optimizer": (solidity["optimize"], forge["optimizer"]),
        "optimizer runs": (solidity["optimization_runs"], forge["optimizer_runs"]),
        "via_ir": (solidity["via_ir"], forge["via_ir"]),
        "import remappings": (
            sorted(solidity["import_remapping"]),
            sorted(line.replace("/=", "=").rstrip("/") for line in forge["remappings"]),
        ),
    }
    for name, (one, other) in pairs.items():
        if one != other:
            yield f"ape-config.yaml and foundry.toml differ in {name}: {one} and {other}"


def main() -> int:
    if shutil.which("git") is None:
        print("git is missing: install it (Debian: apt-get install git).")
        return 1
    findings = [*foreign_addresses(), *different_compiler_settings()]
    print("\n".join(findings) or "repository: no registry hosts, one compiler")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
