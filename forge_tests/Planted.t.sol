// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Extension } from "../contracts/Extension.sol";
import { Verdict } from "../contracts/Judge.sol";
import { Toolbox } from "../contracts/Toolbox.sol";
import { Verifier } from "../contracts/Verifier.sol";
import { IContractS } from "../contracts/interfaces/IContractS.sol";
import { ITask } from "../contracts/interfaces/ITask.sol";
import { Play } from "./Play.sol";

interface Planting {
    function load(address account, bytes32 slot) external view returns (bytes32);
    function store(address account, bytes32 slot, bytes32 value) external;
    function deal(address account, uint256 wei_) external;
    function mockCall(address callee, bytes calldata data, bytes calldata answer) external;
}

/// @title That the invariants notice what they are about
/// @notice Each test makes S do or hold something false, as a bug would, and demands the very complaint. Slots are
/// those of TaskStorage.sol (tests/contracts/snapshots.json).
contract Planted {
    Planting private constant vm =
        Planting(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant ACCOUNTS = 3;
    uint256 private constant CREDITS = 5;
    uint256 private constant MEMBERS = 9;
    uint256 private constant LATEST = 17;

    Toolbox private _toolbox;
    Play private _play;
    IContractS private _s;

    function setUp() public {
        _toolbox = new Toolbox();
        _play = new Play(_toolbox, new Extension());
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

    function _memberSlot(uint256 place) private view returns (bytes32) {
        return keccak256(abi.encode(_play.people(place), MEMBERS));
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
