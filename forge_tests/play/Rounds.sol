// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../../contracts/interfaces/ITask.sol";
import { Bls12381, G1Point, POINT_BYTES, R } from "../../contracts/libraries/Bls12381.sol";
import { Curves } from "../Curves.sol";
import { Ledger } from "./Ledger.sol";

/// @title The round: noise roots, opening, anchors, sums, results, closing
abstract contract Rounds is Ledger {
    function open(uint256 seed) public {
        for (uint256 c = 0; c < fogs.length; ++c) {
            if (seed >> c & 7 != 0) noise(c);
            if (seed >> (8 + c) & 1 == 0) resume(c);
        }
        address opener = seed % 5 == 0 ? address(this) : _any(seed);
        bool allowed = opener == address(this) || _mayOpen(opener);
        ITask.Phase phase = s.phase();
        _beforeClosing();
        vm.prank(opener);
        try s.openRound() {
            _in("openRound", phase, 0x31);
            _promise();
            if (!allowed) broken = "a stranger opened a round";
        } catch { }
        _afterClosing(s.currentRound() - (done["openRound"] > _openings ? 1 : 0));
    }

    /// @dev Anybody may close a round that is over.
    function close(uint256 seed) external {
        ITask.Phase phase = s.phase();
        _beforeClosing();
        vm.prank(_any(seed));
        try s.closeRound() {
            _in("closeRound", phase, 0x30);
        } catch { }
        _afterClosing(s.currentRound());
    }

    /// @dev A fog whose cluster was left out calls back, or tries to.
    function resume(uint256 seed) public {
        uint256 c = seed % fogs.length;
        vm.prank(fogs[c]);
        try s.resumeCluster(c) {
            ++done["resumeCluster"];
        } catch { }
    }

    function noise(uint256 c) public {
        c %= fogs.length;
        ITask.Phase phase = s.phase();
        vm.prank(fogs[c]);
        try s.recordNoiseRoot(c, keccak256("noise")) {
            _in("recordNoiseRoot", phase, 0x3f);
        } catch { }
    }

    function anchor(uint256 seed, uint256 skip) public {
        uint256 round = s.currentRound();
        uint256 c = _nextCluster(seed);
        (ITask.Anchor memory a, Sum memory sum, bytes memory absent) = _anchorOf(c, seed, skip);
        uint256[] memory signers = new uint256[](1);
        signers[0] = sum.signers;
        sum.message = s.anchorMessage(round, c, a);
        bytes memory signature = Curves.sign(sum.message, _keySum(c, sum.signers));
        uint256 batch = _batch(c, round);
        ITask.Phase phase = s.phase();
        vm.prank(seed % 17 == 0 ? _any(seed) : fogs[c]);
        try s.anchor(round, c, batch, a, signers, absent, signature) {
            _in("anchor", phase, 0x02);
            _sums[round][c] = sum;
        } catch { }
    }

    function submit(uint256 seed) public {
        uint256 round = s.currentRound();
        uint256 c = seed % fogs.length;
        if (_sums[round][c].value == 0) c = (c + 1) % fogs.length;
        Sum memory sum = _sums[round][c];
        ITask.Anchor memory a = _anchorStruct(sum);
        bytes32 digest = keccak256(abi.encode(round, c, "vector"));
        ITask.Phase phase = s.phase();
        uint256 y = seed % 13 == 0 ? sum.value + 1 : sum.value;
        vm.prank(seed % 17 == 0 ? _any(seed) : fogs[c]);
        try s.submitCumulative(
            round, c, a, sum.signerCount, digest, y, Curves.PROOF_OF_A_CONSTANT
        ) {
            _in("submitCumulative", phase, 0x06);
            if (y != sum.value) broken = "a false opening was taken";
            _sums[round][c].vectorDigest = digest;
        } catch { }
    }

    function aggregate(uint256 seed, bool all) public {
        uint256 round = s.currentRound();
        if (round == 0) return;
        (ITask.ClusterSum[] memory sums, uint256 included, uint256 total, uint256 qualified) =
            _sumsOf(round, all ? type(uint256).max : seed);
        bytes memory commitments = Curves.point(total);
        bytes32 digest = keccak256(abi.encode(round, "result"));
        bytes memory model = _models[s.modelDigest()];
        address cloud = clouds[seed % clouds.length];
        ITask.Phase phase = s.phase();
        vm.prank(cloud);
        try s.submitAggregate(
            round,
            included,
            sums,
            model,
            digest,
            total,
            Curves.PROOF_OF_A_CONSTANT,
            total,
            Curves.PROOF_OF_A_CONSTANT
        ) {
            _in("submitAggregate", phase, 0x08);
            _results[round] = [keccak256(commitments), digest];
            (_included[round], _settledBy[round]) = (included, cloud);
            _keepModel(model, commitments, total, qualified);
        } catch { }
    }

    // ------------------------------------------------------------------------------------------------
    // Internal
    // ------------------------------------------------------------------------------------------------

    /// @dev That S tells who attested the latest round, and of the three before it those whose sum it has.
    function _tellsSigners() internal view returns (bool) {
        uint256 latest = s.currentRound();
        for (uint256 round = latest < 4 ? 1 : latest - 3; round <= latest; ++round) {
            for (uint256 c = 0; c < fogs.length; ++c) {
                Sum storage sum = _sums[round][c];
                uint256[] memory told = s.signers(round, c);
                bool kept = round == latest || sum.vectorDigest != 0;
                if (told.length != 0 && told[0] != (kept ? sum.signers : 0)) return false;
            }
        }
        return true;
    }

    function _nextCluster(uint256 seed) internal view returns (uint256 c) {
        c = seed % fogs.length;
        uint256 round = s.currentRound();
        for (uint256 i = 0; i < fogs.length && _sums[round][c].value != 0; ++i) {
            c = (c + 1) % fogs.length;
        }
    }

    function _batch(uint256 c, uint256 round) internal view returns (uint256 batch) {
        for (batch = round; batch > 0 && batch + 2 >= round; --batch) {
            if (s.noiseRoot(c, batch) != 0) return batch;
        }
        return round;
    }

    /// @dev An anchor of the eligible active devices, some of them absent.
    function _anchorOf(uint256 c, uint256 seed, uint256 skip)
        internal
        view
        returns (ITask.Anchor memory a, Sum memory sum, bytes memory absent)
    {
        (,, uint256 devices,, uint256 eligible,) = s.cluster(c);
        uint256 active = devices == 0 ? 0 : s.activeDevices(c)[0];
        sum.fog = fogs[c];
        sum.value = 1 + seed % 150;
        sum.qualified = active & ((1 << eligible) - 1);
        sum.signers = sum.qualified;
        if (seed % 3 == 0) sum.signers &= ~(uint256(1) << (seed >> 16) % MOST_DEVICES);
        sum.signers &= ~skip;
        sum.signerCount = _count(sum.signers);
        sum.qualifiedCount = _count(sum.qualified);
        sum.sumsRoot = keccak256(abi.encode(seed));
        for (uint256 i = 0; i < devices; ++i) {
            if (active >> i & 1 == 1 && sum.signers >> i & 1 == 0) {
                absent = bytes.concat(absent, Curves.point(personOf[_devices[c][i]].bls));
            }
        }
        a = _anchorStruct(sum);
    }

    function _anchorStruct(Sum memory sum) internal view returns (ITask.Anchor memory) {
        uint256[] memory qualified = new uint256[](1);
        qualified[0] = sum.qualified;
        return ITask.Anchor(keccak256("R"), sum.sumsRoot, Curves.point(sum.value), qualified);
    }

    function _sumsOf(uint256 round, uint256 wanted)
        internal
        view
        returns (ITask.ClusterSum[] memory sums, uint256 included, uint256 total, uint256 qualified)
    {
        for (uint256 c = 0; c < fogs.length; ++c) {
            if (_sums[round][c].vectorDigest != 0 && wanted >> c & 1 == 1) included |= 1 << c;
        }
        sums = new ITask.ClusterSum[](_count(included));
        uint256 place;
        for (uint256 c = 0; c < fogs.length; ++c) {
            if (included >> c & 1 == 0) continue;
            Sum memory sum = _sums[round][c];
            sums[place++] = ITask.ClusterSum(
                sum.message,
                sum.signerCount,
                sum.qualifiedCount,
                Curves.point(sum.value),
                sum.vectorDigest
            );
            total += sum.value;
            qualified += sum.qualifiedCount;
        }
    }

    /// @dev The model that an accepted result leads to, computed here.
    function _keepModel(
        bytes memory model,
        bytes memory commitments,
        uint256 samples,
        uint256 qualified
    ) internal {
        if (s.settledRounds() <= 1) return; // a statistics round
        uint256 clamped = samples < qualified ? qualified : samples;
        if (clamped > 100 * qualified) clamped = 100 * qualified;
        uint256 factor = (1 << 20) / clamped;
        G1Point memory term = Bls12381.multiply(Bls12381.pointAt(commitments, 0), R - factor);
        bytes memory updated = new bytes(POINT_BYTES);
        Bls12381.put(updated, 0, Bls12381.add(Bls12381.pointAt(model, 0), term));
        _models[keccak256(updated)] = updated;
        if (s.modelDigest() != keccak256(updated)) broken = "the model is another one";
    }
}
