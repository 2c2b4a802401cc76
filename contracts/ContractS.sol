// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Extension } from "./Extension.sol";
import { Toolbox } from "./Toolbox.sol";
import { IContractS } from "./interfaces/IContractS.sol";
import { POINT_BYTES } from "./libraries/Bls12381.sol";
import { Extended } from "./parts/Extended.sol";
import { Settlement } from "./parts/Settlement.sol";
import { Task } from "./parts/Task.sol";

/// @title Contract S
/// @notice The enforcer of one Verifog task. IContractS.sol is the reading copy; the parts are, from the
/// bottom: TaskStorage, Task, Phases, Keys, Anchoring, Settlement. What is not done in every round by every
/// cluster is in the extension, whose functions Extended.sol lists.
contract ContractS is Settlement, Extended {
    /// @param p The task's parameters, within the bounds of the specification, section 2.1.
    /// @param initialModel Commitment to the initial model, one point a chunk; infinity is allowed.
    /// @param toolbox What S computes with.
    /// @param extension_ The code for the rest.
    constructor(
        TaskParameters memory p,
        bytes memory initialModel,
        Toolbox toolbox,
        Extension extension_
    ) Task(p, toolbox, extension_) {
        _requireLength(initialModel.length, POINT_BYTES * p.chunks);
        _verifier.requirePoints(initialModel, true);
        _modelDigest = keccak256(initialModel);
        _emitTaskCreated(p, initialModel, address(toolbox));
    }

    // ------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function phase() external view override returns (Phase) {
        return _phaseOf(_latest);
    }

    /// @inheritdoc IContractS
    function currentRound() external view override returns (uint256) {
        return _latest.number;
    }

    /// @inheritdoc IContractS
    function modelDigest() external view override returns (bytes32) {
        return _modelDigest;
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    function _emitTaskCreated(TaskParameters memory p, bytes memory initialModel, address toolbox)
        private
    {
        emit TaskCreated(
            msg.sender,
            toolbox,
            noiseSampler,
            address(_verifier),
            judge,
            extension,
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
            p.modelRule,
            p.modelTime,
            p.cloudPercent,
            p.fogPercent,
            p.silenceFee,
            p.maxSilences,
            p.claimTime,
            initialModel,
            _modelDigest
        );
    }
}
