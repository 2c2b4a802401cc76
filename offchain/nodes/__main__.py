"""A node without the chain framework: ``python -m offchain.nodes ROLE --contracts FILE``.

``host`` in place of a role runs the nodes of several ``--config FILE`` in one process.

It starts faster and takes less memory than ``ape run``, and needs no compiler: what the compiler
made is in a file that the operator has made with ``ape run doctor --contracts FILE``.
"""

import argparse
import json
import sys
from pathlib import Path

from offchain.chain.code import Source
from offchain.errors import VerifogError
from offchain.nodes.host import run_host
from offchain.nodes.kit import ROLES
from offchain.nodes.program import run_node

HOST = "host"


def main() -> int:
    """Run a node, or several; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m offchain.nodes", description=__doc__)
    parser.add_argument("role", choices=(*ROLES, HOST))
    parser.add_argument("--config", type=Path, action="append")
    parser.add_argument("--contracts", type=Path, required=True)
    parser.add_argument("--anew", action="store_true")
    given = parser.parse_args()
    configs: list[Path] = given.config or [Path("node.toml")]
    if given.role != HOST and len(configs) > 1:
        parser.error(f"--config: {len(configs)} of them, one for a {given.role}")
    if given.role == HOST and given.anew:
        parser.error(f"--anew: goes with one node, not with a {HOST}")
    try:
        compiled = json.loads(given.contracts.read_text())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{given.role}: {given.contracts}: {error}\n")
        return 1
    try:
        source = Source.from_json(compiled)
        if given.role == HOST:
            run_host(configs, source)
        else:
            run_node(configs[0], given.role, source, anew=given.anew)
    except VerifogError as error:
        sys.stderr.write(f"{given.role}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
