// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Extension } from "../../contracts/Extension.sol";
import { ITask } from "../../contracts/interfaces/ITask.sol";
import { TaskStorage } from "../../contracts/parts/TaskStorage.sol";
import { OpenS, Tools } from "./OpenS.sol";

interface Symbols {
    function assume(bool condition) external pure;
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function deal(address account, uint256 wei_) external;
}

/// @title What comes before every symbolic check: a task, and books that are any books
abstract contract Books {
    Symbols internal constant vm = Symbols(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 internal constant MOST = 1 << 120; // wei: no sum comes near 2^128
    uint256 internal constant STAKE = 1 ether;
    uint256 internal constant UNBONDING = 5600;
    uint256 internal constant CLAIM_TIME = 6000;
    address internal constant CLOUD = address(0xC1);
    address internal constant OTHER_CLOUD = address(0xC2);
    address internal constant REPORTER = address(0xB0B);

    Tools internal tools = new Tools();
    Extension internal extension = new Extension();
    OpenS internal s;

    receive() external payable { }

    function _found(uint96 reward, uint96 fee) internal {
        ITask.TaskParameters memory p;
        p.capacity = 64;
        p.packing = 1;
        p.chunks = 1;
        p.threshold = 2;
        p.minQualified = 3;
        p.noiseRounds = 1;
        p.candidates = 2;
        p.beaconDelay = 2;
        p.fractionalBits = 16;
        p.rate = 1;
        p.minSamples = 1;
        p.maxSamples = 1;
        p.anchorTime = 1000;
        p.cumulativeTime = 500;
        p.aggregateTime = 500;
        p.unbondingTime = uint32(UNBONDING);
        (p.deviceStake, p.fogStake, p.cloudStake) = (uint96(STAKE), uint96(STAKE), uint96(STAKE));
        p.reward = reward;
        p.cloudPercent = 10;
        p.fogPercent = 20;
        p.silenceFee = fee;
        p.maxSilences = 2;
        p.claimTime = uint32(CLAIM_TIME);
        s = new OpenS(p, new bytes(128), tools, extension);
        vm.warp(1_000_000);
    }

    /// @dev Any books, and a balance that covers them.
    function _keep(TaskStorage.Accounts memory a) internal {
        vm.assume(a.pool < MOST && a.owed < MOST && a.stakes < MOST && a.burnt < MOST);
        s.setAccounts(a);
        vm.deal(address(s), _sum(a));
    }

    function _sum(TaskStorage.Accounts memory a) internal pure returns (uint256) {
        unchecked {
            return uint256(a.pool) + a.owed + a.stakes + a.burnt;
        }
    }

    function _member(ITask.Role role, uint256 cluster, uint256 index, uint96 stake)
        internal
        pure
        returns (TaskStorage.Member memory m)
    {
        (m.role, m.cluster, m.index, m.stake) = (role, uint8(cluster), uint16(index), stake);
    }

    function _fog(uint256 c) internal pure returns (address) {
        return address(uint160(0xF0 + c));
    }

    function _device(uint256 c, uint256 i) internal pure returns (address) {
        return address(uint160(0xD00 + 16 * c + i));
    }

    function _seatFog(uint256 c, uint96 stake, uint256 devices) internal {
        s.setMember(_fog(c), _member(ITask.Role.Fog, c, 0, stake));
        TaskStorage.Cluster memory cluster;
        (cluster.fog, cluster.active) = (_fog(c), true);
        (cluster.devices, cluster.activeDevices) = (uint16(devices), uint16(devices));
        s.setCluster(c, cluster);
    }

    /// @dev So many hundredths, rounded down. To the solver a quotient is some number, the same for the same numbers.
    function _part(uint256 x, uint256 percent) internal pure returns (uint256) {
        unchecked {
            return x * percent / 100;
        }
    }

    /// @dev Two parts of 100 per cent together at most are no more than the whole, which the solver does not find.
    function _assumeParts(uint256 first, uint256 second, uint256 whole) internal pure {
        vm.assume(first <= whole && second <= whole - first);
    }

    /// @dev One of the numbers below `count`, as one path each.
    function _pick(uint256 x, uint256 count) internal pure returns (uint256) {
        for (uint256 i = 0; i + 1 < count; ++i) {
            if (x == i) return i;
        }
        return count - 1;
    }

    function _same(TaskStorage.Accounts memory a, TaskStorage.Accounts memory b)
        internal
        pure
        returns (bool)
    {
        return a.pool == b.pool && a.owed == b.owed && a.stakes == b.stakes && a.burnt == b.burnt;
    }
}
