// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "./interfaces/IContractS.sol";
import { R } from "./libraries/Bls12381.sol";
import { GaussianTable } from "./libraries/GaussianTable.sol";

/// @title The discrete Gaussian noise of a seed
/// @notice The same numbers as the devices' own sampler. A contract of its own since the table would
/// not fit beside Contract S.
contract NoiseSampler {
    uint256 private constant THRESHOLDS = GaussianTable.THRESHOLDS;
    int256 private constant LOWEST = GaussianTable.FIRST;

    // A slot's number has 4 bytes.
    uint256 private constant SLOTS = 1 << 32;

    /// @notice Noise of the slots `from` to `to - 1`. Slot j is drawn from SHA-256(seed || j), j being 4
    /// bytes: four 64-bit words, each inverted through the table to x_i of deviation 32, and
    /// `(x0 + 8 x1) + 64 (x2 + 8 x3)`.
    function sampleNoise(bytes32 seed, uint256 from, uint256 to)
        external
        pure
        returns (int256[] memory values)
    {
        if (from > to || to > SLOTS) revert IContractS.SlotsOutOfRange(from, to);
        bytes memory half = GaussianTable.LOWER_HALF;
        values = new int256[](to - from);
        for (uint256 j = from; j < to; ++j) {
            uint256 words = uint256(sha256(abi.encodePacked(seed, uint32(j))));
            int256 x0 = _invert(half, words >> 192);
            int256 x1 = _invert(half, (words >> 128) & type(uint64).max);
            int256 x2 = _invert(half, (words >> 64) & type(uint64).max);
            int256 x3 = _invert(half, words & type(uint64).max);
            values[j - from] = (x0 + 8 * x1) + 64 * (x2 + 8 * x3);
        }
    }

    /// @notice Blinding element of a slot: (SHA-256(seed || 1 || j) || SHA-256(seed || 2 || j)) mod R.
    function blindingNoise(bytes32 seed, uint256 slot) external pure returns (uint256) {
        if (slot >= SLOTS) revert IContractS.SlotsOutOfRange(slot, slot + 1);
        uint256 high = uint256(sha256(abi.encodePacked(seed, uint8(1), uint32(slot))));
        uint256 low = uint256(sha256(abi.encodePacked(seed, uint8(2), uint32(slot))));
        // high 2^256 + low, with 2^256 mod R = (2^256 - 1 mod R) + 1.
        uint256 shift = (type(uint256).max % R) + 1;
        return addmod(mulmod(high, shift, R), low, R);
    }

    /// @dev -320 and one for each threshold that is not above `word`, by bisection.
    function _invert(bytes memory half, uint256 word) private pure returns (int256) {
        uint256 low = 0;
        uint256 high = THRESHOLDS;
        unchecked {
            // Both stay between 0 and THRESHOLDS.
            while (low < high) {
                uint256 middle = (low + high) / 2;
                if (_threshold(half, middle) <= word) low = middle + 1;
                else high = middle;
            }
        }
        return LOWEST + int256(low);
    }

    /// @dev Thresholds of the upper half are 2^64 less those of the lower, at most 2^64 - 1.
    function _threshold(bytes memory half, uint256 i) private pure returns (uint256 threshold) {
        unchecked {
            // i is below THRESHOLDS, thresholds of the lower half are at most 2^63.
            bool upper = i >= THRESHOLDS / 2;
            if (upper) i = THRESHOLDS - 1 - i;
            // Read unaligned: eight bytes at 8 i.
            assembly ("memory-safe") {
                threshold := shr(192, mload(add(add(half, 0x20), mul(i, 8))))
            }
            if (upper) threshold = threshold == 0 ? type(uint64).max : (1 << 64) - threshold;
        }
    }
}
