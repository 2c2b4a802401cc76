// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "../interfaces/IContractS.sol";
import { Task } from "./Task.sol";

/// @title The functions of S whose code is elsewhere
/// @notice In the extension, which works on the storage of S, or in one of the contracts without state. The call
/// goes there as it came: the parameters are named for those who read the ABI.
abstract contract Extended is Task {
    /// @inheritdoc IContractS
    function depositStake(address account) external payable override extended { }

    /// @inheritdoc IContractS
    function admitCloud(address account) external override extended { }

    /// @inheritdoc IContractS
    function admitFog(address account) external override extended returns (uint256 clusterId) { }

    /// @inheritdoc IContractS
    function admitSuccessor(uint256 clusterId, address account) external override extended { }

    /// @inheritdoc IContractS
    function resumeCluster(uint256 clusterId) external override extended { }

    /// @inheritdoc IContractS
    function admitDevices(uint256 clusterId, Admission[] calldata admissions)
        external
        override
        extended
    { }

    /// @inheritdoc IContractS
    function requestExit(bytes calldata publicKey) external override extended { }

    /// @inheritdoc IContractS
    function requestExitFor(address account, bytes calldata publicKey, bytes calldata signature)
        external
        override
        extended
    { }

    /// @inheritdoc IContractS
    function withdrawStake(address account) external override extended { }

    /// @inheritdoc IContractS
    function openRound() external override extended returns (uint256 roundId) { }

    /// @inheritdoc IContractS
    function closeRound() external override extended { }

    /// @inheritdoc IContractS
    function submitModel(
        uint256 roundId,
        bytes calldata model,
        uint256 voters,
        bytes[] calldata signatures
    ) external override extended { }

    /// @inheritdoc IContractS
    function withdrawPool(uint256 amount) external override extended { }

    /// @inheritdoc IContractS
    function returnUnclaimed(uint256 word) external override extended { }

    /// @inheritdoc IContractS
    function fundPool() external payable override extended { }

    /// @inheritdoc IContractS
    function reportFalseShare(
        SignedWitness calldata w,
        uint256 x,
        uint256 position,
        bytes calldata share,
        bytes32[] calldata path,
        bytes calldata publicKey
    ) external override extended { }

    /// @inheritdoc IContractS
    function reportFalseWitness(SignedWitness calldata w, bytes calldata publicKey)
        external
        override
        extended
    { }

    /// @inheritdoc IContractS
    function reportEquivocation(
        Statement kind,
        bytes calldata first,
        bytes calldata firstSignature,
        bytes calldata second,
        bytes calldata secondSignature,
        bytes calldata publicKey
    ) external override extended { }

    /// @inheritdoc IContractS
    function reportFalseAnchor(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest,
        bytes calldata leaves
    ) external override extended { }

    /// @inheritdoc IContractS
    function advanceNoiseCase(NoiseEvidence calldata evidence, uint256 slots)
        external
        override
        extended
    { }

    /// @inheritdoc IContractS
    function reportFalseNoise(
        NoiseEvidence calldata evidence,
        bytes calldata commitments,
        bytes calldata proof,
        bytes calldata publicKey
    ) external override extended { }

    /// @inheritdoc IContractS
    function reportFalseResult(
        uint256 roundId,
        bytes32 commitmentDigest,
        bytes32 vectorDigest,
        bytes calldata signature
    ) external override extended { }

    /// @inheritdoc IContractS
    function reportFalseVector(
        uint256 roundId,
        bytes calldata vector,
        bytes calldata commitments,
        uint256 y,
        bytes calldata proof
    ) external override extended { }

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
    ) external view override answeredBy(judge) returns (bool) { }

    /// @inheritdoc IContractS
    function verifyCumulative(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest
    ) external view override answeredBy(judge) returns (bool) { }

    /// @inheritdoc IContractS
    function verifyAggregate(uint256 roundId, bytes32 commitmentDigest, bytes32 vectorDigest)
        external
        view
        override
        extendedView
        returns (bool)
    { }

    /// @inheritdoc IContractS
    function taskParameters()
        external
        view
        override
        extendedView
        returns (TaskParameters memory)
    { }

    /// @inheritdoc IContractS
    function round(uint256 roundId)
        external
        view
        override
        extendedView
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
    { }

    /// @inheritdoc IContractS
    function signers(uint256 roundId, uint256 clusterId)
        external
        view
        override
        extendedView
        returns (uint256[] memory)
    { }

    /// @inheritdoc IContractS
    function recordOf(uint256 roundId, uint256 clusterId)
        external
        view
        override
        extendedView
        returns (bytes32)
    { }

    /// @inheritdoc IContractS
    function noiseRoot(uint256 clusterId, uint256 batch)
        external
        view
        override
        extendedView
        returns (bytes32)
    { }

    /// @inheritdoc IContractS
    function previousModel()
        external
        view
        override
        extendedView
        returns (bytes32 digest, bool provisional)
    { }

    /// @inheritdoc IContractS
    function settledRounds() external view override extendedView returns (uint256) { }

    /// @inheritdoc IContractS
    function member(address account)
        external
        view
        override
        extendedView
        returns (
            Role role,
            bool active,
            bool slashed,
            uint256 stake,
            uint256 clusterId,
            uint256 index,
            uint256 withdrawableAt
        )
    { }

    /// @inheritdoc IContractS
    function cluster(uint256 clusterId)
        external
        view
        override
        extendedView
        returns (
            address fog,
            bool active,
            uint256 devices,
            uint256 activeCount,
            uint256 eligible,
            bytes memory aggregateKey
        )
    { }

    /// @inheritdoc IContractS
    function fogOf(uint256 clusterId, uint256 roundId)
        external
        view
        override
        extendedView
        returns (address)
    { }

    /// @inheritdoc IContractS
    function silencesOf(uint256 clusterId) external view override extendedView returns (uint256) { }

    /// @inheritdoc IContractS
    function modelQuorum()
        external
        view
        override
        extendedView
        returns (uint256 voters, uint256 required)
    { }

    /// @inheritdoc IContractS
    function rewardsOf(uint256 word)
        external
        view
        override
        extendedView
        returns (uint256 owed, uint256 deadline, uint256 returnedUpTo)
    { }

    /// @inheritdoc IContractS
    function activeDevices(uint256 clusterId)
        external
        view
        override
        extendedView
        returns (uint256[] memory)
    { }

    /// @inheritdoc IContractS
    function keyOwner(bytes32 keyHash)
        external
        view
        override
        extendedView
        returns (address account, uint256 clusterId, uint256 index)
    { }

    /// @inheritdoc IContractS
    function counts()
        external
        view
        override
        extendedView
        returns (uint256 clusters, uint256 clouds, uint256 activeCount)
    { }

    /// @inheritdoc IContractS
    function accounting()
        external
        view
        override
        extendedView
        returns (uint256 stakes, uint256 owed, uint256 pool, uint256 burnt)
    { }

    /// @inheritdoc IContractS
    function creditOf(address account) external view override extendedView returns (uint256) { }

    /// @inheritdoc IContractS
    function noiseCase(bytes32 caseId)
        external
        view
        override
        extendedView
        returns (address reporter, uint256 done, uint256 value)
    { }

    /// @inheritdoc IContractS
    function claimedRounds(address account, uint256 word)
        external
        view
        override
        extendedView
        returns (uint256)
    { }

    /// @inheritdoc IContractS
    function possessionMessage(address account, bytes calldata publicKey, bytes32 sealingKey)
        external
        view
        override
        extendedView
        returns (bytes32)
    { }

    /// @inheritdoc IContractS
    function beacon(uint256 roundId, bytes calldata header)
        external
        view
        override
        answeredBy(judge)
        returns (bytes32)
    { }

    /// @inheritdoc IContractS
    function sampleNoise(bytes32 seed, uint256 from, uint256 to)
        external
        view
        override
        answeredBy(noiseSampler)
        returns (int256[] memory)
    { }

    /// @inheritdoc IContractS
    function blindingNoise(bytes32 seed, uint256 slot)
        external
        view
        override
        answeredBy(noiseSampler)
        returns (uint256)
    { }
}
