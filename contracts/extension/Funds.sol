// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Disputes } from "./Disputes.sol";

/// @title The pool that rewards come from
/// @notice Stakes, what is owed to members, the pool, and what is burnt: their sum is what came in through
/// payable functions less what was paid out. The balance is never read, so ether forced into S changes nothing.
abstract contract Funds is Disputes {
    function fundPool() external payable viaS {
        _accounts.pool += uint128(msg.value);
        emit PoolFunded(msg.sender, msg.value);
    }

    function withdrawPool(uint256 amount) external viaS onlyAuthority {
        _requireOver();
        uint256 pool = _accounts.pool;
        if (amount > pool) revert PoolTooLow(pool, amount);
        _accounts.pool = uint128(pool - amount);
        emit PoolWithdrawn(amount);
        _pay(msg.sender, amount);
    }

    function returnUnclaimed(uint256 word) external viaS {
        Rewards memory r = _rewards[word];
        if (r.owed == 0) revert NothingToReturn(word);
        uint256 until = uint256(r.deadline) + _task().claimTime;
        if (block.timestamp < until) revert ClaimTimeNotOver(word, until);
        Latest memory l = _latest;
        // A round under way can still be settled, and claimed then.
        uint256 upTo = l.settled ? l.number : l.number - 1;
        if (upTo > 256 * word + 255) upTo = 256 * word + 255;
        uint128 amount = r.owed;
        (r.owed, r.returned) = (0, uint32(upTo));
        _rewards[word] = r;
        _accounts.owed -= amount;
        _accounts.pool += amount;
        emit UnclaimedReturned(word, upTo, amount);
    }
}
