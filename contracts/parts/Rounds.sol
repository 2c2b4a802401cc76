// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "../interfaces/IContractS.sol";
import { Bitmap } from "../libraries/Bitmap.sol";
import { G1Point } from "../libraries/Bls12381.sol";
import { RoundEntry, RoundLog } from "../libraries/RoundLog.sol";
import { Transcript } from "../libraries/Transcript.sol";
import { Membership } from "./Membership.sol";

/// @title Rounds: opening, beacon, anchors and cluster sums
abstract contract Rounds is Membership {
    using RoundLog for mapping(uint256 => uint256);

    // The latest round. First slot: written when the round opens and settles; second: by every cluster,
    // never zero after the first round.
    struct Latest {
        uint32 number;
        uint40 openedAt;
        uint32 settledRounds;
        uint24 paidUnits; // shares moved to owed when the round settled
        bool settled;
        bool updatesModel;
        bool provisional; // the model is the result of the round before this one or of this one
        uint128 clusters; // a bitmap, as those below; its type moves it to the second slot
        uint64 anchored;
        uint64 submitted;
    }

    // Sets of phases, as bitmaps over the values of Phase.
    uint256 private constant NONE = 1;
    uint256 private constant ANCHORING = 2;
    uint256 private constant ACCUMULATING = 4;
    uint256 internal constant AGGREGATING = 8;
    uint256 private constant SETTLED = 16;
    uint256 private constant FAILED = 32;

    Latest internal _latest;

    /// @inheritdoc IContractS
    bytes32 public override modelDigest;
    bytes32 internal _previousModelDigest;

    mapping(uint256 pair => uint256 entries) internal _log;
    mapping(uint256 roundId => bytes32 digest) internal _results;

    // keccak(anchor message, signer count, qualified count, commitment digest), and once the sum is
    // submitted keccak(that, vector digest).
    mapping(uint256 roundId => mapping(uint256 clusterId => bytes32 record)) internal _records;
    // The round comes last: a claim of many rounds hashes the rest once.
    mapping(
        uint256 clusterId => mapping(uint256 word => mapping(uint256 roundId => uint256 bits))
    ) internal _signers;
    mapping(uint256 clusterId => mapping(uint256 batch => bytes32 root)) private _noiseRoots;

    // ------------------------------------------------------------------------------------------------
    // External
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function openRound() external override returns (uint256 roundId) {
        Latest memory l = _latest;
        _requirePhase(l, NONE | SETTLED | FAILED);
        _requireOpener();
        if (_accounts.pool < _reward) revert PoolTooLow(_accounts.pool, _reward);
        Roster memory roster = _roster;
        if (roster.activeClusters == 0) revert NoActiveCluster();

        if (!l.settled) {
            // The last round failed. If nobody even anchored on the model it began with, that one goes.
            if (l.provisional && l.anchored == 0) {
                modelDigest = _previousModelDigest;
                emit ModelWithdrawn(l.number, modelDigest);
            }
            l.provisional = false;
        }

        uint256 beaconBlock;
        uint256 units;
        unchecked {
            // Counters that nobody can drive to their bounds.
            roundId = uint256(l.number) + 1;
            beaconBlock = block.number + _beaconDelay;
            units = 1 + Bitmap.popcount(roster.activeClusters) + uint256(roster.activeDevices);
        }
        _log.store(roundId, RoundLog.pack(0, units, 0, beaconBlock));
        l.number = uint32(roundId);
        l.openedAt = uint40(block.timestamp);
        l.paidUnits = 0;
        l.settled = false;
        l.updatesModel = l.settledRounds >= _statisticsRounds;
        l.clusters = roster.activeClusters;
        l.anchored = 0;
        l.submitted = 0;
        _latest = l;
        (uint256 anchorDeadline, uint256 cumulativeDeadline, uint256 aggregateDeadline) =
            _deadlines(l);
        emit RoundOpened(
            roundId,
            beaconBlock,
            anchorDeadline,
            cumulativeDeadline,
            aggregateDeadline,
            l.clusters,
            _reward / units,
            l.updatesModel,
            modelDigest
        );
    }

    /// @inheritdoc IContractS
    function recordNoiseRoot(uint256 clusterId, bytes32 root) external override {
        _requireFog(clusterId);
        if (root == 0) revert ZeroNoiseRoot();
        uint256 batch = currentRound() + 1;
        if (_noiseRoots[clusterId][batch] != 0) {
            revert NoiseRootAlreadyRecorded(clusterId, batch);
        }
        _noiseRoots[clusterId][batch] = root;
        emit NoiseRootRecorded(clusterId, batch, root);
    }

    /// @inheritdoc IContractS
    function anchor(
        uint256 roundId,
        uint256 clusterId,
        uint256 batch,
        Anchor calldata anchored,
        uint256[] calldata signers_,
        bytes calldata absentKeys,
        bytes calldata signature
    ) external override {
        _requireAnchorable(roundId, clusterId, batch);
        _requireChunks(anchored.commitments.length);
        Cluster memory c = _clusters[clusterId];
        (uint256 signerCount, uint256 qualifiedCount) =
            _requireQuorum(roundId, clusterId, _eligible(c), signers_, anchored.qualified);
        // Infinity hides nothing.
        _verifier.requirePoints(anchored.commitments, false);

        bytes32 message = _anchorMessage(roundId, clusterId, anchored);
        G1Point memory key = _signingKey(clusterId, c.devices, signers_, absentKeys);
        if (!_verifier.isSigned(key, message, signature)) revert FalseAttestation(message);

        for (uint256 w = 0; w < signers_.length; ++w) {
            _signers[clusterId][w][roundId] = signers_[w];
        }
        _records[roundId][clusterId] = Transcript.anchorRecord(
            message, signerCount, qualifiedCount, keccak256(anchored.commitments)
        );
        _latest.anchored |= uint64(1 << clusterId);
        emit ClusterAnchored(
            roundId,
            clusterId,
            message,
            anchored.sharesRoot,
            anchored.sumsRoot,
            anchored.commitments,
            anchored.qualified,
            signers_
        );
    }

    /// @inheritdoc IContractS
    function submitCumulative(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest,
        uint256 y,
        bytes calldata proof
    ) external override {
        _requireSubmittable(roundId, clusterId);
        (bytes32 record, bytes32 message) = _recordOf(roundId, clusterId, anchored, signerCount);
        _requireRecord(roundId, clusterId, record);

        uint256 z = Transcript.cumulativeChallenge(message, vectorDigest);
        _verifier.requireOpening(anchored.commitments, _capacity, z, y, proof);

        _records[roundId][clusterId] = Transcript.sumRecord(record, vectorDigest);
        _latest.submitted |= uint64(1 << clusterId);
        emit CumulativeSubmitted(
            roundId, clusterId, keccak256(anchored.commitments), vectorDigest, y, proof
        );
    }

    // ------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function phase() external view override returns (Phase) {
        return _phaseOf(_latest);
    }

    /// @inheritdoc IContractS
    function currentRound() public view override returns (uint256) {
        return _latest.number;
    }

    /// @inheritdoc IContractS
    function round(uint256 roundId)
        external
        view
        override
        returns (
            Phase state,
            uint256 beaconBlock,
            uint256 anchorDeadline,
            uint256 cumulativeDeadline,
            uint256 aggregateDeadline,
            uint256 clusters,
            uint256 anchored,
            uint256 submitted,
            uint256 share,
            bool updatesModel,
            uint256 included,
            address cloud,
            bytes32 resultDigest
        )
    {
        Latest memory l = _latest;
        RoundEntry entry = _requireKnown(roundId);
        beaconBlock = entry.beaconBlock();
        share = _shareOf(entry);
        included = entry.included();
        if (included != 0) cloud = _clouds[entry.cloud()];
        resultDigest = _results[roundId];
        state = included != 0 ? Phase.Settled : Phase.Failed;
        if (roundId == l.number) {
            state = _phaseOf(l);
            (anchorDeadline, cumulativeDeadline, aggregateDeadline) = _deadlines(l);
            (clusters, anchored, submitted) = (l.clusters, l.anchored, l.submitted);
            updatesModel = l.updatesModel;
        }
    }

    /// @inheritdoc IContractS
    function signers(uint256 roundId, uint256 clusterId)
        external
        view
        override
        returns (uint256[] memory bitmap)
    {
        bitmap = new uint256[](Bitmap.words(_clusters[clusterId].devices));
        for (uint256 w = 0; w < bitmap.length; ++w) {
            bitmap[w] = _signers[clusterId][w][roundId];
        }
    }

    /// @inheritdoc IContractS
    function recordOf(uint256 roundId, uint256 clusterId) external view override returns (bytes32) {
        return _records[roundId][clusterId];
    }

    /// @inheritdoc IContractS
    function noiseRoot(uint256 clusterId, uint256 batch) external view override returns (bytes32) {
        return _noiseRoots[clusterId][batch];
    }

    /// @inheritdoc IContractS
    function previousModel() external view override returns (bytes32 digest, bool provisional) {
        Latest memory l = _latest;
        // Of a settled round nobody can have anchored on the result yet.
        return (_previousModelDigest, l.provisional && (l.settled || l.anchored == 0));
    }

    /// @inheritdoc IContractS
    function settledRounds() external view override returns (uint256) {
        return _latest.settledRounds;
    }

    /// @inheritdoc IContractS
    function anchorMessage(uint256 roundId, uint256 clusterId, Anchor calldata anchored)
        external
        view
        override
        returns (bytes32)
    {
        return _anchorMessage(roundId, clusterId, anchored);
    }

    /// @inheritdoc IContractS
    function cumulativeChallenge(bytes32 anchorMessage_, bytes32 vectorDigest)
        external
        pure
        override
        returns (uint256)
    {
        return Transcript.cumulativeChallenge(anchorMessage_, vectorDigest);
    }

    /// @inheritdoc IContractS
    function beacon(uint256 roundId, bytes calldata header)
        external
        view
        override
        answeredBy(judge)
        returns (bytes32)
    { }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    /// @dev A function of the counters and the time; the table is in the specification, section 2.3.
    function _phaseOf(Latest memory l) internal view returns (Phase) {
        if (l.number == 0) return Phase.None;
        if (l.settled) return Phase.Settled;
        (uint256 anchorDeadline, uint256 cumulativeDeadline, uint256 aggregateDeadline) =
            _deadlines(l);
        bool early = block.timestamp < anchorDeadline;
        // `anchored` is a subset of `clusters` and `submitted` of `anchored`: equal counts, equal sets.
        if (early && l.anchored != l.clusters) return Phase.Anchoring;
        if (l.anchored == 0) return Phase.Failed;
        if (block.timestamp < cumulativeDeadline) {
            return l.submitted != l.anchored ? Phase.Accumulating : Phase.Aggregating;
        }
        if (l.submitted == 0) return Phase.Failed;
        return block.timestamp < aggregateDeadline ? Phase.Aggregating : Phase.Failed;
    }

    function _deadlines(Latest memory l)
        internal
        view
        returns (uint256 anchorDeadline, uint256 cumulativeDeadline, uint256 aggregateDeadline)
    {
        unchecked {
            // A time below 2^40 and three below 2^32.
            anchorDeadline = uint256(l.openedAt) + _anchorTime;
            cumulativeDeadline = anchorDeadline + _cumulativeTime;
            aggregateDeadline = cumulativeDeadline + _aggregateTime;
        }
    }

    /// @dev The latest round, which must be this one and in one of these phases.
    function _enter(uint256 roundId, uint256 phases) internal view returns (Latest memory l) {
        l = _latest;
        if (roundId != l.number) revert WrongRound(roundId, l.number);
        _requirePhase(l, phases);
    }

    function _requirePhase(Latest memory l, uint256 phases) private view {
        Phase p = _phaseOf(l);
        if ((phases >> uint256(p)) & 1 == 0) revert WrongPhase(p);
    }

    function _requireKnown(uint256 roundId) internal view returns (RoundEntry) {
        if (roundId == 0 || roundId > _latest.number) revert UnknownRound(roundId);
        return _log.load(roundId);
    }

    function _requireRecord(uint256 roundId, uint256 clusterId, bytes32 given) internal view {
        bytes32 stored = _records[roundId][clusterId];
        if (given != stored) revert WrongRecord(clusterId, given, stored);
    }

    /// @dev What each member that serves a known round earns.
    function _shareOf(RoundEntry entry) internal view returns (uint256) {
        return _reward / entry.units();
    }

    /// @dev The record that an anchor leaves, and the message it holds.
    function _recordOf(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount
    ) internal view returns (bytes32 record, bytes32 message) {
        message = _anchorMessage(roundId, clusterId, anchored);
        record = Transcript.anchorRecord(
            message, signerCount, Bitmap.count(anchored.qualified), keccak256(anchored.commitments)
        );
    }

    function _anchorMessage(uint256 roundId, uint256 clusterId, Anchor calldata anchored)
        private
        view
        returns (bytes32)
    {
        return Transcript.anchor(_domainSeparatorV4(), roundId, clusterId, anchored);
    }

    function _requireOpener() private view {
        if (msg.sender == authority) return;
        Role role = _members[msg.sender].role;
        if ((role != Role.Fog && role != Role.Cloud) || !_isActive(msg.sender)) {
            revert NotAllowedToOpen(msg.sender);
        }
    }

    function _requireFog(uint256 clusterId) private view {
        if (_clusters[clusterId].fog != msg.sender) revert NotFogOfCluster(clusterId, msg.sender);
    }

    function _requireAnchorable(uint256 roundId, uint256 clusterId, uint256 batch) private view {
        Latest memory l = _enter(roundId, ANCHORING);
        _requireFog(clusterId);
        if (!_clusters[clusterId].active) revert InactiveCluster(clusterId);
        // A known fog's cluster is below 64.
        if ((l.clusters >> clusterId) & 1 == 0) revert ClusterNotInRound(clusterId, roundId);
        if ((l.anchored >> clusterId) & 1 == 1) revert AlreadyAnchored(clusterId, roundId);
        unchecked {
            // A batch after the round wraps around to a distance that no batch covers.
            if (roundId - batch >= _noiseRounds) revert BatchDoesNotCover(batch, roundId);
        }
        if (_noiseRoots[clusterId][batch] == 0) revert NoiseRootMissing(clusterId, batch);
    }

    function _requireSubmittable(uint256 roundId, uint256 clusterId) private view {
        Latest memory l = _enter(roundId, ANCHORING | ACCUMULATING);
        _requireFog(clusterId);
        if ((l.submitted >> clusterId) & 1 == 1) revert AlreadySubmitted(clusterId, roundId);
    }

    /// @dev Signers are active, the qualified were active when the round opened, both are enough.
    function _requireQuorum(
        uint256 roundId,
        uint256 clusterId,
        uint256 eligible,
        uint256[] calldata signers_,
        uint256[] calldata qualified
    ) private view returns (uint256 signerCount, uint256 qualifiedCount) {
        uint256 words = Bitmap.words(eligible);
        _requireLength(signers_.length, words);
        _requireLength(qualified.length, words);
        for (uint256 w = 0; w < words; ++w) {
            uint256 mask = Bitmap.maskBelow(eligible, w);
            uint256 active = _activeDevices[clusterId][w] & mask;
            uint256 strangers = qualified[w] & ~active;
            if (strangers != 0) strangers &= ~(_departed[roundId][clusterId][w] & mask);
            strangers |= signers_[w] & ~active;
            if (strangers != 0) revert NotActiveDevices(clusterId, w, strangers);
        }
        signerCount = Bitmap.count(signers_);
        qualifiedCount = Bitmap.count(qualified);
        if (qualifiedCount < _minQualified) revert TooFewQualified(qualifiedCount, _minQualified);
        if (signerCount < _quorum) revert TooFewSigners(signerCount, _quorum);
    }
}
