// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { R } from "./Bls12381.sol";

/// @title Value of a polynomial given by its coefficients
library Horner {
    /// @dev `z^exponent mod R`, the exponent being a power of two.
    function raise(uint256 z, uint256 exponent) internal pure returns (uint256 power) {
        power = z;
        for (uint256 e = 1; e < exponent; e <<= 1) {
            power = mulmod(power, power, R);
        }
    }

    /// @dev `sum_j vector_j z^j mod R`, coefficients being the 32-byte words of `vector`; a rest shorter
    /// than a word is not read.
    /// @return value The value, if canonical.
    /// @return canonical Whether every coefficient is below R.
    function evaluate(bytes calldata vector, uint256 z)
        internal
        pure
        returns (uint256 value, bool canonical)
    {
        canonical = true;
        uint256 order = R;
        // In assembly since the loop runs over thousands of elements: about 85 gas each.
        assembly ("memory-safe") {
            let end := vector.offset
            let position := add(end, and(vector.length, not(0x1f)))
            for { } gt(position, end) { } {
                position := sub(position, 0x20)
                let element := calldataload(position)
                canonical := and(canonical, lt(element, order))
                value := addmod(mulmod(value, z, order), element, order)
            }
        }
    }
}
