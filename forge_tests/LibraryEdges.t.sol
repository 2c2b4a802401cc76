// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../contracts/interfaces/ITask.sol";
import { Bitmap } from "../contracts/libraries/Bitmap.sol";
import { BlockHeader } from "../contracts/libraries/BlockHeader.sol";
import { Bls12381, G1Point, R } from "../contracts/libraries/Bls12381.sol";
import { Horner } from "../contracts/libraries/Horner.sol";
import { Kzg } from "../contracts/libraries/Kzg.sol";
import { Merkle } from "../contracts/libraries/Merkle.sol";
import { RoundEntry, RoundLog } from "../contracts/libraries/RoundLog.sol";
import { Phases } from "../contracts/parts/Phases.sol";
import { Curves } from "./Curves.sol";

interface Edging {
    function etch(address account, bytes calldata code) external;
    function expectRevert(bytes calldata data) external;
    function roll(uint256 number) external;
    function warp(uint256 timestamp) external;
}

/// @dev Takes calldata, and reverts, as Contract S does.
contract EdgeUser {
    function prevrandao(bytes calldata header) external pure returns (bytes32) {
        return BlockHeader.prevrandao(header);
    }

    function contains(uint256[] calldata bitmap, uint256 index) external pure returns (bool) {
        return Bitmap.contains(bitmap, index);
    }

    function rootOf(bytes32 leaf, uint256 position, bytes32[] calldata path)
        external
        pure
        returns (bytes32)
    {
        return Merkle.rootOf(leaf, position, path);
    }

    function add(G1Point memory a, G1Point memory b) external view returns (G1Point memory) {
        return Bls12381.add(a, b);
    }

    function addAt(bytes memory a, bytes memory b, uint256 i) external view returns (bytes memory) {
        Bls12381.addAt(a, b, i);
        return a;
    }

    function requireOpening(G1Point memory point, uint256 z, uint256 y, bytes calldata proof)
        external
        view
    {
        Kzg.requireOpening(point, z, y, proof);
    }
}

abstract contract Edges {
    Edging internal constant vm = Edging(address(uint160(uint256(keccak256("hevm cheat code")))));
    EdgeUser internal immutable user = new EdgeUser();

    function _point(uint256 v) internal view returns (G1Point memory) {
        return Bls12381.pointAt(Curves.point(v), 0);
    }

    function _equal(G1Point memory a, G1Point memory b) internal pure returns (bool) {
        return keccak256(abi.encode(a)) == keccak256(abi.encode(b));
    }
}

contract TreeEdgesTest is Edges {
    /// @dev Against the paths in the tree that is padded with zeros to a power of two.
    function test_rootOfNodes__any_count__root_of_every_path() public view {
        for (uint256 count = 1; count <= 17; ++count) {
            uint256 depth;
            while ((1 << depth) < count) ++depth;
            bytes32[] memory nodes = new bytes32[](count);
            bytes32[] memory level = new bytes32[](1 << depth);
            for (uint256 i = 0; i < count; ++i) {
                level[i] = nodes[i] = Merkle.leafNode(bytes32(i + 1));
            }
            bytes32[] memory path = new bytes32[](depth);
            uint256 last = count - 1;
            for (uint256 k = 0; k < depth; ++k) {
                path[k] = level[(last >> k) ^ 1];
                for (uint256 i = 0; i < 1 << (depth - k - 1); ++i) {
                    level[i] =
                        keccak256(abi.encodePacked(bytes1(0x01), level[2 * i], level[2 * i + 1]));
                }
            }
            assert(Merkle.rootOfNodes(nodes) == level[0]);
            assert(user.rootOf(bytes32(count), last, path) == level[0]);
        }
    }

    function test_rootOf__path_of_256__none() public view {
        assert(user.rootOf(0, 0, new bytes32[](255)) != 0);
        assert(user.rootOf(0, 0, new bytes32[](256)) == 0);
    }

    function testFuzz_contains__like_a_shift(uint256[3] memory words, uint16 index) public view {
        uint256[] memory bitmap = new uint256[](3);
        (bitmap[0], bitmap[1], bitmap[2]) = (words[0], words[1], words[2]);
        uint256 i = uint256(index) % 1024;
        bool expected = i < 768 && (words[i >> 8 < 3 ? i >> 8 : 0] >> (i & 255)) & 1 == 1;
        assert(user.contains(bitmap, i) == expected);
    }

    function testFuzz_raise__like_a_loop(uint256 z, uint8 power) public pure {
        z %= R;
        uint256 exponent = 1 << (power % 10);
        uint256 expected = 1;
        for (uint256 e = 0; e < exponent; ++e) {
            expected = mulmod(expected, z, R);
        }
        assert(Horner.raise(z, exponent) == expected);
    }
}

