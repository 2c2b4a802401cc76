// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { R } from "./Bls12381.sol";

/// @title Tagged hashes
/// @notice `keccak(keccak(tag) || words)`; one function for each row of the specification's section 1.
library Transcript {
    bytes32 internal constant POSSESSION = keccak256("verifog pop v1");
    bytes32 internal constant BEACON = keccak256("verifog beacon v1");
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

    function sumLeaf(uint256 index, bytes32 vectorDigest) internal pure returns (bytes32) {
        return keccak256(abi.encode(SUM, index, vectorDigest));
    }

    function anchor(
        bytes32 domain,
        uint256 round,
        uint256 cluster,
        bytes32 sharesRoot,
        bytes32 sumsRoot,
        bytes32 commitmentDigest,
        bytes32 qualifiedDigest
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                ANCHOR,
                domain,
                round,
                cluster,
                sharesRoot,
                sumsRoot,
                commitmentDigest,
                qualifiedDigest
            )
        );
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
