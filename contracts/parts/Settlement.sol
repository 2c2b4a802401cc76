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
        // The fogs of a Voted task set its model later.
        bool updates = _latest.updatesModel && !_voted;
        uint256 factor = updates ? _rate / _clamp(samples, total.qualifiedCount) : 0;
        bytes memory newModel = _updateModel(model, total.commitments, factor, updates);

        _settle(roundId, included, total.signerCount, updates);
        _results[roundId] = Transcript.result(commitmentDigest, vectorDigest);
        emit ResultAccepted(
            roundId,
            msg.sender,
            included,
            total.commitments,
            vectorDigest,
            samples,
            y,
            proof,
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
    function _updateModel(
        bytes memory model,
        bytes memory commitments,
        uint256 factor,
        bool updates
    ) private returns (bytes memory) {
        bytes32 given = keccak256(model);
        if (given != _modelDigest) revert WrongModel(given, _modelDigest);
        if (!updates) return model;
        // factor <= rate < 2^128 < R.
        if (factor != 0) model = _verifier.subtractMultiple(model, commitments, factor);
        _previousModelDigest = given;
        _modelDigest = keccak256(model);
        return model;
    }

    function _settle(uint256 roundId, uint256 included, uint256 signerCount, bool updates) private {
        RoundEntry entry = _log.load(roundId);
        uint128 amount = uint128(_paid(entry, included, signerCount));
        _accounts.pool -= amount;
        _accounts.owed += amount;
        _log.store(roundId, entry.settle(included, _members[msg.sender].index));
        Latest storage l = _latest;
        Rewards storage r = _rewards[roundId / 256];
        r.owed += amount;
        r.deadline = l.aggregateDeadline;
        l.settled = true;
        l.provisional = updates;
        l.signers = uint24(signerCount);
        l.settledRounds += 1;
    }

    // What a claim carries from round to round.
    struct Claim {
        uint256 word; // of 256 rounds
        uint256 claimed;
        uint256 fresh;
        uint256 amount;
        uint256 returned;
        uint256 rejectable;
        Shares budget;
    }

    /// @dev Marks the rounds as claimed and adds up what the account earned in those that were not.
    function _claimRounds(address account, uint256[] calldata rounds)
        private
        returns (uint256 amount)
    {
        Member memory m = _members[account];
        mapping(uint256 rounds => uint256 bits) storage signed = _signers[m.cluster][m.index / 64];
        Claim memory c;
        c.word = type(uint256).max;
        c.rejectable = _rejectableRound();
        c.budget = _budget();
        for (uint256 i = 0; i < rounds.length; ++i) {
            uint256 roundId = rounds[i];
            if (roundId >> 8 != c.word) {
                amount += _flush(account, c);
                _load(account, roundId >> 8, c);
            }
            uint256 bit = 1 << (roundId & 0xff);
            if ((c.claimed | c.fresh) & bit != 0) continue;
            RoundEntry entry = _log.load(roundId);
            if (entry.included() == 0 || roundId == c.rejectable) revert NotClaimable(roundId);
            if (roundId <= c.returned) revert RewardReturned(roundId);
            if (!_served(m, entry, roundId, signed)) revert NotEarned(account, roundId);
            c.fresh |= bit;
            unchecked {
                // Each share is below 2^96, and there are 256 of them.
                c.amount += _shareOf(m.role, entry, c.budget);
            }
        }
        amount += _flush(account, c);
    }

    function _load(address account, uint256 word, Claim memory c) private view {
        c.word = word;
        c.claimed = _claimed[account][word];
        c.returned = _rewards[word].returned;
        (c.fresh, c.amount) = (0, 0);
    }

    function _flush(address account, Claim memory c) private returns (uint256) {
        if (c.fresh == 0) return 0;
        _claimed[account][c.word] = c.claimed | c.fresh;
        _rewards[c.word].owed -= uint128(c.amount);
        emit RewardClaimed(account, c.word, c.fresh, c.amount);
        return c.amount;
    }

    /// @dev As `_sharesOf`, for one role.
    function _shareOf(Role role, RoundEntry entry, Shares memory budget)
        private
        pure
        returns (uint256)
    {
        if (role == Role.Cloud) return budget.cloud;
        return role == Role.Fog ? budget.fog / entry.clusters() : budget.device / entry.devices();
    }

    /// @dev Whether the member served a settled round: as its cloud, or as fog or signer of an included
    /// cluster.
    function _served(
        Member memory m,
        RoundEntry entry,
        uint256 roundId,
        mapping(uint256 rounds => uint256 bits) storage signed
    ) private view returns (bool) {
        if (m.role == Role.Cloud) {
            return entry.cloud() == m.index;
        }
        if (m.role == Role.None || (entry.included() >> m.cluster) & 1 == 0) return false;
        if (m.role == Role.Fog) return roundId >= m.since && (m.end == 0 || roundId < m.end);
        return (signed[roundId >> 2] >> (((roundId & 3) << 6) | (m.index & 63))) & 1 == 1;
    }
}