contract HeaderEdgesTest is Edges {
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /// @dev Six items of these lengths, 0 for one that stands for itself, then prevrandao.
    function _header(uint8[6] memory lengths, bytes32 value) private pure returns (bytes memory) {
        bytes memory header = bytes.concat(hex"f9ffff", new bytes(2 * 33 + 21 + 3 * 33 + 259));
        for (uint256 i = 0; i < 6; ++i) {
            bytes1 prefix = lengths[i] == 0 ? bytes1(0x7f) : bytes1(0x7f + lengths[i]);
            header = bytes.concat(header, prefix, new bytes(lengths[i] == 0 ? 0 : lengths[i] - 1));
        }
        return bytes.concat(header, hex"a0", value, hex"88");
    }

    function testFuzz_prevrandao__items_of_any_length__found(uint8[6] memory lengths, bytes32 value)
        public
        view
    {
        for (uint256 i = 0; i < 6; ++i) {
            lengths[i] %= 57; // strings of up to 55 bytes, with their prefixes
        }
        assert(user.prevrandao(_header(lengths, value)) == value);
    }

    function test_prevrandao__item_of_56_bytes__refused() public {
        // Its place is that of the length, were 0xb8 a prefix as those below it.
        uint8[6] memory lengths = [1, 1, 57, 1, 1, 1];
        vm.expectRevert(abi.encodeWithSelector(ITask.MalformedHeader.selector));
        user.prevrandao(_header(lengths, bytes32(uint256(1))));
    }

    function test_prevrandao__no_list_or_no_word__refused() public {
        bytes memory header = _header([1, 1, 1, 1, 1, 1], bytes32(uint256(1)));
        header[0] = 0xf8;
        vm.expectRevert(abi.encodeWithSelector(ITask.MalformedHeader.selector));
        user.prevrandao(header);
        header[0] = 0xf9;
        header[header.length - 34] = 0x9f;
        vm.expectRevert(abi.encodeWithSelector(ITask.MalformedHeader.selector));
        user.prevrandao(header);
    }

    function test_hashOf__old_block__of_the_history_contract() public {
        vm.roll(10_000);
        assert(BlockHeader.hashOf(1) == 0);
        // PUSH1 7, MSTORE at 0, RETURN 32 bytes.
        vm.etch(HISTORY, hex"600760005260206000f3");
        assert(BlockHeader.hashOf(1) == bytes32(uint256(7)));
        assert(BlockHeader.hashOf(9999) == blockhash(9999) && blockhash(9999) != 0);
        vm.etch(HISTORY, hex"6007600052601f6000f3"); // a byte short
        assert(BlockHeader.hashOf(1) == 0);
    }
}

