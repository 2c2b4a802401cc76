// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

/// @title Sets of indices, 256 to a word
library Bitmap {
    /// @dev How many words hold that many bits.
    function words(uint256 bits) internal pure returns (uint256) {
        unchecked {
            // Counts of devices.
            return (bits + 255) / 256;
        }
    }

    /// @dev How many bits are set: sums of neighbouring fields of 1, 2, 4, ... bits.
    function popcount(uint256 x) internal pure returns (uint256) {
        unchecked {
            // Fields never overflow: a field of b bits counts at most b.
            x -= (x >> 1) & (type(uint256).max / 3);
            x = (x & (type(uint256).max / 5)) + ((x >> 2) & (type(uint256).max / 5));
            x = (x + (x >> 4)) & (type(uint256).max / 17);
            x = (x & (type(uint256).max / 257)) + ((x >> 8) & (type(uint256).max / 257));
            // 16 fields of 16 bits, each at most 16; the product's top field is their sum, at most 256.
            return (x * (type(uint256).max / 65_535)) >> 240;
        }
    }

    function count(uint256[] calldata bitmap) internal pure returns (uint256 total) {
        for (uint256 w = 0; w < bitmap.length; ++w) {
            unchecked {
                // At most 256 a word.
                total += popcount(bitmap[w]);
            }
        }
    }

    function contains(uint256[] calldata bitmap, uint256 index) internal pure returns (bool) {
        return index / 256 < bitmap.length && (bitmap[index / 256] >> (index % 256)) & 1 == 1;
    }

    /// @dev keccak of the concatenated words.
    function digest(uint256[] calldata bitmap) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bitmap));
    }

    /// @dev The bits of word `w` that stand for indices below `limit`.
    function maskBelow(uint256 limit, uint256 w) internal pure returns (uint256) {
        unchecked {
            // w is a word's number, and the mask is only computed from a width of 1 to 255.
            uint256 start = 256 * w;
            if (limit <= start) return 0;
            uint256 width = limit - start;
            return width >= 256 ? type(uint256).max : (1 << width) - 1;
        }
    }

    /// @dev Position of the lowest set bit of `x`, which is not zero.
    function lowest(uint256 x) internal pure returns (uint256) {
        unchecked {
            // x & -x is the lowest bit alone; the ones below it are counted.
            return popcount((x & (0 - x)) - 1);
        }
    }
}
