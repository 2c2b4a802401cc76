// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Bitmap } from "../contracts/libraries/Bitmap.sol";
import { Bls12381, G1Point, R } from "../contracts/libraries/Bls12381.sol";
import { Horner } from "../contracts/libraries/Horner.sol";
import { Kzg } from "../contracts/libraries/Kzg.sol";
import { Merkle } from "../contracts/libraries/Merkle.sol";
import { RoundEntry, RoundLog } from "../contracts/libraries/RoundLog.sol";

interface Vm {
    function assume(bool condition) external pure;
    function expectRevert() external;
}

/// @dev Takes calldata as Contract S does.
contract LibraryUser {
    function evaluate(bytes calldata vector, uint256 z) external pure returns (uint256, bool) {
        return Horner.evaluate(vector, z);
    }

    function rootOf(bytes32 leaf, uint256 position, bytes32[] calldata path)
        external
        pure
        returns (bytes32)
    {
        return Merkle.rootOf(leaf, position, path);
    }

    function count(uint256[] calldata bitmap) external pure returns (uint256) {
        return Bitmap.count(bitmap);
    }

    function digest(uint256[] calldata bitmap) external pure returns (bytes32) {
        return Bitmap.digest(bitmap);
    }

    function multiply(G1Point memory point, uint256 scalar) external view returns (G1Point memory) {
        return Bls12381.multiply(point, scalar);
    }
}

abstract contract Base {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    LibraryUser internal immutable user = new LibraryUser();
}

contract HornerTest is Base {
    function testFuzz_evaluate__like_powers(uint256[] memory values, uint256 z) public view {
        z %= R;
        uint256 expected;
        uint256 power = 1;
        bool canonical = true;
        for (uint256 j = 0; j < values.length; ++j) {
            if (j % 3 != 0) values[j] %= R;
            canonical = canonical && values[j] < R;
            expected = addmod(expected, mulmod(values[j], power, R), R);
            power = mulmod(power, z, R);
        }
        (uint256 value, bool all) = user.evaluate(abi.encodePacked(values), z);
        assert(all == canonical);
        assert(value == expected);
    }

    function testFuzz_evaluate__rest_of_a_word__not_read(uint256 a, uint256 z, bytes31 rest)
        public
        view
    {
        a %= R;
        (uint256 value, bool canonical) = user.evaluate(bytes.concat(bytes32(a), rest), z % R);
        assert(value == a && canonical);
    }

    function test_evaluate__order_of_the_field__not_canonical() public view {
        (, bool canonical) = user.evaluate(abi.encode(1, R, 2), 3);
        assert(!canonical);
        (, canonical) = user.evaluate(abi.encode(1, R - 1, 2), 3);
        assert(canonical);
    }

    function test_evaluate__nothing__zero() public view {
        (uint256 value, bool canonical) = user.evaluate("", 3);
        assert(value == 0 && canonical);
    }
}

contract MerkleTest is Base {
    function testFuzz_rootOf__every_leaf__the_same_root(bytes32[] memory leaves) public view {
        vm.assume(leaves.length > 0);
        uint256 count = leaves.length > 20 ? 20 : leaves.length;
        uint256 depth;
        while ((1 << depth) < count) ++depth;
        bytes32[][] memory levels = new bytes32[][](depth + 1);
        levels[0] = new bytes32[](1 << depth);
        for (uint256 i = 0; i < count; ++i) {
            levels[0][i] = keccak256(bytes.concat(hex"00", leaves[i]));
        }
        for (uint256 k = 0; k < depth; ++k) {
            levels[k + 1] = new bytes32[](levels[k].length / 2);
            for (uint256 i = 0; i < levels[k + 1].length; ++i) {
                levels[k + 1][i] =
                    keccak256(bytes.concat(hex"01", levels[k][2 * i], levels[k][2 * i + 1]));
            }
        }
        for (uint256 i = 0; i < count; ++i) {
            bytes32[] memory path = new bytes32[](depth);
            for (uint256 k = 0; k < depth; ++k) {
                path[k] = levels[k][(i >> k) ^ 1];
            }
            assert(user.rootOf(leaves[i], i, path) == levels[depth][0]);
            assert(user.rootOf(leaves[i], i + (1 << depth), path) == 0);
            if (depth > 0) {
                path[i % depth] = ~path[i % depth];
                assert(user.rootOf(leaves[i], i, path) != levels[depth][0]);
            }
        }
    }

    function testFuzz_rootOf__position_outside_the_tree__none(
        bytes32 leaf,
        uint256 position,
        uint8 height
    ) public view {
        bytes32[] memory path = new bytes32[](height % 32);
        vm.assume(position >> path.length != 0);
        assert(user.rootOf(leaf, position, path) == 0);
    }
}

