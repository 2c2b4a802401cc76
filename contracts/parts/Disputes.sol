// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Verdict } from "../Judge.sol";
import { IContractS } from "../interfaces/IContractS.sol";
import { RoundLog } from "../libraries/RoundLog.sol";
import { Transcript } from "../libraries/Transcript.sol";
import { Settlement } from "./Settlement.sol";

/// @title Disputes: what evidence leads to, and verification on request
/// @notice The judge decides: it is asked with the very call that came.
abstract contract Disputes is Settlement {
    using RoundLog for mapping(uint256 => uint256);

    // Two slots. The sum over the first `done` slots, counted from the last.
    struct NoiseCase {
        address reporter;
        uint32 done;
        uint256 value;
    }

    mapping(bytes32 caseId => NoiseCase) private _noiseCases;

    // The judge gets the whole call: the parameters are named for those who read the ABI.
    modifier convicts() {
        _convict();
        _;
    }

    modifier advancesNoise() {
        _advanceNoise();
        _;
    }

    // ------------------------------------------------------------------------------------------------
    // External
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function reportFalseShare(
        SignedWitness calldata w,
        uint256 x,
        uint256 position,
        bytes calldata share,
        bytes32[] calldata path,
        bytes calldata publicKey
    ) external override convicts { }

    /// @inheritdoc IContractS
    function reportFalseWitness(SignedWitness calldata w, bytes calldata publicKey)
        external
        override
        convicts
    { }

    /// @inheritdoc IContractS
    function reportEquivocation(
        Statement kind,
        bytes calldata first,
        bytes calldata firstSignature,
        bytes calldata second,
        bytes calldata secondSignature,
        bytes calldata publicKey
    ) external override convicts { }

    /// @inheritdoc IContractS
    function reportFalseAnchor(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest,
        bytes calldata leaves
    ) external override convicts { }

    /// @inheritdoc IContractS
    function advanceNoiseCase(NoiseEvidence calldata evidence, uint256 slots)
        external
        override
        advancesNoise
    { }

    /// @inheritdoc IContractS
    function reportFalseNoise(
        NoiseEvidence calldata evidence,
        bytes calldata commitments,
        bytes calldata proof,
        bytes calldata publicKey
    ) external override convicts { }

    /// @inheritdoc IContractS
    function reportFalseResult(
        uint256 roundId,
        bytes32 commitmentDigest,
        bytes32 vectorDigest,
        bytes calldata signature
    ) external override convicts { }

    /// @inheritdoc IContractS
    function reportFalseVector(
        uint256 roundId,
        bytes calldata vector,
        bytes calldata commitments,
        uint256 y,
        bytes calldata proof
    ) external override convicts { }

    // ------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function noiseCase(bytes32 caseId)
        external
        view
        override
        returns (address reporter, uint256 done, uint256 value)
    {
        NoiseCase memory c = _noiseCases[caseId];
        return (c.reporter, c.done, c.value);
    }

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
        returns (bool)
    {
        return Transcript.result(commitmentDigest, vectorDigest) == _results[roundId];
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    /// @dev Asks the judge and slashes whom it finds guilty, once. A false result is also rejected as long as
    /// that is possible, even if there is nothing left to slash.
    function _convict() private {
        Verdict memory v = abi.decode(_ask(judge), (Verdict));
        emit OffenceProven(v.account, v.offence, v.round, v.cluster, v.evidence);
        bool rejects = v.offence >= Offence.FalseResult && v.round == _rejectableRound();
        if (rejects) _reject(v.round, v.account);
        if (_members[v.account].stake != 0 || _isActive(v.account)) {
            _slash(v.account, v.reporter == address(0) ? msg.sender : v.reporter, v.publicKey);
        } else if (!rejects) {
            revert NothingToSlash(v.account);
        }
    }

    /// @dev Keeps what the judge has computed of a case, which is the one's who began it.
    function _advanceNoise() private {
        (bytes32 caseId, uint256 done, uint256 value) =
            abi.decode(_ask(judge), (bytes32, uint256, uint256));
        NoiseCase storage c = _noiseCases[caseId];
        if (c.reporter == address(0)) c.reporter = msg.sender;
        // At most 64 times 4,096.
        c.done = uint32(done);
        c.value = value;
        emit NoiseCaseAdvanced(caseId, c.reporter, done, value);
    }
}
