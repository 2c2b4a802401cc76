// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Bls12381, G1Point } from "./Bls12381.sol";
import { BLS } from "solady/src/utils/ext/ithaca/BLS.sol";

/// @title BLS signatures with keys in G1
/// @notice Hash to G2 with the tag BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_. Aggregates are of one
/// message, so each key needs a proof of possession first.
library Attestation {
    uint256 internal constant SIGNATURE_BYTES = 256;

    /// @dev Whether `signature` is `key`'s on the message. `key` must not be infinity, under which
    /// infinity signs everything; the callers refuse it with their own errors.
    function verify(G1Point memory key, bytes32 message, bytes calldata signature)
        internal
        view
        returns (bool)
    {
        return Bls12381.pairing(key, BLS.hashToG2(abi.encodePacked(message)), signature);
    }
}
