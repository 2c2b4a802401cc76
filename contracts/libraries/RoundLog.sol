// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

/// @dev What S keeps of every round for good, 128 bits, two rounds to a slot:
/// ```
/// bits    0 -  63   bitmap of the included clusters; zero unless settled
///        64 -  70   clusters of the round
///        71 -  87   active devices of these when the round opened
///        88 -  95   index of the cloud that settled it
///        96 - 127   block of the beacon
/// ```
/// So a claim of many rounds reads half a slot for each, and a new round costs half a new slot.
type RoundEntry is uint128;

using RoundLog for RoundEntry global;

/// @title The record of all rounds
library RoundLog {
    function open(uint256 clusters_, uint256 devices_, uint256 beaconBlock_)
        internal
        pure
        returns (RoundEntry)
    {
        return RoundEntry.wrap(uint128((clusters_ << 64) | (devices_ << 71) | (beaconBlock_ << 96)));
    }

    /// @dev The entry with another result; none: zero and zero.
    function settle(RoundEntry entry, uint256 included_, uint256 cloud_)
        internal
        pure
        returns (RoundEntry)
    {
        uint256 kept = RoundEntry.unwrap(entry) & ~uint256(type(uint64).max | (0xff << 88));
        return RoundEntry.wrap(uint128(kept | included_ | (cloud_ << 88)));
    }

    function included(RoundEntry entry) internal pure returns (uint256) {
        return uint64(RoundEntry.unwrap(entry));
    }

    function clusters(RoundEntry entry) internal pure returns (uint256) {
        return (RoundEntry.unwrap(entry) >> 64) & 0x7f;
    }

    function devices(RoundEntry entry) internal pure returns (uint256) {
        return (RoundEntry.unwrap(entry) >> 71) & 0x1ffff;
    }

    function cloud(RoundEntry entry) internal pure returns (uint256) {
        return uint8(RoundEntry.unwrap(entry) >> 88);
    }

    function beaconBlock(RoundEntry entry) internal pure returns (uint256) {
        return RoundEntry.unwrap(entry) >> 96;
    }

    function load(mapping(uint256 pair => uint256 entries) storage log, uint256 round)
        internal
        view
        returns (RoundEntry)
    {
        return RoundEntry.wrap(uint128(log[round / 2] >> _shift(round)));
    }

    function store(
        mapping(uint256 pair => uint256 entries) storage log,
        uint256 round,
        RoundEntry entry
    ) internal {
        uint256 shift = _shift(round);
        uint256 other = log[round / 2] & ~(uint256(type(uint128).max) << shift);
        log[round / 2] = other | (uint256(RoundEntry.unwrap(entry)) << shift);
    }

    /// @dev Even rounds are the lower half of a slot.
    function _shift(uint256 round) private pure returns (uint256) {
        return (round & 1) << 7;
    }
}
