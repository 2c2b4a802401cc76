// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../interfaces/ITask.sol";
import { Bls12381 } from "./Bls12381.sol";
import { BLS } from "solady/src/utils/ext/ithaca/BLS.sol";

/// @title Known answers of every precompile that S uses
/// @notice Run at construction, so that S cannot exist on a chain whose curve operations are missing or
/// differ. The answers come from py_ecc and the ceremony's file, never from the precompiles;
/// tests/contracts/test_construction.py computes them again.
library SelfTest {
    // The generators of both groups and twice them.
    bytes private constant G = hex"0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905"
        hex"a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb00000000000000000000000000000000"
        hex"08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae4"
        hex"0caa232946c5e7e1";
    bytes private constant G_TWICE = hex"000000000000000000000000000000000572cbea904d67468808c8eb50a9450c9721db3091280125"
        hex"43902d0ac358a62ae28f75bb8f1c7c42c39a8c5529bf0f4e00000000000000000000000000000000"
        hex"166a9d8cabc673a322fda673779d8e3822ba3ecb8670e461f73bb9021d5fd76a4c56d9d4cd16bd1b"
        hex"ba86881979749d28";
    bytes private constant H = hex"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02"
        hex"b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb800000000000000000000000000000000"
        hex"13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57"
        hex"e5ac7d055d042b7e000000000000000000000000000000000ce5d527727d6e118cc9cdc6da2e351a"
        hex"adfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b828010000000000000000"
        hex"00000000000000000606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab"
        hex"3f370d275cec1da1aaa9075ff05f79be";
    bytes private constant H_TWICE = hex"000000000000000000000000000000001638533957d540a9d2370f17cc7ed5863bc0b995b8825e0e"
        hex"e1ea1e1e4d00dbae81f14b0bf3611b78c952aacab827a05300000000000000000000000000000000"
        hex"0a4edef9c1ed7f729f520e47730a124fd70662a904ba1074728114d1031e1572c6c886f6b57ec72a"
        hex"6178288c47c33577000000000000000000000000000000000468fb440d82b0630aeb8dca2b525678"
        hex"9a66da69bf91009cbfe6bd221e47aa8ae88dece9764bf3bd999d95d71e4c98990000000000000000"
        hex"00000000000000000f6d4552fa65dd2638b361543f887136a43253d9c66c411697003f7a13c308f5"
        hex"422e1aa0a59c8967acdefd8b6e36ccf3";

    // The polynomial X: its commitment [tau] in the ceremony, its value at 5 and its opening [1].
    bytes private constant OPENING = hex"014fa3bb4018340ca2fa8eb239e23af6ba465f6d5bc31db78988445da078db760000000000000000"
        hex"00000000000000000000000000000000000000000000000500000000000000000000000000000000"
        hex"00000000000000000000000000000005ad3eb50121139aa34db1d545093ac9374ab7bca2c0f3bf28"
        hex"e27c8dcd8fc7cb42d25926fc0c97b336e9f0fb35e5a04c8197f1d3a73197d7942695638c4fa9ac0f"
        hex"c3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb";

    function run() internal view {
        bytes memory g = G;
        bytes memory twice = G_TWICE;
        bytes memory h = H;
        bytes memory hTwice = H_TWICE;
        bytes memory minus = new bytes(128);
        Bls12381.put(minus, 0, Bls12381.negate(Bls12381.pointAt(g, 0)));

        _expect(
            0x0a,
            100_000,
            OPENING,
            0xb2157d3a40131b14c4c675335465dffde802f0ce5218ad012284d7f275d1b37c
        );
        // G + 2 G
        _expect(
            0x0b,
            750,
            bytes.concat(g, twice),
            0x83310056a4d75894b2f72a5715bb51a18521b5b470da8c7017e0e110914ce74a
        );
        // 7 (2 G)
        _expect(
            0x0c,
            24_000,
            bytes.concat(twice, bytes32(uint256(7))),
            0xdbeab4318dd98986240b776690683b68354c868a9aa406e8260c8ddcb237b7d5
        );
        // H + 2 H
        _expect(
            0x0d,
            1200,
            bytes.concat(h, hTwice),
            0x0756c1859452a3fe2554de2230c55d32562a13f8081401a211ba1b64097c42bd
        );
        // e(2 G, H) e(-G, 2 H) = 1
        _expect(
            0x0f,
            205_800,
            bytes.concat(twice, h, minus, hTwice),
            0xb10e2d527612073b26eecdfd717e6a320cf44b4afac2b0732d9fcbe2b7fa0cf6
        );
        // The image of 1 + 2 i
        _expect(
            0x11,
            47_600,
            abi.encode(0, 1, 0, 2),
            0x79c1bf817b911f2ac465f8eb19b1a6b4ffda19575537669fdcc7e61005f1d837
        );
        BLS.G2Point memory hashed =
            BLS.hashToG2(abi.encodePacked(keccak256("verifog self-test v1")));
        _require(
            0x11,
            keccak256(abi.encode(hashed))
                == 0xd384d6173051541ef1b4d0e66980e0e62d50c409e908f4eef45aaf034059d09d
        );
    }

    function _expect(uint160 precompile, uint256 gasLimit, bytes memory input, bytes32 answerHash)
        private
        view
    {
        (bool ok, bytes memory answer) = address(precompile).staticcall{ gas: gasLimit }(input);
        _require(precompile, ok && keccak256(answer) == answerHash);
    }

    function _require(uint160 precompile, bool usable) private pure {
        if (!usable) revert ITask.PrecompileUnusable(address(precompile));
    }
}