contract BitmapTest is Base {
    function testFuzz_popcount__like_a_loop(uint256 x) public pure {
        uint256 expected;
        for (uint256 i = 0; i < 256; ++i) {
            expected += (x >> i) & 1;
        }
        assert(Bitmap.popcount(x) == expected);
    }

    function test_popcount__extremes() public pure {
        assert(Bitmap.popcount(0) == 0);
        assert(Bitmap.popcount(type(uint256).max) == 256);
        for (uint256 i = 0; i < 256; ++i) {
            assert(Bitmap.popcount(1 << i) == 1);
            assert(Bitmap.popcount(type(uint256).max >> i) == 256 - i);
        }
    }

    function testFuzz_lowest__like_a_loop(uint256 x) public pure {
        vm.assume(x != 0);
        uint256 expected;
        while ((x >> expected) & 1 == 0) ++expected;
        assert(Bitmap.lowest(x) == expected);
    }

    function test_lowest__single_bits() public pure {
        for (uint256 i = 0; i < 256; ++i) {
            assert(Bitmap.lowest(1 << i) == i);
            assert(Bitmap.lowest(type(uint256).max << i) == i);
        }
    }

    function testFuzz_maskBelow__like_a_loop(uint16 limit, uint8 w) public pure {
        uint256 expected;
        for (uint256 i = 0; i < 256; ++i) {
            if (256 * uint256(w) + i < limit) expected |= 1 << i;
        }
        assert(Bitmap.maskBelow(limit, w) == expected);
    }

    function testFuzz_words__hold_just_enough(uint16 bits) public pure {
        uint256 words = Bitmap.words(bits);
        assert(words * 256 >= bits);
        assert(words == 0 || (words - 1) * 256 < bits);
    }

    function testFuzz_count_and_digest__over_words(uint256[] memory bitmap) public view {
        uint256 expected;
        bytes memory joined;
        for (uint256 w = 0; w < bitmap.length; ++w) {
            expected += Bitmap.popcount(bitmap[w]);
            joined = bytes.concat(joined, bytes32(bitmap[w]));
        }
        assert(user.count(bitmap) == expected);
        assert(user.digest(bitmap) == keccak256(joined));
    }
}

contract RoundLogTest is Base {
    using RoundLog for mapping(uint256 => uint256);

    mapping(uint256 pair => uint256 entries) private _log;

    function testFuzz_entry__packed__reads_back(
        uint64 included,
        uint64 other,
        uint8 clusters,
        uint24 devices,
        uint8 cloud,
        uint32 beaconBlock
    ) public pure {
        uint256 k = clusters & 0x7f;
        uint256 d = devices & 0x1ffff;
        RoundEntry entry = RoundLog.open(k, d, beaconBlock).settle(other, ~cloud);
        entry = entry.settle(included, cloud);
        assert(entry.included() == included);
        assert(entry.clusters() == k);
        assert(entry.devices() == d);
        assert(entry.cloud() == cloud);
        assert(entry.beaconBlock() == beaconBlock);
        assert(entry.settle(0, 0).included() == 0 && entry.settle(0, 0).cloud() == 0);
    }

    function testFuzz_store__neighbours__untouched(
        uint128 before,
        uint128 entry,
        uint128 later,
        uint64 round
    ) public {
        uint256 r = uint256(round) + 1;
        _log.store(r - 1, RoundEntry.wrap(before));
        _log.store(r, RoundEntry.wrap(~entry));
        _log.store(r + 1, RoundEntry.wrap(later));
        _log.store(r, RoundEntry.wrap(entry));
        assert(RoundEntry.unwrap(_log.load(r - 1)) == before);
        assert(RoundEntry.unwrap(_log.load(r)) == entry);
        assert(RoundEntry.unwrap(_log.load(r + 1)) == later);
    }
}

