// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../contracts/interfaces/ITask.sol";
import { R } from "../contracts/libraries/Bls12381.sol";
import { Curves } from "./Curves.sol";
import { Steps } from "./play/Steps.sol";

contract ResultEdgesTest is Steps {
    function _false(uint256 z, uint256 y) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITask.FalseOpening.selector, z, y);
    }

    function _wrong(uint256 included) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITask.WrongInclusion.selector, included, 3);
    }

    function test_submitAggregate__each_wrong_argument__its_error() public {
        _open();
        _serve(3);
        vm.warp(_deadlines()[1] - 1);
        Result memory r = _result(3);
        bytes32 digest = keccak256(abi.encode(uint256(1), "result"));
        uint256 z = s.aggregateChallenge(1, 3, keccak256(Curves.point(r.samples)), digest);
        r.samples += 1;
        _submit(r, _false(0, r.samples));
        (r.samples, r.y) = (r.samples - 1, r.y + 1);
        _submit(r, _false(z, r.y));
        r.y -= 1;
        r.included = 0;
        _submit(r, _wrong(0));
        r.included = 7;
        _submit(r, _wrong(7));
        _submit(_result(1), _wrong(1));
        r.included = 3;
        r.sums = _result(2).sums;
        _submit(r, abi.encodeWithSelector(ITask.WrongLength.selector, 1, 2));
        r = _result(3);
        r.cloud = fogs[0];
        _submit(r, abi.encodeWithSelector(ITask.NotActiveCloud.selector, fogs[0]));
        r.cloud = clouds[1];
        _leave(r.cloud);
        _submit(r, abi.encodeWithSelector(ITask.NotActiveCloud.selector, r.cloud));
        _submit(_result(3), "");
        assert(s.phase() == ITask.Phase.Settled);
    }

    function test_submitAggregate__a_part_at_the_deadline__books_its_shares() public {
        _open();
        _serve(3);
        vm.warp(_deadlines()[1]);
        (,, uint256 before,) = s.accounting();
        _submit(_result(2), "");
        // Of 0.01 ether a tenth to the cloud, a fifth to two fogs, the rest to eight devices.
        uint256 amount = 0.001 ether + 0.001 ether + 4 * (0.007 ether / uint256(8));
        (, uint256 owed, uint256 pool,) = s.accounting();
        assert(owed == amount && before - pool == amount);
        (uint256 ofWord, uint256 deadline, uint256 returned) = s.rewardsOf(0);
        assert(ofWord == amount && deadline == _deadlines()[2] && returned == 0);
        (,,,,,,,,,,,, uint256 included, address cloud,) = s.round(1);
        assert(included == 2 && cloud == clouds[0] && s.settledRounds() == 1);
    }

    /// @dev Half of the field is the largest number that is not negative: as many samples as there can be.
    function test_submitAggregate__half_of_the_field__most_samples() public {
        _settle();
        _open();
        (, Sum memory sum,) = _anchorOf(0, 1, 0);
        sum.value = R / 2;
        ITask.Anchor memory a = _anchorStruct(sum);
        sum.message = s.anchorMessage(2, 0, a);
        uint256[] memory signers = new uint256[](1);
        signers[0] = sum.signers;
        bytes memory signature = Curves.sign(sum.message, _keySum(0, sum.signers));
        uint256 batch = _batch(0, 2);
        vm.prank(fogs[0]);
        s.anchor(2, 0, batch, a, signers, "", signature);
        _sums[2][0] = sum;
        vm.warp(_deadlines()[0]);
        submit(2);
        _submit(_result(1), ""); // compares the model with one computed beside it
        assert(s.settledRounds() == 2);
    }

    function test_claim__who_did_not_serve_or_too_early__refused() public {
        _open();
        _serve(3);
        _submit(_result(3), "");
        uint256[] memory one = _one(1);
        vm.warp(_deadlines()[2] - 1);
        expecting.expectRevert(abi.encodeWithSelector(ITask.NotClaimable.selector, 1));
        s.claim(clouds[0], one);
        vm.warp(_deadlines()[2]);
        expecting.expectRevert(abi.encodeWithSelector(ITask.NotEarned.selector, clouds[1], 1));
        s.claim(clouds[1], one);
        expecting.expectRevert(abi.encodeWithSelector(ITask.NotEarned.selector, address(1), 1));
        s.claim(address(1), one);
        expecting.expectRevert(abi.encodeWithSelector(ITask.NotClaimable.selector, 2));
        s.claim(clouds[0], _one(2));
        uint256 balance = clouds[0].balance;
        s.claim(clouds[0], one);
        assert(clouds[0].balance - balance == 0.001 ether);
        expecting.expectRevert(abi.encodeWithSelector(ITask.NothingToClaim.selector, clouds[0]));
        s.claim(clouds[0], one);
    }

    /// @dev Each fog of a cluster is paid for its own rounds.
    function test_claim__former_and_new_fog__their_rounds() public {
        _settle();
        address former = fogs[1];
        _leave(former);
        address next = _newPerson(ITask.Role.Fog, 1, 0);
        s.admitSuccessor(1, next);
        fogs[1] = next;
        (ITask.Role role, bool active,,, uint256 c,,) = s.member(next);
        assert(role == ITask.Role.Fog && active && c == 1 && _active(1));
        _settle();
        expecting.expectRevert(abi.encodeWithSelector(ITask.NotEarned.selector, former, 2));
        s.claim(former, _one(2));
        expecting.expectRevert(abi.encodeWithSelector(ITask.NotEarned.selector, next, 1));
        s.claim(next, _one(1));
        (uint256 a, uint256 b) = (former.balance, next.balance);
        s.claim(former, _one(1));
        s.claim(next, _one(2));
        assert(former.balance - a == 0.001 ether && next.balance - b == 0.001 ether);
    }

    function test_returnUnclaimed__at_its_time__just_what_is_left() public {
        _settle();
        s.claim(clouds[0], _one(1));
        uint256 until = _deadlines()[2] + CLAIM_TIME;
        vm.warp(until - 1);
        expecting.expectRevert(abi.encodeWithSelector(ITask.ClaimTimeNotOver.selector, 0, until));
        s.returnUnclaimed(0);
        vm.warp(until);
        expecting.expectEmit(address(s));
        emit ITask.UnclaimedReturned(0, 1, 0.002 ether + 8 * (0.007 ether / uint256(8)));
        s.returnUnclaimed(0);
        expecting.expectRevert(abi.encodeWithSelector(ITask.NothingToReturn.selector, 0));
        s.returnUnclaimed(0);
        expecting.expectRevert(abi.encodeWithSelector(ITask.RewardReturned.selector, 1));
        s.claim(fogs[0], _one(1));
    }

    /// @dev The second word's rounds end at 511, whichever is the latest; a round under way is left out.
    function test_returnUnclaimed__second_word__up_to_its_end() public {
        _settle();
        vm.warp(_deadlines()[2] + CLAIM_TIME);
        _returnsUpTo(600, 511);
        _returnsUpTo(512, 511);
        _returnsUpTo(511, 511);
        _returnsUpTo(510, 510);
    }

    // Slots of TaskStorage.sol, as in Planted.t.sol.
    function _returnsUpTo(uint256 latest, uint256 expected) private {
        bytes32 first = keccak256(abi.encode(uint256(0), uint256(7)));
        bytes32 second = keccak256(abi.encode(uint256(1), uint256(7)));
        uint256 owed = uint256(expecting.load(address(s), first));
        if (owed != 0) expecting.store(address(s), second, bytes32(owed));
        expecting.store(address(s), first, 0);
        uint256 l = uint256(expecting.load(address(s), bytes32(uint256(17))));
        expecting.store(address(s), bytes32(uint256(17)), bytes32((l >> 32 << 32) | latest));
        (uint256 amount,,) = s.rewardsOf(1);
        expecting.expectEmit(address(s));
        emit ITask.UnclaimedReturned(1, expected, amount);
        s.returnUnclaimed(1);
        // Again, with the same sum.
        uint256 r = uint256(expecting.load(address(s), second)) >> 128 << 128;
        expecting.store(address(s), second, bytes32((r & ((1 << 168) - 1)) | amount));
        uint256 a = uint256(expecting.load(address(s), bytes32(uint256(3))));
        unchecked {
            a += (amount << 128) - amount;
        }
        expecting.store(address(s), bytes32(uint256(3)), bytes32(a));
    }
}

