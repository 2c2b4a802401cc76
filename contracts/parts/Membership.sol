// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "../interfaces/IContractS.sol";
import { Bitmap } from "../libraries/Bitmap.sol";
import { Bls12381, G1Point, POINT_BYTES } from "../libraries/Bls12381.sol";
import { Transcript } from "../libraries/Transcript.sol";
import { Ledger } from "./Ledger.sol";
import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Membership: stakes, admission with proofs of possession, clusters and their keys, exits
abstract contract Membership is Ledger {
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

    uint256 private constant MAX_CLUSTERS = 64;
    uint256 private constant MAX_CLOUDS = 256;
    uint256 private constant MAX_DEVICES = 1024;
    bytes32 private constant EXIT_TYPEHASH = keccak256("Exit(address account)");

    Roster internal _roster;
    mapping(address account => Member) internal _members;
    mapping(uint256 index => address account) internal _clouds;
    mapping(uint256 clusterId => Cluster) internal _clusters;
    mapping(uint256 clusterId => PackedPoint) private _aggregateKeys;
    mapping(uint256 clusterId => mapping(uint256 word => uint256 bits)) internal _activeDevices;
    mapping(bytes32 keyHash => KeyOwner) private _keyOwners;

    // Devices that left while the round was the latest: they may be qualified in it.
    mapping(
        uint256 roundId => mapping(uint256 clusterId => mapping(uint256 word => uint256 bits))
    ) internal _departed;

    // ------------------------------------------------------------------------------------------------
    // External
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function depositStake(address account) external payable override {
        Member storage m = _members[account];
        if (m.withdrawableAt != 0) revert MemberHasLeft(account);
        uint256 stake = m.stake + msg.value;
        if (stake > type(uint96).max) revert AmountTooLarge(stake);
        m.stake = uint96(stake);
        _accounts.stakes += uint128(msg.value);
        emit StakeDeposited(account, msg.sender, msg.value);
    }

    /// @inheritdoc IContractS
    function admitCloud(address account) external override onlyAuthority {
        uint256 index = _roster.clouds;
        if (index == MAX_CLOUDS) revert TooManyClouds();
        Member storage m = _requireAdmissible(account, _cloudStake);
        m.role = Role.Cloud;
        m.index = uint16(index);
        _clouds[index] = account;
        _roster.clouds = uint16(index + 1);
        emit CloudAdmitted(account, index);
    }

    /// @inheritdoc IContractS
    function admitFog(address account) external override onlyAuthority returns (uint256 clusterId) {
        clusterId = _roster.clusters;
        if (clusterId == MAX_CLUSTERS) revert TooManyClusters();
        Member storage m = _requireAdmissible(account, _fogStake);
        m.role = Role.Fog;
        m.cluster = uint8(clusterId);
        _clusters[clusterId].fog = account;
        _clusters[clusterId].active = true;
        _roster.clusters = uint8(clusterId + 1);
        _roster.activeClusters |= uint64(1 << clusterId);
        emit FogAdmitted(account, clusterId);
    }

    /// @inheritdoc IContractS
    function admitDevices(uint256 clusterId, Admission[] calldata admissions)
        external
        override
        onlyAuthority
    {
        Cluster memory c = _clusters[clusterId];
        if (c.fog == address(0)) revert UnknownCluster(clusterId);
        if (!c.active) revert InactiveCluster(clusterId);
        uint256 devices = uint256(c.devices) + admissions.length;
        if (devices > MAX_DEVICES) revert TooManyDevices(clusterId, devices);
        if (c.admittedIn != currentRound()) {
            c.admittedIn = uint32(currentRound());
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

    /// @inheritdoc IContractS
    function requestExit(bytes calldata publicKey) external override {
        _exit(msg.sender, publicKey);
    }

    /// @inheritdoc IContractS
    function requestExitFor(address account, bytes calldata publicKey, bytes calldata signature)
        external
        override
    {
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(EXIT_TYPEHASH, account)));
        address signer = ECDSA.recoverCalldata(digest, signature);
        if (signer != account) revert WrongSigner(signer, account);
        _exit(account, publicKey);
    }

    /// @inheritdoc IContractS
    function withdrawStake(address account) external override {
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
    // Views
    // ------------------------------------------------------------------------------------------------

    /// @inheritdoc IContractS
    function member(address account)
        external
        view
        override
        returns (
            Role role,
            bool active,
            bool slashed,
            uint256 stake,
            uint256 clusterId,
            uint256 index,
            uint256 withdrawableAt
        )
    {
        Member memory m = _members[account];
        return
            (m.role, _isActive(account), m.slashed, m.stake, m.cluster, m.index, m.withdrawableAt);
    }

    /// @inheritdoc IContractS
    function cluster(uint256 clusterId)
        external
        view
        override
        returns (
            address fog,
            bool active,
            uint256 devices,
            uint256 activeCount,
            uint256 eligible,
            bytes memory aggregateKey
        )
    {
        Cluster memory c = _clusters[clusterId];
        aggregateKey = new bytes(POINT_BYTES);
        Bls12381.put(aggregateKey, 0, _loadKey(clusterId));
        return (c.fog, c.active, c.devices, c.activeDevices, _eligible(c), aggregateKey);
    }

    /// @inheritdoc IContractS
    function activeDevices(uint256 clusterId)
        external
        view
        override
        returns (uint256[] memory bitmap)
    {
        bitmap = new uint256[](Bitmap.words(_clusters[clusterId].devices));
        for (uint256 w = 0; w < bitmap.length; ++w) {
            bitmap[w] = _activeDevices[clusterId][w];
        }
    }

    /// @inheritdoc IContractS
    function keyOwner(bytes32 keyHash)
        external
        view
        override
        returns (address account, uint256 clusterId, uint256 index)
    {
        KeyOwner memory owner = _keyOwners[keyHash];
        return (owner.account, owner.cluster, owner.index);
    }

    /// @inheritdoc IContractS
    function counts()
        external
        view
        override
        returns (uint256 clusters, uint256 clouds, uint256 activeCount)
    {
        return (_roster.clusters, _roster.clouds, _roster.activeDevices);
    }

    /// @inheritdoc IContractS
    function possessionMessage(address account, bytes calldata publicKey, bytes32 sealingKey)
        external
        view
        override
        returns (bytes32)
    {
        return
            Transcript.possession(_domainSeparatorV4(), account, keccak256(publicKey), sealingKey);
    }

    /// @inheritdoc IContractS
    function currentRound() public view virtual override returns (uint256);

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    function _isActive(address account) internal view returns (bool) {
        Member storage m = _members[account];
        return m.role != Role.None && m.withdrawableAt == 0;
    }

    /// @dev Devices below this index may serve in the latest round.
    function _eligible(Cluster memory c) internal view returns (uint256) {
        return c.admittedIn == currentRound() ? c.devicesBefore : c.devices;
    }

    /// @dev The sum of the keys of the active devices that signed: the aggregate key less the absent
    /// ones, which are checked to be just those. The caller checks that all signers are active.
    function _signingKey(
        uint256 clusterId,
        uint256 devices,
        uint256[] calldata signers_,
        bytes calldata absentKeys
    ) internal view returns (G1Point memory key) {
        key = _loadKey(clusterId);
        uint256 offset = 0;
        for (uint256 w = 0; w < Bitmap.words(devices); ++w) {
            uint256 missing = _activeDevices[clusterId][w];
            if (w < signers_.length) missing &= ~signers_[w];
            while (missing != 0) {
                if (offset + POINT_BYTES > absentKeys.length) {
                    revert WrongLength(absentKeys.length, offset + POINT_BYTES);
                }
                key = _subtractKey(
                    key,
                    clusterId,
                    256 * w + Bitmap.lowest(missing),
                    absentKeys[offset:offset + POINT_BYTES]
                );
                unchecked {
                    // Drops the lowest bit of a word that is not zero.
                    missing &= missing - 1;
                    offset += POINT_BYTES;
                }
            }
        }
        _requireLength(absentKeys.length, offset);
        if (Bls12381.isInfinity(key)) revert AttestationKeyAtInfinity(clusterId);
    }

    /// @dev Takes an active member out of the active set. Its stake stays bonded for the unbonding time.
    function _deactivate(address account, bytes memory publicKey) internal {
        Member storage m = _members[account];
        m.withdrawableAt = uint40(block.timestamp + _unbondingTime);
        uint256 clusterId = m.cluster;
        if (m.role == Role.Fog) {
            _clusters[clusterId].active = false;
            _roster.activeClusters &= ~uint64(1 << clusterId);
            _roster.activeDevices -= _clusters[clusterId].activeDevices;
        } else if (m.role == Role.Device) {
            uint256 index = m.index;
            _storeKey(clusterId, _subtractKey(_loadKey(clusterId), clusterId, index, publicKey));
            uint256 bit = 1 << (index % 256);
            _activeDevices[clusterId][index / 256] &= ~bit;
            _departed[currentRound()][clusterId][index / 256] |= bit;
            _clusters[clusterId].activeDevices -= 1;
            if (_clusters[clusterId].active) _roster.activeDevices -= 1;
        }
    }

    function _exit(address account, bytes memory publicKey) private {
        if (_members[account].role == Role.None) revert NotMember(account);
        if (!_isActive(account)) revert MemberHasLeft(account);
        _deactivate(account, publicKey);
        emit ExitRequested(account, _members[account].withdrawableAt);
    }

    function _requireAdmissible(address account, uint256 required)
        private
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
        Member storage m = _requireAdmissible(a.account, _deviceStake);
        _requireLength(a.publicKey.length, POINT_BYTES);
        bytes32 keyHash = keccak256(a.publicKey);
        if (_keyOwners[keyHash].account != address(0)) revert KeyAlreadyUsed(keyHash);
        key = Bls12381.pointAt(a.publicKey, 0);
        if (Bls12381.isInfinity(key)) revert KeyAtInfinity(a.account);
        bytes32 message =
            Transcript.possession(_domainSeparatorV4(), a.account, keyHash, a.sealingKey);
        if (!_verifier.isSigned(key, message, a.proofOfPossession)) {
            revert FalseProofOfPossession(a.account);
        }
        m.role = Role.Device;
        m.cluster = uint8(clusterId);
        m.index = uint16(index);
        _keyOwners[keyHash] = KeyOwner(a.account, uint8(clusterId), uint16(index));
        _activeDevices[clusterId][index / 256] |= 1 << (index % 256);
        emit DeviceAdmitted(a.account, clusterId, index, a.publicKey, a.sealingKey);
    }

    /// @dev `sum` less the key of the device at that place, which `publicKey` is checked to be.
    function _subtractKey(
        G1Point memory sum,
        uint256 clusterId,
        uint256 index,
        bytes memory publicKey
    ) private view returns (G1Point memory) {
        bytes32 keyHash = keccak256(publicKey);
        KeyOwner memory owner = _keyOwners[keyHash];
        if (owner.account == address(0) || owner.cluster != clusterId || owner.index != index) {
            revert WrongKey(clusterId, index, keyHash);
        }
        return Bls12381.add(sum, Bls12381.negate(Bls12381.pointAt(publicKey, 0)));
    }

    function _loadKey(uint256 clusterId) private view returns (G1Point memory) {
        PackedPoint memory p = _aggregateKeys[clusterId];
        return G1Point(p.xHigh, p.xLow, p.yHigh, p.yLow);
    }

    function _storeKey(uint256 clusterId, G1Point memory p) private {
        // Coordinates are below p < 2^384.
        _aggregateKeys[clusterId] = PackedPoint(p.xLow, p.yLow, uint128(p.xHigh), uint128(p.yHigh));
    }
}
