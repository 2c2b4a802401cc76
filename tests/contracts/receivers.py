"""Contracts that are paid by Contract S and make trouble."""

import json
import subprocess
from typing import Any

from ape.contracts import ContractContainer
from ethpm_types import ContractType
from solcx.install import get_executable

RECEIVERS = """
// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;
contract Reentrant {
    bytes public payload;
    uint256 public entries;
    bool public succeeded;
    function prime(bytes calldata payload_) external { payload = payload_; }
    function _received() internal virtual { }
    receive() external payable {
        _received();
        entries += 1;
        if (entries < 3) (succeeded,) = msg.sender.call(payload);
    }
}
contract Owner is Reentrant {
    bool public refuses;
    function create(bytes memory code) external {
        assembly { if iszero(create(0, add(code, 32), mload(code))) { revert(0, 0) } }
    }
    function refuse() external { refuses = !refuses; }
    function run(address to, bytes calldata data) external {
        (bool ok, bytes memory answer) = to.call(data);
        assembly { if iszero(ok) { revert(add(answer, 32), mload(answer)) } }
    }
    function _received() internal override { require(!refuses); }
}
contract Refusing {
    receive() external payable {
        assembly { revert(0, 1000000) }
    }
}
"""


def container(name: str, output: dict[str, Any]) -> ContractContainer:
    evm = output["evm"]
    kind = ContractType(
        contractName=name,
        abi=output["abi"],
        deploymentBytecode={"bytecode": "0x" + evm["bytecode"]["object"]},
        runtimeBytecode={"bytecode": "0x" + evm["deployedBytecode"]["object"]},
    )
    return ContractContainer(kind)


def compiled_receivers() -> dict[str, ContractContainer]:
    """The contracts above, compiled as the product is."""
    settings = {
        "evmVersion": "osaka",
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode"]}},
    }
    task = {
        "language": "Solidity",
        "sources": {"receivers.sol": {"content": RECEIVERS}},
        "settings": settings,
    }
    done = subprocess.run(
        [get_executable("0.8.37"), "--standard-json"],
        input=json.dumps(task),
        capture_output=True,
        check=True,
        text=True,
    )
    compiled = json.loads(done.stdout)["contracts"]["receivers.sol"]
    return {name: container(name, output) for name, output in compiled.items()}
