// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../../contracts/interfaces/ITask.sol";
import { Statements } from "../../contracts/libraries/Statements.sol";
import { Curves } from "../Curves.sol";
import { Rounds } from "./Rounds.sol";

/// @title Frauds, and true, false and junk reports
abstract contract Frauds is Rounds {
    /// @dev Two statements of one occasion, and the report.
    function cheat(uint256 seed) external {
        if (seed % 4 != 0) return;
        if (seed % 8 == 0) return _falseResult(seed);
        address account = _any(seed >> 8);
        Person storage p = personOf[account];
        if (p.role == ITask.Role.Cloud) return;
        p.cheated = true;
        _equivocation(account, p, seed, true);
    }

    /// @dev The same report with statements that do not differ, or of somebody else's making.
    function slander(uint256 seed) external {
        address account = _any(seed >> 8);
        Person storage p = personOf[account];
        if (p.role != ITask.Role.Cloud) return _equivocation(account, p, seed, false);
        uint256 round = _settledRound(seed);
        if (round == 0) return;
        bytes32[2] memory r = _results[round];
        bytes memory signature =
            _signTyped(p.secret, abi.encode(Statements.RESULT, round, r[0], r[1]));
        try s.reportFalseResult(round, r[0], r[1], signature) {
            broken = "a true result was punished";
        } catch { }
    }

    /// @dev Junk to everything that takes a report.
    function grief(uint256 seed, bytes calldata junk) external {
        ITask.SignedWitness memory w;
        (w.round, w.cluster, w.commitments, w.proof) =
        (1, seed % 3, Curves.point(1), Curves.PROOF_OF_A_CONSTANT);
        (w.polynomial, w.signature) = (junk, junk);
        try s.reportFalseShare(w, 1, 0, junk, new bytes32[](0), junk) {
            broken = "junk was a false share";
        } catch { }
        try s.reportFalseWitness(w, junk) {
            broken = "junk was a false witness";
        } catch { }
        Sum memory sum = _sums[s.currentRound()][seed % 3];
        try s.reportFalseAnchor(
            s.currentRound(), seed % 3, _anchorStruct(sum), sum.signerCount, sum.vectorDigest, junk
        ) {
            broken = "junk was a false anchor";
        } catch { }
        try s.reportFalseVector(seed % 8, junk, Curves.point(1), 1, Curves.PROOF_OF_A_CONSTANT) {
            broken = "junk was a false vector";
        } catch { }
        ++done["grief"];
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    function _equivocation(address account, Person storage p, uint256 seed, bool differ) internal {
        bool device = p.role == ITask.Role.Device;
        bytes32 typehash = device ? Statements.NOISE_ROOT : Statements.QUALIFIED;
        bytes memory head =
            device ? abi.encode(seed % 5, p.cluster, p.index) : abi.encode(seed % 5, p.cluster);
        bytes memory first = bytes.concat(head, keccak256("first"));
        bytes memory second = bytes.concat(head, keccak256(bytes(differ ? "second" : "first")));
        uint256 other = p.secret;
        if (!differ && seed & 8 == 0) {
            second = bytes.concat(head, keccak256("second"));
            other = uint256(keccak256("griefer"));
        }
        _report(
            account,
            device ? ITask.Statement.NoiseRoot : ITask.Statement.Qualified,
            first,
            _signTyped(p.secret, bytes.concat(typehash, first)),
            second,
            _signTyped(other, bytes.concat(typehash, second)),
            _any(seed >> 32)
        );
    }

    function _report(
        address account,
        ITask.Statement kind,
        bytes memory first,
        bytes memory firstSignature,
        bytes memory second,
        bytes memory secondSignature,
        address reporter
    ) internal {
        (,,, uint256 stake,,,) = s.member(account);
        uint256[4] memory before = _books();
        bytes memory key = Curves.point(personOf[account].bls);
        vm.prank(reporter);
        try s.reportEquivocation(kind, first, firstSignature, second, secondSignature, key) {
            ++done["reportEquivocation"];
            _checkSlash(stake, before, false);
        } catch { }
    }

    function _falseResult(uint256 seed) internal {
        uint256 round = _settledRound(seed);
        if (round == 0) return;
        (,,,,,,,,,,,,, address account,) = s.round(round);
        personOf[account].cheated = true;
        bytes32 digest = keccak256("another");
        bytes memory signature = _signTyped(
            personOf[account].secret, abi.encode(Statements.RESULT, round, digest, digest)
        );
        uint256 settled = s.settledRounds();
        (,,, uint256 stake,,,) = s.member(account);
        uint256[4] memory before = _books();
        vm.prank(_any(seed >> 32));
        try s.reportFalseResult(round, digest, digest, signature) {
            ++done["reportFalseResult"];
            bool rejected = s.settledRounds() != settled;
            if (rejected) {
                ++done["rejected"];
                _included[round] = 0;
            }
            _checkSlash(stake, before, rejected);
        } catch { }
    }

    function _settledRound(uint256 seed) internal view returns (uint256 round) {
        uint256 last = s.currentRound();
        for (uint256 i = 0; i < last; ++i) {
            // The latest first: its result can still be rejected.
            round = seed & 0x80 == 0 ? last - i : 1 + (seed + i) % last;
            (,,,,,,,,,,,,,, bytes32 digest) = s.round(round);
            if (digest != 0) return round;
        }
        return 0;
    }
}