contract PointEdgesTest is Edges {
    uint256 private constant HALF_HIGH = 0x0d0088f51cbff34d258dd3db21a5d66b;
    uint256 private constant HALF_LOW =
        0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

    /// @dev Around (p - 1) / 2; compression does not ask whether there is such a point.
    function test_compress__y_around_the_middle__sign() public pure {
        assert(_flags(HALF_HIGH, HALF_LOW) == 4);
        assert(_flags(HALF_HIGH, HALF_LOW - 1) == 4);
        assert(_flags(HALF_HIGH, HALF_LOW + 1) == 5);
        assert(_flags(HALF_HIGH + 1, 0) == 5);
        assert(_flags(HALF_HIGH - 1, type(uint256).max) == 4);
    }

    function _flags(uint256 yHigh, uint256 yLow) private pure returns (uint256) {
        (bytes32 head,) = Bls12381.compress(G1Point(1, 0, yHigh, yLow));
        return uint256(head) >> 253;
    }

    function test_add__off_the_curve__reverts() public {
        G1Point memory bad = G1Point(0, 0, 0, 1);
        G1Point memory good = _point(1);
        vm.expectRevert(abi.encodeWithSelector(ITask.G1AddFailed.selector));
        user.add(bad, good);
        vm.expectRevert(abi.encodeWithSelector(ITask.G1AddFailed.selector));
        user.addAt(abi.encode(bad), abi.encode(good), 0);
    }

    function test_addAt__second_point__only_that_one() public view {
        bytes memory a = bytes.concat(Curves.point(2), Curves.point(3));
        bytes memory b = bytes.concat(Curves.point(5), Curves.point(7));
        bytes memory sum = user.addAt(a, b, 1);
        assert(_equal(Bls12381.pointAt(sum, 0), _point(2)));
        assert(_equal(Bls12381.pointAt(sum, 1), _point(10)));
    }

    function test_compressedDigest__three_points__of_their_48_bytes() public view {
        bytes memory points;
        bytes memory compressed;
        for (uint256 i = 0; i < 4; ++i) {
            assert(Bls12381.compressedDigest(points) == keccak256(compressed));
            (bytes32 head, bytes32 tail) = Bls12381.compress(_point(i));
            points = bytes.concat(points, Curves.point(i));
            compressed = bytes.concat(compressed, head, bytes16(tail));
        }
    }

    /// @dev The polynomial 5 takes the value 5 everywhere.
    function test_requireOpening__true_and_false() public {
        bytes memory proof = Curves.PROOF_OF_A_CONSTANT;
        G1Point memory point = _point(5);
        user.requireOpening(point, 3, 5, proof);
        vm.expectRevert(abi.encodeWithSelector(ITask.FalseOpening.selector, 3, 6));
        user.requireOpening(point, 3, 6, proof);
        vm.expectRevert(abi.encodeWithSelector(ITask.ScalarOutOfRange.selector, R));
        user.requireOpening(point, 3, R, proof);
        vm.expectRevert(abi.encodeWithSelector(ITask.WrongLength.selector, 47, 48));
        user.requireOpening(point, 3, 5, new bytes(47));
    }

    /// @dev A true opening for which the gas does not reach is not called a false one.
    function test_requireOpening__too_little_gas__not_false() public view {
        bytes memory call = abi.encodeCall(
            EdgeUser.requireOpening, (_point(5), 3, 5, Curves.PROOF_OF_A_CONSTANT)
        );
        uint256 failures;
        for (uint256 gas_ = 40_000; gas_ < 120_000; gas_ += 500) {
            (bool ok, bytes memory answer) = address(user).staticcall{ gas: gas_ }(call);
            assert(ok || bytes4(answer) != ITask.FalseOpening.selector);
            if (!ok) ++failures;
        }
        assert(failures > 0 && failures < 160);
    }

    function testFuzz_combineChunks__powers_of_z_to_the_capacity(uint256 z, uint256 a, uint256 b)
        public
        view
    {
        (z, a, b) = (z % R, a % R, b % R);
        bytes memory two = bytes.concat(Curves.point(a), Curves.point(b));
        uint256 z4 = mulmod(mulmod(z, z, R), mulmod(z, z, R), R);
        uint256 expected = addmod(a, mulmod(z4, b, R), R);
        assert(_equal(Kzg.combineChunks(two, z, 4), _point(expected)));
        assert(_equal(Kzg.combineChunks(two, 0, 4), _point(a)));
        assert(_equal(Kzg.combineChunks(Curves.point(a), z, 4), _point(a)));
    }
}

