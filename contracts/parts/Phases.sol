// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { RoundEntry, RoundLog } from "../libraries/RoundLog.sol";
import { TaskStorage } from "./TaskStorage.sol";

/// @title Phases of a round: functions of stored counters and the time
abstract contract Phases is TaskStorage {
    using RoundLog for mapping(uint256 => uint256);

    // Sets of phases, as bitmaps over the values of Phase.
    uint256 internal constant NONE = 1;
    uint256 internal constant ANCHORING = 2;
    uint256 internal constant ACCUMULATING = 4;
    uint256 internal constant AGGREGATING = 8;
    uint256 internal constant SETTLED = 16;
    uint256 internal constant FAILED = 32;

    /// @dev What a round pays in all.
    function _budget() internal view virtual returns (uint256);

    /// @dev What each member that serves a known round earns.
    function _shareOf(RoundEntry entry) internal view returns (uint256) {
        return _budget() / entry.units();
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
