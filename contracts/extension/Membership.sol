// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Verifier } from "../Verifier.sol";
import { Bls12381, G1Point, POINT_BYTES } from "../libraries/Bls12381.sol";
import { Transcript } from "../libraries/Transcript.sol";
import { Keys } from "../parts/Keys.sol";
import { Base } from "./Base.sol";
import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Membership: stakes, admission with proofs of possession, clusters and their keys, exits
abstract contract Membership is Base, Keys {
    uint256 private constant MAX_CLUSTERS = 64;
    uint256 private constant MAX_CLOUDS = 256;
    uint256 private constant MAX_DEVICES = 1024;
    bytes32 private constant EXIT_TYPEHASH = keccak256("Exit(address account)");

    function admitCloud(address account) external viaS onlyAuthority {
        uint256 index = _roster.clouds;
        if (index == MAX_CLOUDS) revert TooManyClouds();
        Member storage m = _requireAdmissible(account, _task().cloudStake);
        m.role = Role.Cloud;
        m.index = uint16(index);
        _clouds[index] = account;
        _roster.clouds = uint16(index + 1);
        emit CloudAdmitted(account, index);
    }

    function admitFog(address account) external viaS onlyAuthority returns (uint256 clusterId) {
        clusterId = _roster.clusters;
        if (clusterId == MAX_CLUSTERS) revert TooManyClusters();
        Member storage m = _requireAdmissible(account, _task().fogStake);
        m.role = Role.Fog;
        m.cluster = uint8(clusterId);
        _clusters[clusterId].fog = account;
        _clusters[clusterId].active = true;
        _roster.clusters = uint8(clusterId + 1);
        _roster.activeClusters |= uint64(1 << clusterId);
        emit FogAdmitted(account, clusterId);
    }

    function admitDevices(uint256 clusterId, Admission[] calldata admissions)
        external
        viaS
        onlyAuthority
    {
        Cluster memory c = _clusters[clusterId];
        if (c.fog == address(0)) revert UnknownCluster(clusterId);
        if (!c.active) revert InactiveCluster(clusterId);
        uint256 devices = uint256(c.devices) + admissions.length;
        if (devices > MAX_DEVICES) revert TooManyDevices(clusterId, devices);
        if (c.admittedIn != _latest.number) {
            c.admittedIn = _latest.number;
            c.devicesBefore = c.devices;
        }
        G1Point memory aggregate = _loadKey(clusterId);
        for (uint256 i = 0; i < admissions.length; ++i) {
            aggregate =
                Bls12381.add(aggregate, _admitDevice(clusterId, c.devices + i, admissions[i]));
        }
        _storeKey(clusterId, aggregate);
        // At most MAX_DEVICES, and MAX_CLUSTERS times that in the roster.
        c.devices = uint16(devices);
        c.activeDevices += uint16(admissions.length);
        _clusters[clusterId] = c;
        _roster.activeDevices += uint24(admissions.length);
    }

    function requestExit(bytes calldata publicKey) external viaS {
        _exit(msg.sender, publicKey);
    }

    function requestExitFor(address account, bytes calldata publicKey, bytes calldata signature)
        external
        viaS
    {
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(EXIT_TYPEHASH, account)));
        address signer = ECDSA.recoverCalldata(digest, signature);
        if (signer != account) revert WrongSigner(signer, account);
        _exit(account, publicKey);
    }

    function depositStake(address account) external payable viaS {
        Member storage m = _members[account];
        if (m.withdrawableAt != 0) revert MemberHasLeft(account);
        uint256 stake = m.stake + msg.value;
        if (stake > type(uint96).max) revert AmountTooLarge(stake);
        m.stake = uint96(stake);
        _accounts.stakes += uint128(msg.value);
        emit StakeDeposited(account, msg.sender, msg.value);
    }

    function withdrawStake(address account) external viaS {
        Member storage m = _members[account];
        uint256 amount = m.stake;
        if (amount == 0) revert NoStake(account);
        if (m.role != Role.None && (m.withdrawableAt == 0 || block.timestamp < m.withdrawableAt)) {
            revert StakeIsBonded(account, m.withdrawableAt);
        }
        m.stake = 0;
        _accounts.stakes -= uint128(amount);
        emit StakeWithdrawn(account, amount);
        _pay(account, amount);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    /// @dev Takes an active member out of the active set. Its stake stays bonded for the unbonding time.
    function _deactivate(address account, bytes memory publicKey) internal {
        Member storage m = _members[account];
        m.withdrawableAt = uint40(block.timestamp + _task().unbondingTime);
        uint256 clusterId = m.cluster;
        if (m.role == Role.Fog) {
            if (_clusters[clusterId].active) _setActive(clusterId, false);
        } else if (m.role == Role.Device) {
            uint256 index = m.index;
            _storeKey(clusterId, _subtractKey(_loadKey(clusterId), clusterId, index, publicKey));
            uint256 bit = 1 << (index % 256);
            _activeDevices[clusterId][index / 256] &= ~bit;
            _departed[_latest.number][clusterId][index / 256] |= bit;
            _clusters[clusterId].activeDevices -= 1;
            if (_clusters[clusterId].active) _roster.activeDevices -= 1;
        }
    }

    /// @dev Takes a cluster with its devices into new rounds, or out of them.
    function _setActive(uint256 clusterId, bool active) internal {
        Cluster storage c = _clusters[clusterId];
        c.active = active;
        c.silences = 0;
        uint64 bit = uint64(1 << clusterId);
        Roster memory r = _roster;
        r.late &= ~bit;
        if (active) {
            r.activeClusters |= bit;
            r.activeDevices += c.activeDevices;
        } else {
            r.activeClusters &= ~bit;
            r.activeDevices -= c.activeDevices;
        }
        _roster = r;
    }

    function _exit(address account, bytes memory publicKey) private {
        if (_members[account].role == Role.None) revert NotMember(account);
        if (!_isActive(account)) revert MemberHasLeft(account);
        _deactivate(account, publicKey);
        emit ExitRequested(account, _members[account].withdrawableAt);
    }

    function _requireAdmissible(address account, uint256 required)
        internal
        view
        returns (Member storage m)
    {
        m = _members[account];
        if (m.role != Role.None) revert RoleTaken(account, m.role);
        if (m.stake < required) revert StakeTooLow(account, m.stake, required);
    }

    function _admitDevice(uint256 clusterId, uint256 index, Admission calldata a)
        private
        returns (G1Point memory key)
    {
        Member storage m = _requireAdmissible(a.account, _task().deviceStake);
        _requireLength(a.publicKey.length, POINT_BYTES);
        bytes32 keyHash = keccak256(a.publicKey);
        if (_keyOwners[keyHash].account != address(0)) revert KeyAlreadyUsed(keyHash);
        key = Bls12381.pointAt(a.publicKey, 0);
        if (Bls12381.isInfinity(key)) revert KeyAtInfinity(a.account);
        bytes32 message =
            Transcript.possession(_domainSeparatorV4(), a.account, keyHash, a.sealingKey);
        if (!Verifier(_fixed().verifier).isSigned(key, message, a.proofOfPossession)) {
            revert FalseProofOfPossession(a.account);
        }
        m.role = Role.Device;
        m.cluster = uint8(clusterId);
        m.index = uint16(index);
        _keyOwners[keyHash] = KeyOwner(a.account, uint8(clusterId), uint16(index));
        _activeDevices[clusterId][index / 256] |= 1 << (index % 256);
        emit DeviceAdmitted(a.account, clusterId, index, a.publicKey, a.sealingKey);
    }
}
