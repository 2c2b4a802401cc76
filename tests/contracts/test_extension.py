"""S and its extension: one interface, one storage, and no way around S."""

import json
import subprocess
from pathlib import Path
from typing import Any

import ape
import pytest
from eth_abi.abi import encode
from eth_utils import keccak
from eth_utils.abi import collapse_if_tuple
from solcx.install import get_executable
from web3.exceptions import ContractCustomError

from tests.contracts.deployed import Task

ROOT = Path(__file__).resolve().parents[2]


def signature(entry: Any) -> str:
    return f"{entry['name']}({','.join(collapse_if_tuple(i) for i in entry['inputs'])})"


def functions(contract_type: Any) -> dict[str, dict[str, Any]]:
    """Functions by signature: what callers rely on."""
    entries = [
        e.model_dump(mode="json", by_alias=True, exclude_none=True) for e in contract_type.abi
    ]
    return {signature(e): e for e in entries if e["type"] == "function"}


def layouts() -> dict[str, Any]:
    """Storage layouts of both contracts, by the compiler."""
    sources = ["contracts/ContractS.sol", "contracts/Extension.sol"]
    settings = {
        "evmVersion": "osaka",
        "viaIR": True,
        "remappings": [
            f"{name}={ROOT}/node_modules/{name}"
            for name in ("@openzeppelin/contracts/", "solady/src/")
        ],
        "outputSelection": {"*": {"*": ["storageLayout"]}},
    }
    task = {
        "language": "Solidity",
        "sources": {name: {"urls": [str(ROOT / name)]} for name in sources},
        "settings": settings,
    }
    done = subprocess.run(
        [
            get_executable("0.8.37"),
            "--standard-json",
            "--base-path",
            str(ROOT),
            "--allow-paths",
            "/",
        ],
        input=json.dumps(task),
        capture_output=True,
        check=True,
        text=True,
    )
    told = json.loads(done.stdout)
    assert not [e for e in told.get("errors", ()) if e["severity"] == "error"], told["errors"]
    return {
        name: told["contracts"][f"contracts/{name}.sol"][name]["storageLayout"]
        for name in ("ContractS", "Extension")
    }


def test_storage__of_s_and_its_extension__is_laid_out_alike() -> None:
    places = {}
    for name, layout in layouts().items():
        types = {kind: entry["numberOfBytes"] for kind, entry in layout["types"].items()}
        places[name] = [
            (v["label"], v["slot"], v["offset"], v["type"], types[v["type"]])
            for v in layout["storage"]
        ]
        assert len(places[name]) > 15
    assert places["ContractS"] == places["Extension"]


def test_interface__of_the_extension__is_part_of_that_of_s(project: Any) -> None:
    whole = functions(project.IContractS.contract_type)
    own = functions(project.Extension.contract_type)
    del own["eip712Domain()"]
    for name, entry in own.items():
        expected = whole[name]
        assert entry["stateMutability"] == expected["stateMutability"], name
        kinds = [[o["type"] for o in e.get("outputs", ())] for e in (entry, expected)]
        assert kinds[0] == kinds[1], name
    served = functions(project.ContractS.contract_type)
    assert served.keys() - {"eip712Domain()"} == whole.keys()


def changing(project: Any) -> list[dict[str, Any]]:
    entries = functions(project.Extension.contract_type).values()
    return [e for e in entries if e["stateMutability"] in ("payable", "nonpayable")]


def zero(kind: dict[str, Any]) -> Any:
    if kind["type"].endswith("[]"):
        return []
    if kind["type"] == "tuple":
        return tuple(zero(c) for c in kind["components"])
    if kind["type"] == "address":
        return "0x" + "11" * 20
    if kind["type"].startswith("bytes"):
        return bytes(int(kind["type"][5:] or 0))
    return 0


def test_extension__called_directly__changes_nothing(
    project: Any, extension: Any, authority: Any
) -> None:
    """Not even for the Authority, nor with value."""
    entries = changing(project)
    assert len(entries) > 12
    web3 = extension.provider.web3
    for entry in entries:
        kinds = [collapse_if_tuple(i) for i in entry["inputs"]]
        data = keccak(text=signature(entry))[:4] + encode(kinds, [zero(i) for i in entry["inputs"]])
        value = 5 if entry["stateMutability"] == "payable" else 0
        call = {"from": authority.address, "to": extension.address, "data": data, "value": value}
        with pytest.raises(ContractCustomError) as refused:
            web3.eth.call(call)
        assert refused.value.data == "0x" + keccak(text="OnlyThroughContractS()")[:4].hex(), entry


def test_extension__sent_ether_or_unknown_functions__refuses(
    extension: Any, task: Task, outsider: Any
) -> None:
    for contract in (extension, task.contract):
        with ape.reverts():
            outsider.transfer(contract.address, 1)
        with ape.reverts():
            outsider.transfer(contract.address, 0, data="0x01020304")


def test_extension__of_a_task__is_the_one_it_was_made_with(task: Task, extension: Any) -> None:
    assert task.contract.extension() == extension
