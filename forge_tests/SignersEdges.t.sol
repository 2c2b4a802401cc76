// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../contracts/interfaces/ITask.sol";
import { Curves } from "./Curves.sol";
import { Steps } from "./play/Steps.sol";

/// @title That no round credits who signed another one
/// @notice All anchors of a cluster write one bitmap, and its sum makes signers of it. Only the first cluster serves.
/// Sets of devices are bitmaps over its list of them.
contract SignersEdgesTest is Steps {
    uint256 private constant CLUSTERS = 11; // the slot of TaskStorage.sol
    uint256 private constant ALL = 0xf;
    uint256 private constant FEW = 0x7;
    uint256 private constant OTHERS = 0xe;

    // Whether its devices after the first four have the indices from 256 on.
    bool private _wide;

    function parameters() public pure override returns (ITask.TaskParameters memory p) {
        p = super.parameters();
        p.maxSilences = 255;
    }

    // ------------------------------------------------------------------------------------------------
    // From round to round
    // ------------------------------------------------------------------------------------------------

    function test_signers__without_a_sum__told_until_the_next_round() public {
        _open();
        _requireSigners(1, 0);
        _anchorBy(ALL, "");
        _requireSigners(1, ALL);
        vm.warp(_deadlines()[2]);
        _requireSigners(1, ALL);
        _open();
        _requireSigners(1, 0);
        _requireSigners(2, 0);
    }

    function test_signers__fewer_than_in_a_round_without_a_sum__only_these() public {
        _open();
        _anchorBy(ALL, "");
        _missed();
        _open();
        _settleBy(FEW);
        _requireSigners(1, 0);
        _requireEarned(2, FEW);
        expecting.expectRevert(abi.encodeWithSelector(ITask.NotClaimable.selector, 1));
        s.claim(_devices[0][3], _one(1));
    }

    /// @dev In three words of four rounds.
    function test_signers__of_nine_rounds__each_its_own() public {
        for (uint256 round = 1; round < 10; ++round) {
            _open();
            _settleBy(round % 2 == 0 ? FEW : OTHERS);
        }
        for (uint256 round = 1; round < 10; ++round) {
            _requireEarned(round, round % 2 == 0 ? FEW : OTHERS);
        }
    }

    function test_submitCumulative__anchored_in_the_round_before__refused() public {
        _open();
        _anchorBy(ALL, "");
        _missed();
        _open();
        _sums[2][0] = _sums[1][0];
        _sums[2][0].message = s.anchorMessage(2, 0, _anchorFor(_sums[2][0]));
        _submitSum(abi.encodeWithSelector(ITask.WrongRecord.selector, 0, _record(2), bytes32(0)));
        _anchorBy(FEW, "");
        _submitSum("");
        _requireSigners(2, FEW);
    }

    function test_anchor__twice_in_a_round__first_signers_stay() public {
        _open();
        _anchorBy(FEW, "");
        bytes memory refusal = abi.encodeWithSelector(ITask.AlreadyAnchored.selector, 0, 1);
        _anchorBy(ALL, refusal);
        _submitSum("");
        _anchorBy(ALL, refusal);
        _requireSigners(1, FEW);
    }

    function test_signers__after_a_rejected_result__stay_and_are_paid() public {
        _open();
        _anchorBy(FEW, "");
        _submitSum("");
        vm.warp(_deadlines()[1]);
        _submit(_result(1), "");
        _falseResult(0);
        require(s.phase() == ITask.Phase.Aggregating, "not rejected");
        _requireSigners(1, FEW);
        _submitSum(abi.encodeWithSelector(ITask.WrongPhase.selector, ITask.Phase.Aggregating));
        Result memory r = _result(1);
        r.cloud = clouds[1];
        _submit(r, "");
        vm.warp(_deadlines()[2]);
        _requireEarned(1, FEW);
    }

    // ------------------------------------------------------------------------------------------------
    // Members that come and go
    // ------------------------------------------------------------------------------------------------

    function test_signers__device_left_after_the_anchor__paid_in_that_round_only() public {
        _open();
        _anchorBy(ALL, "");
        bytes memory key = Curves.point(personOf[_devices[0][3]].bls);
        vm.prank(_devices[0][3]);
        s.requestExit(key);
        _submitSum("");
        _requireSigners(1, ALL);
        _finish();
        _addDevice(0); // its place is nobody's: this is the fifth
        _open();
        _settleBy(FEW | 0x10);
        _requireEarned(1, ALL);
        _requireEarned(2, FEW | 0x10);
    }

    function test_signers__successor_of_a_fog_without_a_sum__only_its_own() public {
        _open();
        _anchorBy(ALL, "");
        _leave(fogs[0]);
        _missed();
        address next = _newPerson(ITask.Role.Fog, 0, 0);
        s.admitSuccessor(0, next);
        fogs[0] = next;
        _submitSum(abi.encodeWithSelector(ITask.WrongPhase.selector, ITask.Phase.Failed));
        _open();
        _requireSigners(1, 0);
        _settleBy(FEW);
        _requireSigners(1, 0);
        _requireEarned(2, FEW);
    }

    function test_signers__cluster_left_out_meanwhile__only_those_of_its_next_round() public {
        _open();
        _anchorBy(ALL, "");
        _missed();
        _suspend();
        _open();
        _requireSigners(2, 0);
        _anchorBy(ALL, abi.encodeWithSelector(ITask.InactiveCluster.selector, 0));
        _missed();
        vm.deal(address(this), FEE);
        s.depositStake{ value: FEE }(fogs[0]);
        resume(0);
        _open();
        _settleBy(FEW);
        _requireSigners(1, 0);
        _requireSigners(2, 0);
        _requireEarned(3, FEW);
    }

    // ------------------------------------------------------------------------------------------------
    // More than 256 devices
    // ------------------------------------------------------------------------------------------------

    function test_signers__devices_of_two_words__each_word_its_own() public {
        _widen();
        _addDevice(0);
        _addDevice(0);
        _open();
        _settleBy(ALL | 0x30);
        _open();
        _settleBy(FEW); // nobody of the second word
        _open();
        _anchorBy(FEW, "");
        _missed();
        _open();
        _settleBy(0x3c);
        _requireSigners(3, 0);
        _requireEarned(1, ALL | 0x30);
        _requireEarned(2, FEW);
        _requireEarned(4, 0x3c);
    }

    function test_signers__second_word_begun_in_the_round__none_of_it() public {
        _widen();
        _open();
        _addDevice(0); // does not serve in it
        _anchorBy(ALL, "");
        _requireSigners(1, ALL);
        _submitSum("");
        _requireSigners(1, ALL);
        _finish();
        _open();
        _settleBy(FEW | 0x10);
        _requireEarned(1, ALL);
        _requireEarned(2, FEW | 0x10);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    /// @dev As if there had been 252 devices more, which are gone.
    function _widen() private {
        bytes32 slot = keccak256(abi.encode(uint256(0), CLUSTERS));
        uint256 c = uint256(expecting.load(address(s), slot));
        expecting.store(address(s), slot, bytes32((c & ~(uint256(0xffff) << 168)) | (256 << 168)));
        (,, uint256 devices,,,) = s.cluster(0);
        require(devices == 256, "another layout");
        _wide = true;
    }

    /// @dev As if its fog had been silent too often.
    function _suspend() private {
        bytes32 slot = keccak256(abi.encode(uint256(0), CLUSTERS));
        uint256 c = uint256(expecting.load(address(s), slot));
        // 254 silences; the next one is the last.
        expecting.store(address(s), slot, bytes32((c & ~(uint256(0xff) << 248)) | (254 << 248)));
        require(s.silencesOf(0) == 254, "another layout");
    }

    /// @dev The round passes.
    function _missed() private {
        vm.warp(_deadlines()[2]);
    }

    function _settleBy(uint256 signers) private {
        _anchorBy(signers, "");
        _requireSigners(s.currentRound(), signers);
        _submitSum("");
        _requireSigners(s.currentRound(), signers);
        _finish();
    }

    function _finish() private {
        vm.warp(_deadlines()[1]);
        _submit(_result(1), "");
        vm.warp(_deadlines()[2]);
    }

    function _anchorBy(uint256 signers, bytes memory refusal) private {
        uint256 round = s.currentRound();
        Sum memory sum;
        (sum.fog, sum.value, sum.sumsRoot) = (fogs[0], 100, keccak256("Q"));
        (sum.signers, sum.signerCount) = (signers, _count(signers));
        bytes memory absent;
        (,,,, uint256 eligible,) = s.cluster(0);
        for (uint256 i = 0; i < _devices[0].length; ++i) {
            address device = _devices[0][i];
            (, bool active,,,, uint256 index,) = s.member(device);
            if (active && index < eligible) sum.qualified |= 1 << i;
            if (active && signers >> i & 1 == 0) {
                absent = bytes.concat(absent, Curves.point(personOf[device].bls));
            }
        }
        sum.qualifiedCount = _count(sum.qualified);
        ITask.Anchor memory a = _anchorFor(sum);
        sum.message = s.anchorMessage(round, 0, a);
        bytes memory signature = Curves.sign(sum.message, _keySum(0, signers));
        uint256[] memory words = _words(signers, eligible);
        if (refusal.length != 0) expecting.expectRevert(refusal);
        vm.prank(fogs[0]);
        s.anchor(round, 0, round, a, words, absent, signature);
        if (refusal.length == 0) _sums[round][0] = sum;
    }

    function _submitSum(bytes memory refusal) private {
        uint256 round = s.currentRound();
        Sum memory sum = _sums[round][0];
        ITask.Anchor memory a = _anchorFor(sum);
        if (refusal.length != 0) expecting.expectRevert(refusal);
        vm.prank(fogs[0]);
        s.submitCumulative(
            round, 0, a, sum.signerCount, keccak256("vector"), sum.value, Curves.PROOF_OF_A_CONSTANT
        );
        if (refusal.length == 0) _sums[round][0].vectorDigest = keccak256("vector");
    }

    function _requireSigners(uint256 round, uint256 expected) private view {
        (,, uint256 devices,,,) = s.cluster(0);
        uint256[] memory words = _words(expected, devices);
        uint256[] memory told = s.signers(round, 0);
        require(told.length == words.length, "another length");
        for (uint256 w = 0; w < told.length; ++w) {
            require(told[w] == words[w], "other signers");
        }
    }

    /// @dev Everybody claims: just these earned the round.
    function _requireEarned(uint256 round, uint256 signers) private {
        _requireSigners(round, signers);
        for (uint256 i = 0; i < _devices[0].length; ++i) {
            address device = _devices[0][i];
            bool earned = signers >> i & 1 == 1;
            if (!earned) {
                expecting.expectRevert(
                    abi.encodeWithSelector(ITask.NotEarned.selector, device, round)
                );
            }
            uint256 balance = device.balance;
            s.claim(device, _one(round));
            require(device.balance > balance == earned, "paid or not paid");
        }
    }

    function _anchorFor(Sum memory sum) private view returns (ITask.Anchor memory a) {
        (,,,, uint256 eligible,) = s.cluster(0);
        a = _anchorStruct(sum);
        a.qualified = _words(sum.qualified, eligible);
    }

    function _record(uint256 round) private view returns (bytes32) {
        Sum memory sum = _sums[round][0];
        return keccak256(
            abi.encode(
                sum.message, sum.signerCount, sum.qualifiedCount, keccak256(Curves.point(sum.value))
            )
        );
    }

    /// @dev Places in the list of devices, as indices.
    function _words(uint256 set, uint256 devices) private view returns (uint256[] memory words) {
        words = new uint256[]((devices + 255) / 256);
        words[0] = _wide ? set & 0xf : set;
        if (words.length > 1) words[1] = set >> 4;
    }
}
