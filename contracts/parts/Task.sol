// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Extension } from "../Extension.sol";
import { Toolbox } from "../Toolbox.sol";
import { Verifier } from "../Verifier.sol";
import { IContractS } from "../interfaces/IContractS.sol";
import { POINT_BYTES } from "../libraries/Bls12381.sol";
import { Phases } from "./Phases.sol";
import { SSTORE2 } from "solady/src/utils/SSTORE2.sol";

/// @title The task: parameters that never change, the Authority, what S computes with, the extension
abstract contract Task is Phases, IContractS {
    uint256 private constant MIN_CAPACITY = 64;
    uint256 private constant MAX_CAPACITY = 4096;
    uint256 private constant MAX_CHUNKS = 64;
    uint256 private constant MIN_BLOCK_SLOTS = 4;
    uint256 private constant MAX_BEACON_DELAY = 200;
    uint256 private constant MAX_FRACTIONAL_BITS = 64;
    // Evidence comes at the end of a round, and may need many transactions: of a noise case at most some
    // forty. Who leaves in the middle of a round cannot take its stake before an hour is left for them.
    uint256 private constant EVIDENCE_MARGIN = 1 hours;

    /// @inheritdoc IContractS
    address public immutable override authority;

    /// @inheritdoc IContractS
    address public immutable override judge;

    /// @inheritdoc IContractS
    address public immutable override noiseSampler;

    /// @inheritdoc IContractS
    address public immutable override extension;

    // Of the parameters, those that S itself computes with, as words of its own.
    Verifier internal immutable _verifier;
    uint256 internal immutable _capacity;
    uint256 private immutable _commitmentBytes;
    uint256 internal immutable _quorum; // t + l - 1
    uint256 internal immutable _minQualified;
    uint256 internal immutable _noiseRounds;
    uint256 internal immutable _rate;
    uint256 internal immutable _minSamples;
    uint256 internal immutable _maxSamples;
    bool internal immutable _voted;
    uint256 private immutable _cloudBudget;
    uint256 private immutable _fogBudget;
    uint256 private immutable _deviceBudget;

    constructor(TaskParameters memory p, Toolbox toolbox, Extension extension_) {
        _requireBounds(p);
        authority = msg.sender;
        judge = address(toolbox.judge());
        noiseSampler = address(toolbox.noiseSampler());
        extension = address(extension_);
        _verifier = toolbox.verifier();
        _constants = SSTORE2.write(abi.encode(Constants(p, msg.sender, address(_verifier), judge)));
        _capacity = p.capacity;
        _commitmentBytes = POINT_BYTES * p.chunks;
        _quorum = uint256(p.threshold) + p.packing - 1;
        _minQualified = p.minQualified;
        _noiseRounds = p.noiseRounds;
        _rate = p.rate;
        _minSamples = p.minSamples;
        _maxSamples = p.maxSamples;
        _voted = p.modelRule == ModelRule.Voted;
        Shares memory budget = _split(p.reward, p.cloudPercent, p.fogPercent);
        (_cloudBudget, _fogBudget, _deviceBudget) = (budget.cloud, budget.fog, budget.device);
    }

    // Ends the call with what `target`, which has the same function, answers to it.
    modifier answeredBy(address target) {
        _;
        bytes memory answer = _ask(target);
        assembly ("memory-safe") {
            return(add(answer, 0x20), mload(answer))
        }
    }

    // Ends the call with what the extension, which has the same function, does about it to this storage.
    modifier extended() {
        _;
        _extend();
    }

    // The same for views, whose code in the extension changes nothing either: the compiler sees to that, and
    // whoever calls a view from Solidity does so by STATICCALL.
    modifier extendedView() {
        _;
        _asView(_extend)();
    }

    // ------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function domainSeparator() external view override returns (bytes32) {
        return _domainSeparatorV4();
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    function _extend() private {
        address target = extension;
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, 0, calldatasize())
            let ok := delegatecall(gas(), target, data, calldatasize(), 0, 0)
            returndatacopy(data, 0, returndatasize())
            if iszero(ok) { revert(data, returndatasize()) }
            return(data, returndatasize())
        }
    }

    function _asView(function() internal changing)
        private
        pure
        returns (function() internal view viewing)
    {
        assembly ("memory-safe") {
            viewing := changing
        }
    }

    function _budget() internal view override returns (Shares memory) {
        return Shares(_cloudBudget, _fogBudget, _deviceBudget);
    }

    /// @dev Commitments have one point a chunk.
    function _requireChunks(uint256 length) internal view {
        _requireLength(length, _commitmentBytes);
    }

    function _requireBounds(TaskParameters memory p) private pure {
        uint256 d = p.capacity;
        _check("capacity", d, d >= MIN_CAPACITY && d <= MAX_CAPACITY && d & (d - 1) == 0);
        _check(
            "packing",
            p.packing,
            p.packing > 0 && d % p.packing == 0 && d / p.packing >= MIN_BLOCK_SLOTS
        );
        _check(
            "chunks",
            p.chunks,
            p.chunks == 1 || (p.chunks > 1 && p.chunks <= MAX_CHUNKS && d == MAX_CAPACITY)
        );
        _check("threshold", p.threshold, p.threshold >= 2);
        // A fog with t - 1 devices of its own sees the sum of two others' updates at least.
        _check("minQualified", p.minQualified, p.minQualified > p.threshold);
        _check("noiseRounds", p.noiseRounds, p.noiseRounds >= 1);
        _check("candidates", p.candidates, p.candidates >= 2);
        _check(
            "beaconDelay", p.beaconDelay, p.beaconDelay >= 2 && p.beaconDelay <= MAX_BEACON_DELAY
        );
        _check(
            "fractionalBits",
            p.fractionalBits,
            p.fractionalBits >= 1 && p.fractionalBits <= MAX_FRACTIONAL_BITS
        );
        _check("minSamples", p.minSamples, p.minSamples >= 1);
        _check("maxSamples", p.maxSamples, p.maxSamples >= p.minSamples);
        _check("anchorTime", p.anchorTime, p.anchorTime >= 1);
        _check("cumulativeTime", p.cumulativeTime, p.cumulativeTime >= 1);
        _check("aggregateTime", p.aggregateTime, p.aggregateTime >= 1);
        uint256 evidenceTime =
            uint256(p.anchorTime) + p.cumulativeTime + p.aggregateTime + EVIDENCE_MARGIN;
        _check("unbondingTime", p.unbondingTime, p.unbondingTime >= evidenceTime);
        _check("modelTime", p.modelTime, (p.modelTime != 0) == (p.modelRule == ModelRule.Voted));
        uint256 percent = uint256(p.cloudPercent) + p.fogPercent;
        _check("cloudPercent", p.cloudPercent, p.cloudPercent <= 100);
        _check("fogPercent", p.fogPercent, percent <= 100);
        uint96 least = p.fogStake < p.cloudStake ? p.fogStake : p.cloudStake;
        _check("silenceFee", p.silenceFee, p.silenceFee == 0 || p.silenceFee < least);
        _check("maxSilences", p.maxSilences, p.maxSilences >= 1);
        _check("claimTime", p.claimTime, p.claimTime >= p.unbondingTime);
    }

    function _check(string memory name, uint256 value, bool inRange) private pure {
        if (!inRange) revert ParameterOutOfRange(name, value);
    }
}
