// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Toolbox } from "../Toolbox.sol";
import { Verifier } from "../Verifier.sol";
import { IContractS } from "../interfaces/IContractS.sol";
import { POINT_BYTES } from "../libraries/Bls12381.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { SSTORE2 } from "solady/src/utils/SSTORE2.sol";

/// @title The task: parameters that never change, the Authority, the EIP-712 domain
abstract contract Task is IContractS, EIP712 {
    uint256 private constant MIN_CAPACITY = 64;
    uint256 private constant MAX_CAPACITY = 4096;
    uint256 private constant MAX_CHUNKS = 64;
    uint256 private constant MIN_BLOCK_SLOTS = 4;
    uint256 private constant MAX_BEACON_DELAY = 200;
    uint256 private constant MAX_FRACTIONAL_BITS = 64;

    /// @inheritdoc IContractS
    address public immutable override authority;

    /// @inheritdoc IContractS
    address public immutable override judge;

    /// @inheritdoc IContractS
    address public immutable override noiseSampler;

    // All parameters, as the code of a contract; those that S computes with, as words of its own.
    address private immutable _encodedParameters;
    Verifier internal immutable _verifier;
    uint256 internal immutable _capacity;
    uint256 internal immutable _chunks;
    uint256 private immutable _commitmentBytes;
    uint256 internal immutable _quorum; // t + l - 1
    uint256 internal immutable _minQualified;
    uint256 internal immutable _noiseRounds;
    uint256 internal immutable _beaconDelay;
    uint256 internal immutable _statisticsRounds;
    uint256 internal immutable _rate;
    uint256 internal immutable _minSamples;
    uint256 internal immutable _maxSamples;
    uint256 internal immutable _anchorTime;
    uint256 internal immutable _cumulativeTime;
    uint256 internal immutable _aggregateTime;
    uint256 internal immutable _unbondingTime;
    uint256 internal immutable _deviceStake;
    uint256 internal immutable _fogStake;
    uint256 internal immutable _cloudStake;
    uint256 internal immutable _reward;

    constructor(TaskParameters memory p, Toolbox toolbox) EIP712("Verifog", "1") {
        _requireBounds(p);
        authority = msg.sender;
        judge = address(toolbox.judge());
        noiseSampler = address(toolbox.noiseSampler());
        _verifier = toolbox.verifier();
        _encodedParameters = SSTORE2.write(abi.encode(p));
        _capacity = p.capacity;
        _chunks = p.chunks;
        _commitmentBytes = POINT_BYTES * p.chunks;
        _quorum = uint256(p.threshold) + p.packing - 1;
        _minQualified = p.minQualified;
        _noiseRounds = p.noiseRounds;
        _beaconDelay = p.beaconDelay;
        _statisticsRounds = p.statisticsRounds;
        _rate = p.rate;
        _minSamples = p.minSamples;
        _maxSamples = p.maxSamples;
        _anchorTime = p.anchorTime;
        _cumulativeTime = p.cumulativeTime;
        _aggregateTime = p.aggregateTime;
        _unbondingTime = p.unbondingTime;
        _deviceStake = p.deviceStake;
        _fogStake = p.fogStake;
        _cloudStake = p.cloudStake;
        _reward = p.reward;
    }

    // Ends the call with what `target`, which has the same function, answers to it.
    modifier answeredBy(address target) {
        _;
        bytes memory answer = _ask(target);
        assembly ("memory-safe") {
            return(add(answer, 0x20), mload(answer))
        }
    }

    modifier onlyAuthority() {
        _requireAuthority();
        _;
    }

    // ------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function taskParameters() external view override returns (TaskParameters memory) {
        bytes memory encoded = SSTORE2.read(_encodedParameters);
        // The code holds `abi.encode(p)`: what a call answers. Decoding it would only cost code.
        assembly ("memory-safe") {
            return(add(encoded, 0x20), mload(encoded))
        }
    }

    /// @inheritdoc IContractS
    function domainSeparator() external view override returns (bytes32) {
        return _domainSeparatorV4();
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    /// @dev What `target` answers to the call that S is answering. Its refusal is S's.
    function _ask(address target) internal view returns (bytes memory answer) {
        assembly ("memory-safe") {
            answer := mload(0x40)
            let data := add(answer, 0x20)
            calldatacopy(data, 0, calldatasize())
            let ok := staticcall(gas(), target, data, calldatasize(), 0, 0)
            returndatacopy(data, 0, returndatasize())
            if iszero(ok) { revert(data, returndatasize()) }
            mstore(answer, returndatasize())
            mstore(0x40, and(add(add(data, returndatasize()), 0x1f), not(0x1f)))
        }
    }

    function _requireAuthority() private view {
        if (msg.sender != authority) revert NotAuthority(msg.sender);
    }

    /// @dev Commitments have one point a chunk.
    function _requireChunks(uint256 length) internal view {
        _requireLength(length, _commitmentBytes);
    }

    function _requireLength(uint256 given, uint256 expected) internal pure {
        if (given != expected) revert WrongLength(given, expected);
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
        _check("minQualified", p.minQualified, p.minQualified >= 2);
        _check("noiseRounds", p.noiseRounds, p.noiseRounds >= 1);
        _check("candidates", p.candidates, p.candidates >= 2);
        _check(
            "beaconDelay", p.beaconDelay, p.beaconDelay >= 1 && p.beaconDelay <= MAX_BEACON_DELAY
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
        _check("unbondingTime", p.unbondingTime, p.unbondingTime >= 1);
    }

    function _check(string memory name, uint256 value, bool inRange) private pure {
        if (!inRange) revert ParameterOutOfRange(name, value);
    }
}
