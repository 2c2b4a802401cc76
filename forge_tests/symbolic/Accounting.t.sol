// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Extension } from "../../contracts/Extension.sol";
import { IContractS } from "../../contracts/interfaces/IContractS.sol";
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
        s = new OpenS(p, tools, extension);
        vm.warp(1_000_000);
    }

    /// @dev Any books, and a balance that covers them.
    function _keep(TaskStorage.Accounts memory a) internal {
        vm.assume(a.pool < MOST && a.owed < MOST && a.stakes < MOST && a.burnt < MOST);
        s.setAccounts(a);
        vm.deal(address(s), _sum(a));
    }

    function _sum(TaskStorage.Accounts memory a) internal pure returns (uint256) {
        return uint256(a.pool) + a.owed + a.stakes + a.burnt;
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

    function _same(TaskStorage.Accounts memory a, TaskStorage.Accounts memory b)
        internal
        pure
        returns (bool)
    {
        return a.pool == b.pool && a.owed == b.owed && a.stakes == b.stakes && a.burnt == b.burnt;
    }
}

/// @title Stakes and the pool
contract StakesCheck is Books {
    function setUp() public {
        _found(1 ether, 0.01 ether);
    }

    function check_deposit(TaskStorage.Accounts memory a, uint96 stake, uint96 other, uint96 value)
        public
    {
        _keep(a);
        s.setMember(CLOUD, _member(ITask.Role.Cloud, 0, 0, stake));
        s.setMember(OTHER_CLOUD, _member(ITask.Role.Cloud, 0, 1, other));
        vm.deal(address(this), value);
        (bool ok,) =
            address(s).call{ value: value }(abi.encodeCall(IContractS.depositStake, (CLOUD)));
        bool fits = uint256(stake) + value <= type(uint96).max;
        assert(ok == fits);
        TaskStorage.Accounts memory b = s.accounts();
        uint256 given = ok ? value : 0;
        assert(s.memberOf(CLOUD).stake == stake + given && s.memberOf(OTHER_CLOUD).stake == other);
        assert(b.stakes == a.stakes + given);
        assert(_sum(b) == _sum(a) + given && address(s).balance == _sum(b));
    }

    function check_withdrawStake(
        TaskStorage.Accounts memory a,
        uint96 stake,
        uint40 free,
        uint40 time
    ) public {
        _keep(a);
        vm.assume(a.stakes >= stake);
        TaskStorage.Member memory m = _member(ITask.Role.Cloud, 0, 0, stake);
        m.withdrawableAt = free;
        s.setMember(CLOUD, m);
        vm.warp(time);
        (bool ok,) = address(s).call(abi.encodeCall(IContractS.withdrawStake, (CLOUD)));
        assert(ok == (stake != 0 && free != 0 && time >= free));
        TaskStorage.Accounts memory b = s.accounts();
        uint256 taken = ok ? stake : 0;
        assert(CLOUD.balance == taken && s.memberOf(CLOUD).stake == stake - taken);
        assert(b.stakes == a.stakes - taken);
        assert(b.pool == a.pool && b.owed == a.owed && b.burnt == a.burnt);
        assert(address(s).balance == _sum(b));
    }

    function check_pool(TaskStorage.Accounts memory a, uint96 value, uint256 amount, bool owner)
        public
    {
        _keep(a);
        vm.deal(address(this), value);
        s.fundPool{ value: value }();
        if (!owner) vm.prank(REPORTER);
        (bool ok,) = address(s).call(abi.encodeCall(IContractS.withdrawPool, (amount)));
        assert(ok == (owner && amount <= uint256(a.pool) + value));
        TaskStorage.Accounts memory b = s.accounts();
        uint256 taken = ok ? amount : 0;
        assert(b.pool == a.pool + uint256(value) - taken);
        assert(b.stakes == a.stakes && b.owed == a.owed && b.burnt == a.burnt);
        assert(address(this).balance == taken && address(s).balance == _sum(b));
    }
}

