// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../contracts/interfaces/ITask.sol";
import { Steps } from "./play/Steps.sol";

/// @title That nobody pays for silence where a model goes that perhaps nobody was told
/// @notice The first round is one of statistics, the second begins to train.
contract SilenceEdgesTest is Steps {
    /// @dev Nobody pays for a model that perhaps nobody was told; the next time they do.
    function test_closeRound__nobody_anchored_on_the_result__no_fee_then_fees() public {
        bytes32 before = _settleTwice();
        (uint256 stakes,, uint256 pool,) = s.accounting();
        _open();
        vm.warp(_deadlines()[0]);
        expecting.expectEmit(address(s));
        emit ITask.RoundClosed(3, 0, false);
        s.closeRound();
        _requireFees(0, 0);
        assert(s.silencesOf(0) == 0 && s.silencesOf(1) == 0 && _active(0) && _active(1));
        (uint256 stakesAfter,, uint256 poolAfter,) = s.accounting();
        assert(stakes == stakesAfter && pool == poolAfter);
        expecting.expectRevert(abi.encodeWithSelector(ITask.RoundAlreadyClosed.selector, 3));
        s.closeRound();
        assert(s.modelDigest() != before);
        _open();
        _requireFees(0, 0);
        assert(s.modelDigest() == before);
        vm.warp(_deadlines()[0]);
        expecting.expectEmit(address(s));
        emit ITask.RoundClosed(4, 3, false);
        s.closeRound();
        _requireFees(1, 1);
        assert(s.silencesOf(0) == 1 && s.silencesOf(1) == 1);
    }

    function test_openRound__closes_where_nobody_anchored_on_the_result__no_fee() public {
        bytes32 before = _settleTwice();
        _open();
        vm.warp(_deadlines()[0]);
        _open();
        _requireFees(0, 0);
        assert(s.modelDigest() == before);
    }

    /// @dev That one could anchor shows that the model was told; it need not submit.
    function test_closeRound__one_anchored_on_the_result__who_was_silent_pays() public {
        _settleTwice();
        bytes32 later = s.modelDigest();
        _open();
        anchor(2, 0);
        vm.warp(_deadlines()[1]);
        s.closeRound();
        _requireFees(1, 1);
        _open();
        assert(s.modelDigest() == later);
    }

    /// @dev A round of statistics leaves the model: there is nothing to be told.
    function test_closeRound__nobody_anchored_after_statistics__fees() public {
        _settle();
        _open();
        vm.warp(_deadlines()[0]);
        s.closeRound();
        _requireFees(1, 1);
    }

    /// @dev Nor does such a round end a row of silences.
    function test_closeRound__nobody_anchored_on_the_result__row_of_silences_goes_on() public {
        _settle();
        _open();
        _serve(1);
        vm.warp(_deadlines()[1]);
        _submit(_result(1), "");
        vm.warp(_deadlines()[2]);
        s.closeRound();
        assert(s.silencesOf(1) == 1);
        _open();
        vm.warp(_deadlines()[0]);
        s.closeRound();
        _requireFees(0, 1);
        assert(s.silencesOf(1) == 1 && _active(1));
        _open();
        vm.warp(_deadlines()[0]);
        s.closeRound();
        _requireFees(1, 2);
        assert(!_active(1) && _active(0));
    }

    function test_admitSuccessor__of_a_fog_that_was_not_told_the_model__it_pays_nothing() public {
        bytes32 before = _settleTwice();
        _open();
        vm.warp(_deadlines()[0]);
        _leave(fogs[1]);
        address next = _newPerson(ITask.Role.Fog, 1, 0);
        expecting.expectEmit(address(s));
        emit ITask.RoundClosed(3, 0, false);
        s.admitSuccessor(1, next);
        _requireFees(0, 0);
        fogs[1] = next;
        _open();
        assert(s.modelDigest() == before);
    }

    /// @dev A round of statistics and one of training; returns the model before the latter.
    function _settleTwice() private returns (bytes32 before) {
        _settle();
        before = s.modelDigest();
        _settle();
        (bytes32 previous, bool provisional) = s.previousModel();
        assert(previous == before && provisional);
    }

    function _requireFees(uint256 first, uint256 second) private view {
        assert(_stakeOf(fogs[0]) == STAKE - first * FEE);
        assert(_stakeOf(fogs[1]) == STAKE - second * FEE);
        assert(_stakeOf(clouds[0]) == STAKE && _stakeOf(clouds[1]) == STAKE);
    }
}
