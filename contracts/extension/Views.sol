// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Bitmap } from "../libraries/Bitmap.sol";
import { Bls12381, POINT_BYTES } from "../libraries/Bls12381.sol";
import { RoundEntry, RoundLog } from "../libraries/RoundLog.sol";
import { Transcript } from "../libraries/Transcript.sol";
import { Votes } from "./Votes.sol";

/// @title What S tells of itself
abstract contract Views is Votes {
    using RoundLog for mapping(uint256 => uint256);

    function member(address account)
        external
        view
        returns (
            Role role,
            bool active,
            bool slashed,
            uint256 stake,
            uint256 clusterId,
            uint256 index,
            uint256 withdrawableAt
        )
    {
        Member memory m = _members[account];
        return
            (m.role, _isActive(account), m.slashed, m.stake, m.cluster, m.index, m.withdrawableAt);
    }

    function cluster(uint256 clusterId)
        external
        view
        returns (
            address fog,
            bool active,
            uint256 devices,
            uint256 activeCount,
            uint256 eligible,
            bytes memory aggregateKey
        )
    {
        Cluster memory c = _clusters[clusterId];
        aggregateKey = new bytes(POINT_BYTES);
        Bls12381.put(aggregateKey, 0, _loadKey(clusterId));
        return (c.fog, c.active, c.devices, c.activeDevices, _eligible(c), aggregateKey);
    }

    function activeDevices(uint256 clusterId) external view returns (uint256[] memory bitmap) {
        bitmap = new uint256[](Bitmap.words(_clusters[clusterId].devices));
        for (uint256 w = 0; w < bitmap.length; ++w) {
            bitmap[w] = _activeDevices[clusterId][w];
        }
    }

    function keyOwner(bytes32 keyHash)
        external
        view
        returns (address account, uint256 clusterId, uint256 index)
    {
        KeyOwner memory owner = _keyOwners[keyHash];
        return (owner.account, owner.cluster, owner.index);
    }

    function counts()
        external
        view
        returns (uint256 clusters, uint256 clouds, uint256 activeCount)
    {
        return (_roster.clusters, _roster.clouds, _roster.activeDevices);
    }

    function possessionMessage(address account, bytes calldata publicKey, bytes32 sealingKey)
        external
        view
        returns (bytes32)
    {
        return
            Transcript.possession(_domainSeparatorV4(), account, keccak256(publicKey), sealingKey);
    }

    function round(uint256 roundId)
        external
        view
        returns (
            Phase state,
            uint256 beaconBlock,
            uint256 anchorDeadline,
            uint256 cumulativeDeadline,
            uint256 aggregateDeadline,
            uint256 clusters,
            uint256 anchored,
            uint256 submitted,
            uint256 cloudShare,
            uint256 fogShare,
            uint256 deviceShare,
            bool updatesModel,
            uint256 included,
            address cloud,
            bytes32 resultDigest
        )
    {
        Latest memory l = _latest;
        RoundEntry entry = _requireKnown(roundId);
        beaconBlock = entry.beaconBlock();
        Shares memory s = _sharesOf(entry);
        (cloudShare, fogShare, deviceShare) = (s.cloud, s.fog, s.device);
        included = entry.included();
        if (included != 0) cloud = _clouds[entry.cloud()];
        resultDigest = _results[roundId];
        state = included != 0 ? Phase.Settled : Phase.Failed;
        if (roundId == l.number) {
            state = _phaseOf(l);
            (anchorDeadline, cumulativeDeadline, aggregateDeadline) =
            (l.anchorDeadline, l.cumulativeDeadline, l.aggregateDeadline);
            (clusters, anchored, submitted) = (l.clusters, l.anchored, l.submitted);
            updatesModel = l.updatesModel;
        }
    }

    function signers(uint256 roundId, uint256 clusterId)
        external
        view
        returns (uint256[] memory bitmap)
    {
        Latest memory l = _latest;
        bool pending = roundId == l.number && ((l.anchored & ~l.submitted) >> clusterId) & 1 == 1;
        bitmap = new uint256[](Bitmap.words(_clusters[clusterId].devices));
        for (uint256 w = 0; w < bitmap.length; ++w) {
            // A word that the latest anchor did not have no earlier one had: it is zero.
            bitmap[w] = pending ? _attested[clusterId][w] : _signersOf(roundId, clusterId, w);
        }
    }

    function recordOf(uint256 roundId, uint256 clusterId) external view returns (bytes32) {
        return _records[roundId][clusterId];
    }

    function noiseRoot(uint256 clusterId, uint256 batch) external view returns (bytes32) {
        return _noiseRoots[clusterId][batch];
    }

    function previousModel() external view returns (bytes32 digest, bool provisional) {
        Latest memory l = _latest;
        // Of a settled round nobody can have anchored on the result yet.
        return (_previousModelDigest, l.provisional && (l.settled || l.anchored == 0));
    }

    function settledRounds() external view returns (uint256) {
        return _latest.settledRounds;
    }

    function noiseCase(bytes32 caseId)
        external
        view
        returns (address reporter, uint256 done, uint256 value)
    {
        NoiseCase memory c = _noiseCases[caseId];
        return (c.reporter, c.done, c.value);
    }

    function verifyAggregate(uint256 roundId, bytes32 commitmentDigest, bytes32 vectorDigest)
        external
        view
        returns (bool)
    {
        return Transcript.result(commitmentDigest, vectorDigest) == _results[roundId];
    }

    function claimedRounds(address account, uint256 word) external view returns (uint256) {
        return _claimed[account][word];
    }

    function accounting()
        external
        view
        returns (uint256 stakes, uint256 owed, uint256 pool, uint256 burnt)
    {
        Accounts memory a = _accounts;
        return (a.stakes, a.owed, a.pool, a.burnt);
    }

    function creditOf(address account) external view returns (uint256) {
        return _credits[account];
    }

    function taskParameters() external view returns (TaskParameters memory) {
        return _task();
    }

    function fogOf(uint256 clusterId, uint256 roundId) external view returns (address fog) {
        fog = _clusters[clusterId].fog;
        while (_members[fog].since > roundId) fog = _predecessors[fog];
    }

    function silencesOf(uint256 clusterId) external view returns (uint256) {
        return _clusters[clusterId].silences;
    }

    function rewardsOf(uint256 word)
        external
        view
        returns (uint256 owed, uint256 deadline, uint256 returnedUpTo)
    {
        Rewards memory r = _rewards[word];
        return (r.owed, r.deadline, r.returned);
    }

    function _requireKnown(uint256 roundId) private view returns (RoundEntry) {
        if (roundId == 0 || roundId > _latest.number) revert UnknownRound(roundId);
        return _log.load(roundId);
    }
}
