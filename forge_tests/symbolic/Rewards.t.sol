// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Verdict } from "../../contracts/Judge.sol";
import { IContractS } from "../../contracts/interfaces/IContractS.sol";
import { ITask } from "../../contracts/interfaces/ITask.sol";
import { TaskStorage } from "../../contracts/parts/TaskStorage.sol";
import { Books } from "./Books.sol";

/// @title A round of two clusters that can be settled
abstract contract Round is Books {
    uint256 internal constant ROUND = 5;
    uint256 internal constant DEVICES = 2; // of each cluster

    /// @dev A round before its last deadline, whose fogs of `submitted` gave their sums. Where a cluster is in
    /// `submitted`, bits 2c and 2c + 1 of `signers` say which of its devices signed.
    function _serve(uint256 submitted, uint256 signers) internal {
        s.setCloud(0, CLOUD);
        s.setMember(CLOUD, _member(ITask.Role.Cloud, 0, 0, 0));
        s.setEntry(ROUND, 2, 2 * DEVICES);
        for (uint256 c = 0; c < 2; ++c) {
            _seatFog(c, 0, DEVICES);
            for (uint256 i = 0; i < DEVICES; ++i) {
                s.setMember(_device(c, i), _member(ITask.Role.Device, c, i, 0));
            }
            if (submitted >> c & 1 == 0) continue;
            s.setSigned(c, ROUND, signers >> (2 * c) & 3);
            s.setSum(ROUND, c, _sumOf(c, _count(signers >> (2 * c) & 3)));
        }
        TaskStorage.Latest memory l;
        (l.number, l.clusters, l.anchored, l.submitted) = (uint32(ROUND), 3, 3, uint64(submitted));
        (l.anchorDeadline, l.cumulativeDeadline) = (900_000, 900_000);
        l.aggregateDeadline = 1_000_500;
        s.setLatest(l);
    }

    function _count(uint256 bits) internal pure returns (uint256) {
        return (bits & 1) + (bits >> 1);
    }

    function _sumOf(uint256 c, uint256 signers) internal pure returns (ITask.ClusterSum memory) {
        return ITask.ClusterSum(bytes32(c), signers, DEVICES, new bytes(128), bytes32(0));
    }

    /// @dev The cloud submits the result of these clusters, the c-th of which has so many signers.
    function _submit(uint256 included, uint256[2] memory signers) internal returns (bool ok) {
        ITask.ClusterSum[] memory sums = new ITask.ClusterSum[](included == 3 ? 2 : 1);
        for (uint256 i = 0; i < sums.length; ++i) {
            uint256 c = included == 2 ? 1 : i;
            sums[i] = _sumOf(c, signers[c]);
        }
        vm.prank(CLOUD);
        (ok,) = address(s)
            .call(
                abi.encodeCall(
                    IContractS.submitAggregate,
                    (ROUND, included, sums, new bytes(128), bytes32(0), 1, "", 0, "")
                )
            );
    }

    /// @dev Claims the round, named twice in the one call.
    function _claim(address account) internal returns (uint256) {
        uint256[] memory rounds = new uint256[](2);
        (rounds[0], rounds[1]) = (ROUND, ROUND);
        uint256 before = account.balance;
        (bool ok,) = address(s).call(abi.encodeCall(IContractS.claim, (account, rounds)));
        assert(ok || account.balance == before);
        unchecked {
            return account.balance - before;
        }
    }
}

