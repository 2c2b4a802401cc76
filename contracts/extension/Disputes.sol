// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Verdict } from "../Judge.sol";
import { RoundEntry, RoundLog } from "../libraries/RoundLog.sol";
import { Opening } from "./Opening.sol";

/// @title Disputes: what evidence leads to, and verification on request
/// @notice The judge decides: it is asked with the very call that came.
abstract contract Disputes is Opening {
    using RoundLog for mapping(uint256 => uint256);

    uint256 private constant REPORTER_PERCENT = 30;
    uint256 private constant BURNT_PERCENT = 10;

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

    function reportFalseShare(
        SignedWitness calldata w,
        uint256 x,
        uint256 position,
        bytes calldata share,
        bytes32[] calldata path,
        bytes calldata publicKey
    ) external viaS convicts { }

    function reportFalseWitness(SignedWitness calldata w, bytes calldata publicKey)
        external
        viaS
        convicts
    { }

    function reportEquivocation(
        Statement kind,
        bytes calldata first,
        bytes calldata firstSignature,
        bytes calldata second,
        bytes calldata secondSignature,
        bytes calldata publicKey
    ) external viaS convicts { }

    function reportFalseAnchor(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest,
        bytes calldata leaves
    ) external viaS convicts { }

    function advanceNoiseCase(NoiseEvidence calldata evidence, uint256 slots)
        external
        viaS
        advancesNoise
    { }

    function reportFalseNoise(
        NoiseEvidence calldata evidence,
        bytes calldata commitments,
        bytes calldata proof,
        bytes calldata publicKey
    ) external viaS convicts { }

    function reportFalseResult(
        uint256 roundId,
        bytes32 commitmentDigest,
        bytes32 vectorDigest,
        bytes calldata signature
    ) external viaS convicts { }

    function reportFalseVector(
        uint256 roundId,
        bytes calldata vector,
        bytes calldata commitments,
        uint256 y,
        bytes calldata proof
    ) external viaS convicts { }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    /// @dev Asks the judge and slashes whom it finds guilty, once. A false result is also rejected as long as
    /// that is possible, even if there is nothing left to slash.
    function _convict() private {
        Verdict memory v = abi.decode(_ask(_fixed().judge), (Verdict));
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
            abi.decode(_ask(_fixed().judge), (bytes32, uint256, uint256));
        NoiseCase storage c = _noiseCases[caseId];
        if (c.reporter == address(0)) c.reporter = msg.sender;
        // At most 64 times 4,096.
        c.done = uint32(done);
        c.value = value;
        emit NoiseCaseAdvanced(caseId, c.reporter, done, value);
    }

    /// @dev Takes the whole stake of `account` and takes it out of the active set. `publicKey` is a
    /// device's, empty for others.
    function _slash(address account, address reporter, bytes memory publicKey) private {
        if (_isActive(account)) _deactivate(account, publicKey);
        Member storage m = _members[account];
        uint256 stake = m.stake;
        m.stake = 0;
        m.slashed = true;
        uint256 toReporter;
        uint256 burnt;
        uint256 toPool;
        unchecked {
            // A stake is below 2^96, and the two parts are less than the whole.
            toReporter = (stake * REPORTER_PERCENT) / 100;
            burnt = (stake * BURNT_PERCENT) / 100;
            toPool = stake - toReporter - burnt;
        }
        Accounts memory a = _accounts;
        a.stakes -= uint128(stake);
        a.owed += uint128(toReporter);
        a.burnt += uint128(burnt);
        a.pool += uint128(toPool);
        _accounts = a;
        _credits[reporter] += toReporter;
        emit Slashed(account, reporter, toReporter, burnt, toPool);
    }

    /// @dev Undoes `_settle` and the model's update. No reward of the round can have been paid, since
    /// `_claimRounds` does not pay the round that `_rejectableRound` names.
    function _reject(uint256 roundId, address cloud) private {
        Latest memory l = _latest;
        RoundEntry entry = _log.load(roundId);
        uint256 amount = _paid(entry, entry.included(), l.signers);
        _accounts.owed -= uint128(amount);
        _accounts.pool += uint128(amount);
        _log.store(roundId, entry.settle(0, 0));
        delete _results[roundId];
        _rewards[roundId / 256].owed -= uint128(amount);
        // Of a settled round the model is provisional only if it is the round's own, applied or voted.
        if (l.provisional) _modelDigest = _previousModelDigest;
        l.settled = false;
        l.provisional = false;
        l.voted = false;
        l.signers = 0;
        l.settledRounds -= 1;
        _latest = l;
        emit ResultRejected(roundId, cloud, _modelDigest);
    }
}
