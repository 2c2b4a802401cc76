// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Verdict } from "../../contracts/Judge.sol";
import { IContractS } from "../../contracts/interfaces/IContractS.sol";
import { ITask } from "../../contracts/interfaces/ITask.sol";
import { TaskStorage } from "../../contracts/parts/TaskStorage.sol";
import { Books } from "./Books.sol";

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

/// @title Slashes
contract SlashCheck is Books {
    uint40 private constant LEFT = 2_000_000; // what who left can withdraw at

    function setUp() public {
        _found(1 ether, 0.01 ether);
    }

    /// @dev Three tenths to the reporter and one burnt, each rounded down, and the rest to the pool; nothing else
    /// changes, and there is no second time.
    function check_slash(
        TaskStorage.Accounts memory a,
        uint256 who,
        uint96 stake,
        uint96 other,
        uint96 credit
    ) public {
        _keep(a);
        vm.assume(a.stakes >= stake && a.owed >= credit);
        who = _pick(who, 5);
        address culprit = _seat(who, stake);
        s.setMember(OTHER_CLOUD, _member(ITask.Role.Cloud, 0, 1, other));
        s.setCredit(REPORTER, credit);
        tools.setVerdict(
            abi.encode(Verdict(culprit, ITask.Offence.FalseResult, 7, 0, 0, address(0), ""))
        );
        bool ok = _report();
        assert(ok == (who < 2 || stake != 0));
        uint256 taken = ok ? stake : 0;
        _requireSplit(a, taken, credit);
        TaskStorage.Member memory m = s.memberOf(culprit);
        assert(
            m.stake == stake - taken && m.slashed == ok && m.withdrawableAt != 0 == (ok || who > 1)
        );
        assert(s.memberOf(OTHER_CLOUD).stake == other);
        TaskStorage.Accounts memory b = s.accounts();
        assert(!_report() && _same(b, s.accounts()));
    }

    function _requireSplit(TaskStorage.Accounts memory a, uint256 taken, uint96 credit)
        private
        view
    {
        TaskStorage.Accounts memory b = s.accounts();
        uint256 reporter = _part(taken, 30);
        uint256 burnt = _part(taken, 10);
        _assumeParts(reporter, burnt, taken);
        unchecked {
            assert(b.stakes == a.stakes - taken);
            assert(b.owed == a.owed + reporter && s.credit(REPORTER) == credit + reporter);
            assert(b.burnt == a.burnt + burnt);
            assert(b.pool == a.pool + (taken - reporter - burnt));
        }
        assert(_sum(b) == _sum(a) && address(s).balance == _sum(b));
    }

    /// @dev A cloud or a fog; one that left; a device that left.
    function _seat(uint256 who, uint96 stake) private returns (address culprit) {
        culprit = who % 2 == 0 ? CLOUD : _fog(0);
        if (who == 1) {
            _seatFog(0, stake, 0);
            TaskStorage.Roster memory roster;
            (roster.activeClusters, roster.clusters) = (1, 1);
            s.setRoster(roster);
            return culprit;
        }
        ITask.Role role = who == 3 ? ITask.Role.Fog : ITask.Role.Cloud;
        if (who == 4) (culprit, role) = (_device(0, 0), ITask.Role.Device);
        TaskStorage.Member memory m = _member(role, 0, 0, stake);
        if (who > 1) m.withdrawableAt = LEFT;
        s.setMember(culprit, m);
    }

    function _report() private returns (bool ok) {
        vm.prank(REPORTER);
        (ok,) = address(s)
            .call(abi.encodeCall(IContractS.reportFalseResult, (7, bytes32(0), bytes32(0), "")));
    }
}

/// @title Fees for silence
contract SilenceCheck is Books {
    /// @dev Two fogs and two clouds, of each two one with any stake and one with all of it, any of them silent.
    function check_silence(
        TaskStorage.Accounts memory a,
        uint96 fogStake,
        uint96 cloudStake,
        uint96 fee,
        uint256 spoke
    ) public {
        vm.assume(fee < STAKE);
        _found(1 ether, fee);
        _keep(a);
        uint96[2] memory fogStakes = [fogStake, uint96(STAKE)];
        uint96[2] memory cloudStakes = [cloudStake, uint96(STAKE)];
        unchecked {
            vm.assume(a.stakes >= uint256(fogStake) + cloudStake + 2 * STAKE);
        }
        for (uint256 i = 0; i < 2; ++i) {
            _seatFog(i, fogStakes[i], 0);
            address cloud = i == 0 ? CLOUD : OTHER_CLOUD;
            s.setCloud(i, cloud);
            s.setMember(cloud, _member(ITask.Role.Cloud, 0, i, cloudStakes[i]));
        }
        TaskStorage.Roster memory roster;
        (roster.activeClusters, roster.clusters, roster.clouds) = (3, 2, 2);
        s.setRoster(roster);
        TaskStorage.Latest memory l;
        (l.number, l.clusters, l.anchored, l.clouds) = (1, 3, 3, 2);
        l.submitted = uint64(_pick(spoke, 4));
        s.setLatest(l);
        (bool ok,) = address(s).call(abi.encodeCall(IContractS.closeRound, ()));
        assert(ok);
        TaskStorage.Accounts memory b = s.accounts();
        uint256 fees;
        for (uint256 i = 0; i < 2; ++i) {
            fees += _requireFee(_fog(i), fogStakes[i], fee, l.submitted >> i & 1 == 0);
            fees += _requireFee(i == 0 ? CLOUD : OTHER_CLOUD, cloudStakes[i], fee, l.submitted != 0);
        }
        assert(a.stakes - b.stakes == fees && b.pool - a.pool == fees);
        assert(a.owed == b.owed && a.burnt == b.burnt);
        (ok,) = address(s).call(abi.encodeCall(IContractS.closeRound, ()));
        assert(!ok && _same(b, s.accounts()));
    }

    /// @dev That the account lost the fee, or all it had if that is less; nothing if it was not silent.
    function _requireFee(address account, uint96 stake, uint96 fee, bool silent)
        private
        view
        returns (uint256 taken)
    {
        if (silent) taken = stake < fee ? stake : fee;
        assert(s.memberOf(account).stake == stake - taken);
    }
}
