// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ContractS } from "../contracts/ContractS.sol";
import { Extension } from "../contracts/Extension.sol";
import { Toolbox } from "../contracts/Toolbox.sol";
import { IContractS } from "../contracts/interfaces/IContractS.sol";
import { ITask } from "../contracts/interfaces/ITask.sol";
import { Merkle } from "../contracts/libraries/Merkle.sol";
import { Transcript } from "../contracts/libraries/Transcript.sol";
import { Curves } from "./Curves.sol";
import { Play } from "./Play.sol";
import { Cheats } from "./play/Cast.sol";

/// @title What transactions cost where a task is as large as it may be
/// @notice Gas as a chain counts it: the call, and the larger of its calldata's price and EIP-7623's floor. Every
/// one must fit into the 16,777,216 gas that EIP-7825 leaves a transaction.
contract Caps {
    Cheats private constant vm = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant TRANSACTION = 1 << 24;
    uint256 private constant DEVICES = 1024;
    uint256 private constant CLUSTERS = 64;

    // As forge prints it.
    event log_named_uint(string what, uint256 gas);

    Toolbox private _toolbox;
    Extension private _extension;
    IContractS private _s;
    mapping(uint256 cluster => uint256) private _value;
    mapping(uint256 cluster => bytes32) private _messages;

    function setUp() public {
        _toolbox = new Toolbox();
        _extension = new Extension();
    }

    receive() external payable { }

    // ------------------------------------------------------------------------------------------------
    // One cluster of 1,024 devices
    // ------------------------------------------------------------------------------------------------

    function test_anchor__1024_devices__all_sign() public {
        _foundOne();
        _report("anchor, 1,024 devices, all sign", _anchor(0, DEVICES, DEVICES));
    }

    function test_anchor__1024_devices__all_but_the_quorum_absent() public {
        _foundOne();
        _report("anchor, 1,024 devices, 1,022 absent", _anchor(0, DEVICES, 2));
    }

    function test_report_false_anchor__1000_leaves() public {
        _foundOne();
        _falseAnchor(1000);
    }

    // ------------------------------------------------------------------------------------------------
    // 64 clusters
    // ------------------------------------------------------------------------------------------------

    function test_submit_aggregate__64_clusters() public {
        _found(CLUSTERS, 3);
        for (uint256 c = 0; c < CLUSTERS; ++c) {
            _anchor(c, 3, 3);
        }
        for (uint256 c = 0; c < CLUSTERS; ++c) {
            _submit(c, 3);
        }
        ITask.ClusterSum[] memory sums = new ITask.ClusterSum[](CLUSTERS);
        uint256 total;
        for (uint256 c = 0; c < CLUSTERS; ++c) {
            sums[c] =
                ITask.ClusterSum(_messages[c], 3, 3, Curves.point(_value[c]), keccak256("vector"));
            total += _value[c];
        }
        _report("submitAggregate, 64 clusters", _aggregate(sums, total));
    }

    function test_claim__100_rounds() public {
        _found(1, 3);
        address account = _account(0, 0);
        uint256[] memory rounds = new uint256[](100);
        for (uint256 i = 0; i < 100; ++i) {
            if (i != 0) _open();
            rounds[i] = _s.currentRound();
            _anchor(0, 3, 3);
            _submit(0, 3);
            ITask.ClusterSum[] memory sums = new ITask.ClusterSum[](1);
            sums[0] =
                ITask.ClusterSum(_messages[0], 3, 3, Curves.point(_value[0]), keccak256("vector"));
            _aggregate(sums, _value[0]);
        }
        _open();
        // An account that the chain knows already: paying a new one costs 25,000 more, once.
        vm.deal(account, 1);
        bytes memory data = abi.encodeCall(IContractS.claim, (account, rounds));
        uint256 gas = _call(address(this), data);
        _report("claim, 100 rounds", gas);
        require(gas / 100 < 4000, "a round of a claim costs 4,000 gas or more");
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: the task
    // ------------------------------------------------------------------------------------------------

    function _foundOne() private {
        _found(1, DEVICES);
    }

    function _found(uint256 clusters, uint256 devices) private {
        ITask.TaskParameters memory p = new Play(_toolbox, _extension).parameters();
        p.statisticsRounds = 1000; // the model stays
        p.noiseRounds = 200;
        (p.deviceStake, p.fogStake, p.cloudStake, p.silenceFee) = (1, 1, 1, 0);
        _s = IContractS(address(new ContractS(p, new bytes(128), _toolbox, _extension)));
        vm.deal(address(this), 100 ether);
        _s.fundPool{ value: 10 ether }();
        _stake(_cloud());
        _s.admitCloud(_cloud());
        for (uint256 c = 0; c < clusters; ++c) {
            _stake(_fog(c));
            _s.admitFog(_fog(c));
            for (uint256 i = 0; i < devices; i += 64) {
                _admit(c, i, devices - i < 64 ? devices - i : 64);
            }
            vm.prank(_fog(c));
            _s.recordNoiseRoot(c, keccak256("noise"));
        }
        _s.openRound();
    }

    function _open() private {
        vm.prank(_fog(0));
        _s.openRound();
    }

    function _admit(uint256 c, uint256 first, uint256 count) private {
        ITask.Admission[] memory admissions = new ITask.Admission[](count);
        for (uint256 i = 0; i < count; ++i) {
            address account = _account(c, first + i);
            _stake(account);
            uint256 key = _key(c, first + i);
            bytes memory public_ = Curves.point(key);
            bytes32 message = _s.possessionMessage(account, public_, bytes32(key));
            admissions[i] =
                ITask.Admission(account, bytes32(key), public_, Curves.sign(message, key));
        }
        _s.admitDevices(c, admissions);
    }

    function _stake(address account) private {
        _s.depositStake{ value: 1 }(account);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: a round
    // ------------------------------------------------------------------------------------------------

    function _anchorOf(uint256 c, uint256 devices, bytes32 root, uint256 value)
        private
        view
        returns (ITask.Anchor memory a)
    {
        a.sharesRoot = root;
        a.sumsRoot = keccak256(abi.encode("Q", c));
        a.commitments = Curves.point(value);
        a.qualified = _first(devices, devices);
    }

    function _anchor(uint256 c, uint256 devices, uint256 signers) private returns (uint256) {
        _value[c] = 10 + c;
        return _anchorWith(c, devices, signers, devices, keccak256("R"));
    }

    function _anchorWith(
        uint256 c,
        uint256 devices,
        uint256 signers,
        uint256 qualified,
        bytes32 root
    ) private returns (uint256) {
        ITask.Anchor memory a = _anchorOf(c, devices, root, _value[c]);
        if (qualified != devices) a.qualified = _first(qualified, devices);
        uint256 round = _s.currentRound();
        bytes32 message = _s.anchorMessage(round, c, a);
        _messages[c] = message;
        uint256 secret;
        bytes memory absent = new bytes(128 * (devices - signers));
        for (uint256 i = 0; i < devices; ++i) {
            if (i < signers) secret += _key(c, i);
            else _copy(absent, 128 * (i - signers), Curves.point(_key(c, i)));
        }
        bytes memory data = abi.encodeCall(
            IContractS.anchor,
            (round, c, 1, a, _first(signers, devices), absent, Curves.sign(message, secret))
        );
        return _call(_fog(c), data);
    }

    function _submit(uint256 c, uint256 devices) private {
        ITask.Anchor memory a = _anchorOf(c, devices, keccak256("R"), _value[c]);
        uint256 round = _s.currentRound();
        vm.prank(_fog(c));
        _s.submitCumulative(
            round, c, a, devices, keccak256("vector"), _value[c], Curves.PROOF_OF_A_CONSTANT
        );
    }

    function _aggregate(ITask.ClusterSum[] memory sums, uint256 total) private returns (uint256) {
        bytes memory proof = Curves.PROOF_OF_A_CONSTANT;
        bytes memory data = abi.encodeCall(
            IContractS.submitAggregate,
            (
                _s.currentRound(),
                (1 << sums.length) - 1,
                sums,
                new bytes(128),
                keccak256("result"),
                total,
                proof,
                total,
                proof
            )
        );
        return _call(_cloud(), data);
    }

    /// @dev Anchors a sum that is not that of the leaves, and reports it.
    function _falseAnchor(uint256 count) private {
        bytes32[] memory nodes = new bytes32[](count);
        bytes memory leaves = new bytes(118 * count);
        for (uint256 i = 0; i < count; ++i) {
            address account = _account(0, i);
            bytes memory point = Curves.point(1 + i);
            nodes[i] = Merkle.leafNode(Transcript.selectedLeaf(i, account, keccak256(point)));
            _copy(leaves, 118 * i, abi.encodePacked(uint16(i), account, _unpadded(point)));
        }
        bytes32 root = Merkle.rootOfNodes(nodes);
        _value[0] = 7;
        _anchorWith(0, DEVICES, DEVICES, count, root);
        ITask.Anchor memory a = _anchorOf(0, DEVICES, root, 7);
        a.qualified = _first(count, DEVICES);
        bytes memory data = abi.encodeCall(
            IContractS.reportFalseAnchor, (_s.currentRound(), 0, a, DEVICES, bytes32(0), leaves)
        );
        _report("reportFalseAnchor, 1,000 leaves", _call(address(this), data));
        (,, bool slashed,,,,) = _s.member(_fog(0));
        require(slashed, "the fog was not slashed");
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: gas, words
    // ------------------------------------------------------------------------------------------------

    function _report(string memory what, uint256 gas) private {
        emit log_named_uint(what, gas);
        require(gas < TRANSACTION, what);
    }

    /// @dev Gas of a transaction with this calldata: execution, and what the calldata costs.
    function _call(address sender, bytes memory data) private returns (uint256) {
        uint256 tokens;
        for (uint256 i = 0; i < data.length; ++i) {
            tokens += data[i] == 0 ? 1 : 4;
        }
        // As in a transaction of its own, everything is cold.
        vm.cool(address(_s));
        vm.cool(address(_toolbox.verifier()));
        vm.cool(address(_toolbox.judge()));
        vm.cool(address(_extension));
        vm.prank(sender);
        uint256 before = gasleft();
        (bool ok, bytes memory answer) = address(_s).call(data);
        uint256 execution = before - gasleft();
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        uint256 standard = 21_000 + 4 * tokens + execution;
        uint256 floor_ = 21_000 + 10 * tokens;
        return standard > floor_ ? standard : floor_;
    }

    function _first(uint256 count, uint256 devices) private pure returns (uint256[] memory words) {
        words = new uint256[]((devices + 255) / 256);
        for (uint256 i = 0; i < count; ++i) {
            words[i / 256] |= 1 << (i % 256);
        }
    }

    function _copy(bytes memory into, uint256 at, bytes memory from) private pure {
        assembly ("memory-safe") {
            mcopy(add(add(into, 0x20), at), add(from, 0x20), mload(from))
        }
    }

    /// @dev A point without the zero bytes of its coordinates.
    function _unpadded(bytes memory point) private pure returns (bytes memory packed) {
        packed = new bytes(96);
        for (uint256 i = 0; i < 48; ++i) {
            (packed[i], packed[48 + i]) = (point[16 + i], point[80 + i]);
        }
    }

    function _key(uint256 c, uint256 i) private pure returns (uint256) {
        return 1 + 2000 * c + i;
    }

    function _account(uint256 c, uint256 i) private pure returns (address) {
        return address(uint160(0x100000 + 0x10000 * c + i));
    }

    function _fog(uint256 c) private pure returns (address) {
        return address(uint160(0xF00000 + c));
    }

    function _cloud() private pure returns (address) {
        return address(0xC10D0);
    }
}
