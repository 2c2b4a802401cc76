// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../interfaces/ITask.sol";
import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import { MessageHashUtils } from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title Signed statements (EIP-712)
/// @notice The messages that are evidence against those who signed them; specification, section 3.1. All
/// their fields are single words; round and cluster come first, then a device's index.
library Statements {
    bytes32 internal constant NOISE_ROOT =
        keccak256("NoiseRoot(uint256 round,uint256 cluster,uint256 index,bytes32 root)");
    bytes32 internal constant MASKED_PACKET = keccak256(
        "MaskedPacket(uint256 round,uint256 cluster,uint256 index,uint256 batch,bytes32 commitment,bytes32 masked,bytes32 noiseRoot,bytes32 noise,bytes32 past)"
    );
    bytes32 internal constant WITNESS = keccak256(
        "Witness(uint256 round,uint256 cluster,uint256 index,bytes32 selection,uint256 count,bytes32 commitment,bytes32 root,bytes32 polynomial,bytes32 opening)"
    );
    bytes32 internal constant SELECTION =
        keccak256("Selection(uint256 round,uint256 cluster,bytes32 root,uint256 count)");
    bytes32 internal constant QUALIFIED =
        keccak256("Qualified(uint256 round,uint256 cluster,bytes32 root)");
    bytes32 internal constant RESULT =
        keccak256("Result(uint256 round,bytes32 commitmentDigest,bytes32 vectorDigest)");

    bytes32 internal constant MODEL_VOTE =
        keccak256("ModelVote(uint256 round,bytes32 resultDigest,bytes32 modelDigest)");

    /// @dev Type hash, number of words, and how many of them name the occasion: round, cluster and, where
    /// a device speaks, its index; of a model vote, round and result.
    function shapeOf(ITask.Statement kind)
        internal
        pure
        returns (bytes32 typehash, uint256 words, uint256 occasion)
    {
        if (kind == ITask.Statement.NoiseRoot) return (NOISE_ROOT, 4, 3);
        if (kind == ITask.Statement.MaskedPacket) return (MASKED_PACKET, 9, 3);
        if (kind == ITask.Statement.Witness) return (WITNESS, 9, 3);
        if (kind == ITask.Statement.Selection) return (SELECTION, 4, 2);
        if (kind == ITask.Statement.Qualified) return (QUALIFIED, 3, 2);
        return (MODEL_VOTE, 3, 2);
    }

    /// @dev Who signed the struct under the domain. Refuses every form of a signature but one.
    function signerOf(bytes32 domain, bytes32 structHash, bytes calldata signature)
        internal
        pure
        returns (address)
    {
        return ECDSA.recoverCalldata(
            MessageHashUtils.toTypedDataHash(domain, structHash), signature
        );
    }
}
