// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../interfaces/ITask.sol";
import { Bitmap } from "./Bitmap.sol";
import { R } from "./Bls12381.sol";

/// @title Hashes
/// @notice `keccak(keccak(tag) || words)`, one function for each row of the specification's section 1, and what
/// S keeps records by.
library Transcript {
    bytes32 internal constant POSSESSION = keccak256("verifog pop v1");
    bytes32 internal constant BEACON = keccak256("verifog beacon v1");
    bytes32 internal constant CONTEXT = keccak256("verifog context v1");
    bytes32 internal constant SHARE = keccak256("verifog share v1");
    bytes32 internal constant SHARE_CHALLENGE = keccak256("verifog share challenge v1");
    bytes32 internal constant NOISE_SEED = keccak256("verifog noise seed v1");
    bytes32 internal constant NOISE_CANDIDATE = keccak256("verifog noise candidate v1");
    bytes32 internal constant NOISE_CASE = keccak256("verifog noise case v1");
    bytes32 internal constant SELECTED = keccak256("verifog selected v1");
    bytes32 internal constant SUM = keccak256("verifog sum v1");
    bytes32 internal constant ANCHOR = keccak256("verifog anchor v1");
    bytes32 internal constant CUMULATIVE = keccak256("verifog cumulative v1");
    bytes32 internal constant AGGREGATE = keccak256("verifog aggregate v1");

    function possession(bytes32 domain, address account, bytes32 keyHash, bytes32 sealingKey)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(POSSESSION, domain, account, keyHash, sealingKey));
    }

    function beacon(bytes32 domain, uint256 round, bytes32 prevrandao)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(BEACON, domain, round, prevrandao));
    }

    function context(bytes32 domain, uint256 round, uint256 cluster, bytes32 selection)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(CONTEXT, domain, round, cluster, selection));
    }

    function shareLeaf(uint256 x, bytes calldata share) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(SHARE, x, share));
    }

    function shareChallenge(
        bytes32 context_,
        address dealer,
        bytes32 commitmentDigest,
        bytes32 root,
        uint256 recipients,
        uint256 threshold,
        uint256 packing
    ) internal pure returns (uint256) {
        return uint256(
            keccak256(
            abi.encode(
            SHARE_CHALLENGE,
            context_,
            dealer,
            commitmentDigest,
            root,
            recipients,
            threshold,
            packing
        )
        )
        ) % R;
    }

    function noiseLeaf(uint256 place, uint256 candidate, bytes32 seed, bytes32 commitmentDigest)
        internal
        pure
        returns (bytes32)
    {
        bytes32 seedHash = keccak256(abi.encode(NOISE_SEED, seed));
        return keccak256(abi.encode(NOISE_CANDIDATE, place, candidate, seedHash, commitmentDigest));
    }

    /// @dev Names the case; modulo R it is the challenge.
    function noiseCase(
        bytes32 domain,
        address device,
        bytes32 root,
        bytes32 leaf,
        bytes32 commitmentDigest
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(NOISE_CASE, domain, device, root, leaf, commitmentDigest));
    }

    function selectedLeaf(uint256 index, address device, bytes32 commitmentDigest)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(SELECTED, index, device, commitmentDigest));
    }

    function sumLeaf(uint256 index, bytes32 vectorDigest) internal pure returns (bytes32) {
        return keccak256(abi.encode(SUM, index, vectorDigest));
    }

    /// @dev What devices attest and S stores: the anchor message.
    function anchor(bytes32 domain, uint256 round, uint256 cluster, ITask.Anchor calldata anchored)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                ANCHOR,
                domain,
                round,
                cluster,
                anchored.sharesRoot,
                anchored.sumsRoot,
                keccak256(anchored.commitments),
                Bitmap.digest(anchored.qualified)
            )
        );
    }

    /// @dev What S keeps of an anchored cluster.
    function anchorRecord(
        bytes32 message,
        uint256 signerCount,
        uint256 qualifiedCount,
        bytes32 commitmentDigest
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(message, signerCount, qualifiedCount, commitmentDigest));
    }

    /// @dev What S keeps of a cluster once its sum is submitted.
    function sumRecord(bytes32 record, bytes32 vectorDigest) internal pure returns (bytes32) {
        return keccak256(abi.encode(record, vectorDigest));
    }

    /// @dev What S keeps of an accepted result.
    function result(bytes32 commitmentDigest, bytes32 vectorDigest)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(commitmentDigest, vectorDigest));
    }

    function cumulativeChallenge(bytes32 anchorMessage, bytes32 vectorDigest)
        internal
        pure
        returns (uint256)
    {
        return uint256(keccak256(abi.encode(CUMULATIVE, anchorMessage, vectorDigest))) % R;
    }

    function aggregateChallenge(
        bytes32 domain,
        uint256 round,
        uint256 included,
        bytes32 commitmentDigest,
        bytes32 vectorDigest
    ) internal pure returns (uint256) {
        return uint256(
            keccak256(
            abi.encode(AGGREGATE, domain, round, included, commitmentDigest, vectorDigest)
        )
        ) % R;
    }
}
