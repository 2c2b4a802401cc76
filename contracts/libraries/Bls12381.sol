// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../interfaces/ITask.sol";
import { BLS } from "solady/src/utils/ext/ithaca/BLS.sol";

/// @dev Order of the groups, modulus of the scalar field.
uint256 constant R = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;

/// @dev Length of a point of G1 as EIP-2537 encodes it.
uint256 constant POINT_BYTES = 128;

/// @dev Length of a point's coordinates without the 16 zero bytes before each.
uint256 constant PACKED_POINT_BYTES = 96;

/// @dev A point of G1: x and y, each 64 bytes of which the first 16 are zero. Infinity is all zeros.
struct G1Point {
    uint256 xHigh;
    uint256 xLow;
    uint256 yHigh;
    uint256 yLow;
}

/// @title The group operations of EIP-2537 that S uses
/// @notice Every call is bounded in gas (a failing precompile burns all it gets) and checks the size of
/// the answer (a chain without the precompile answers nothing).
/// @dev Warning: addition checks neither operand's subgroup. Points from outside must pass `multiply`,
/// `requireSubgroup` or `pairing` first.
library Bls12381 {
    // Length of a point and its scalar.
    uint256 private constant TERM_BYTES = 160;

    // Twice the prices of EIP-2537; a sum of k products costs at most k single ones.
    uint256 private constant ADD_GAS = 2 * 375;
    uint256 private constant MULTIPLY_GAS = 2 * 12_000;
    uint256 private constant PAIRING_GAS = 2 * (37_700 + 2 * 32_600);

    // The field's modulus p, (p - 1) / 2, and the negated generator's y.
    uint256 private constant P_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P_LOW =
        0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    uint256 private constant HALF_HIGH = 0x0d0088f51cbff34d258dd3db21a5d66b;
    uint256 private constant HALF_LOW =
        0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;
    uint256 private constant G_X_HIGH = 0x17f1d3a73197d7942695638c4fa9ac0f;
    uint256 private constant G_X_LOW =
        0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb;
    uint256 private constant NEG_G_Y_HIGH = 0x114d1d6855d545a8aa7d76c8cf2e21f2;
    uint256 private constant NEG_G_Y_LOW =
        0x67816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca;

    /// @dev Point `i` of concatenated points. Nothing is checked.
    function pointAt(bytes memory points, uint256 i) internal pure returns (G1Point memory point) {
        assembly ("memory-safe") {
            mcopy(point, add(add(points, 0x20), mul(i, 0x80)), 0x80)
        }
    }

    /// @dev Overwrites point `i` of concatenated points.
    function put(bytes memory points, uint256 i, G1Point memory point) internal pure {
        assembly ("memory-safe") {
            mcopy(add(add(points, 0x20), mul(i, 0x80)), point, 0x80)
        }
    }

    /// @dev Overwrites concatenated points with those of the packed ones, of which there are as many.
    function unpack(bytes calldata packed, bytes memory points) internal pure {
        assembly ("memory-safe") {
            let source := packed.offset
            let end := add(source, packed.length)
            let target := add(points, 0x20)
            for { } lt(source, end) { } {
                mstore(target, 0)
                calldatacopy(add(target, 0x10), source, 0x30)
                source := add(source, 0x30)
                target := add(target, 0x40)
            }
        }
    }

    function isInfinity(G1Point memory point) internal pure returns (bool) {
        return point.xHigh | point.xLow | point.yHigh | point.yLow == 0;
    }

    /// @dev -(x, y) = (x, p - y).
    function negate(G1Point memory point) internal pure returns (G1Point memory) {
        if (isInfinity(point)) return point;
        unchecked {
            // y < p for every point that a precompile accepted; the borrow of the low words moves up.
            uint256 borrow = point.yLow > P_LOW ? 1 : 0;
            return
                G1Point(point.xHigh, point.xLow, P_HIGH - point.yHigh - borrow, P_LOW - point.yLow);
        }
    }

    function add(G1Point memory a, G1Point memory b) internal view returns (G1Point memory sum) {
        bool ok;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mcopy(input, a, 0x80)
            mcopy(add(input, 0x80), b, 0x80)
            ok := staticcall(ADD_GAS, 0x0b, input, 0x100, sum, 0x80)
            ok := and(ok, eq(returndatasize(), 0x80))
        }
        if (!ok) revert ITask.G1AddFailed();
    }

    /// @dev Adds point `i` of concatenated points `b` to that of `a`, in place.
    function addAt(bytes memory a, bytes memory b, uint256 i) internal view {
        bool ok;
        assembly ("memory-safe") {
            let input := mload(0x40)
            let target := add(add(a, 0x20), mul(i, 0x80))
            mcopy(input, target, 0x80)
            mcopy(add(input, 0x80), add(add(b, 0x20), mul(i, 0x80)), 0x80)
            ok := staticcall(ADD_GAS, 0x0b, input, 0x100, target, 0x80)
            ok := and(ok, eq(returndatasize(), 0x80))
        }
        if (!ok) revert ITask.G1AddFailed();
    }

    function multiply(G1Point memory point, uint256 scalar) internal view returns (G1Point memory) {
        bytes memory input = new bytes(TERM_BYTES);
        put(input, 0, point);
        assembly ("memory-safe") {
            mstore(add(input, 0xa0), scalar)
        }
        return _msm(input);
    }

    /// @dev `sum_i base^i points_i`; also checks that each point lies in the subgroup.
    function combine(bytes memory points, uint256 base) internal view returns (G1Point memory) {
        uint256 count = points.length / POINT_BYTES;
        bytes memory input = new bytes(count * TERM_BYTES);
        uint256 scalar = 1;
        for (uint256 i = 0; i < count; ++i) {
            assembly ("memory-safe") {
                let target := add(add(input, 0x20), mul(i, 0xa0))
                mcopy(target, add(add(points, 0x20), mul(i, 0x80)), 0x80)
                mstore(add(target, 0x80), scalar)
            }
            scalar = mulmod(scalar, base, R);
        }
        return _msm(input);
    }

    /// @dev Reverts unless every point is on the curve and in the subgroup. Infinity is.
    function requireSubgroup(bytes memory points) internal view {
        combine(points, 1);
    }

    /// @dev Whether `e(key, message) = e(generator, signature)`. The precompile checks the encodings and
    /// subgroups of all of them.
    function pairing(G1Point memory key, BLS.G2Point memory message, bytes calldata signature)
        internal
        view
        returns (bool result)
    {
        bool ok;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mcopy(input, key, 0x80)
            mcopy(add(input, 0x80), message, 0x100)
            mstore(add(input, 0x180), G_X_HIGH)
            mstore(add(input, 0x1a0), G_X_LOW)
            mstore(add(input, 0x1c0), NEG_G_Y_HIGH)
            mstore(add(input, 0x1e0), NEG_G_Y_LOW)
            calldatacopy(add(input, 0x200), signature.offset, 0x100)
            ok := staticcall(PAIRING_GAS, 0x0f, input, 0x300, 0x00, 0x20)
            ok := and(ok, eq(returndatasize(), 0x20))
            result := mload(0x00)
        }
        if (!ok) revert ITask.PairingFailed();
    }

    /// @dev The 48-byte form: x, with bit 383 set, bit 382 for infinity, bit 381 for the larger y.
    /// Returned as its first 32 bytes and its last 16, left-aligned.
    function compress(G1Point memory point) internal pure returns (bytes32 head, bytes32 tail) {
        uint256 flags = 4;
        if (isInfinity(point)) {
            flags = 6;
        } else if (point.yHigh > HALF_HIGH || (point.yHigh == HALF_HIGH && point.yLow > HALF_LOW)) {
            flags = 5;
        }
        head = bytes32((flags << 253) | (point.xHigh << 128) | (point.xLow >> 128));
        tail = bytes32(point.xLow << 128);
    }

    /// @dev keccak of the points' 48-byte forms, concatenated.
    function compressedDigest(bytes memory points) internal pure returns (bytes32) {
        bytes memory compressed;
        for (uint256 i = 0; i < points.length / POINT_BYTES; ++i) {
            (bytes32 head, bytes32 tail) = compress(pointAt(points, i));
            compressed = bytes.concat(compressed, head, bytes16(tail));
        }
        return keccak256(compressed);
    }

    /// @dev `input`: point and scalar, 160 bytes, of each term. Scalars are reduced by the callers.
    function _msm(bytes memory input) private view returns (G1Point memory result) {
        bool ok;
        uint256 gasLimit;
        unchecked {
            // The input fits in memory.
            gasLimit = (input.length / TERM_BYTES) * MULTIPLY_GAS;
        }
        assembly ("memory-safe") {
            ok := staticcall(gasLimit, 0x0c, add(input, 0x20), mload(input), result, 0x80)
            ok := and(ok, eq(returndatasize(), 0x80))
        }
        if (!ok) revert ITask.G1MsmFailed();
    }
}
