// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Extension } from "../../contracts/Extension.sol";
import { Toolbox } from "../../contracts/Toolbox.sol";
import { ITask } from "../../contracts/interfaces/ITask.sol";
import { Curves } from "../Curves.sol";
import { Play } from "../Play.sol";

interface Expecting {
    function expectRevert(bytes calldata data) external;
    function expectEmit(address emitter) external;
    function mockCall(address callee, bytes calldata data, bytes calldata answer) external;
    function load(address account, bytes32 slot) external view returns (bytes32);
    function store(address account, bytes32 slot, bytes32 value) external;
}

/// @title Rounds step by step, with the people of Play: what random runs meet too rarely
/// @notice Devices of two clusters with four each; a fog may be silent once before its cluster is left out.
abstract contract Steps is Play {
    // What a cloud submits.
    struct Result {
        address cloud;
        uint256 included;
        ITask.ClusterSum[] sums;
        uint256 samples;
        uint256 y;
    }

    Expecting internal constant expecting =
        Expecting(address(uint160(uint256(keccak256("hevm cheat code")))));

    constructor() Play(new Toolbox(), new Extension()) {
        vm.warp(1_000_000);
    }

    function parameters() public pure virtual override returns (ITask.TaskParameters memory p) {
        p = super.parameters();
        p.maxSilences = 2;
    }

    function _open() internal {
        for (uint256 c = 0; c < fogs.length; ++c) {
            noise(c);
        }
        s.openRound();
    }

    /// @dev Both clusters, or one of them, anchor and submit; all their devices sign.
    function _serve(uint256 clusters) internal {
        if (clusters & 1 != 0) anchor(2, 0);
        if (clusters & 2 != 0) anchor(1, 0);
        if (clusters != 3) vm.warp(_deadlines()[0]);
        if (clusters & 1 != 0) submit(2);
        if (clusters & 2 != 0) submit(1);
        (,,,,,,, uint256 submitted,,,,,,,) = s.round(s.currentRound());
        require(submitted == clusters, "not all submitted");
    }

    /// @dev A round that is settled and over.
    function _settle() internal returns (uint256 round) {
        _open();
        _serve(3);
        _submit(_result(3), "");
        vm.warp(_deadlines()[2]);
        return s.currentRound();
    }

    /// @dev Of anchors, sums and the result.
    function _deadlines() internal view returns (uint256[3] memory d) {
        (,, d[0], d[1], d[2],,,,,,,,,,) = s.round(s.currentRound());
    }

    function _result(uint256 included) internal view returns (Result memory r) {
        (r.sums, r.included, r.samples,) = _sumsOf(s.currentRound(), included);
        (r.cloud, r.y) = (clouds[0], r.samples);
    }

    function _submit(Result memory r, bytes memory refusal) internal {
        uint256 round = s.currentRound();
        bytes memory model = _models[s.modelDigest()];
        if (refusal.length != 0) expecting.expectRevert(refusal);
        vm.prank(r.cloud);
        s.submitAggregate(
            round,
            r.included,
            r.sums,
            model,
            keccak256(abi.encode(round, "result")),
            r.samples,
            Curves.PROOF_OF_A_CONSTANT,
            r.y,
            Curves.PROOF_OF_A_CONSTANT
        );
        if (refusal.length != 0) return;
        (,,, uint256 qualified) = _sumsOf(round, r.included);
        bytes32 digest = keccak256(abi.encode(round, "result"));
        _results[round] = [keccak256(Curves.point(r.samples)), digest];
        _keepModel(model, Curves.point(r.samples), r.samples, qualified);
        require(bytes(broken).length == 0, broken);
    }

    function _stakeOf(address account) internal view returns (uint256 stake) {
        (,,, stake,,,) = s.member(account);
    }

    function _active(uint256 c) internal view returns (bool active) {
        (, active,,,,) = s.cluster(c);
    }

    function _leave(address account) internal {
        vm.prank(account);
        s.requestExit("");
    }

    function _one(uint256 round) internal pure returns (uint256[] memory rounds) {
        rounds = new uint256[](1);
        rounds[0] = round;
    }
}
