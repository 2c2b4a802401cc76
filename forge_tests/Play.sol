// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Extension } from "../contracts/Extension.sol";
import { Toolbox } from "../contracts/Toolbox.sol";
import { ITask } from "../contracts/interfaces/ITask.sol";
import { Curves } from "./Curves.sol";
import { Cast, Hostile } from "./play/Cast.sol";
import { Frauds } from "./play/Frauds.sol";
import { Members } from "./play/Members.sol";

/// @title Everybody who can do something to Contract S, for the fuzzer to call
/// @notice Commitments are to constant polynomials, `[v]`: their openings are `(v, infinity)` at every point, so
/// whole rounds need no ceremony beyond the generator. Signatures are real.
/// @dev Every action takes what the fuzzer gives and makes a call of it that may succeed or fail; what it must
/// not do is in `broken`. `done` counts successes.
contract Play is Members, Frauds {
    constructor(Toolbox toolbox, Extension extension) Cast(toolbox, extension) { }

    receive() external payable { }

    /// @dev The next step of a round, whatever it is; most of what the fuzzer does.
    function step(uint256 seed) public {
        ITask.Phase phase = s.phase();
        if (phase == ITask.Phase.Anchoring) anchor(seed, 0);
        else if (phase == ITask.Phase.Accumulating) submit(seed);
        else if (phase == ITask.Phase.Aggregating) aggregate(seed, true);
        else if (phase == ITask.Phase.Settled && seed % 8 == 1) _falseResult(0);
        else open(seed);
    }

    /// @dev Several of them: most of a round, or a little more.
    function steps(uint256 seed) external {
        for (uint256 i = 0; i < 1 + seed % 9; ++i) {
            step(uint256(keccak256(abi.encode(seed, i))));
        }
    }

    /// @dev What is true of every state; empty if all of it is.
    function wrong() public view returns (string memory) {
        if (bytes(broken).length != 0) return broken;
        (uint256 stakes, uint256 owed, uint256 pool, uint256 burnt) = s.accounting();
        if (stakes + owed + pool + burnt != deposited - paid) return "value is not conserved";
        if (address(s).balance != deposited + forced - paid) return "the balance is another one";
        uint256 sumOfStakes;
        uint256 sumOfCredits;
        for (uint256 i = 0; i < people.length; ++i) {
            Person memory p = personOf[people[i]];
            (, bool active, bool slashed, uint256 stake,,,) = s.member(people[i]);
            sumOfStakes += stake;
            sumOfCredits += s.creditOf(people[i]);
            if (slashed && !p.cheated) return "somebody honest was slashed";
            if (slashed && (active || stake != 0)) return "a slashed member goes on";
            if (!slashed && stake != p.staked - p.withdrawn) return "a stake changed by itself";
        }
        if (sumOfStakes != stakes) return "the stakes are another sum";
        if (sumOfCredits + s.creditOf(address(this)) > owed) return "more credit than is owed";
        if (!_tellsSigners()) return "the signers are others";
        return "";
    }

    /// @dev Lets time pass, and everybody claim, leave and withdraw.
    function goHome() external returns (string memory) {
        require(msg.sender == _test);
        vm.warp(block.timestamp + 2001);
        ITask.Phase phase = s.phase();
        if (
            phase != ITask.Phase.None && phase != ITask.Phase.Settled && phase != ITask.Phase.Failed
        ) {
            return "time does not end a round";
        }
        if (!_opensAgain()) return "no new round can be opened";
        vm.warp(block.timestamp + 2001);
        uint256 last = s.currentRound();
        uint256[] memory one = new uint256[](1);
        for (uint256 i = 0; i < people.length; ++i) {
            address account = people[i];
            if (account.code.length != 0) Hostile(payable(account)).set(s, 0);
            for (one[0] = 1; one[0] <= last; ++one[0]) {
                try s.claim(account, one) { } catch { }
            }
            if (s.creditOf(account) != 0) s.claim(account, new uint256[](0));
            (, bool active,,,,,) = s.member(account);
            if (!active) continue;
            bytes memory key = Curves.point(personOf[account].bls);
            vm.prank(account);
            s.requestExit(key);
        }
        if (s.creditOf(address(this)) != 0) s.claim(address(this), new uint256[](0));
        vm.warp(block.timestamp + UNBONDING);
        for (uint256 i = 0; i < people.length; ++i) {
            (,,, uint256 stake,,,) = s.member(people[i]);
            uint256 before = people[i].balance;
            if (stake != 0) s.withdrawStake(people[i]);
            if (people[i].balance != before + stake) return "a stake was not paid";
        }
        (uint256 stakes, uint256 owed, uint256 pool, uint256 burnt) = s.accounting();
        if (stakes != 0) return "stakes are left behind";
        if (owed != 0) return "something owed is left behind";
        if (address(s).balance != pool + burnt + forced) return "S holds another sum";
        return "";
    }

    /// @dev That somebody other than the Authority can open a round, where S says that one may.
    function _opensAgain() internal returns (bool) {
        (,, uint256 pool,) = s.accounting();
        bool cluster;
        address opener;
        for (uint256 i = 0; i < fogs.length; ++i) {
            (, bool active,,,,) = s.cluster(i);
            if (active) (cluster, opener) = (true, fogs[i]);
        }
        if (pool < REWARD || !cluster) return true;
        // A fog that was silent too often has to call back, with a stake that covers its role.
        vm.deal(address(this), STAKE);
        s.depositStake{ value: STAKE }(opener);
        deposited += STAKE;
        personOf[opener].staked += STAKE;
        // The round that is over is closed first: opening the next one closes it too, but would leave out the
        // cluster that has to call back.
        uint256 over = s.currentRound();
        _beforeClosing();
        try s.closeRound() { } catch { }
        _afterClosing(over);
        vm.prank(opener);
        try s.resumeCluster(personOf[opener].cluster) { } catch { }
        _beforeClosing();
        vm.prank(opener);
        try s.openRound() {
            _afterClosing(s.currentRound() - 1);
            return true;
        } catch {
            return false;
        }
    }
}
