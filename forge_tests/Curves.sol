// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Bls12381, G1Point, POINT_BYTES } from "../contracts/libraries/Bls12381.sol";
import { BLS } from "solady/src/utils/ext/ithaca/BLS.sol";

/// @title Keys, signatures and commitments to constants, by the precompiles
library Curves {
    /// @dev The opening of a commitment `[v]`, to the constant polynomial v, at any point: value v, and this.
    bytes internal constant PROOF_OF_A_CONSTANT =
        hex"c00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

    /// @dev `[v]`: the key of the secret v, or the commitment to the constant v.
    function point(uint256 v) internal view returns (bytes memory encoded) {
        encoded = new bytes(POINT_BYTES);
        if (v != 0) Bls12381.put(encoded, 0, Bls12381.multiply(generator(), v));
    }

    /// @dev BLS signature on a message, 256 bytes.
    function sign(bytes32 message, uint256 secret) internal view returns (bytes memory signature) {
        BLS.G2Point memory hashed = BLS.hashToG2(abi.encodePacked(message));
        bool ok;
        (ok, signature) = address(0x0e).staticcall(abi.encodePacked(abi.encode(hashed), secret));
        require(ok);
    }

    function generator() internal pure returns (G1Point memory) {
        return G1Point(
            0x17f1d3a73197d7942695638c4fa9ac0f,
            0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb,
            0x08b3f481e3aaa0f1a09e30ed741d8ae4,
            0xfcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1
        );
    }
}