/// @title Claims of credit, and rewards that are not claimed
contract RewardsCheck is Books {
    uint256 private constant ROUND = 5;
    uint256 private constant DEVICES = 2; // of each of two clusters

    function check_claim_of_credit(TaskStorage.Accounts memory a, uint96 credit) public {
        _found(1 ether, 0);
        _keep(a);
        vm.assume(a.owed >= credit);
        s.setCredit(REPORTER, credit);
        (bool ok,) = address(s).call(abi.encodeCall(IContractS.claim, (REPORTER, new uint256[](0))));
        assert(ok == (credit != 0) && REPORTER.balance == credit);
        assert(s.credit(REPORTER) == 0 && a.owed - s.accounts().owed == credit);
        assert(address(s).balance == _sum(s.accounts()));
        (ok,) = address(s).call(abi.encodeCall(IContractS.claim, (REPORTER, new uint256[](0))));
        assert(!ok);
    }

    function check_returnUnclaimed(
        TaskStorage.Accounts memory a,
        uint128 owed,
        uint40 deadline,
        uint40 time
    ) public {
        _found(1 ether, 0);
        _keep(a);
        vm.assume(a.owed >= owed);
        _serve(3, 15);
        s.setSettled(ROUND, 3, 0);
        TaskStorage.Latest memory l;
        (l.number, l.settled, l.settledRounds) = (uint32(ROUND), true, 1);
        s.setLatest(l);
        TaskStorage.Rewards memory r;
        (r.owed, r.deadline) = (owed, deadline);
        s.setRewards(0, r);
        vm.warp(time);
        (bool ok,) = address(s).call(abi.encodeCall(IContractS.returnUnclaimed, (0)));
        assert(ok == (owed != 0 && time >= uint256(deadline) + CLAIM_TIME));
        TaskStorage.Accounts memory b = s.accounts();
        assert(a.owed - b.owed == (ok ? owed : 0) && b.pool - a.pool == (ok ? owed : 0));
        assert(a.stakes == b.stakes && a.burnt == b.burnt);
        if (!ok) return;
        assert(s.rewards(0).owed == 0 && _claim(CLOUD) == 0 && _claim(_fog(0)) == 0);
        (ok,) = address(s).call(abi.encodeCall(IContractS.returnUnclaimed, (0)));
        assert(!ok && _same(b, s.accounts()));
    }

    function _serve(uint256 included, uint256 signers) private {
        s.setCloud(0, CLOUD);
        s.setMember(CLOUD, _member(ITask.Role.Cloud, 0, 0, 0));
        s.setEntry(ROUND, 2, 2 * DEVICES);
        for (uint256 c = 0; c < 2; ++c) {
            _seatFog(c, 0, DEVICES);
            for (uint256 i = 0; i < DEVICES; ++i) {
                s.setMember(_device(c, i), _member(ITask.Role.Device, c, i, 0));
            }
            if (included >> c & 1 == 0) continue;
            s.setSigned(c, ROUND, signers >> (2 * c) & 3);
            s.setSum(ROUND, c, _sumOf(c, signers));
        }
    }

    function _sumOf(uint256 c, uint256 signers) private pure returns (ITask.ClusterSum memory) {
        uint256 bits = signers >> (2 * c) & 3;
        return ITask.ClusterSum(
            bytes32(c), (bits & 1) + (bits >> 1), DEVICES, new bytes(128), bytes32(0)
        );
    }

    function _claim(address account) private returns (uint256) {
        uint256[] memory rounds = new uint256[](2);
        (rounds[0], rounds[1]) = (ROUND, ROUND);
        uint256 before = account.balance;
        (bool ok,) = address(s).call(abi.encodeCall(IContractS.claim, (account, rounds)));
        assert(ok || account.balance == before);
        return account.balance - before;
    }
}
