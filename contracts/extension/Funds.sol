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
}
