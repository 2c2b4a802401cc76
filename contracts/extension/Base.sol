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

    function _budget() internal view override returns (uint256) {
        return _task().reward;
    }

    function _requireS() private view {
        if (address(this) == _self) revert OnlyThroughContractS();
    }

    function _requireAuthority() private view {
        if (msg.sender != _fixed().authority) revert NotAuthority(msg.sender);
    }
}
