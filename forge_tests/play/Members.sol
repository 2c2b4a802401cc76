// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../../contracts/interfaces/ITask.sol";
import { Curves } from "../Curves.sol";
import { Hostile } from "./Cast.sol";
import { Ledger } from "./Ledger.sol";

/// @title Members and money
abstract contract Members is Ledger {
    function join(uint256 seed) external {
        uint256 kind = seed % 4;
        if (kind == 0 && clouds.length < MOST_CLOUDS) return _addCloud();
        if (kind == 1 && fogs.length < MOST_CLUSTERS) return _addFog();
        uint256 c = (seed >> 8) % fogs.length;
        (, bool active,,,,) = s.cluster(c);
        if (active && _devices[c].length < MOST_DEVICES) _addDevice(c);
    }

    function exit(uint256 seed) external {
        if (seed % 4 != 0) return; // not too often: somebody has to stay
        address account = _any(seed >> 8);
        bytes memory key = Curves.point(personOf[account].bls);
        vm.prank(account);
        try s.requestExit(key) {
            ++done["requestExit"];
        } catch { }
    }

    /// @dev A new fog for a cluster that has lost its own.
    function succeed(uint256 seed) external {
        uint256 c = seed % fogs.length;
        for (uint256 i = 0; i < fogs.length && _mayOpen(fogs[c]); ++i) {
            c = (c + 1) % fogs.length;
        }
        if (_mayOpen(fogs[c]) || people.length > 30) return;
        ITask.Phase phase = s.phase();
        address account = _newPerson(ITask.Role.Fog, c, 0);
        _beforeClosing(); // what the predecessor missed is charged
        try s.admitSuccessor(c, account) {
            _in("admitSuccessor", phase, 0x31);
            fogs[c] = account;
        } catch {
            personOf[account].role = ITask.Role.None;
        }
        _afterClosing(s.currentRound());
    }

    function deposit(uint256 seed, uint96 amount) external {
        address account = _any(seed);
        uint256 value = seed % 11 == 0 ? amount : amount % 1 ether;
        vm.deal(address(this), value);
        try s.depositStake{ value: value }(account) {
            ++done["depositStake"];
            deposited += value;
            personOf[account].staked += value;
        } catch { }
    }

    function fund(uint96 amount) external {
        _fund(amount % 1 ether);
        ++done["fundPool"];
    }

    function force(uint96 amount) external {
        uint256 value = amount % 1 ether;
        vm.deal(address(s), address(s).balance + value);
        forced += value;
        ++done["force"];
    }

    function withdraw(uint256 seed) external {
        address account = seed % 2 == 0 ? _any(seed) : _unbonded(seed);
        (,,, uint256 stake,,, uint256 free) = s.member(account);
        _pays(account, true);
        try s.withdrawStake(account) {
            ++done["withdrawStake"];
            if (personOf[account].role != ITask.Role.None && (free == 0 || block.timestamp < free))
            {
                broken = "a bonded stake was withdrawn";
            }
            if (stake == 0) broken = "no stake was withdrawn";
        } catch { }
        _pays(account, false);
    }

    function withdrawPool(uint256 seed, uint96 amount) external {
        uint256 value = amount % (seed % 7 == 0 ? 1 ether : 0.001 ether);
        ITask.Phase phase = s.phase();
        uint256 before = address(this).balance;
        vm.prank(seed % 3 == 0 ? _any(seed) : address(this));
        try s.withdrawPool(value) {
            _in("withdrawPool", phase, 0x31);
            if (address(this).balance != before + value) {
                broken = "the pool was paid to a stranger";
            }
            paid += value;
        } catch { }
    }

    function returnUnclaimed(uint256 word) external {
        (, uint256 owed, uint256 pool,) = s.accounting();
        try s.returnUnclaimed(word % 2) {
            ++done["returnUnclaimed"];
            (, uint256 owedAfter, uint256 poolAfter,) = s.accounting();
            if (owed - owedAfter != poolAfter - pool) broken = "unclaimed rewards went elsewhere";
        } catch { }
    }

    function claim(uint256 seed, uint8 first, uint8 count) external {
        address account = _any(seed);
        uint256[] memory rounds = new uint256[](count % 4);
        for (uint256 i = 0; i < rounds.length; ++i) {
            rounds[i] = uint256(first) % (s.currentRound() + 2) + i;
        }
        _pays(account, true);
        try s.claim(account, rounds) {
            ++done["claim"];
        } catch { }
        _pays(account, false);
    }

    /// @dev Makes an account behave when it is paid.
    function arm(uint256 seed, uint256 mode) external {
        address account = _any(seed);
        if (account.code.length != 0) Hostile(payable(account)).set(s, mode % 3);
    }

    function clock(uint256 seed) external {
        uint256 by = seed % 3 == 0 ? seed % 6000 : seed % 600;
        vm.warp(block.timestamp + by);
        vm.roll(block.number + 1 + by / 12);
        ++done["clock"];
    }
}
