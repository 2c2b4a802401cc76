// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../contracts/interfaces/ITask.sol";
import { Steps } from "./play/Steps.sol";

contract FundEdgesTest is Steps {
    function test_withdrawPool__more_than_there_is__refused__all_of_it__paid() public {
        (,, uint256 pool,) = s.accounting();
        expecting.expectRevert(abi.encodeWithSelector(ITask.PoolTooLow.selector, pool, pool + 1));
        s.withdrawPool(pool + 1);
        uint256 before = address(this).balance;
        s.withdrawPool(pool);
        (,, uint256 left,) = s.accounting();
        assert(left == 0 && address(this).balance == before + pool);
    }

    /// @dev Rounds 1 and 300: bits 1 and 44 of their words.
    function test_claim__rounds_of_two_words__each_in_its_own() public {
        _settle();
        uint256 latest = uint256(expecting.load(address(s), LATEST)) >> 32 << 32;
        expecting.store(address(s), LATEST, bytes32(latest | 299));
        assert(_settle() == 300);
        uint256[] memory rounds = new uint256[](2);
        (rounds[0], rounds[1]) = (1, 300);
        expecting.expectEmit(address(s));
        emit ITask.RewardClaimed(fogs[0], 0, 1 << 1, 0.001 ether);
        expecting.expectEmit(address(s));
        emit ITask.RewardClaimed(fogs[0], 1, 1 << 44, 0.001 ether);
        s.claim(fogs[0], rounds);
    }

    // Slot of TaskStorage.sol, as in Planted.t.sol.
    bytes32 private constant LATEST = bytes32(uint256(17));
}

contract FeeEdgesTest is Steps {
    function parameters() public pure override returns (ITask.TaskParameters memory p) {
        p = super.parameters();
        p.silenceFee = 1;
    }

    function test_closeRound__one_fee_of_one_wei__in_the_pool() public {
        (uint256 stakes,, uint256 pool,) = s.accounting();
        _open();
        _serve(1);
        _submit(_result(1), "");
        (, uint256 owed,,) = s.accounting();
        vm.warp(_deadlines()[2]);
        s.closeRound();
        (uint256 stakesAfter, uint256 owedAfter, uint256 poolAfter,) = s.accounting();
        assert(_stakeOf(fogs[1]) == STAKE - 1 && stakesAfter == stakes - 1);
        assert(owedAfter == owed && poolAfter == pool - owed + 1);
    }
}
