// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ContractS } from "../../contracts/ContractS.sol";
import { Extension } from "../../contracts/Extension.sol";
import { Toolbox } from "../../contracts/Toolbox.sol";
import { IContractS } from "../../contracts/interfaces/IContractS.sol";
import { ITask } from "../../contracts/interfaces/ITask.sol";
import { POINT_BYTES } from "../../contracts/libraries/Bls12381.sol";
import { Curves } from "../Curves.sol";

interface Cheats {
    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function roll(uint256 number) external;
    function deal(address account, uint256 wei_) external;
    function etch(address account, bytes calldata code) external;
    function cool(address account) external;
}

/// @dev What some accounts do when they are paid: accept, call back, or refuse.
contract Hostile {
    IContractS private _s;
    uint256 private _mode;
    uint256 public calls;

    receive() external payable {
        if (_mode == 2) revert();
        if (_mode != 1) return;
        uint256[] memory rounds = new uint256[](2);
        (rounds[0], rounds[1]) = (1, 2);
        try _s.claim(address(this), rounds) { } catch { }
        try _s.claim(address(this), new uint256[](0)) { } catch { }
        try _s.withdrawStake(address(this)) { } catch { }
        try _s.depositStake{ value: 1 }(address(this)) {
            ++calls;
        } catch { }
        try _s.requestExit("") { } catch { }
    }

    function set(IContractS s, uint256 mode) external {
        (_s, _mode) = (s, mode);
    }
}