/// @title What a round pays, where only the money is any
contract SettlementCheck is Round {
    /// @dev The books after a settlement are those before it, but for what the round pays, which is within its
    /// reward; after its rejection they are those before.
    function check_settle_and_reject(
        TaskStorage.Accounts memory a,
        uint128 owed,
        uint96 reward,
        uint256 choice
    ) public {
        (uint256 included, uint256 signers) = _seat(a, owed, reward, choice, 6);
        uint256 entry = s.entry(ROUND);
        _settle(included, signers);
        TaskStorage.Accounts memory b = s.accounts();
        assert(b.owed >= a.owed);
        uint256 amount = b.owed - a.owed;
        assert(uint256(b.pool) + amount == a.pool && amount <= reward);
        assert(a.stakes == b.stakes && a.burnt == b.burnt);
        assert(s.rewards(0).owed == owed + amount);
        tools.setVerdict(
            abi.encode(Verdict(CLOUD, ITask.Offence.FalseResult, ROUND, 0, 0, address(0), ""))
        );
        (bool ok,) = address(s)
            .call(abi.encodeCall(IContractS.reportFalseResult, (ROUND, bytes32(0), bytes32(0), "")));
        assert(ok && _same(a, s.accounts())); // the cloud has no stake here
        assert(s.rewards(0).owed == owed && s.entry(ROUND) == entry);
        assert(!s.latest().settled && s.latest().settledRounds == 0);
    }

    /// @dev Once it is final, those who served can claim just what the settlement set aside, each once.
    function check_settle_and_claim(
        TaskStorage.Accounts memory a,
        uint128 owed,
        uint256 which,
        uint256 choice
    ) public {
        // Each share is some wei, or none.
        uint96 reward = [uint96(0.01 ether), 9][_pick(which, 2)];
        (uint256 included, uint256 signers) = _seat(a, owed, reward, choice, 3);
        _settle(included, signers);
        assert(_claim(CLOUD) == 0); // not yet
        vm.warp(s.latest().aggregateDeadline);
        assert(s.accounts().owed >= a.owed);
        uint256 amount = s.accounts().owed - a.owed;
        uint256 paid = _claimOnce(CLOUD, true);
        for (uint256 c = 0; c < 2; ++c) {
            bool in_ = included >> c & 1 == 1;
            paid += _claimOnce(_fog(c), in_);
            for (uint256 i = 0; i < DEVICES; ++i) {
                paid += _claimOnce(_device(c, i), in_ && signers >> (2 * c + i) & 1 == 1);
            }
        }
        assert(paid == amount && s.accounts().owed == a.owed && s.rewards(0).owed == owed);
        assert(address(s).balance == _sum(s.accounts()));
    }

    /// @dev Which clusters are in the result and which devices signed: the first `count` of these, one path each.
    function _seat(
        TaskStorage.Accounts memory a,
        uint128 owed,
        uint96 reward,
        uint256 choice,
        uint256 count
    ) private returns (uint256 included, uint256 signers) {
        choice = _pick(choice, count);
        included = [uint256(3), 1, 2, 3, 3, 3][choice];
        signers = [uint256(6), 1, 12, 0, 9, 15][choice];
        _found(reward, 0);
        _keep(a);
        _assumeParts(_part(reward, 10), _part(reward, 20), reward);
        vm.assume(a.pool >= reward && owed <= a.owed);
        TaskStorage.Rewards memory r;
        r.owed = owed;
        s.setRewards(0, r);
        _serve(included, signers);
    }

    function _settle(uint256 included, uint256 signers) private {
        assert(_submit(included, [_count(signers & 3), _count(signers >> 2)]));
    }

    /// @dev Claims the round, twice in one call, and again: the second and third time pay nothing.
    function _claimOnce(address account, bool served) private returns (uint256 paid) {
        uint256 owed = s.accounts().owed;
        paid = _claim(account);
        assert(s.accounts().owed == owed - paid);
        assert(served || paid == 0);
        assert(_claim(account) == 0);
    }
}

/// @title What a round of any size pays
contract SharesCheck is Round {
    /// @dev With any numbers of clusters and devices when it opened, and of signers: what is owed grows by the
    /// share of the cloud, of each included fog and of each signer.
    function check_settle_any_counts(
        TaskStorage.Accounts memory a,
        uint96 reward,
        uint8 clusters,
        uint24 devices,
        uint16[2] memory signers,
        uint256 choice
    ) public {
        uint256 included = 1 + _pick(choice, 3);
        _found(reward, 0);
        _keep(a);
        vm.assume(clusters >= (included == 3 ? 2 : 1) && clusters <= 64 && devices <= 65_536);
        uint256 count;
        if (included & 1 != 0) count += signers[0];
        if (included & 2 != 0) count += signers[1];
        vm.assume(count <= devices);
        _serve(0, 0);
        s.setEntry(ROUND, clusters, devices);
        TaskStorage.Latest memory l = s.latest();
        l.submitted = uint64(included);
        s.setLatest(l);
        for (uint256 c = 0; c < 2; ++c) {
            s.setSum(ROUND, c, _sumOf(c, signers[c]));
        }
        uint256 amount = _promised(reward, clusters, devices, included, count);
        vm.assume(amount <= reward); // a quotient times less than the divisor is no more than the dividend
        bool ok = _submit(included, [uint256(signers[0]), signers[1]]);
        assert(ok == (amount <= a.pool));
        TaskStorage.Accounts memory b = s.accounts();
        if (!ok) amount = 0;
        assert(b.pool == a.pool - amount && b.owed == a.owed + amount);
        assert(a.stakes == b.stakes && a.burnt == b.burnt && s.rewards(0).owed == amount);
    }

    function _shares(uint256 reward, uint256 clusters, uint256 devices)
        private
        pure
        returns (uint256 cloud, uint256 fog, uint256 device)
    {
        unchecked {
            cloud = _part(reward, 10);
            uint256 fogs = _part(reward, 20);
            _assumeParts(cloud, fogs, reward);
            fog = fogs / clusters;
            device = devices == 0 ? 0 : (reward - cloud - fogs) / devices;
        }
    }

    function _promised(
        uint256 reward,
        uint256 clusters,
        uint256 devices,
        uint256 included,
        uint256 signers
    ) private pure returns (uint256) {
        (uint256 cloud, uint256 fog, uint256 device) = _shares(reward, clusters, devices);
        unchecked {
            return cloud + (included == 3 ? 2 : 1) * fog + signers * device;
        }
    }
}

/// @title Claims of credit, and rewards that are not claimed
contract RewardsCheck is Round {
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
}
