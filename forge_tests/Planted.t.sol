// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Extension } from "../contracts/Extension.sol";
import { Verdict } from "../contracts/Judge.sol";
import { Toolbox } from "../contracts/Toolbox.sol";
import { Verifier } from "../contracts/Verifier.sol";
import { IContractS } from "../contracts/interfaces/IContractS.sol";
import { ITask } from "../contracts/interfaces/ITask.sol";
import { Play } from "./Play.sol";
import { Faulty } from "./play/Faulty.sol";

interface Planting {
    function load(address account, bytes32 slot) external view returns (bytes32);
    function store(address account, bytes32 slot, bytes32 value) external;
    function deal(address account, uint256 wei_) external;
    function mockCall(address callee, bytes calldata data, bytes calldata answer) external;
    function mockCallRevert(address callee, bytes calldata data, bytes calldata answer) external;
    function warp(uint256 timestamp) external;
}

/// @title That the invariants notice what they are about
/// @notice Each test makes S do or hold something false, as a bug would, and demands the very complaint. Slots are
/// those of TaskStorage.sol (tests/contracts/snapshots.json).
contract Planted {
    Planting private constant vm =
        Planting(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant ACCOUNTS = 3;
    uint256 private constant CREDITS = 5;
    uint256 private constant CLAIMED = 6;
    uint256 private constant REWARDS = 7;
    uint256 private constant MEMBERS = 9;
    uint256 private constant CLUSTERS = 11;
    uint256 private constant LATEST = 17;
    uint256 private constant LOG = 21;
    uint256 private constant ATTESTED = 25;
    uint256 private constant HIGH = 1 << 128; // one, in the upper half of a slot

    Toolbox private _toolbox;
    Faulty private _faulty;
    Play private _play;
    IContractS private _s;

    function setUp() public {
        _toolbox = new Toolbox();
        _faulty = new Faulty();
        _play = new Play(_toolbox, Extension(address(_faulty)));
        _s = _play.s();
    }

    function test_nothing_planted__nothing_wrong() public {
        require(bytes(_play.wrong()).length == 0);
        require(bytes(_play.goHome()).length == 0);
    }

    function test_money_from_nowhere__noticed() public {
        _add(ACCOUNTS, 1); // to the pool
        _requireWrong("value is not conserved");
    }

    function test_money_gone__noticed() public {
        vm.deal(address(_s), address(_s).balance - 1);
        _requireWrong("the balance is another one");
    }

    function test_stake_of_a_member_changed__noticed() public {
        _add(uint256(_memberSlot(0)), 1);
        _requireWrong("a stake changed by itself");
    }

    function test_stakes_not_the_sum__noticed() public {
        _add(ACCOUNTS, 1); // to the pool
        _add(ACCOUNTS + 1, type(uint256).max); // from the stakes
        _requireWrong("the stakes are another sum");
    }

    function test_credit_from_nowhere__noticed() public {
        _add(uint256(keccak256(abi.encode(_play.people(0), CREDITS))), 1 ether);
        _requireWrong("more credit than is owed");
    }

    function test_judge_convicts_somebody_honest__noticed() public {
        bytes memory nothing = "";
        vm.mockCall(
            address(_toolbox.judge()),
            abi.encodePacked(IContractS.reportEquivocation.selector),
            abi.encode(
                Verdict(
                    _play.fogs(0), ITask.Offence.Equivocation, 1, 0, bytes32(0), address(0), nothing
                )
            )
        );
        _s.reportEquivocation(
            ITask.Statement.Selection, nothing, nothing, nothing, nothing, nothing
        );
        _requireWrong("somebody honest was slashed");
    }

    function test_judge_convicts_by_junk__noticed() public {
        bytes memory nothing = "";
        vm.mockCall(
            address(_toolbox.judge()),
            abi.encodePacked(IContractS.reportFalseShare.selector),
            abi.encode(
                Verdict(
                    _play.fogs(0), ITask.Offence.FalseShare, 1, 0, bytes32(0), address(0), nothing
                )
            )
        );
        _play.grief(0, "");
        _requireWrong("junk was a false share");
    }

    function test_slash_of_less_than_the_stake__noticed() public {
        _faulty.add(ACCOUNTS + 1, 1); // one stays among the stakes
        _plantSlash(ACCOUNTS, _minus(1)); // the pool gets one less
        _requireWrong("a slash took another sum than the stake");
    }

    function test_slash_of_more_than_the_stake__noticed() public {
        _faulty.add(ACCOUNTS + 1, _minus(1));
        _plantSlash(ACCOUNTS, 1);
        _requireWrong("a slash took another sum than the stake");
    }

    function test_slash_that_loses_money__noticed() public {
        _plantSlash(ACCOUNTS, _minus(1));
        _requireWrong("a slash made or lost money");
    }

    function test_slash_that_burns_another_part__noticed() public {
        _faulty.add(ACCOUNTS, 1);
        _plantSlash(ACCOUNTS + 1, _minus(HIGH));
        _requireWrong("a slash burnt another part");
    }

    function test_slash_that_pays_its_reporter_more__noticed() public {
        _faulty.add(ACCOUNTS, _minus(1));
        _plantSlash(ACCOUNTS, HIGH);
        _requireWrong("a slash paid its reporter another part");
    }

    function test_slashed_member_with_a_stake__noticed() public {
        _cheat(0);
        address account = _slashed();
        _add(uint256(keccak256(abi.encode(account, MEMBERS))), 1);
        _requireWrong("a slashed member goes on");
    }

    function test_fee_larger_than_set__noticed() public {
        _faulty.add(uint256(_memberOf(_play.fogs(0))), _minus(1));
        _faulty.add(ACCOUNTS + 1, _minus(1));
        _faulty.add(ACCOUNTS, 1);
        _faulty.set(IContractS.closeRound.selector);
        _missRound();
        _requireWrong("more than a fee was taken");
    }

    function test_fee_twice_a_round__noticed() public {
        _faulty.add(LATEST, _minus(1 << 240)); // no longer closed
        _faulty.set(IContractS.closeRound.selector);
        _missRound();
        require(bytes(_play.wrong()).length == 0);
        _play.close(0);
        _requireWrong("more than a fee was taken");
    }

    function test_fee_from_who_submitted__noticed() public {
        _play.open(0xff);
        while (_s.phase() == ITask.Phase.Anchoring) _play.anchor(1, 0);
        _play.submit(2);
        (,,,,,,, uint256 submitted,,,,,,,) = _s.round(1);
        require(submitted == 1, "the first fog did not submit");
        _add(LATEST + 1, _minus(HIGH)); // its bit
        _end();
        _play.close(0);
        _requireWrong("a fog paid that had submitted");
    }

    function test_fee_where_a_model_is_withdrawn__noticed() public {
        _settle();
        _end();
        _play.open(0xff);
        uint256 round = _s.currentRound();
        (, bool provisional) = _s.previousModel();
        require(provisional, "the model is not provisional");
        _end();
        _add(LATEST, _minus(1 << 224)); // no longer
        _play.close(0);
        require(_s.currentRound() == round && _play.done("fee") != 0);
        _requireWrong("a fog paid where a model was withdrawn");
    }

    function test_fee_from_a_device__noticed() public {
        // A device in the place of the first cluster's fog.
        (address fog, address device) = (_play.fogs(0), _play.people(3));
        _add(
            uint256(keccak256(abi.encode(0, CLUSTERS))),
            _minus(uint256(uint160(fog))) + uint160(device)
        );
        _missRound();
        _requireWrong("a device paid a fee");
    }

    function test_fee_from_clouds_of_a_settled_round__noticed() public {
        uint256 round = _settle();
        _add(LATEST, _minus(1 << 208)); // no longer settled
        _end();
        require(round == _s.currentRound());
        _play.close(0);
        _requireWrong("a cloud paid for a settled round");
    }

    function test_claim_paid_twice__noticed() public {
        _settle();
        _end();
        _claimAll();
        require(_play.done("claim") > 1 && bytes(_play.wrong()).length == 0);
        for (uint256 i = 0; i < 12; ++i) {
            address account = _play.people(i);
            bytes32 words = keccak256(abi.encode(account, CLAIMED));
            vm.store(address(_s), keccak256(abi.encode(0, words)), 0);
        }
        // There is something of others to take.
        _add(ACCOUNTS, _minus(0.1 ether));
        _add(ACCOUNTS, 0.1 ether << 128);
        _add(uint256(keccak256(abi.encode(0, REWARDS))), 0.1 ether);
        _claimAll();
        _requireWrong("a reward was paid twice");
    }

    function test_claim_of_a_larger_share__noticed() public {
        uint256 round = _settle();
        uint256 shift = 128 * (round % 2);
        uint256 slot = uint256(keccak256(abi.encode(round / 2, LOG)));
        _add(slot, _minus(1 << (shift + 71))); // devices of the round: one fewer
        _end();
        _claimAll();
        _requireWrong("a claim paid another sum");
    }

    function test_function_out_of_its_phase__noticed() public {
        vm.mockCall(address(_s), abi.encodePacked(IContractS.anchor.selector), "");
        _play.anchor(1, 0); // there is no round
        _requireWrong("phase: ");
    }

    function test_false_opening_taken__noticed() public {
        _play.open(0xff);
        while (_s.phase() == ITask.Phase.Anchoring) _play.anchor(1, 0);
        vm.mockCall(
            address(_toolbox.verifier()), abi.encodePacked(Verifier.requireOpening.selector), ""
        );
        for (uint256 i = 0; i < 4; ++i) {
            _play.submit(13 * i);
        }
        _requireWrong("a false opening was taken");
    }

    function test_stranger_opens_a_round__noticed() public {
        _missRound();
        vm.mockCall(address(_s), abi.encodePacked(IContractS.openRound.selector), abi.encode(2));
        for (uint256 i = 1; i < 100 && bytes(_play.wrong()).length == 0; ++i) {
            _play.open(i);
        }
        _requireWrong("a stranger opened a round");
    }

    function test_signer_more_than_attested__noticed() public {
        _play.open(0xff);
        while (_s.phase() == ITask.Phase.Anchoring) _play.anchor(1, 0);
        uint256 attested = uint256(keccak256(abi.encode(0, ATTESTED)));
        _add(uint256(keccak256(abi.encode(0, attested))), 1 << 9); // nobody's bit
        _play.submit(2);
        (,,,,,,, uint256 submitted,,,,,,,) = _s.round(1);
        require(submitted == 1, "the first fog did not submit");
        _requireWrong("the signers are others");
    }

    function test_bonded_stake_withdrawn__noticed() public {
        vm.mockCall(address(_s), abi.encodePacked(IContractS.withdrawStake.selector), "");
        _play.withdraw(0);
        _requireWrong("a bonded stake was withdrawn");
    }

    function test_pool_paid_to_a_stranger__noticed() public {
        vm.mockCall(address(_s), abi.encodePacked(IContractS.withdrawPool.selector), "");
        _play.withdrawPool(0, 5);
        _requireWrong("the pool was paid to a stranger");
    }

    function test_another_model__noticed() public {
        vm.mockCall(
            address(_toolbox.verifier()),
            abi.encodePacked(Verifier.subtractMultiple.selector),
            abi.encode(new bytes(128))
        );
        for (uint256 i = 0; i < 200 && bytes(_play.wrong()).length == 0; ++i) {
            _play.step(uint256(keccak256(abi.encode(i))));
        }
        _requireWrong("the model is another one");
    }

    function test_round_that_time_does_not_end__noticed() public {
        _play.open(0xff);
        // The anchor deadline: 40 bits above the number.
        vm.store(
            address(_s),
            bytes32(LATEST),
            bytes32(uint256(vm.load(address(_s), bytes32(LATEST))) | (uint256(0xffffffffff) << 32))
        );
        _requireEqual(_play.goHome(), "time does not end a round");
    }

    function test_reward_that_nobody_can_claim__noticed() public {
        _add(ACCOUNTS, (uint256(1) << 128) - 1); // owed one more, the pool one less
        require(bytes(_play.wrong()).length == 0);
        _requireEqual(_play.goHome(), "something owed is left behind");
    }

    function test_no_new_round__noticed() public {
        vm.mockCallRevert(address(_s), abi.encodePacked(IContractS.openRound.selector), "");
        _requireEqual(_play.goHome(), "no new round can be opened");
    }

    function test_stake_that_is_not_paid__noticed() public {
        vm.mockCall(address(_s), abi.encodePacked(IContractS.withdrawStake.selector), "");
        _requireEqual(_play.goHome(), "a stake was not paid");
    }

    /// @dev One fault more of the slash, and somebody who cheats and is reported.
    function _plantSlash(uint256 slot, uint256 value) private {
        _faulty.add(slot, value);
        _faulty.set(IContractS.reportEquivocation.selector);
        _cheat(0);
    }

    function _cheat(uint256 first) private {
        for (uint256 i = first; _play.done("reportEquivocation") == 0; ++i) {
            _play.cheat((i << 8) + 4);
        }
    }

    function _slashed() private view returns (address account) {
        for (uint256 i = 0;; ++i) {
            account = _play.people(i);
            (,, bool slashed,,,,) = _s.member(account);
            if (slashed) return account;
        }
    }

    /// @dev A round in which nobody does anything, closed.
    function _missRound() private {
        _play.open(0xff);
        _end();
        _play.close(0);
        require(_play.done("closeRound") == 1);
    }

    /// @dev A settled round after that of the statistics.
    function _settle() private returns (uint256 round) {
        for (uint256 i = 0; i < 200 && _s.settledRounds() < 2; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            if (seed % 8 != 1) _play.step(seed); // but no reports
        }
        require(_s.phase() == ITask.Phase.Settled && bytes(_play.wrong()).length == 0);
        return _s.currentRound();
    }

    function _claimAll() private {
        for (uint256 i = 0; i < 100 && bytes(_play.wrong()).length == 0; ++i) {
            _play.claim(i, uint8(_s.currentRound()), 1);
        }
    }

    /// @dev The latest round's times pass.
    function _end() private {
        vm.warp(block.timestamp + 2001);
    }

    function _memberOf(address account) private pure returns (bytes32) {
        return keccak256(abi.encode(account, MEMBERS));
    }

    function _minus(uint256 value) private pure returns (uint256) {
        unchecked {
            return 0 - value;
        }
    }

    function _memberSlot(uint256 place) private view returns (bytes32) {
        return _memberOf(_play.people(place));
    }

    function _add(uint256 slot, uint256 value) private {
        unchecked {
            uint256 sum = uint256(vm.load(address(_s), bytes32(slot))) + value;
            vm.store(address(_s), bytes32(slot), bytes32(sum));
        }
    }

    function _requireWrong(string memory complaint) private view {
        _requireEqual(_play.wrong(), complaint);
    }

    /// @dev That what was found begins with the complaint.
    function _requireEqual(string memory found, string memory complaint) private pure {
        bytes memory a = bytes(found);
        bytes memory b = bytes(complaint);
        require(a.length >= b.length, string.concat("found: ", found));
        for (uint256 i = 0; i < b.length; ++i) {
            require(a[i] == b[i], string.concat("found: ", found));
        }
    }
}
