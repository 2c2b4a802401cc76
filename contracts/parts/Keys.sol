// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Bls12381, G1Point } from "../libraries/Bls12381.sol";
import { TaskStorage } from "./TaskStorage.sol";

/// @title The aggregate keys of the clusters
abstract contract Keys is TaskStorage {
    function _loadKey(uint256 clusterId) internal view returns (G1Point memory) {
        PackedPoint memory p = _aggregateKeys[clusterId];
        return G1Point(p.xHigh, p.xLow, p.yHigh, p.yLow);
    }

    function _storeKey(uint256 clusterId, G1Point memory p) internal {
        // Coordinates are below p < 2^384.
        _aggregateKeys[clusterId] = PackedPoint(p.xLow, p.yLow, uint128(p.xHigh), uint128(p.yHigh));
    }

    /// @dev `sum` less the key of the device at that place, which `publicKey` is checked to be.
    function _subtractKey(
        G1Point memory sum,
        uint256 clusterId,
        uint256 index,
        bytes memory publicKey
    ) internal view returns (G1Point memory) {
        bytes32 keyHash = keccak256(publicKey);
        KeyOwner memory owner = _keyOwners[keyHash];
        if (owner.account == address(0) || owner.cluster != clusterId || owner.index != index) {
            revert WrongKey(clusterId, index, keyHash);
        }
        return Bls12381.add(sum, Bls12381.negate(Bls12381.pointAt(publicKey, 0)));
    }
}
