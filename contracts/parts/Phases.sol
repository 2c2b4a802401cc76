// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Bitmap } from "../libraries/Bitmap.sol";
import { RoundEntry } from "../libraries/RoundLog.sol";
import { TaskStorage } from "./TaskStorage.sol";

/// @title Phases of a round: functions of stored counters and the time
abstract contract Phases is TaskStorage {
    // Sets of phases, as bitmaps over the values of Phase.
    uint256 internal constant NONE = 1;
    uint256 internal constant ANCHORING = 2;
    uint256 internal constant ACCUMULATING = 4;
    uint256 internal constant AGGREGATING = 8;
    uint256 internal constant SETTLED = 16;
    uint256 internal constant FAILED = 32;

    // What a round pays to its cloud, to its fogs and to its devices together; or to each.
    struct Shares {
        uint256 cloud;
        uint256 fog;
        uint256 device;
    }

    function _budget() internal view virtual returns (Shares memory);

    function _split(uint256 reward, uint256 cloudPercent, uint256 fogPercent)
        internal
        pure
        returns (Shares memory s)
    {
        unchecked {
            // A reward below 2^96; together at most 100 per cent.
            s.cloud = (reward * cloudPercent) / 100;
            s.fog = (reward * fogPercent) / 100;
            s.device = reward - s.cloud - s.fog;
        }
    }

    /// @dev What each member that serves a round earns: fixed when it is opened, whoever else serves.
    function _sharesOf(RoundEntry entry) internal view returns (Shares memory s) {
        s = _budget();
        s.fog /= entry.clusters();
        uint256 devices = entry.devices();
        s.device = devices == 0 ? 0 : s.device / devices;
    }

    /// @dev What a settled round pays: at most its budget, since those who served were counted when it opened.
    function _paid(RoundEntry entry, uint256 included, uint256 signers)
        internal
        view
        returns (uint256)
    {
        Shares memory s = _sharesOf(entry);
        unchecked {
            return s.cloud + Bitmap.popcount(included) * s.fog + signers * s.device;
        }
    }

    /// @dev A function of the counters and the time; the table is in the specification, section 2.3.
    function _phaseOf(Latest memory l) internal view returns (Phase) {
        if (l.number == 0) return Phase.None;
        if (l.settled) return Phase.Settled;
        bool early = block.timestamp < l.anchorDeadline;
        // `anchored` is a subset of `clusters` and `submitted` of `anchored`: equal counts, equal sets.
        if (early && l.anchored != l.clusters) return Phase.Anchoring;
        if (l.anchored == 0) return Phase.Failed;
        if (block.timestamp < l.cumulativeDeadline) {
            return l.submitted != l.anchored ? Phase.Accumulating : Phase.Aggregating;
        }
        if (l.submitted == 0) return Phase.Failed;
        return block.timestamp < l.aggregateDeadline ? Phase.Aggregating : Phase.Failed;
    }

    function _requirePhase(Latest memory l, uint256 phases) internal view {
        Phase p = _phaseOf(l);
        if ((phases >> uint256(p)) & 1 == 0) revert WrongPhase(p);
    }

    /// @dev The latest round, which must be this one and in one of these phases.
    function _enter(uint256 roundId, uint256 phases) internal view returns (Latest memory l) {
        l = _latest;
        if (roundId != l.number) revert WrongRound(roundId, l.number);
        _requirePhase(l, phases);
    }

    /// @dev The latest round if it is settled and can still go back to Aggregating, else no round's number.
    function _rejectableRound() internal view returns (uint256) {
        Latest memory l = _latest;
        return l.settled && block.timestamp < l.aggregateDeadline ? l.number : type(uint256).max;
    }
}
