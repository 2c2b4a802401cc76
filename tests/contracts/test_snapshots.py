"""That the snapshot file says what the compiler makes of the sources."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def tool() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        return importlib.import_module("snapshots")


def test_snapshot__against_what_ape_compiled__equal(tool: Any, project: Any) -> None:
    taken = json.loads(tool.SNAPSHOT.read_text())
    for name in tool.CONTRACTS:
        kind = getattr(project, name).contract_type
        abi = [
            entry.model_dump(mode="json", by_alias=True, exclude_none=True) for entry in kind.abi
        ]
        assert taken["interface"][name] == tool.interface(abi), f"{name}: run `make snapshots`"
        code = kind.runtime_bytecode.bytecode
        size = (len(code) - 2) // 2
        assert taken["code size, bytes"][name] == size, f"{name}: run `make snapshots`"


def test_sources_digest__a_byte_more_in_a_source__another(
    tool: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("contracts/S.sol", "ape-config.yaml", "package-lock.json", "gas.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "GAS", tmp_path / "gas.json")
    digests = [tool.sources_digest()]
    for name in ("contracts/S.sol", "ape-config.yaml", "package-lock.json", "gas.json"):
        (tmp_path / name).write_text("xx")
        digests.append(tool.sources_digest())
    assert len(set(digests)) == 5


def test_signature__structs_and_events__written_out(tool: Any) -> None:
    entry = {
        "type": "function",
        "name": "f",
        "inputs": [
            {"type": "tuple[]", "components": [{"type": "bytes32"}, {"type": "uint256[]"}]},
            {"type": "address"},
        ],
        "outputs": [{"type": "bool"}],
        "stateMutability": "view",
    }
    assert tool.signature(entry) == "function f((bytes32,uint256[])[],address) -> (bool) view"
    event = {"type": "event", "name": "E", "inputs": [{"type": "uint256", "indexed": True}]}
    assert tool.signature(event) == "event E(uint256 indexed)"


def test_differences__of_an_altered_snapshot__named(tool: Any) -> None:
    taken = json.loads(tool.SNAPSHOT.read_text())
    assert tool.differences(taken) == []
    assert tool.differences(taken | {"storage": {}}) == ["another storage"]
    interface = taken["interface"] | {"Judge": []}
    assert tool.differences(taken | {"interface": interface}) == ["another interface"]
    assert tool.differences({}) == ["the contracts or their gas changed"]
