// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "../interfaces/IContractS.sol";
import { Horner } from "../libraries/Horner.sol";
import { Merkle } from "../libraries/Merkle.sol";
import { RoundLog } from "../libraries/RoundLog.sol";
import { Transcript } from "../libraries/Transcript.sol";
import { Settlement } from "./Settlement.sol";
import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Disputes: verification on request, and evidence against a round's cloud
abstract contract Disputes is Settlement {
    using RoundLog for mapping(uint256 => uint256);

    bytes32 private constant RESULT_TYPEHASH =
        keccak256("Result(uint256 round,bytes32 commitmentDigest,bytes32 vectorDigest)");

    // ------------------------------------------------------------------------------------------------
    // External
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function reportFalseResult(
        uint256 roundId,
        bytes32 commitmentDigest,
        bytes32 vectorDigest,
        bytes calldata signature
    ) external override {
        address cloud = _requireSettled(roundId);
        bytes32 structHash =
            keccak256(abi.encode(RESULT_TYPEHASH, roundId, commitmentDigest, vectorDigest));
        address signer = ECDSA.recoverCalldata(_hashTypedDataV4(structHash), signature);
        if (signer != cloud) revert NotCloudOfRound(signer, roundId);
        if (_resultDigest(commitmentDigest, vectorDigest) == _results[roundId]) {
            revert ResultIsAccepted(roundId);
        }
        _convict(roundId, cloud);
    }

    /// @inheritdoc IContractS
    function reportFalseVector(
        uint256 roundId,
        bytes calldata vector,
        bytes calldata commitments,
        uint256 y,
        bytes calldata proof
    ) external override {
        address cloud = _requireSettled(roundId);
        bytes32 commitmentDigest = keccak256(commitments);
        bytes32 vectorDigest = keccak256(vector);
        bytes32 given = _resultDigest(commitmentDigest, vectorDigest);
        if (given != _results[roundId]) revert WrongResult(roundId, given, _results[roundId]);
        uint256 z = _aggregateChallenge(
            roundId, _log.load(roundId).included(), commitmentDigest, vectorDigest
        );
        _verifier.requireOpening(commitments, _capacity, z, y, proof);
        (uint256 value, bool canonical) = Horner.evaluate(vector, z);
        if (canonical && vector.length == 32 * _capacity * _chunks && value == y) {
            revert VectorIsAccepted(roundId, y);
        }
        _convict(roundId, cloud);
    }

    // ------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function verifyShareSum(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest,
        uint256 index,
        uint256 position,
        bytes32 sumDigest,
        bytes32[] calldata path
    ) external view override returns (bool) {
        (bytes32 record,) = _recordOf(roundId, clusterId, anchored, signerCount);
        if (vectorDigest != 0) record = _sumRecord(record, vectorDigest);
        return record == _records[roundId][clusterId]
            && Merkle.rootOf(Transcript.sumLeaf(index, sumDigest), position, path)
                == anchored.sumsRoot;
    }

    /// @inheritdoc IContractS
    function verifyCumulative(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest
    ) external view override returns (bool) {
        (bytes32 record,) = _recordOf(roundId, clusterId, anchored, signerCount);
        return _sumRecord(record, vectorDigest) == _records[roundId][clusterId];
    }

    /// @inheritdoc IContractS
    function verifyAggregate(uint256 roundId, bytes32 commitmentDigest, bytes32 vectorDigest)
        external
        view
        override
        returns (bool)
    {
        return _resultDigest(commitmentDigest, vectorDigest) == _results[roundId];
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    /// @dev The account of the cloud that settled the round.
    function _requireSettled(uint256 roundId) private view returns (address) {
        if (_results[roundId] == 0) revert RoundNotSettled(roundId);
        return _clouds[_log.load(roundId).cloud()];
    }

    /// @dev Rejects the round's result while that is possible, and slashes its cloud. Evidence against a
    /// cloud that has lost its stake counts as long as it can still save the round.
    function _convict(uint256 roundId, address cloud) private {
        if (roundId == _rejectableRound()) _reject(roundId, cloud);
        else if (_members[cloud].stake == 0) revert NothingToSlash(cloud);
        _slash(cloud, msg.sender, msg.data[0:0]);
    }
}
