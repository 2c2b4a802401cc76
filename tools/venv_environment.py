"""Makes the virtual environment whole for Ape; `make setup` copies it into site-packages.

A line in ``verifog.pth`` imports it whenever this environment's Python starts, so that
``.venv/bin/ape`` finds anvil, forge and the Solidity compiler without activation and without any
exported variable. What the user has set stays as it is.
"""

import os
import sys


def complete_environment() -> None:
    """Put the environment's programs on the path and name the folder of Solidity compilers."""
    programs = os.path.join(sys.prefix, "bin")
    path = os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != programs:
        os.environ["PATH"] = programs + os.pathsep + path
    compilers = os.path.join(sys.prefix, "solc")
    if not os.environ.get("SOLCX_BINARY_PATH") and os.path.isdir(compilers):
        os.environ["SOLCX_BINARY_PATH"] = compilers


complete_environment()
