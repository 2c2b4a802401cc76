// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../interfaces/ITask.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title All storage of a task, and its EIP-712 domain
/// @notice Contract S and its extension both begin with this contract and declare no storage of their own, so
/// that a variable has the same slot in both.
abstract contract TaskStorage is ITask, EIP712 {
    // What never changes, as the code of a contract: SSTORE2.
    struct Constants {
        TaskParameters parameters;
        address authority;
        address verifier;
        address judge;
    }

    // Two slots. No sum can reach 2^128 wei.
    struct Accounts {
        uint128 pool;
        uint128 owed;
        uint128 stakes;
        uint128 burnt;
    }

    // One slot: what is owed of the rounds of a word of 256.
    struct Rewards {
        uint128 owed;
        uint40 deadline; // of the last settled one
        uint32 returned; // up to this round
    }

    // One slot. `withdrawableAt` is zero while the member is active. A fog serves from round `since` on, and
    // before round `end`, if that is not zero.
    struct Member {
        uint96 stake;
        Role role;
        bool slashed;
        uint8 cluster;
        uint16 index;
        uint40 withdrawableAt;
        uint32 since;
        uint32 end;
    }

    // One slot. Of the devices, those admitted after round `admittedIn` was opened have an index of
    // `devicesBefore` or above, and do not serve in it.
    struct Cluster {
        address fog;
        bool active;
        uint16 devices;
        uint16 activeDevices;
        uint16 devicesBefore;
        uint32 admittedIn;
        uint8 silences; // rounds missed in a row
    }

    // Three slots: a coordinate has 48 bytes.
    struct PackedPoint {
        uint256 xLow;
        uint256 yLow;
        uint128 xHigh;
        uint128 yHigh;
    }

    // One slot.
    struct KeyOwner {
        address account;
        uint8 cluster;
        uint16 index;
    }

    // One slot. `late`: clusters with silences.
    struct Roster {
        uint64 activeClusters;
        uint8 clusters;
        uint16 clouds;
        uint24 activeDevices;
        uint64 late;
    }

    // The latest round. First slot: written when the round opens and settles; second: by every cluster,
    // never zero after the first round.
    struct Latest {
        uint32 number;
        uint40 anchorDeadline;
        uint40 cumulativeDeadline;
        uint40 aggregateDeadline;
        uint32 settledRounds;
        uint24 signers; // of the included clusters
        bool settled;
        bool updatesModel;
        bool provisional; // the model is the result of the round before this one or of this one
        bool voted;
        bool closed; // silence is charged
        uint64 clusters; // a bitmap, as those below; the second slot begins here
        uint64 anchored;
        uint64 submitted;
        uint16 clouds; // ever admitted, when it was opened
    }

    // Two slots. The sum over the first `done` slots, counted from the last.
    struct NoiseCase {
        address reporter;
        uint32 done;
        uint256 value;
    }

    // Where the constants are.
    address internal _constants;

    // Money
    Accounts internal _accounts;
    mapping(address reporter => uint256 amount) internal _credits;
    mapping(address account => mapping(uint256 word => uint256 rounds)) internal _claimed;
    mapping(uint256 word => Rewards) internal _rewards;

    // Members
    Roster internal _roster;
    mapping(address account => Member) internal _members;
    mapping(uint256 index => address account) internal _clouds;
    mapping(uint256 clusterId => Cluster) internal _clusters;
    mapping(address fog => address predecessor) internal _predecessors;
    mapping(uint256 clusterId => PackedPoint) internal _aggregateKeys;
    mapping(uint256 clusterId => mapping(uint256 word => uint256 bits)) internal _activeDevices;
    mapping(bytes32 keyHash => KeyOwner) internal _keyOwners;
    // Devices that left while the round was the latest: they may be qualified in it.
    mapping(
        uint256 roundId => mapping(uint256 clusterId => mapping(uint256 word => uint256 bits))
    ) internal _departed;

    // Rounds
    Latest internal _latest;
    bytes32 internal _modelDigest;
    bytes32 internal _previousModelDigest;
    mapping(uint256 pair => uint256 entries) internal _log;
    mapping(uint256 roundId => bytes32 digest) internal _results;
    // keccak(anchor message, signer count, qualified count, commitment digest), and once the sum is
    // submitted keccak(that, vector digest).
    mapping(uint256 roundId => mapping(uint256 clusterId => bytes32 record)) internal _records;
    // 64 devices in four rounds to a slot, so that a claim of many rounds reads few: `_signersOf`, `_addSigners`.
    // The rounds come last: a claim hashes the rest once.
    mapping(
        uint256 clusterId => mapping(uint256 group => mapping(uint256 rounds => uint256 bits))
    ) internal _signers;
    // Of the cluster's latest anchor. Used again by every anchor, so that it is no dearer for many devices or in
    // the first of four rounds; `submitCumulative` copies it to `_signers`.
    mapping(uint256 clusterId => mapping(uint256 word => uint256 bits)) internal _attested;
    mapping(uint256 clusterId => mapping(uint256 batch => bytes32 root)) internal _noiseRoots;

    // Disputes
    mapping(bytes32 caseId => NoiseCase) internal _noiseCases;

    constructor() EIP712("Verifog", "1") { }

    function _requireLength(uint256 given, uint256 expected) internal pure {
        if (given != expected) revert WrongLength(given, expected);
    }

    /// @dev Word `w` of the bitmap of signers.
    function _signersOf(uint256 roundId, uint256 clusterId, uint256 w)
        internal
        view
        returns (uint256 bits)
    {
        uint256 shift = 64 * (roundId % 4);
        for (uint256 g = 0; g < 4; ++g) {
            uint256 slot = _signers[clusterId][4 * w + g][roundId / 4];
            bits |= uint256(uint64(slot >> shift)) << (64 * g);
        }
    }

    function _isActive(address account) internal view returns (bool) {
        Member storage m = _members[account];
        return m.role != Role.None && m.withdrawableAt == 0;
    }

    /// @dev Devices below this index may serve in the latest round.
    function _eligible(Cluster memory c) internal view returns (uint256) {
        return c.admittedIn == _latest.number ? c.devicesBefore : c.devices;
    }

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

    /// @dev Last step of a function, after all effects. The answer is not copied, so a receiver can only
    /// refuse its own payment.
    function _pay(address account, uint256 amount) internal {
        bool ok;
        assembly ("memory-safe") {
            ok := call(gas(), account, amount, 0x00, 0x00, 0x00, 0x00)
        }
        if (!ok) revert PaymentFailed(account, amount);
    }
}
