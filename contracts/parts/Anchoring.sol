// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "../interfaces/IContractS.sol";
import { Bitmap } from "../libraries/Bitmap.sol";
import { Bls12381, G1Point, POINT_BYTES } from "../libraries/Bls12381.sol";
import { Transcript } from "../libraries/Transcript.sol";
import { Keys } from "./Keys.sol";
import { Task } from "./Task.sol";

/// @title Noise roots, anchors and cluster sums
abstract contract Anchoring is Task, Keys {
    // ------------------------------------------------------------------------------------------------
    // External
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function recordNoiseRoot(uint256 clusterId, bytes32 root) external override {
        _requireFog(clusterId);
        if (root == 0) revert ZeroNoiseRoot();
        uint256 batch = uint256(_latest.number) + 1;
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
            _attested[clusterId][w] = signers_[w];
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

        // The record binds how many words the anchor of this round has written.
        _addSigners(roundId, clusterId, anchored.qualified.length);
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

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    /// @dev Keeps those who attested what is anchored as those who are paid if the sum is included.
    function _addSigners(uint256 roundId, uint256 clusterId, uint256 words) private {
        uint256 shift = 64 * (roundId % 4);
        for (uint256 w = 0; w < words; ++w) {
            uint256 bits = _attested[clusterId][w];
            for (uint256 g = 4 * w; bits != 0; ++g) {
                uint256 part = uint64(bits);
                if (part != 0) _signers[clusterId][g][roundId / 4] |= part << shift;
                bits >>= 64;
            }
        }
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

    function _requireRecord(uint256 roundId, uint256 clusterId, bytes32 given) internal view {
        bytes32 stored = _records[roundId][clusterId];
        if (given != stored) revert WrongRecord(clusterId, given, stored);
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

    /// @dev The sum of the keys of the active devices that signed: the aggregate key less the absent
    /// ones, which are checked to be just those. The caller checks that all signers are active.
    function _signingKey(
        uint256 clusterId,
        uint256 devices,
        uint256[] calldata signers_,
        bytes calldata absentKeys
    ) private view returns (G1Point memory key) {
        key = _loadKey(clusterId);
        uint256 offset = 0;
        for (uint256 w = 0; w < Bitmap.words(devices); ++w) {
            uint256 missing = _activeDevices[clusterId][w];
            if (w < signers_.length) missing &= ~signers_[w];
            while (missing != 0) {
                if (offset + POINT_BYTES > absentKeys.length) {
                    revert WrongLength(absentKeys.length, offset + POINT_BYTES);
                }
                key = _subtractKey(
                    key,
                    clusterId,
                    256 * w + Bitmap.lowest(missing),
                    absentKeys[offset:offset + POINT_BYTES]
                );
                unchecked {
                    // Drops the lowest bit of a word that is not zero.
                    missing &= missing - 1;
                    offset += POINT_BYTES;
                }
            }
        }
        _requireLength(absentKeys.length, offset);
        if (Bls12381.isInfinity(key)) revert AttestationKeyAtInfinity(clusterId);
    }
}
