// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "../interfaces/IContractS.sol";
import { Task } from "./Task.sol";

/// @title Where the ether in S belongs
/// @notice Stakes, what is owed to members, the pool that rewards come from, and what is burnt: their sum
/// is what came in through payable functions less what was paid out. The balance is never read, so
/// ether forced into S changes nothing.
abstract contract Ledger is Task {
    // Two slots. No sum can reach 2^128 wei.
    struct Accounts {
        uint128 pool;
        uint128 owed;
        uint128 stakes;
        uint128 burnt;
    }

    Accounts internal _accounts;
    mapping(address reporter => uint256 amount) internal _credits;

    /// @inheritdoc IContractS
    function fundPool() external payable override {
        _accounts.pool += uint128(msg.value);
        emit PoolFunded(msg.sender, msg.value);
    }

    /// @inheritdoc IContractS
    function accounting()
        external
        view
        override
        returns (uint256 stakes, uint256 owed, uint256 pool, uint256 burnt)
    {
        Accounts memory a = _accounts;
        return (a.stakes, a.owed, a.pool, a.burnt);
    }

    /// @inheritdoc IContractS
    function creditOf(address account) external view override returns (uint256) {
        return _credits[account];
    }

    /// @dev Last step of a function, after all effects. The answer is not copied, so a receiver can only
    /// refuse its own payment.
    function _pay(address account, uint256 amount) internal {
        bool ok;
        assembly ("memory-safe") {
            ok := call(gas(), account, amount, 0x00, 0x00, 0x00, 0x00)
        }
        if (!ok) revert PaymentFailed(account, amount);
    }
}
