// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Extension } from "../contracts/Extension.sol";
import { Toolbox } from "../contracts/Toolbox.sol";
import { Play } from "./Play.sol";

struct FuzzSelector {
    address addr;
    bytes4[] selectors;
}

/// @title What is true of every state of Contract S, whoever does whatever in whichever order
contract Invariants {
    Play public play;
    bytes32[] private _names = [
        bytes32("openRound"),
        "recordNoiseRoot",
        "anchor",
        "submitCumulative",
        "submitAggregate",
        "requestExit",
        "depositStake",
        "fundPool",
        "force",
        "withdrawStake",
        "claim",
        "clock",
        "admitCloud",
        "admitFog",
        "admitDevices",
        "reportEquivocation",
        "reportFalseResult",
        "rejected",
        "grief",
        "closeRound",
        "fee",
        "resumeCluster",
        "admitSuccessor",
        "withdrawPool"
    ];

    function setUp() public {
        play = new Play(new Toolbox(), new Extension());
    }

    /// @dev For forge: whom the fuzzer calls.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(play);
    }

    /// @dev For forge: what it does not call. Everything else must not revert.
    function excludeSelectors() public view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](1);
        excluded[0] = FuzzSelector(address(play), new bytes4[](1));
        excluded[0].selectors[0] = Play.goHome.selector;
    }

    /// forge-config: default.invariant.runs = 24
    /// forge-config: default.invariant.depth = 40
    /// forge-config: full.invariant.runs = 10000
    /// forge-config: full.invariant.depth = 16
    function invariant_ledger_and_members() public view {
        string memory wrong = play.wrong();
        require(bytes(wrong).length == 0, wrong);
    }

    /// @dev After every run: time alone ends the round, and everybody goes home with what is theirs.
    function afterInvariant() public {
        string memory wrong = play.goHome();
        require(bytes(wrong).length == 0, wrong);
    }

    /// @dev That the actions above reach everything: else the invariant would be about nothing.
    function test_actions__in_random_runs__all_succeed_and_nothing_breaks() public {
        uint256[] memory done = new uint256[](_names.length);
        Toolbox toolbox = new Toolbox();
        Extension extension = new Extension();
        for (uint256 run = 0; run < 10; ++run) {
            play = new Play(toolbox, extension);
            for (uint256 i = 0; i < 120; ++i) {
                uint256 seed = uint256(keccak256(abi.encode(run, i)));
                _act(seed % 36, seed >> 8);
                string memory wrong = play.wrong();
                require(bytes(wrong).length == 0, wrong);
            }
            for (uint256 i = 0; i < _names.length; ++i) {
                done[i] += play.done(_names[i]);
            }
            afterInvariant();
        }
        for (uint256 i = 0; i < _names.length; ++i) {
            require(done[i] > 0, string(abi.encodePacked("never: ", _names[i])));
        }
    }

    /// @dev Too rare above: nobody claims, and the time for it passes.
    function test_rewards__nobody_claims__return_to_the_pool() public {
        for (uint256 i = 0; i < 200 && play.s().settledRounds() < 2; ++i) {
            play.step(uint256(keccak256(abi.encode(i))));
        }
        play.clock(5997);
        play.clock(5997);
        play.returnUnclaimed(0);
        require(play.done("returnUnclaimed") == 1, "nothing was returned");
        invariant_ledger_and_members();
        afterInvariant();
    }

    function _act(uint256 action, uint256 seed) private {
        uint96 amount = uint96(seed >> 16);
        if (action == 0) play.join(seed);
        else if (action == 1) play.exit(seed);
        else if (action == 2) play.deposit(seed, amount);
        else if (action == 3) play.fund(amount);
        else if (action == 4) play.force(amount);
        else if (action == 5) play.withdraw(seed);
        else if (action == 6) play.claim(seed, uint8(seed >> 32), uint8(seed >> 40));
        else if (action == 7) play.arm(seed, seed >> 8);
        else if (action == 8) play.clock(seed);
        else if (action == 9) play.cheat(seed);
        else if (action == 10) play.slander(seed);
        else if (action == 11) play.grief(seed, abi.encode(seed));
        else if (action == 12) play.aggregate(seed, false);
        else if (action == 13) play.close(seed);
        else if (action == 14) play.resume(seed);
        else if (action == 15) play.succeed(seed);
        else if (action == 16) play.withdrawPool(seed, amount);
        else if (action == 17) play.returnUnclaimed(seed);
        else play.step(seed);
    }
}
