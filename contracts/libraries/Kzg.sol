// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../interfaces/ITask.sol";
import { Bls12381, G1Point, POINT_BYTES, R } from "./Bls12381.sol";
import { Horner } from "./Horner.sol";

/// @title Openings of KZG commitments
/// @notice Checked by EIP-4844's point evaluation precompile, hence over Ethereum's own ceremony.
library Kzg {
    uint256 internal constant PROOF_BYTES = 48;

    // Twice the price of EIP-4844.
    uint256 private constant EVALUATION_GAS = 2 * 50_000;

    // The point at infinity, compressed: its first 32 bytes.
    bytes32 private constant INFINITY = bytes32(uint256(0xc0) << 248);

    /// @dev Reverts unless the committed polynomial takes the value `y` at `z`. `z` is below R.
    function requireOpening(G1Point memory commitment, uint256 z, uint256 y, bytes calldata proof)
        internal
        view
    {
        if (y >= R) revert ITask.ScalarOutOfRange(y);
        if (!isOpening(commitment, z, y, proof)) revert ITask.FalseOpening(z, y);
    }

    /// @dev Whether the committed polynomial takes the value `y` at `z`. The precompile answers a false
    /// opening with failure, as it does a call with too little gas: a failure counts only if it then,
    /// with no more gas than before, accepts an opening that is true.
    function isOpening(G1Point memory commitment, uint256 z, uint256 y, bytes calldata proof)
        internal
        view
        returns (bool)
    {
        if (proof.length != PROOF_BYTES) {
            revert ITask.WrongLength(proof.length, PROOF_BYTES);
        }
        (bytes32 head, bytes32 tail) = Bls12381.compress(commitment);
        if (_evaluate(head, tail, z, y, bytes32(proof[:32]), bytes32(bytes16(proof[32:])))) {
            return true;
        }
        // The polynomial 0: commitment and proof at infinity.
        if (!_evaluate(INFINITY, 0, 0, 0, INFINITY, 0)) revert ITask.PointEvaluationFailed();
        return false;
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
        return Bls12381.combine(points, Horner.raise(z, capacity));
    }

    /// @dev EIP-4844: the SHA-256 of the compressed commitment with its first byte set to 1.
    function versionedHash(bytes32 head, bytes32 tail) internal pure returns (bytes32) {
        bytes32 hash = sha256(abi.encodePacked(head, bytes16(tail)));
        return bytes32((uint256(hash) & (type(uint256).max >> 8)) | (1 << 248));
    }

    /// @dev Whether the precompile accepts. Points are compressed, in their first 32 and last 16 bytes.
    function _evaluate(
        bytes32 head,
        bytes32 tail,
        uint256 z,
        uint256 y,
        bytes32 proofHead,
        bytes32 proofTail
    ) private view returns (bool ok) {
        bytes32 hash = versionedHash(head, tail);
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, hash)
            mstore(add(input, 0x20), z)
            mstore(add(input, 0x40), y)
            mstore(add(input, 0x60), head)
            mstore(add(input, 0x80), tail)
            mstore(add(input, 0x90), proofHead)
            mstore(add(input, 0xb0), proofTail)
            ok := staticcall(EVALUATION_GAS, 0x0a, input, 0xc0, input, 0x40)
            ok := and(ok, eq(returndatasize(), 0x40))
        }
    }
}
