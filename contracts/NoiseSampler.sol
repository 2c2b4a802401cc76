// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "./interfaces/ITask.sol";
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

    // At the end of every block.
    uint256 private constant BLINDING_SLOTS = 3;

    uint256 private constant LAST_WORD = type(uint64).max;

    // A word's first byte has this many values.
    uint256 private constant BYTES = 256;

    // The table, ready for `_invert`.
    struct Table {
        uint256[] thresholds; // ascending; the last is above every word
        uint256[] starts; // for each first byte: how many thresholds are below all its words
    }

    /// @notice Noise of the slots `from` to `to - 1`. Slot j is drawn from SHA-256(seed || j), j being 4
    /// bytes: four 64-bit words, each inverted through the table to x_i of deviation 32, and
    /// `(x0 + 8 x1) + 64 (x2 + 8 x3)`.
    function sampleNoise(bytes32 seed, uint256 from, uint256 to)
        external
        pure
        returns (int256[] memory values)
    {
        _requireSlots(from, to);
        Table memory table = _table();
        values = new int256[](to - from);
        for (uint256 j = from; j < to; ++j) {
            values[j - from] = _noise(table, seed, j);
        }
    }

    /// @notice Blinding element of a slot: (SHA-256(seed || 1 || j) || SHA-256(seed || 2 || j)) mod R.
    function blindingNoise(bytes32 seed, uint256 slot) external pure returns (uint256) {
        _requireSlots(slot, slot + 1);
        return _blinding(seed, slot);
    }

    /// @notice The slots `from` to `to - 1` of a seed's noise vector as the next coefficients of a polynomial
    /// at `z`, highest first: `value z^(to - from) + sum_j noise_j z^(j - from) mod R`.
    /// @param block_ Slots of a block, at least 4; the last three are blinding slots.
    function evaluateNoise(
        bytes32 seed,
        uint256 from,
        uint256 to,
        uint256 block_,
        uint256 z,
        uint256 value
    ) external pure returns (uint256) {
        _requireSlots(from, to);
        Table memory table = _table();
        for (uint256 j = to; j > from;) {
            --j;
            uint256 element;
            if (j % block_ + BLINDING_SLOTS >= block_) {
                element = _blinding(seed, j);
            } else {
                int256 noise = _noise(table, seed, j);
                // Less than 2^18 in magnitude; -n stands for R - n.
                element = noise < 0 ? R - uint256(-noise) : uint256(noise);
            }
            value = addmod(mulmod(value, z, R), element, R);
        }
        return value;
    }

    function _requireSlots(uint256 from, uint256 to) private pure {
        if (from > to || to > SLOTS) revert ITask.SlotsOutOfRange(from, to);
    }

    function _noise(Table memory table, bytes32 seed, uint256 slot) private pure returns (int256) {
        uint256 words = uint256(sha256(abi.encodePacked(seed, uint32(slot))));
        unchecked {
            // Each x is between -320 and 320.
            int256 x0 = _invert(table, words >> 192);
            int256 x1 = _invert(table, (words >> 128) & type(uint64).max);
            int256 x2 = _invert(table, (words >> 64) & type(uint64).max);
            int256 x3 = _invert(table, words & type(uint64).max);
            return (x0 + 8 * x1) + 64 * (x2 + 8 * x3);
        }
    }

    function _blinding(bytes32 seed, uint256 slot) private pure returns (uint256) {
        uint256 high = uint256(sha256(abi.encodePacked(seed, uint8(1), uint32(slot))));
        uint256 low = uint256(sha256(abi.encodePacked(seed, uint8(2), uint32(slot))));
        // high 2^256 + low, with 2^256 mod R = (2^256 - 1 mod R) + 1.
        uint256 shift = (type(uint256).max % R) + 1;
        return addmod(mulmod(high, shift, R), low, R);
    }

    /// @dev -320 and one for each threshold that is not above `word`.
    function _invert(Table memory table, uint256 word) private pure returns (int256) {
        unchecked {
            // Ends at the last threshold, which no word reaches.
            uint256 k = table.starts[word >> 56];
            while (table.thresholds[k] <= word) ++k;
            return LOWEST + int256(k);
        }
    }

    function _table() private pure returns (Table memory table) {
        bytes memory half = GaussianTable.LOWER_HALF;
        uint256[] memory thresholds = new uint256[](THRESHOLDS + 1);
        for (uint256 k = 0; k < THRESHOLDS / 2; ++k) {
            uint256 threshold;
            // Read unaligned: eight bytes at 8 k.
            assembly ("memory-safe") {
                threshold := shr(192, mload(add(add(half, 0x20), mul(k, 8))))
            }
            thresholds[k] = threshold;
            thresholds[THRESHOLDS - 1 - k] = threshold == 0 ? LAST_WORD : LAST_WORD - threshold + 1;
        }
        thresholds[THRESHOLDS] = LAST_WORD + 1;
        uint256[] memory starts = new uint256[](BYTES);
        uint256 below = 0;
        for (uint256 first = 0; first < BYTES; ++first) {
            while (thresholds[below] < first << 56) ++below;
            starts[first] = below;
        }
        return Table(thresholds, starts);
    }
}
