// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "../interfaces/IContractS.sol";
import { Bitmap } from "../libraries/Bitmap.sol";
import { R } from "../libraries/Bls12381.sol";
import { RoundEntry, RoundLog } from "../libraries/RoundLog.sol";
import { Transcript } from "../libraries/Transcript.sol";
import { Anchoring } from "./Anchoring.sol";

/// @title Settlement: the result of a round, the committed model, rewards
abstract contract Settlement is Anchoring {
    using RoundLog for mapping(uint256 => uint256);

    // What the records of the included clusters add up to.
    struct Total {
        bytes commitments;
        uint256 signerCount;
        uint256 qualifiedCount;
    }

    // ------------------------------------------------------------------------------------------------
    // External
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function submitAggregate(
        uint256 roundId,
        uint256 included,
        ClusterSum[] calldata sums,
        bytes calldata model,
        bytes32 vectorDigest,
        uint256 samples,
        bytes calldata countProof,
        uint256 y,
        bytes calldata proof
    ) external override {
        _requireAggregatable(roundId, included);
        Total memory total = _addSums(roundId, included, sums);
        bytes32 commitmentDigest = keccak256(total.commitments);
        uint256 z = _aggregateChallenge(roundId, included, commitmentDigest, vectorDigest);
        // At 0 the chunks after the first are multiplied by 0.
        _verifier.requireOpening(total.commitments, _capacity, 0, samples, countProof);
        _verifier.requireOpening(total.commitments, _capacity, z, y, proof);
        uint256 factor = _latest.updatesModel ? _rate / _clamp(samples, total.qualifiedCount) : 0;
        bytes memory newModel = _updateModel(model, total.commitments, factor);

        _settle(roundId, included, total.signerCount);
        _results[roundId] = Transcript.result(commitmentDigest, vectorDigest);
        emit ResultAccepted(
            roundId,
            msg.sender,
            included,
            total.commitments,
            vectorDigest,
            samples,
            y,
            factor,
            newModel,
            _modelDigest
        );
    }

    /// @inheritdoc IContractS
    function claim(address account, uint256[] calldata rounds) external override {
        uint256 credit = _credits[account];
        if (credit != 0) {
            _credits[account] = 0;
            emit CreditPaid(account, credit);
        }
        uint256 amount = credit + _claimRounds(account, rounds);
        if (amount == 0) revert NothingToClaim(account);
        _accounts.owed -= uint128(amount);
        _pay(account, amount);
    }

    // ------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function aggregateChallenge(
        uint256 roundId,
        uint256 included,
        bytes32 commitmentDigest,
        bytes32 vectorDigest
    ) external view override returns (uint256) {
        return _aggregateChallenge(roundId, included, commitmentDigest, vectorDigest);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    function _aggregateChallenge(
        uint256 roundId,
        uint256 included,
        bytes32 commitmentDigest,
        bytes32 vectorDigest
    ) private view returns (uint256) {
        return Transcript.aggregateChallenge(
            _domainSeparatorV4(), roundId, included, commitmentDigest, vectorDigest
        );
    }

    function _requireAggregatable(uint256 roundId, uint256 included) private view {
        Latest memory l = _enter(roundId, AGGREGATING);
        if (_members[msg.sender].role != Role.Cloud || !_isActive(msg.sender)) {
            revert NotActiveCloud(msg.sender);
        }
        // A cluster can be left out only once its fog has had all the time to hand over its sum.
        bool complete = included == l.submitted || block.timestamp >= l.cumulativeDeadline;
        if (included == 0 || included & ~uint256(l.submitted) != 0 || !complete) {
            revert WrongInclusion(included, l.submitted);
        }
    }

    /// @dev Checks each included cluster's record and adds up commitments and counts. The points passed
    /// a subgroup check in `anchor`.
    function _addSums(uint256 roundId, uint256 included, ClusterSum[] calldata sums)
        private
        view
        returns (Total memory total)
    {
        _requireLength(sums.length, Bitmap.popcount(included));
        for (uint256 i = 0; i < sums.length; ++i) {
            uint256 clusterId = Bitmap.lowest(included);
            unchecked {
                // One bit is left for each of the sums.
                included &= included - 1;
            }
            ClusterSum calldata s = sums[i];
            bytes memory points = s.commitments;
            bytes32 record = Transcript.anchorRecord(
                s.anchorMessage, s.signerCount, s.qualifiedCount, keccak256(points)
            );
            _requireRecord(roundId, clusterId, Transcript.sumRecord(record, s.vectorDigest));
            unchecked {
                // Counts of devices, as `anchor` recorded them.
                total.signerCount += s.signerCount;
                total.qualifiedCount += s.qualifiedCount;
            }
            if (i == 0) total.commitments = points;
            else total.commitments = _verifier.addPoints(total.commitments, points);
        }
    }

    /// @dev The sample total within what the qualified devices can have; above R/2 it is negative.
    function _clamp(uint256 samples, uint256 qualifiedCount) private view returns (uint256) {
        unchecked {
            // A count of devices times less than 2^32.
            uint256 least = qualifiedCount * _minSamples;
            uint256 most = qualifiedCount * _maxSamples;
            if (samples > R / 2 || samples < least) return least;
            return samples > most ? most : samples;
        }
    }

    /// @dev `COM(theta') = COM(theta) - factor COM(c)`, chunk by chunk.
    function _updateModel(bytes memory model, bytes memory commitments, uint256 factor)
        private
        returns (bytes memory)
    {
        bytes32 given = keccak256(model);
        if (given != _modelDigest) revert WrongModel(given, _modelDigest);
        if (!_latest.updatesModel) return model;
        // factor <= rate < 2^128 < R.
        if (factor != 0) model = _verifier.subtractMultiple(model, commitments, factor);
        _previousModelDigest = given;
        _modelDigest = keccak256(model);
        return model;
    }

    function _settle(uint256 roundId, uint256 included, uint256 signerCount) private {
        RoundEntry entry = _log.load(roundId);
        uint256 paidUnits;
        uint256 amount;
        unchecked {
            // Those who served were counted when the round opened: at most the reward, which the pool
            // holds.
            paidUnits = 1 + Bitmap.popcount(included) + signerCount;
            amount = paidUnits * _shareOf(entry);
        }
        _accounts.pool -= uint128(amount);
        _accounts.owed += uint128(amount);
        _log.store(
            roundId,
            RoundLog.pack(included, entry.units(), _members[msg.sender].index, entry.beaconBlock())
        );
        Latest storage l = _latest;
        l.settled = true;
        l.provisional = l.updatesModel;
        l.paidUnits = uint24(paidUnits);
        l.settledRounds += 1;
    }

    /// @dev Marks the rounds as claimed and adds up what the account earned in those that were not.
    function _claimRounds(address account, uint256[] calldata rounds)
        private
        returns (uint256 amount)
    {
        Member memory m = _members[account];
        mapping(uint256 roundId => uint256 bits) storage signed = _signers[m.cluster][m.index / 256];
        uint256 rejectable = _rejectableRound();
        uint256 word = type(uint256).max;
        uint256 claimed;
        uint256 fresh;
        uint256 part;
        for (uint256 i = 0; i < rounds.length; ++i) {
            uint256 roundId = rounds[i];
            if (roundId / 256 != word) {
                _flush(account, word, claimed, fresh, part);
                amount += part;
                word = roundId / 256;
                claimed = _claimed[account][word];
                (fresh, part) = (0, 0);
            }
            uint256 bit = 1 << (roundId % 256);
            if ((claimed | fresh) & bit != 0) continue;
            RoundEntry entry = _log.load(roundId);
            if (entry.included() == 0 || roundId == rejectable) revert NotClaimable(roundId);
            if (!_served(m, entry, roundId, signed)) revert NotEarned(account, roundId);
            fresh |= bit;
            unchecked {
                // Each share is below 2^96.
                part += _shareOf(entry);
            }
        }
        _flush(account, word, claimed, fresh, part);
        amount += part;
    }

    function _flush(address account, uint256 word, uint256 claimed, uint256 fresh, uint256 amount)
        private
    {
        if (fresh == 0) return;
        _claimed[account][word] = claimed | fresh;
        emit RewardClaimed(account, word, fresh, amount);
    }

    /// @dev Whether the member served a settled round: as its cloud, or as fog or signer of an included
    /// cluster.
    function _served(
        Member memory m,
        RoundEntry entry,
        uint256 roundId,
        mapping(uint256 roundId => uint256 bits) storage signed
    ) private view returns (bool) {
        if (m.role == Role.Cloud) {
            return entry.cloud() == m.index;
        }
        if (m.role == Role.None || (entry.included() >> m.cluster) & 1 == 0) return false;
        return m.role == Role.Fog || (signed[roundId] >> (m.index % 256)) & 1 == 1;
    }

    function _budget() internal view override returns (uint256) {
        return _reward;
    }
}
