// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "../interfaces/IContractS.sol";
import { Bls12381, G1Point, POINT_BYTES, R } from "./Bls12381.sol";

/// @title Openings of KZG commitments
/// @notice Checked by EIP-4844's point evaluation precompile, hence over Ethereum's own ceremony.
library Kzg {
    uint256 internal constant PROOF_BYTES = 48;

    // Twice the price of EIP-4844.
    uint256 private constant EVALUATION_GAS = 2 * 50_000;

    /// @dev Reverts unless the committed polynomial takes the value `y` at `z`. `z` is below R.
    function requireOpening(G1Point memory commitment, uint256 z, uint256 y, bytes calldata proof)
        internal
        view
    {
        if (y >= R) revert IContractS.ScalarOutOfRange(y);
        if (proof.length != PROOF_BYTES) {
            revert IContractS.WrongLength(proof.length, PROOF_BYTES);
        }
        (bytes32 head, bytes32 tail) = Bls12381.compress(commitment);
        bytes32 hash = versionedHash(head, tail);
        bool ok;
        uint256 size;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, hash)
            mstore(add(input, 0x20), z)
            mstore(add(input, 0x40), y)
            mstore(add(input, 0x60), head)
            mstore(add(input, 0x80), tail)
            calldatacopy(add(input, 0x90), proof.offset, 0x30)
            ok := staticcall(EVALUATION_GAS, 0x0a, input, 0xc0, input, 0x40)
            size := returndatasize()
        }
        if (!ok) revert IContractS.FalseOpening(z, y);
        if (size != 64) revert IContractS.PointEvaluationFailed();
    }

    /// @dev Commitment to the whole vector seen as one polynomial at `z`: `sum_c z^(capacity c) COM_c`.
    /// `points` already passed a subgroup check or are sums of such.
    /// @param capacity A power of two.
    function combineChunks(bytes memory points, uint256 z, uint256 capacity)
        internal
        view
        returns (G1Point memory)
    {
        if (points.length == POINT_BYTES || z == 0) return Bls12381.pointAt(points, 0);
        uint256 step = z;
        for (uint256 power = 1; power < capacity; power <<= 1) {
            step = mulmod(step, step, R);
        }
        return Bls12381.combine(points, step);
    }

    /// @dev EIP-4844: the SHA-256 of the compressed commitment with its first byte set to 1.
    function versionedHash(bytes32 head, bytes32 tail) internal pure returns (bytes32) {
        bytes32 hash = sha256(abi.encodePacked(head, bytes16(tail)));
        return bytes32((uint256(hash) & (type(uint256).max >> 8)) | (1 << 248));
    }
}