/// @title Who there is, with their keys, and what they have done
abstract contract Cast {
    struct Person {
        uint256 secret; // of its account
        uint256 bls;
        ITask.Role role;
        uint256 cluster;
        uint256 index;
        bool cheated;
        uint256 staked;
        uint256 withdrawn;
    }

    struct Sum {
        address fog;
        uint256 value; // v of COMsum = [v]
        uint256 signers;
        uint256 qualified;
        uint256 signerCount;
        uint256 qualifiedCount;
        bytes32 sumsRoot;
        bytes32 message;
        bytes32 vectorDigest;
    }

    Cheats internal constant vm = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 internal constant STAKE = 1 ether;
    uint256 internal constant REWARD = 0.01 ether;
    uint256 internal constant FEE = 0.003 ether;
    uint256 internal constant UNBONDING = 5600;
    uint256 internal constant CLAIM_TIME = 6000;
    uint256 internal constant MOST_CLUSTERS = 3;
    uint256 internal constant MOST_DEVICES = 6;
    uint256 internal constant MOST_CLOUDS = 4;

    IContractS public immutable s;
    address internal immutable _test;
    bytes32 private immutable _domain;

    address[] public people;
    mapping(address => Person) public personOf;
    address[] public clouds;
    address[] public fogs;
    mapping(uint256 cluster => address[]) internal _devices;
    mapping(bytes32 digest => bytes) internal _models;
    mapping(uint256 round => mapping(uint256 cluster => Sum)) internal _sums;
    mapping(uint256 round => bytes32[2]) internal _results;

    uint256 public deposited;
    uint256 public paid;
    uint256 public forced;
    string public broken;
    mapping(bytes32 name => uint256) public done;

    mapping(uint256 round => uint256 clusters) internal _included; // none unless settled
    mapping(uint256 round => address cloud) internal _settledBy;

    constructor(Toolbox toolbox, Extension extension) {
        _test = msg.sender;
        bytes memory model = new bytes(POINT_BYTES);
        s = IContractS(address(new ContractS(parameters(), model, toolbox, extension)));
        _models[keccak256(model)] = model;
        _domain = s.domainSeparator();
        for (uint256 i = 0; i < 2; ++i) {
            _addCloud();
        }
        for (uint256 c = 0; c < 2; ++c) {
            _addFog();
            for (uint256 i = 0; i < 4; ++i) {
                _addDevice(c);
            }
        }
        _fund(100 * REWARD);
    }

    function parameters() public pure virtual returns (ITask.TaskParameters memory p) {
        p.capacity = 64;
        p.packing = 1;
        p.chunks = 1;
        p.threshold = 2;
        p.minQualified = 3;
        p.noiseRounds = 3;
        p.candidates = 2;
        p.beaconDelay = 2;
        p.fractionalBits = 16;
        p.statisticsRounds = 1;
        p.rate = 1 << 20;
        p.minSamples = 1;
        p.maxSamples = 100;
        p.anchorTime = 1000;
        p.cumulativeTime = 500;
        p.aggregateTime = 500;
        p.unbondingTime = uint32(UNBONDING);
        p.deviceStake = uint96(STAKE);
        p.fogStake = uint96(STAKE);
        p.cloudStake = uint96(STAKE);
        p.reward = uint96(REWARD);
        p.cloudPercent = 10;
        p.fogPercent = 20;
        p.silenceFee = uint96(FEE);
        p.maxSilences = 1;
        p.claimTime = uint32(CLAIM_TIME);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: people
    // ------------------------------------------------------------------------------------------------

    function _any(uint256 seed) internal view returns (address) {
        return people[uint256(keccak256(abi.encode(seed))) % people.length];
    }

    /// @dev Somebody whose unbonding is over, if there is one.
    function _unbonded(uint256 seed) internal view returns (address account) {
        for (uint256 i = 0; i < people.length; ++i) {
            account = people[(seed % people.length + i) % people.length];
            (,,, uint256 stake,,, uint256 free) = s.member(account);
            if (stake != 0 && free != 0 && free <= block.timestamp) return account;
        }
    }

    function _mayOpen(address account) internal view returns (bool) {
        (ITask.Role role, bool active,,,,,) = s.member(account);
        return active && (role == ITask.Role.Fog || role == ITask.Role.Cloud);
    }

    function _newPerson(ITask.Role role, uint256 cluster, uint256 index)
        internal
        returns (address account)
    {
        uint256 secret = uint256(keccak256(abi.encode("account", people.length)));
        account = vm.addr(secret);
        // Every third account is a contract that may not want to be paid.
        if (people.length % 3 == 2) vm.etch(account, type(Hostile).runtimeCode);
        people.push(account);
        personOf[account] =
            Person(secret, 100 + people.length, role, cluster, index, false, STAKE, 0);
        vm.deal(address(this), STAKE);
        s.depositStake{ value: STAKE }(account);
        deposited += STAKE;
    }

    function _addCloud() internal {
        address account = _newPerson(ITask.Role.Cloud, 0, clouds.length);
        clouds.push(account);
        s.admitCloud(account);
        ++done["admitCloud"];
    }

    function _addFog() internal {
        address account = _newPerson(ITask.Role.Fog, fogs.length, 0);
        fogs.push(account);
        s.admitFog(account);
        ++done["admitFog"];
    }

    function _addDevice(uint256 c) internal {
        address account = _newPerson(ITask.Role.Device, c, _devices[c].length);
        _devices[c].push(account);
        uint256 key = personOf[account].bls;
        ITask.Admission[] memory admissions = new ITask.Admission[](1);
        bytes memory public_ = Curves.point(key);
        bytes32 sealing = keccak256(abi.encode(account));
        bytes memory possession = Curves.sign(s.possessionMessage(account, public_, sealing), key);
        admissions[0] = ITask.Admission(account, sealing, public_, possession);
        s.admitDevices(c, admissions);
        ++done["admitDevices"];
    }

    function _fund(uint256 value) internal {
        vm.deal(address(this), value);
        s.fundPool{ value: value }();
        deposited += value;
    }

    function _callsOf(address account) internal view returns (uint256) {
        return account.code.length == 0 ? 0 : Hostile(payable(account)).calls();
    }

    /// @dev Counts a success, which must be in one of the phases of the specification's table.
    function _in(bytes32 name, ITask.Phase phase, uint256 phases) internal {
        ++done[name];
        if (phases >> uint256(phase) & 1 == 0) broken = string(abi.encodePacked("phase: ", name));
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: signatures
    // ------------------------------------------------------------------------------------------------

    function _signTyped(uint256 secret, bytes memory struct_) internal view returns (bytes memory) {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", _domain, keccak256(struct_)));
        (uint8 v, bytes32 r, bytes32 sValue) = vm.sign(secret, digest);
        return abi.encodePacked(r, sValue, v);
    }

    function _keySum(uint256 c, uint256 signers) internal view returns (uint256 sum) {
        for (uint256 i = 0; i < _devices[c].length; ++i) {
            if (signers >> i & 1 == 1) sum += personOf[_devices[c][i]].bls;
        }
    }

    function _count(uint256 bits) internal pure returns (uint256 n) {
        for (; bits != 0; bits &= bits - 1) {
            ++n;
        }
    }
}
