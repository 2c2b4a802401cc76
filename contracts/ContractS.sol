// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { NoiseSampler } from "./NoiseSampler.sol";
import { IContractS } from "./interfaces/IContractS.sol";
import { POINT_BYTES } from "./libraries/Bls12381.sol";
import { Disputes } from "./parts/Disputes.sol";
import { Task } from "./parts/Task.sol";

/// @title Contract S
/// @notice The enforcer of one Verifog task. IContractS.sol is the reading copy; the parts are, from the
/// bottom: Task, Ledger, Membership, Rounds, Settlement, Disputes.
contract ContractS is Disputes {
    /// @inheritdoc IContractS
    address public immutable override noiseSampler;

    /// @param p The task's parameters, within the bounds of the specification, section 2.1.
    /// @param initialModel Commitment to the initial model, one point a chunk; infinity is allowed.
    constructor(TaskParameters memory p, bytes memory initialModel) Task(p) {
        _requireLength(initialModel.length, POINT_BYTES * p.chunks);
        _verifier.requirePoints(initialModel, true);
        modelDigest = keccak256(initialModel);
        noiseSampler = address(new NoiseSampler());
        _emitTaskCreated(p, initialModel);
    }

    // ------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function sampleNoise(bytes32, uint256, uint256)
        external
        view
        override
        returns (int256[] memory)
    {
        _forward(noiseSampler);
    }

    /// @inheritdoc IContractS
    function blindingNoise(bytes32, uint256) external view override returns (uint256) {
        _forward(noiseSampler);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    /// @dev Asks `target`, which has the same function, and ends the call with its answer.
    function _forward(address target) private view {
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, 0, calldatasize())
            let ok := staticcall(gas(), target, data, calldatasize(), 0, 0)
            returndatacopy(data, 0, returndatasize())
            if iszero(ok) { revert(data, returndatasize()) }
            return(data, returndatasize())
        }
    }

    function _emitTaskCreated(TaskParameters memory p, bytes memory initialModel) private {
        emit TaskCreated(
            msg.sender,
            noiseSampler,
            address(_verifier),
            p.capacity,
            p.packing,
            p.chunks,
            p.threshold,
            p.minQualified,
            p.noiseRounds,
            p.candidates,
            p.beaconDelay,
            p.fractionalBits,
            p.statisticsRounds,
            p.rate,
            p.minSamples,
            p.maxSamples,
            p.anchorTime,
            p.cumulativeTime,
            p.aggregateTime,
            p.unbondingTime,
            p.deviceStake,
            p.fogStake,
            p.cloudStake,
            p.reward,
            initialModel,
            modelDigest
        );
    }
}
