// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Extension } from "../../contracts/Extension.sol";

/// @title The extension with a fault
/// @notice To what one of its functions does it adds a change of slots of S.
contract Faulty {
    address private immutable _real = address(new Extension());
    Faulty private immutable _self = this;
    bytes4 private _selector;
    uint256[2][] private _changes;

    fallback() external payable {
        (bool ok, bytes memory answer) = _real.delegatecall(msg.data);
        (bytes4 selector, uint256[2][] memory changes) = _self.plan();
        if (ok && msg.sig == selector) {
            for (uint256 i = 0; i < changes.length; ++i) {
                (uint256 slot, uint256 value) = (changes[i][0], changes[i][1]);
                assembly ("memory-safe") {
                    sstore(slot, add(sload(slot), value))
                }
            }
        }
        assembly ("memory-safe") {
            if iszero(ok) { revert(add(answer, 0x20), mload(answer)) }
            return(add(answer, 0x20), mload(answer))
        }
    }

    receive() external payable { }

    function set(bytes4 selector) external {
        _selector = selector;
    }

    function add(uint256 slot, uint256 value) external {
        _changes.push([slot, value]);
    }

    function plan() external view returns (bytes4, uint256[2][] memory) {
        return (_selector, _changes);
    }
}