contract PhaseUser is Phases {
    function _budget() internal pure override returns (Shares memory) {
        return _split(1009, 10, 20);
    }

    function phaseOf(Latest memory l) external view returns (Phase) {
        return _phaseOf(l);
    }

    function rejectable(Latest memory l) external returns (uint256) {
        _latest = l;
        return _rejectableRound();
    }

    function enter(uint256 roundId, uint256 phases, Latest memory l)
        external
        returns (Latest memory)
    {
        _latest = l;
        return _enter(roundId, phases);
    }

    function shares(RoundEntry entry) external view returns (Shares memory) {
        return _sharesOf(entry);
    }

    function paid(RoundEntry entry, uint256 included, uint256 signers)
        external
        view
        returns (uint256)
    {
        return _paid(entry, included, signers);
    }
}

contract PhaseEdgesTest is Edges {
    PhaseUser private _user = new PhaseUser();

    function _requirePhase(uint256 time, uint256 anchored, uint256 submitted, ITask.Phase expected)
        private
    {
        vm.warp(time);
        assert(_user.phaseOf(_latest(anchored, submitted)) == expected);
    }

    function _latest(uint256 anchored, uint256 submitted)
        private
        pure
        returns (Phases.Latest memory l)
    {
        (l.number, l.clusters) = (7, 3);
        (l.anchorDeadline, l.cumulativeDeadline, l.aggregateDeadline) = (100, 200, 300);
        (l.anchored, l.submitted) = (uint64(anchored), uint64(submitted));
    }

    function test_phaseOf__around_each_deadline() public {
        Phases.Latest memory none;
        assert(_user.phaseOf(none) == ITask.Phase.None);
        _requirePhase(99, 0, 0, ITask.Phase.Anchoring);
        _requirePhase(99, 1, 1, ITask.Phase.Anchoring);
        _requirePhase(99, 3, 0, ITask.Phase.Accumulating);
        _requirePhase(99, 3, 3, ITask.Phase.Aggregating);
        _requirePhase(100, 0, 0, ITask.Phase.Failed);
        _requirePhase(100, 1, 0, ITask.Phase.Accumulating);
        _requirePhase(199, 3, 1, ITask.Phase.Accumulating);
        _requirePhase(199, 1, 1, ITask.Phase.Aggregating);
        _requirePhase(200, 3, 1, ITask.Phase.Aggregating);
        _requirePhase(200, 3, 0, ITask.Phase.Failed);
        _requirePhase(299, 3, 1, ITask.Phase.Aggregating);
        _requirePhase(300, 3, 3, ITask.Phase.Failed);
        Phases.Latest memory l = _latest(3, 3);
        l.settled = true;
        assert(_user.phaseOf(l) == ITask.Phase.Settled);
    }

    function test_rejectableRound__until_the_last_deadline() public {
        Phases.Latest memory l = _latest(3, 3);
        vm.warp(299);
        assert(_user.rejectable(l) == type(uint256).max);
        l.settled = true;
        assert(_user.rejectable(l) == 7);
        vm.warp(300);
        assert(_user.rejectable(l) == type(uint256).max);
    }

    function test_enter__another_round_or_phase__refused() public {
        vm.warp(99);
        Phases.Latest memory l = _latest(1, 0);
        assert(keccak256(abi.encode(_user.enter(7, 2, l))) == keccak256(abi.encode(l)));
        vm.expectRevert(abi.encodeWithSelector(ITask.WrongRound.selector, 8, 7));
        _user.enter(8, 2, l);
        vm.expectRevert(abi.encodeWithSelector(ITask.WrongPhase.selector, ITask.Phase.Anchoring));
        _user.enter(7, 0x3d, l);
    }

    /// @dev Of 1009 the cloud's tenth is 100, the fogs' fifth 201, and 708 are the devices'.
    function test_shares__of_a_round() public view {
        Phases.Shares memory s = _user.shares(RoundLog.open(3, 50, 1));
        assert(s.cloud == 100 && s.fog == 67 && s.device == 14);
        assert(_user.shares(RoundLog.open(3, 0, 1)).device == 0);
        assert(_user.paid(RoundLog.open(3, 50, 1), 5, 40) == 100 + 2 * 67 + 40 * 14);
    }
}
