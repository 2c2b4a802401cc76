// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

/// @title Merkle paths
/// @notice Leaf node `keccak(0x00 || leaf)`, inner node `keccak(0x01 || left || right)`.
library Merkle {
    /// @dev Root of the tree in which `leaf` is at `position` and `path` lists the siblings upwards. A
    /// position outside a tree of that height has no root: zero, which no tree has.
    function rootOf(bytes32 leaf, uint256 position, bytes32[] calldata path)
        internal
        pure
        returns (bytes32 node)
    {
        if (path.length > 255 || position >> path.length != 0) return 0;
        node = keccak256(abi.encodePacked(bytes1(0x00), leaf));
        for (uint256 k = 0; k < path.length; ++k) {
            node = (position >> k) & 1 == 1
                ? keccak256(abi.encodePacked(bytes1(0x01), path[k], node))
                : keccak256(abi.encodePacked(bytes1(0x01), node, path[k]));
        }
    }
}
