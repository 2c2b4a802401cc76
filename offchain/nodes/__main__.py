"""A node without the chain framework: ``python -m offchain.nodes ROLE --contracts FILE``.

It starts faster and takes less memory than ``ape run``, and needs no compiler: what the compiler
made is in a file that the operator has made with ``ape run doctor --contracts FILE``.
"""

import argparse
import json
import sys
from pathlib import Path

from offchain.chain.code import Source
from offchain.errors import VerifogError
from offchain.nodes.kit import ROLES
from offchain.nodes.program import run_node


def main() -> int:
    """Run a node; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m offchain.nodes", description=__doc__)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--config", type=Path, default=Path("node.toml"))
    parser.add_argument("--contracts", type=Path, required=True)
    parser.add_argument("--anew", action="store_true")
    given = parser.parse_args()
    try:
        compiled = json.loads(given.contracts.read_text())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{given.role}: {given.contracts}: {error}\n")
        return 1
    try:
        run_node(given.config, given.role, Source.from_json(compiled), anew=given.anew)
    except VerifogError as error:
        sys.stderr.write(f"{given.role}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
