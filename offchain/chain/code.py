"""Whether the code on the chain is what the compiler makes of this source.

Contract S believes its toolbox and its extension, and the toolbox the contracts that it made. So
all of them are compared, byte by byte. Where the compiler leaves a place for an immutable, any of
the values stands that S can rightly have fixed there; which of them stands where is settled by the
transaction that created S: the same code with the same arguments gives the same contract.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from eth_abi.abi import encode
from web3 import Web3
from web3.exceptions import TransactionNotFound
from web3.utils.address import get_create_address

from offchain.chain.artifact import Artifact
from offchain.chain.contract import ContractS
from offchain.chain.errors import ChainError
from offchain.chain.translate import address, checksum, parameter_tuple
from offchain.crypto.hashing import keccak256, word
from offchain.protocol.eip712 import Domain
from offchain.protocol.role import TaskParameters

_PLACE: Final = re.compile(b"\x7f" + bytes(32))  # PUSH32 with the compiler's placeholder
_POINT_BYTES: Final = 128
_CREATED_BY_S: Final = 8  # more than S creates while it is constructed
_TOOLS: Final = {  # by the toolbox's function, in the order in which it makes them
    "verifier": "Verifier",
    "noiseSampler": "NoiseSampler",
    "judge": "Judge",
}
_NAMED_BY_S: Final = ("judge", "noiseSampler")


class CodeDiffers(ChainError):
    """A contract is not the compiled one."""


@dataclass(frozen=True)
class Source:
    """Contract S and its tools as the compiler left them.

    Attributes
    ----------
    artifact
        ABI and creation codes.
    runtime
        Deployed code by the contract's name.
    toolbox_abi
        Of the toolbox.
    """

    artifact: Artifact
    runtime: dict[str, bytes]
    toolbox_abi: Sequence[dict[str, Any]]

    @classmethod
    def of(cls, project: Any) -> "Source":
        """Take them from Ape's project.

        Raises
        ------
        ChainError
            When a contract was not compiled.
        """
        names = ("ContractS", "Extension", "Toolbox", *_TOOLS.values())
        kinds = {name: getattr(project, name).contract_type for name in names}
        runtime = {}
        for name, kind in kinds.items():
            if kind.runtime_bytecode is None or kind.runtime_bytecode.bytecode is None:
                raise ChainError(f"{name}: was not compiled; run `ape compile --force`")
            runtime[name] = bytes.fromhex(kind.runtime_bytecode.bytecode.removeprefix("0x"))
        abi = [
            entry.model_dump(mode="json", by_alias=True, exclude_none=True)
            for entry in kinds["Toolbox"].abi
        ]
        return cls(Artifact.of(project), runtime, abi)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "abi": list(self.artifact.abi),
            "creation": self.artifact.bytecode.hex(),
            "toolbox": self.artifact.toolbox.hex(),
            "extension": self.artifact.extension.hex(),
            "toolbox_abi": list(self.toolbox_abi),
            "runtime": {name: code.hex() for name, code in self.runtime.items()},
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Source":
        """From plain data.

        Raises
        ------
        ChainError
            When something is missing.
        """
        try:
            codes = (bytes.fromhex(plain[name]) for name in ("creation", "toolbox", "extension"))
            artifact = Artifact(plain["abi"], *codes)
            runtime = {name: bytes.fromhex(code) for name, code in plain["runtime"].items()}
            return cls(artifact, runtime, plain["toolbox_abi"])
        except (KeyError, TypeError, ValueError) as error:
            raise ChainError(f"compiled contracts: {error!r}") from None


def require_code(
    contract: ContractS, source: Source, toolbox: bytes, parameters: TaskParameters
) -> None:
    """Check the code of S, of its extension, of its toolbox and of what that has made.

    Raises
    ------
    CodeDiffers
        Naming the contract and the first place that differs.
    """
    web3 = contract.web3
    box = web3.eth.contract(address=Web3.to_checksum_address(toolbox), abi=source.toolbox_abi)
    made = [created_address(toolbox, nonce) for nonce in range(1, 1 + len(_TOOLS))]
    compare(web3, "Toolbox", toolbox, source, frozenset(tool.rjust(32, b"\0") for tool in made))
    tools = dict(zip(_TOOLS, made, strict=True))
    extension = address(contract.call("extension"))
    authority = address(contract.call("authority"))
    known = _fixed(contract, authority, [*made, extension], parameters)
    for function, name in _TOOLS.items():
        if address(box.functions[function]().call()) != tools[function]:
            raise CodeDiffers(f"Toolbox: its {function} is not the one it made")
        compare(web3, name, tools[function], source, known)
    compare(web3, "Extension", extension, source, known)
    compare(web3, "ContractS", contract.address, source, known)
    for function in _NAMED_BY_S:
        if address(contract.call(function)) != tools[function]:
            raise CodeDiffers(f"ContractS: its {function} is not the one of its toolbox")


def require_creation(
    contract: ContractS,
    source: Source,
    parameters: TaskParameters,
    model: bytes,
    toolbox: bytes,
    transaction: bytes,
) -> bool:
    """Check the transaction that created S: the compiled code with the task's arguments.

    Returns
    -------
    bool
        False when the provider does not have it any more.

    Raises
    ------
    CodeDiffers
        When it is another.
    """
    web3 = contract.web3
    try:
        sent: Any = web3.eth.get_transaction(transaction)
        receipt: Any = web3.eth.get_transaction_receipt(transaction)
    except TransactionNotFound:
        return False
    created = receipt["contractAddress"]
    if created is None or address(created) != contract.address:
        raise CodeDiffers("ContractS: the transaction named in the task file did not create it")
    words = f"({','.join(['uint256'] * len(fields(TaskParameters)))})"
    arguments = encode(
        [words, "bytes", "address", "address"],
        [parameter_tuple(parameters), model, checksum(toolbox), contract.call("extension")],
    )
    if bytes(sent["input"]) != source.artifact.bytecode + arguments:
        raise CodeDiffers("ContractS: was created with other code or arguments")
    return True


def compare(web3: Web3, name: str, where: bytes, source: Source, known: frozenset[bytes]) -> None:
    """Compare one contract; ``known``: what may stand for an immutable.

    Raises
    ------
    CodeDiffers
        When they differ.
    """
    compiled = source.runtime[name]
    code = bytes(web3.eth.get_code(Web3.to_checksum_address(where)))
    at = checksum(where)
    if not code:
        raise CodeDiffers(f"{name}: there is no contract at {at}")
    if len(code) != len(compiled):
        raise CodeDiffers(f"{name} at {at}: {len(code)} bytes of code, compiled {len(compiled)}")
    masked = bytearray(code)
    for match in _PLACE.finditer(compiled):
        start, end = match.start() + 1, match.end()
        if code[start:end] not in known:
            raise CodeDiffers(f"{name} at {at}: 0x{code[start:end].hex()} is fixed at {start}")
        masked[start:end] = bytes(32)
    if masked != compiled:
        differs = next(i for i, (a, b) in enumerate(zip(masked, compiled, strict=True)) if a != b)
        raise CodeDiffers(
            f"{name} at {at}: other code from byte {differs} on than the compiler makes of this "
            "source"
        )


def _fixed(
    contract: ContractS, authority: bytes, tools: list[bytes], parameters: TaskParameters
) -> frozenset[bytes]:
    """Every word that S may have fixed in its code."""
    reward = parameters.reward
    cloud, fog = (
        reward * percent // 100 for percent in (parameters.cloud_percent, parameters.fog_percent)
    )
    numbers = {
        *parameter_tuple(parameters),
        *(cloud, fog, reward - cloud - fog),  # what a round pays to each role
        *(0, 1),  # whether the fogs vote
        parameters.quorum,
        _POINT_BYTES * parameters.chunks,
        contract.chain_id,
    }
    addresses = {contract.address, authority, *tools}
    addresses |= {created_address(contract.address, n) for n in range(1, _CREATED_BY_S)}
    own = Domain(contract.chain_id, tools[-1]).separator  # when it is called directly
    domain = {contract.domain.separator, own, keccak256(b"Verifog"), keccak256(b"1")}
    short = {text.ljust(31, b"\0") + bytes([len(text)]) for text in (b"Verifog", b"1")}
    words = {word(n) for n in numbers} | {a.rjust(32, b"\0") for a in addresses}
    return frozenset(words | domain | short)


def created_address(creator: bytes, nonce: int) -> bytes:
    """The address of the contract that an account creates with a nonce."""
    return address(get_create_address(checksum(creator), nonce))
