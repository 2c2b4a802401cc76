"""Contract S as the compiler left it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from offchain.chain.errors import ChainError


@dataclass(frozen=True)
class Artifact:
    """ABI and creation code of a contract."""

    abi: Sequence[dict[str, Any]]
    bytecode: bytes

    @classmethod
    def of(cls, contract_type: Any) -> "Artifact":
        """Take them from one of Ape's contract types.

        Raises
        ------
        ChainError
            When it has no creation code.
        """
        code = contract_type.deployment_bytecode
        if code is None or code.bytecode is None:
            raise ChainError(
                f"{contract_type.name}: has no creation code; run `ape compile --force`"
            )
        return cls(
            [
                entry.model_dump(mode="json", by_alias=True, exclude_none=True)
                for entry in contract_type.abi
            ],
            bytes.fromhex(code.bytecode.removeprefix("0x")),
        )
