"""Contract S and its toolbox as the compiler left them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from offchain.chain.errors import ChainError


@dataclass(frozen=True)
class Artifact:
    """ABI and creation code of Contract S, and the creation code of what it needs."""

    abi: Sequence[dict[str, Any]]
    bytecode: bytes
    toolbox: bytes
    extension: bytes

    @classmethod
    def of(cls, project: Any) -> "Artifact":
        """Take them from Ape's project.

        Raises
        ------
        ChainError
            When a contract has no creation code.
        """
        kind = project.ContractS.contract_type
        abi = [e.model_dump(mode="json", by_alias=True, exclude_none=True) for e in kind.abi]
        bytecode = _creation(kind)
        toolbox = _creation(project.Toolbox.contract_type)
        return cls(abi, bytecode, toolbox, _creation(project.Extension.contract_type))


def _creation(contract_type: Any) -> bytes:
    code = contract_type.deployment_bytecode
    if code is None or code.bytecode is None:
        raise ChainError(f"{contract_type.name}: has no creation code; run `ape compile --force`")
    return bytes.fromhex(code.bytecode.removeprefix("0x"))
