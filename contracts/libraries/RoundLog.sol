// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

/// @dev What S keeps of every round for good, 128 bits, two rounds to a slot:
/// ```
/// bits    0 -  63   bitmap of the included clusters; zero unless settled
///        64 -  83   units: 1 + clusters + active devices when the round opened
///        84 -  91   index of the cloud that settled it
///        92 - 127   block of the beacon
/// ```
/// So a claim of many rounds reads half a slot for each, and a new round costs half a new slot.
type RoundEntry is uint128;

using RoundLog for RoundEntry global;

/// @title The record of all rounds
library RoundLog {
    function pack(uint256 included_, uint256 units_, uint256 cloud_, uint256 beaconBlock_)
        internal
        pure
        returns (RoundEntry)
    {
        return RoundEntry.wrap(
            uint128(included_ | (units_ << 64) | (cloud_ << 84) | (beaconBlock_ << 92))
        );
    }

    function included(RoundEntry entry) internal pure returns (uint256) {
        return uint64(RoundEntry.unwrap(entry));
    }

    function units(RoundEntry entry) internal pure returns (uint256) {
        return (RoundEntry.unwrap(entry) >> 64) & 0xfffff;
    }

    function cloud(RoundEntry entry) internal pure returns (uint256) {
        return uint8(RoundEntry.unwrap(entry) >> 84);
    }

    function beaconBlock(RoundEntry entry) internal pure returns (uint256) {
        return RoundEntry.unwrap(entry) >> 92;
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