contract CurveTest is Base {
    uint256 private constant P_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P_LOW =
        0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;

    function _generator() private pure returns (G1Point memory) {
        return G1Point(
            0x17f1d3a73197d7942695638c4fa9ac0f,
            0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb,
            0x08b3f481e3aaa0f1a09e30ed741d8ae4,
            0xfcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1
        );
    }

    function _equal(G1Point memory a, G1Point memory b) private pure returns (bool) {
        return keccak256(abi.encode(a)) == keccak256(abi.encode(b));
    }

    function testFuzz_negate__point_and_its_negative__cancel(uint256 scalar) public view {
        G1Point memory point = Bls12381.multiply(_generator(), scalar % R);
        G1Point memory sum = Bls12381.add(point, Bls12381.negate(point));
        assert(Bls12381.isInfinity(sum));
        assert(_equal(Bls12381.negate(Bls12381.negate(point)), point));
    }

    function testFuzz_add__scalars__add(uint256 a, uint256 b) public view {
        a %= R;
        b %= R;
        G1Point memory sum =
            Bls12381.add(Bls12381.multiply(_generator(), a), Bls12381.multiply(_generator(), b));
        assert(_equal(sum, Bls12381.multiply(_generator(), addmod(a, b, R))));
    }

    function testFuzz_combine__like_one_by_one(uint256 seed, uint256 base, uint8 count)
        public
        view
    {
        uint256 n = (count % 5) + 1;
        base %= R;
        bytes memory points = new bytes(128 * n);
        G1Point memory expected;
        uint256 power = 1;
        for (uint256 i = 0; i < n; ++i) {
            G1Point memory point =
                Bls12381.multiply(_generator(), uint256(keccak256(abi.encode(seed, i))) % R);
            Bls12381.put(points, i, point);
            expected = Bls12381.add(expected, Bls12381.multiply(point, power));
            power = mulmod(power, base, R);
        }
        assert(_equal(Bls12381.combine(points, base), expected));
        assert(_equal(Bls12381.pointAt(points, n - 1), Bls12381.pointAt(points, n - 1)));
    }

    /// @dev The flags of the 48-byte form, against the definition: y is the larger root if 2 y > p.
    function testFuzz_compress__sign__of_the_larger_root(uint256 scalar) public view {
        scalar %= R;
        G1Point memory point = Bls12381.multiply(_generator(), scalar);
        (bytes32 head, bytes32 tail) = Bls12381.compress(point);
        uint256 flags = uint256(head) >> 253;
        if (scalar == 0) {
            assert(head == bytes32(uint256(0xc0) << 248) && tail == 0);
            return;
        }
        G1Point memory opposite = Bls12381.negate(point);
        bool larger = point.yHigh > opposite.yHigh
            || (point.yHigh == opposite.yHigh && point.yLow > opposite.yLow);
        assert(flags == (larger ? 5 : 4));
        assert((uint256(head) << 3) >> 131 == point.xHigh);
        assert(uint128(uint256(head)) == point.xLow >> 128);
        assert(uint256(tail) >> 128 == uint128(point.xLow));
        assert(uint128(uint256(tail)) == 0);
    }

    function test_compress__infinity_and_generator__known() public pure {
        (bytes32 head, bytes32 tail) = Bls12381.compress(G1Point(0, 0, 0, 0));
        assert(head == bytes32(uint256(0xc0) << 248) && tail == 0);
        (head, tail) = Bls12381.compress(_generator());
        assert(head == 0x97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac58);
        assert(tail == bytes32(bytes16(0x6c55e83ff97a1aeffb3af00adb22c6bb)));
    }

    function testFuzz_versionedHash__starts_with_1(bytes32 head, bytes16 tail) public pure {
        bytes32 hash = Kzg.versionedHash(head, bytes32(tail));
        bytes32 plain = sha256(bytes.concat(head, tail));
        assert(hash[0] == 0x01);
        assert(uint248(uint256(hash)) == uint248(uint256(plain)));
    }

    function testFuzz_multiply__off_the_curve__reverts_and_keeps_gas(uint128 y) public view {
        // x = 0 is on the curve for y = 2 or -2 only.
        vm.assume(y != 2);
        G1Point memory bad = G1Point(0, 0, 0, y == 0 ? 1 : y);
        uint256 before = gasleft();
        try user.multiply(bad, 1) returns (G1Point memory) {
            assert(false);
        } catch { }
        assert(before - gasleft() < 40_000);
    }

    function test_multiply__coordinate_not_below_p__reverts() public {
        G1Point memory bad = _generator();
        unchecked {
            uint256 low = bad.xLow + P_LOW;
            bad.xHigh += P_HIGH + (low < P_LOW ? 1 : 0);
            bad.xLow = low;
        }
        vm.expectRevert();
        user.multiply(bad, 1);
    }
}