contract OpeningEdgesTest is Steps {
    function test_openRound__after_a_settled_one__begins_anew() public {
        _settle();
        vm.roll(777);
        noise(0);
        noise(1);
        s.openRound();
        (
            ITask.Phase state,
            uint256 beaconBlock,
            uint256 first,
            uint256 second,
            uint256 third,,,,,,,,,,
        ) = s.round(2);
        assert(state == ITask.Phase.Anchoring && beaconBlock == 779);
        assert(first == block.timestamp + 1000);
        assert(second == first + 500 && third == second + 500);
        (,,,,, uint256 clusters, uint256 anchored, uint256 submitted,,,, bool updates,,,) =
            s.round(2);
        assert(clusters == 3 && anchored == 0 && submitted == 0 && updates);
    }

    function test_openRound__who_or_when_it_must_not__refused() public {
        (,,, uint256 stake,,,) = s.member(people[3]);
        assert(stake == STAKE);
        vm.prank(people[3]); // a device
        expecting.expectRevert(abi.encodeWithSelector(ITask.NotAllowedToOpen.selector, people[3]));
        s.openRound();
        _leave(clouds[1]);
        vm.prank(clouds[1]);
        expecting.expectRevert(abi.encodeWithSelector(ITask.NotAllowedToOpen.selector, clouds[1]));
        s.openRound();
        (,, uint256 pool,) = s.accounting();
        s.withdrawPool(pool - REWARD + 1);
        expecting.expectRevert(
            abi.encodeWithSelector(ITask.PoolTooLow.selector, REWARD - 1, REWARD)
        );
        s.openRound();
        vm.deal(address(this), 1);
        s.fundPool{ value: 1 }();
        vm.prank(fogs[0]);
        s.openRound();
        expecting.expectRevert(
            abi.encodeWithSelector(ITask.WrongPhase.selector, ITask.Phase.Anchoring)
        );
        s.openRound();
    }

    function test_openRound__no_cluster_left__refused() public {
        _leave(fogs[0]);
        _leave(fogs[1]);
        expecting.expectRevert(abi.encodeWithSelector(ITask.NoActiveCluster.selector));
        s.openRound();
    }

    function test_openRound__nobody_anchored_on_the_result__model_before_it() public {
        _settle();
        bytes32 before = s.modelDigest();
        _settle();
        bytes32 later = s.modelDigest();
        assert(before != later);
        _open();
        vm.warp(_deadlines()[2]);
        assert(s.modelDigest() == later);
        _open();
        (, bool provisional) = s.previousModel();
        assert(s.modelDigest() == before && !provisional);
    }

    function test_openRound__somebody_anchored_on_the_result__it_stays() public {
        _settle();
        _settle();
        bytes32 later = s.modelDigest();
        _open();
        _serve(3);
        vm.warp(_deadlines()[2]);
        _open();
        vm.warp(_deadlines()[2]);
        _open(); // nor does it go now
        assert(s.modelDigest() == later);
    }

    /// @dev Rounds in which the second fog is silent, speaks, is silent twice.
    function test_closeRound__silent_fog__fee_and_after_the_second_in_a_row_left_out() public {
        (uint256 stakes,, uint256 pool,) = s.accounting();
        _open();
        _serve(1);
        vm.warp(_deadlines()[2]);
        s.closeRound();
        assert(_stakeOf(fogs[0]) == STAKE && _stakeOf(fogs[1]) == STAKE - FEE);
        assert(_stakeOf(clouds[0]) == STAKE - FEE && _stakeOf(clouds[1]) == STAKE - FEE);
        (uint256 stakesAfter,, uint256 poolAfter,) = s.accounting();
        assert(stakes - stakesAfter == 3 * FEE && poolAfter - pool == 3 * FEE);
        assert(s.silencesOf(1) == 1 && s.silencesOf(0) == 0 && _active(1));
        expecting.expectRevert(abi.encodeWithSelector(ITask.RoundAlreadyClosed.selector, 1));
        s.closeRound();
        _settle();
        s.closeRound();
        assert(s.silencesOf(1) == 0 && _stakeOf(clouds[0]) == STAKE - FEE);
        for (uint256 i = 0; i < 2; ++i) {
            assert(_active(1) && s.silencesOf(1) == i);
            _open();
            _serve(1);
            vm.warp(_deadlines()[2]);
            s.closeRound();
        }
        assert(!_active(1) && _active(0) && _stakeOf(fogs[1]) == STAKE - 3 * FEE);
        _requireResumes();
    }

    function _requireResumes() private {
        expecting.expectRevert(abi.encodeWithSelector(ITask.NotFogOfCluster.selector, 1, fogs[0]));
        vm.prank(fogs[0]);
        s.resumeCluster(1);
        expecting.expectRevert(abi.encodeWithSelector(ITask.ClusterNotSuspended.selector, 0));
        vm.prank(fogs[0]);
        s.resumeCluster(0);
        expecting.expectRevert(
            abi.encodeWithSelector(ITask.StakeTooLow.selector, fogs[1], STAKE - 3 * FEE, STAKE)
        );
        vm.prank(fogs[1]);
        s.resumeCluster(1);
        vm.deal(address(this), 3 * FEE);
        s.depositStake{ value: 3 * FEE }(fogs[1]);
        vm.prank(fogs[1]);
        s.resumeCluster(1);
        assert(_active(1) && s.silencesOf(1) == 0);
    }

    function test_closeRound__fog_that_left_before_its_deadline__no_fee() public {
        _open();
        vm.warp(_deadlines()[0] - 1);
        _leave(fogs[0]);
        vm.warp(_deadlines()[0]);
        _leave(fogs[1]);
        vm.warp(_deadlines()[2]);
        s.closeRound();
        assert(_stakeOf(fogs[0]) == STAKE && _stakeOf(fogs[1]) == STAKE - FEE);
    }

    /// @dev Of a fog that has anchored the deadline is that of the sums.
    function test_closeRound__fog_that_anchored_and_left__fee_by_the_later_deadline() public {
        _open();
        anchor(1, 0);
        anchor(2, 0);
        vm.warp(_deadlines()[1] - 1);
        _leave(fogs[0]);
        vm.warp(_deadlines()[1]);
        _leave(fogs[1]);
        s.closeRound();
        assert(_stakeOf(fogs[0]) == STAKE && _stakeOf(fogs[1]) == STAKE - FEE);
        assert(_stakeOf(clouds[0]) == STAKE);
    }

    function test_closeRound__second_fog_that_anchored_and_left_in_time__no_fee() public {
        _open();
        anchor(1, 0);
        anchor(2, 0);
        vm.warp(_deadlines()[1] - 1);
        _leave(fogs[1]);
        vm.warp(_deadlines()[1]);
        s.closeRound();
        assert(_stakeOf(fogs[0]) == STAKE - FEE && _stakeOf(fogs[1]) == STAKE);
    }

    function test_admitSuccessor__where_there_is_a_fog_or_no_cluster__refused() public {
        address next = _newPerson(ITask.Role.Fog, 1, 0);
        expecting.expectRevert(abi.encodeWithSelector(ITask.ClusterHasFog.selector, 1, fogs[1]));
        s.admitSuccessor(1, next);
        expecting.expectRevert(abi.encodeWithSelector(ITask.UnknownCluster.selector, 9));
        s.admitSuccessor(9, next);
        _leave(fogs[1]);
        vm.prank(fogs[1]);
        expecting.expectRevert(abi.encodeWithSelector(ITask.MemberHasLeft.selector, fogs[1]));
        s.resumeCluster(1);
    }
}
