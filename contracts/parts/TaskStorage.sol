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

    // One slot. `withdrawableAt` is zero while the member is active.
    struct Member {
        uint96 stake;
        Role role;
        bool slashed;
        uint8 cluster;
        uint16 index;
        uint40 withdrawableAt;
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

    // One slot.
    struct Roster {
        uint64 activeClusters;
        uint8 clusters;
        uint16 clouds;
        uint24 activeDevices;
    }

    // The latest round. First slot: written when the round opens and settles; second: by every cluster,
    // never zero after the first round.
    struct Latest {
        uint32 number;
        uint40 anchorDeadline;
        uint40 cumulativeDeadline;
        uint40 aggregateDeadline;
        uint32 settledRounds;
        uint24 paidUnits; // shares moved to owed when the round settled
        bool settled;
        bool updatesModel;
        bool provisional; // the model is the result of the round before this one or of this one
        uint128 clusters; // a bitmap, as those below; its type moves it to the second slot
        uint64 anchored;
        uint64 submitted;
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

    // Members
    Roster internal _roster;
    mapping(address account => Member) internal _members;
    mapping(uint256 index => address account) internal _clouds;
    mapping(uint256 clusterId => Cluster) internal _clusters;
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
    // The round comes last: a claim of many rounds hashes the rest once.
    mapping(
        uint256 clusterId => mapping(uint256 word => mapping(uint256 roundId => uint256 bits))
    ) internal _signers;
    mapping(uint256 clusterId => mapping(uint256 batch => bytes32 root)) internal _noiseRoots;

    // Disputes
    mapping(bytes32 caseId => NoiseCase) internal _noiseCases;

    constructor() EIP712("Verifog", "1") { }

    function _requireLength(uint256 given, uint256 expected) internal pure {
        if (given != expected) revert WrongLength(given, expected);
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
