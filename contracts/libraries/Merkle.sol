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
        node = leafNode(leaf);
        for (uint256 k = 0; k < path.length; ++k) {
            node = (position >> k) & 1 == 1 ? _innerNode(path[k], node) : _innerNode(node, path[k]);
        }
    }

    /// @dev Root of the tree over these leaf nodes, at least one; overwrites them.
    function rootOfNodes(bytes32[] memory nodes) internal pure returns (bytes32) {
        uint256 count = nodes.length;
        bytes32 empty; // the root of a subtree of this height over padding only
        while (count > 1) {
            uint256 pairs = (count + 1) / 2;
            for (uint256 i = 0; i < pairs; ++i) {
                bytes32 right = 2 * i + 1 < count ? nodes[2 * i + 1] : empty;
                nodes[i] = _innerNode(nodes[2 * i], right);
            }
            empty = _innerNode(empty, empty);
            count = pairs;
        }
        return nodes[0];
    }

    function leafNode(bytes32 leaf) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), leaf));
    }

    function _innerNode(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
