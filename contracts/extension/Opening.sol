// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Bitmap } from "../libraries/Bitmap.sol";
import { RoundEntry, RoundLog } from "../libraries/RoundLog.sol";
import { Membership } from "./Membership.sol";

/// @title The opening and closing of rounds, silence, successors
abstract contract Opening is Membership {
    using RoundLog for mapping(uint256 => uint256);

    function openRound() external viaS returns (uint256 roundId) {
        Latest memory l = _latest;
        _requirePhase(l, NONE | SETTLED | FAILED);
        Constants memory fixed_ = _fixed();
        if (msg.sender != fixed_.authority) _requireOpener();
        TaskParameters memory p = fixed_.parameters;
        if (_accounts.pool < p.reward) revert PoolTooLow(_accounts.pool, p.reward);
        _requireModel(l, p);
        _close(l, p);
        Roster memory roster = _roster;
        if (roster.activeClusters == 0) revert NoActiveCluster();
        if (!l.settled) _takeBackModel(l);

        uint256 beaconBlock;
        unchecked {
            // Counters that nobody can drive to their bounds; a time below 2^39 and three below 2^32.
            roundId = uint256(l.number) + 1;
            beaconBlock = block.number + p.beaconDelay;
            l.anchorDeadline = uint40(block.timestamp + p.anchorTime);
            l.cumulativeDeadline = l.anchorDeadline + p.cumulativeTime;
            l.aggregateDeadline = l.cumulativeDeadline + p.aggregateTime;
        }
        RoundEntry entry = RoundLog.open(
            Bitmap.popcount(roster.activeClusters), roster.activeDevices, beaconBlock
        );
        _log.store(roundId, entry);
        l.number = uint32(roundId);
        l.signers = 0;
        (l.settled, l.voted, l.closed) = (false, false, false);
        l.updatesModel = l.settledRounds >= p.statisticsRounds;
        l.clusters = roster.activeClusters;
        l.anchored = 0;
        l.submitted = 0;
        l.clouds = roster.clouds;
        _latest = l;
        _emitOpened(l, beaconBlock, _sharesOf(entry));
    }

    function closeRound() external viaS {
        Latest memory l = _requireOver();
        if (l.number == 0) revert WrongPhase(Phase.None);
        if (l.closed) revert RoundAlreadyClosed(l.number);
        _close(l, _task());
        _latest = l;
    }

    function resumeCluster(uint256 clusterId) external viaS {
        Cluster storage c = _clusters[clusterId];
        if (c.fog != msg.sender) revert NotFogOfCluster(clusterId, msg.sender);
        if (!_isActive(msg.sender)) revert MemberHasLeft(msg.sender);
        if (c.active) revert ClusterNotSuspended(clusterId);
        uint256 stake = _members[msg.sender].stake;
        uint256 required = _task().fogStake;
        if (stake < required) revert StakeTooLow(msg.sender, stake, required);
        _setActive(clusterId, true);
        emit ClusterResumed(clusterId);
    }

    function admitSuccessor(uint256 clusterId, address account) external viaS onlyAuthority {
        Latest memory l = _requireOver();
        address fog = _clusters[clusterId].fog;
        if (fog == address(0)) revert UnknownCluster(clusterId);
        if (_isActive(fog)) revert ClusterHasFog(clusterId, fog);
        TaskParameters memory p = _task();
        Member storage m = _requireAdmissible(account, p.fogStake);
        // What the predecessor missed is its own.
        _close(l, p);
        _latest = l;
        uint32 first = l.number + 1;
        m.role = Role.Fog;
        m.cluster = uint8(clusterId);
        m.since = first;
        _members[fog].end = first;
        _predecessors[account] = fog;
        _clusters[clusterId].fog = account;
        _setActive(clusterId, true);
        delete _noiseRoots[clusterId][first];
        emit FogSucceeded(account, clusterId, fog, first);
    }

    function _emitOpened(Latest memory l, uint256 beaconBlock, Shares memory s) private {
        emit RoundOpened(
            l.number,
            beaconBlock,
            l.anchorDeadline,
            l.cumulativeDeadline,
            l.aggregateDeadline,
            l.clusters,
            s.cloud,
            s.fog,
            s.device,
            l.updatesModel,
            _modelDigest
        );
    }

    /// @dev In a Voted task the model of a settled round has some time to come.
    function _requireModel(Latest memory l, TaskParameters memory p) private view {
        if (p.modelRule != ModelRule.Voted || !l.settled || !l.updatesModel || l.voted) return;
        uint256 until = uint256(l.aggregateDeadline) + p.modelTime;
        if (block.timestamp < until) revert ModelPending(l.number, until);
    }

    /// @dev Charges the silence in a round that is over, once. The caller stores `l`.
    function _close(Latest memory l, TaskParameters memory p) private {
        if (l.number == 0 || l.closed) return;
        l.closed = true;
        // A fog that was not told the model could not anchor on it.
        uint256 silent = _withdraws(l) ? 0 : l.clusters & ~l.submitted;
        bool cloudsSilent = !l.settled && l.submitted != 0;
        emit RoundClosed(l.number, silent, cloudsSilent);
        uint256 spoke = _roster.late & l.submitted;
        for (; spoke != 0; spoke &= spoke - 1) {
            uint256 clusterId = Bitmap.lowest(spoke);
            _clusters[clusterId].silences = 0;
            _roster.late &= ~uint64(1 << clusterId);
        }
        uint256 fees;
        for (; silent != 0; silent &= silent - 1) {
            fees += _chargeFog(l, p, Bitmap.lowest(silent));
        }
        if (cloudsSilent) {
            for (uint256 i = 0; i < l.clouds; ++i) {
                fees += _charge(l, p, _clouds[i], l.aggregateDeadline);
            }
        }
        if (fees == 0) return;
        _accounts.stakes -= uint128(fees);
        _accounts.pool += uint128(fees);
    }

    function _chargeFog(Latest memory l, TaskParameters memory p, uint256 clusterId)
        private
        returns (uint256 fee)
    {
        bool anchored = (l.anchored >> clusterId) & 1 == 1;
        Cluster storage c = _clusters[clusterId];
        address fog = c.fog;
        fee = _charge(l, p, fog, anchored ? l.cumulativeDeadline : l.anchorDeadline);
        if (!c.active) return fee;
        uint8 silences = c.silences + 1;
        if (silences >= p.maxSilences || _members[fog].stake < p.silenceFee) {
            _setActive(clusterId, false);
            emit ClusterSuspended(clusterId, l.number);
        } else {
            c.silences = silences;
            _roster.late |= uint64(1 << clusterId);
        }
    }

    /// @dev Takes the fee, or what is left of the stake, from a member that was there at the deadline.
    function _charge(Latest memory l, TaskParameters memory p, address account, uint256 deadline)
        private
        returns (uint256 fee)
    {
        Member storage m = _members[account];
        if (m.withdrawableAt != 0 && m.withdrawableAt < deadline + p.unbondingTime) return 0;
        fee = m.stake < p.silenceFee ? m.stake : p.silenceFee;
        if (fee == 0) return 0;
        m.stake -= uint96(fee);
        emit SilenceCharged(l.number, account, fee);
    }

    /// @dev If nobody even anchored on the model that a failed round began with, that one goes.
    function _takeBackModel(Latest memory l) private {
        if (_withdraws(l)) {
            _modelDigest = _previousModelDigest;
            emit ModelWithdrawn(l.number, _modelDigest);
        }
        l.provisional = false;
    }

    /// @dev Of a round that is over. Between its closing and the next opening the answer stays.
    function _withdraws(Latest memory l) private pure returns (bool) {
        return l.provisional && l.anchored == 0;
    }

    function _requireOpener() private view {
        Role role = _members[msg.sender].role;
        if ((role != Role.Fog && role != Role.Cloud) || !_isActive(msg.sender)) {
            revert NotAllowedToOpen(msg.sender);
        }
    }
}
