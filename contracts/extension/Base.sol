// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Phases } from "../parts/Phases.sol";
import { SSTORE2 } from "solady/src/utils/SSTORE2.sol";

/// @title What every function of the extension begins with
abstract contract Base is Phases {
    address private immutable _self = address(this);

    /// @dev Every function that changes anything works on the storage of S only.
    modifier viaS() {
        _requireS();
        _;
    }

    modifier onlyAuthority() {
        _requireAuthority();
        _;
    }

    /// @dev What S was built with. S may not have immutables for the extension: they are in the code of S.
    function _fixed() internal view returns (Constants memory) {
        return abi.decode(SSTORE2.read(_constants), (Constants));
    }

    function _task() internal view returns (TaskParameters memory) {
        return _fixed().parameters;
    }

    function _budget() internal view override returns (Shares memory) {
        TaskParameters memory p = _task();
        return _split(p.reward, p.cloudPercent, p.fogPercent);
    }

    /// @dev The latest round, which must be over for good: no result of it can come or go any more.
    function _requireOver() internal view returns (Latest memory l) {
        l = _latest;
        _requirePhase(l, NONE | SETTLED | FAILED);
        if (l.settled && block.timestamp < l.aggregateDeadline) {
            revert RoundNotOver(l.number, l.aggregateDeadline);
        }
    }

    function _requireS() private view {
        if (address(this) == _self) revert OnlyThroughContractS();
    }

    function _requireAuthority() private view {
        if (msg.sender != _fixed().authority) revert NotAuthority(msg.sender);
    }
}
