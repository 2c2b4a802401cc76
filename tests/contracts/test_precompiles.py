"""The canary: the node that Ape starts has the precompiles of EIP-4844 and EIP-2537.

Every known answer comes from py_ecc or ckzg, never from the node.
"""

import hashlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import ckzg
import pytest
from py_ecc.bls.hash_to_curve import (
    clear_cofactor_G1,
    clear_cofactor_G2,
    map_to_curve_G1,
    map_to_curve_G2,
)
from py_ecc.optimized_bls12_381 import (
    FQ,
    FQ2,
    G1,
    G2,
    add,
    curve_order,
    multiply,
    neg,
    normalize,
)
from web3 import Web3
from web3.exceptions import Web3Exception

SLOTS_PER_BLOB = 4096


def fp(value: int) -> bytes:
    """Field element as EIP-2537 wants it: 64 bytes, big-endian."""
    return int(value).to_bytes(64, "big")


def fp2(value: FQ2) -> bytes:
    return b"".join(fp(int(c)) for c in value.coeffs)


def g1(point: Any) -> bytes:
    x, y = normalize(point)
    return fp(int(x)) + fp(int(y))


def g2(point: Any) -> bytes:
    x, y = normalize(point)
    return fp2(x) + fp2(y)


def scalar(value: int) -> bytes:
    return value.to_bytes(32, "big")


def point_evaluation() -> tuple[bytes, bytes]:
    setup = ckzg.load_trusted_setup(
        str(files("eth_account") / "typed_transactions/blob_transactions/kzg_trusted_setup.txt"), 0
    )
    blob = b"".join(scalar(i * i + 7) for i in range(SLOTS_PER_BLOB))
    commitment = ckzg.blob_to_kzg_commitment(blob, setup)
    z = scalar(0x5EED)
    proof, y = ckzg.compute_kzg_proof(blob, z, setup)
    versioned_hash = b"\x01" + hashlib.sha256(commitment).digest()[1:]
    answer = scalar(SLOTS_PER_BLOB) + scalar(curve_order)
    return versioned_hash + z + y + commitment + proof, answer


def g1_add() -> tuple[bytes, bytes]:
    return g1(multiply(G1, 5)) + g1(multiply(G1, 11)), g1(multiply(G1, 16))


def g1_msm() -> tuple[bytes, bytes]:
    left, right = multiply(G1, 3), multiply(G1, 1 << 200)
    data = g1(left) + scalar(17) + g1(right) + scalar(curve_order - 2)
    return data, g1(add(multiply(left, 17), neg(multiply(right, 2))))


def g2_add() -> tuple[bytes, bytes]:
    return g2(multiply(G2, 5)) + g2(multiply(G2, 11)), g2(multiply(G2, 16))


def g2_msm() -> tuple[bytes, bytes]:
    left, right = multiply(G2, 3), multiply(G2, 1 << 200)
    data = g2(left) + scalar(17) + g2(right) + scalar(curve_order - 2)
    return data, g2(add(multiply(left, 17), neg(multiply(right, 2))))


def pairing_true() -> tuple[bytes, bytes]:
    """e(6 G1, 7 G2) e(-42 G1, G2) = 1."""
    data = g1(multiply(G1, 6)) + g2(multiply(G2, 7)) + g1(neg(multiply(G1, 42))) + g2(G2)
    return data, scalar(1)


def pairing_false() -> tuple[bytes, bytes]:
    """e(6 G1, 7 G2) e(-41 G1, G2) is not 1."""
    data = g1(multiply(G1, 6)) + g2(multiply(G2, 7)) + g1(neg(multiply(G1, 41))) + g2(G2)
    return data, scalar(0)


def map_to_g1() -> tuple[bytes, bytes]:
    return fp(12345), g1(clear_cofactor_G1(map_to_curve_G1(FQ(12345))))


def map_to_g2() -> tuple[bytes, bytes]:
    element = FQ2((12345, 67890))
    return fp2(element), g2(clear_cofactor_G2(map_to_curve_G2(element)))


Case = Callable[[], tuple[bytes, bytes]]

CASES: list[tuple[int, Case]] = [
    (0x0A, point_evaluation),
    (0x0B, g1_add),
    (0x0C, g1_msm),
    (0x0D, g2_add),
    (0x0E, g2_msm),
    (0x0F, pairing_true),
    (0x0F, pairing_false),
    (0x10, map_to_g1),
    (0x11, map_to_g2),
]

EACH_CASE = pytest.mark.parametrize(
    ("address", "case"), CASES, ids=[f"0x{address:02x}-{case.__name__}" for address, case in CASES]
)


def call(chain: Any, address: int, data: bytes) -> bytes:
    receiver = Web3.to_checksum_address(address.to_bytes(20, "big"))
    return bytes(chain.provider.web3.eth.call({"to": receiver, "data": "0x" + data.hex()}))


@EACH_CASE
def test_precompile__known_case__known_answer(chain: Any, address: int, case: Case) -> None:
    data, answer = case()
    got = call(chain, address, data)
    assert got == answer, (
        f"precompile 0x{address:02x} is missing or wrong: set `foundry: evm_version: osaka` in "
        "ape-config.yaml and let Ape start anvil itself. "
        f"Node: 0x{got.hex()}; py_ecc or ckzg: 0x{answer.hex()}"
    )


@EACH_CASE
def test_precompile__altered_input__refused(chain: Any, address: int, case: Case) -> None:
    data, _ = case()
    with pytest.raises(Web3Exception, match=r"(?i)precompile"):
        call(chain, address, data[:-1])
