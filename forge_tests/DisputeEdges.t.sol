// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "../contracts/interfaces/IContractS.sol";
import { ITask } from "../contracts/interfaces/ITask.sol";
import { Curves } from "./Curves.sol";
import { Steps } from "./play/Steps.sol";

contract DisputeEdgesTest is Steps {
    /// @dev What the judge has computed is kept, and the case stays the first one's.
    function test_advanceNoiseCase__two_callers__the_first_ones_case() public {
        ITask.NoiseEvidence memory evidence;
        bytes32 id = keccak256("case");
        for (uint256 i = 1; i <= 2; ++i) {
            expecting.mockCall(
                s.judge(),
                abi.encodePacked(IContractS.advanceNoiseCase.selector),
                abi.encode(id, 32 * i, 1000 + i)
            );
            vm.prank(people[i]);
            s.advanceNoiseCase(evidence, 32);
            (address reporter, uint256 done_, uint256 value) = s.noiseCase(id);
            assert(reporter == people[1] && done_ == 32 * i && value == 1000 + i);
        }
    }

    /// @dev The books, the model and the round are as they were before the result; the next one counts.
    function test_reportFalseResult__in_time__undoes_the_result() public {
        _settle();
        _open();
        _serve(3);
        bytes32 model = s.modelDigest();
        (, uint256 owed, uint256 pool,) = s.accounting();
        (uint256 ofWord,,) = s.rewardsOf(0);
        Result memory r = _result(3);
        _submit(r, "");
        assert(s.modelDigest() != model);
        _falseResult(0);
        assert(done["rejected"] == 1 && s.modelDigest() == model);
        (, bool provisional) = s.previousModel();
        assert(!provisional && s.settledRounds() == 1 && s.phase() == ITask.Phase.Aggregating);
        (, uint256 owedAfter, uint256 poolAfter,) = s.accounting();
        assert(owedAfter - owed == STAKE * 3 / 10 && poolAfter - pool == STAKE * 6 / 10);
        (uint256 ofWordAfter,,) = s.rewardsOf(0);
        assert(ofWordAfter == ofWord);
        (,,,,,,,,,,,, uint256 included,, bytes32 digest) = s.round(2);
        assert(included == 0 && digest == 0);
        r.cloud = clouds[1];
        _submit(r, "");
        assert(s.phase() == ITask.Phase.Settled && s.settledRounds() == 2);
    }

    /// @dev After the last deadline the cloud is slashed and the result stays; its rewards too.
    function test_reportFalseResult__late__only_slashes() public {
        _settle();
        (, uint256 owed,,) = s.accounting();
        _falseResult(0);
        assert(done["reportFalseResult"] == 1 && done["rejected"] == 0);
        (, uint256 owedAfter,,) = s.accounting();
        assert(owedAfter - owed == STAKE * 3 / 10 && s.settledRounds() == 1);
        assert(_stakeOf(clouds[0]) == 0);
    }
}

contract VotedEdgesTest is Steps {
    function parameters() public pure override returns (ITask.TaskParameters memory p) {
        p = super.parameters();
        (p.modelRule, p.modelTime) = (ITask.ModelRule.Voted, 700);
        p.statisticsRounds = 0;
    }

    /// @dev Of a settled round the model may come until some time after it.
    function test_openRound__model_to_come__not_before_its_time() public {
        _open();
        _serve(3);
        bytes32 model = s.modelDigest();
        vm.warp(_deadlines()[2] - 1);
        Result memory r = _result(3);
        bytes32 digest = keccak256(abi.encode(uint256(1), "result"));
        bytes memory given = _models[model];
        vm.prank(r.cloud);
        s.submitAggregate(
            1,
            3,
            r.sums,
            given,
            digest,
            r.samples,
            Curves.PROOF_OF_A_CONSTANT,
            r.y,
            Curves.PROOF_OF_A_CONSTANT
        );
        assert(s.modelDigest() == model);
        uint256 until = _deadlines()[2] + 700;
        vm.warp(until - 1);
        expecting.expectRevert(abi.encodeWithSelector(ITask.ModelPending.selector, 1, until));
        s.openRound();
        vm.warp(until);
        s.openRound();
        assert(s.modelDigest() == model && s.currentRound() == 2);
    }

    function test_openRound__failed_round__no_model_to_come() public {
        _open();
        vm.warp(_deadlines()[0]);
        s.openRound();
        assert(s.currentRound() == 2);
    }
}
