"""The compiler's analysis of Solidity sources, without code generation."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def analyse(names: Iterable[str], outputs: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    """What the compiler's standard JSON answers; its errors end the program."""
    request = {
        "language": "Solidity",
        "sources": {name: {"content": (ROOT / name).read_text()} for name in names},
        "settings": {
            "outputSelection": outputs,
            "remappings": [
                "@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/",
                "solady/src/=node_modules/solady/src/",
            ],
        },
    }
    command = ["node", str(ROOT / "tools/solc"), "--standard-json", "--base-path", str(ROOT)]
    done = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, input=json.dumps(request)
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    errors = [e["formattedMessage"] for e in answer.get("errors", ()) if e["severity"] == "error"]
    if errors:
        raise SystemExit("\n".join(errors))
    return answer
