// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "./interfaces/ITask.sol";
import { Attestation } from "./libraries/Attestation.sol";
import { Bls12381, G1Point, POINT_BYTES, R } from "./libraries/Bls12381.sol";
import { Kzg } from "./libraries/Kzg.sol";
import { SelfTest } from "./libraries/SelfTest.sol";

/// @title The cryptography of Contract S
/// @notice Attestations, openings and the arithmetic of commitments, without state. A contract of its own
/// since it would not fit beside Contract S; whoever wants to check something as S does can call it.
contract Verifier {
    /// @dev Refuses to exist on a chain whose precompiles are missing or differ.
    constructor() {
        SelfTest.run();
    }

    /// @notice Whether `signature` is `key`'s on the message.
    /// @dev Warning: under the key at infinity, infinity signs everything.
    function isSigned(G1Point calldata key, bytes32 message, bytes calldata signature)
        external
        view
        returns (bool)
    {
        if (signature.length != Attestation.SIGNATURE_BYTES) {
            revert ITask.WrongLength(signature.length, Attestation.SIGNATURE_BYTES);
        }
        return Attestation.verify(key, message, signature);
    }

    /// @notice Reverts unless every point lies in the subgroup and, where it must not be, none is infinity.
    function requirePoints(bytes calldata points, bool infinityAllowed) external view {
        bytes memory copy = points;
        Bls12381.requireSubgroup(copy);
        if (infinityAllowed) return;
        for (uint256 i = 0; i < copy.length / POINT_BYTES; ++i) {
            if (Bls12381.isInfinity(Bls12381.pointAt(copy, i))) {
                revert ITask.CommitmentAtInfinity(i);
            }
        }
    }

    /// @notice Reverts unless the vector committed to in chunks of `capacity`, seen as one polynomial, takes
    /// the value `y` at `z`.
    /// @param points Points of the subgroup; sums of checked ones need no other check.
    function requireOpening(
        bytes calldata points,
        uint256 capacity,
        uint256 z,
        uint256 y,
        bytes calldata proof
    ) external view {
        Kzg.requireOpening(Kzg.combineChunks(points, z, capacity), z, y, proof);
    }

    /// @notice `a + b`, point by point.
    function addPoints(bytes calldata a, bytes calldata b) external view returns (bytes memory) {
        return _combine(a, b, 1);
    }

    /// @notice `a - factor b`, point by point; `0 < factor < R`.
    function subtractMultiple(bytes calldata a, bytes calldata b, uint256 factor)
        external
        view
        returns (bytes memory)
    {
        return _combine(a, b, R - factor);
    }

    function _combine(bytes memory a, bytes memory b, uint256 scalar)
        private
        view
        returns (bytes memory)
    {
        for (uint256 i = 0; i < a.length / POINT_BYTES; ++i) {
            G1Point memory term = Bls12381.pointAt(b, i);
            if (scalar != 1) term = Bls12381.multiply(term, scalar);
            Bls12381.put(a, i, Bls12381.add(Bls12381.pointAt(a, i), term));
        }
        return a;
    }
}
