// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Bitmap } from "../libraries/Bitmap.sol";
import { RoundLog } from "../libraries/RoundLog.sol";
import { Membership } from "./Membership.sol";

/// @title The opening of a round
abstract contract Opening is Membership {
    using RoundLog for mapping(uint256 => uint256);

    function openRound() external viaS returns (uint256 roundId) {
        Latest memory l = _latest;
        _requirePhase(l, NONE | SETTLED | FAILED);
        Constants memory fixed_ = _fixed();
        if (msg.sender != fixed_.authority) _requireOpener();
        TaskParameters memory p = fixed_.parameters;
        if (_accounts.pool < p.reward) revert PoolTooLow(_accounts.pool, p.reward);
        Roster memory roster = _roster;
        if (roster.activeClusters == 0) revert NoActiveCluster();
        if (!l.settled) _closeFailed(l);

        uint256 beaconBlock;
        uint256 units;
        unchecked {
            // Counters that nobody can drive to their bounds; a time below 2^39 and three below 2^32.
            roundId = uint256(l.number) + 1;
            beaconBlock = block.number + p.beaconDelay;
            units = 1 + Bitmap.popcount(roster.activeClusters) + uint256(roster.activeDevices);
            l.anchorDeadline = uint40(block.timestamp + p.anchorTime);
            l.cumulativeDeadline = l.anchorDeadline + p.cumulativeTime;
            l.aggregateDeadline = l.cumulativeDeadline + p.aggregateTime;
        }
        _log.store(roundId, RoundLog.pack(0, units, 0, beaconBlock));
        l.number = uint32(roundId);
        l.paidUnits = 0;
        l.settled = false;
        l.updatesModel = l.settledRounds >= p.statisticsRounds;
        l.clusters = roster.activeClusters;
        l.anchored = 0;
        l.submitted = 0;
        _latest = l;
        emit RoundOpened(
            roundId,
            beaconBlock,
            l.anchorDeadline,
            l.cumulativeDeadline,
            l.aggregateDeadline,
            l.clusters,
            p.reward / units,
            l.updatesModel,
            _modelDigest
        );
    }

    /// @dev If nobody even anchored on the model that a failed round began with, that one goes.
    function _closeFailed(Latest memory l) private {
        if (l.provisional && l.anchored == 0) {
            _modelDigest = _previousModelDigest;
            emit ModelWithdrawn(l.number, _modelDigest);
        }
        l.provisional = false;
    }

    function _requireOpener() private view {
        Role role = _members[msg.sender].role;
        if ((role != Role.Fog && role != Role.Cloud) || !_isActive(msg.sender)) {
            revert NotAllowedToOpen(msg.sender);
        }
    }
}
