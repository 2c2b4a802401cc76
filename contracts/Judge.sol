// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { NoiseSampler } from "./NoiseSampler.sol";
import { IContractS } from "./interfaces/IContractS.sol";
import { ITask } from "./interfaces/ITask.sol";
import { Bitmap } from "./libraries/Bitmap.sol";
import { BlockHeader } from "./libraries/BlockHeader.sol";
import { Bls12381, PACKED_POINT_BYTES, POINT_BYTES, R } from "./libraries/Bls12381.sol";
import { Horner } from "./libraries/Horner.sol";
import { Kzg } from "./libraries/Kzg.sol";
import { Merkle } from "./libraries/Merkle.sol";
import { Statements } from "./libraries/Statements.sol";
import { Transcript } from "./libraries/Transcript.sol";

/// @dev What the evidence proves: `account` did it, in `round` and `cluster`; `evidence` names the false
/// thing. `reporter` is the account to be paid, zero for the one that sent the transaction; `publicKey` a
/// device's, as the reporter gave it.
struct Verdict {
    address account;
    ITask.Offence offence;
    uint256 round;
    uint256 cluster;
    bytes32 evidence;
    address reporter;
    bytes publicKey;
}

/// @title The judge: what S decides by computation
/// @notice S hands calls on to it as they came, so each function here has the name and the parameters of one
/// of S's (whose NatSpec is in IContractS.sol). It reads what it needs from S, its caller, and reverts unless
/// the evidence proves the offence. Without state: one serves all tasks of a chain.
contract Judge {
    // Index and account of a leaf of R.
    uint256 private constant INDEX_BYTES = 2;
    uint256 private constant LEAF_HEAD_BYTES = 22;

    // A leaf of R, with its points as EIP-2537 has them.
    struct Leaf {
        uint256 index;
        address device;
        bytes commitments;
    }

    // ------------------------------------------------------------------------------------------------
    // Dealers
    // ------------------------------------------------------------------------------------------------

    function reportFalseShare(
        ITask.SignedWitness calldata w,
        uint256 x,
        uint256 position,
        bytes calldata share,
        bytes32[] calldata path,
        bytes calldata publicKey
    ) external view returns (Verdict memory) {
        ITask.TaskParameters memory p = _task().taskParameters();
        (address dealer,) = _dealer(w, p);
        bytes32 leaf = Transcript.shareLeaf(x, share);
        _requireUnder(w.root, leaf, position, path);
        (uint256 value, bool good) = _foldShare(share, _rho(w, p, dealer), p);
        if (good) {
            (uint256 expected,) = Horner.evaluate(w.polynomial, x);
            if (value == expected) revert ITask.ShareHolds(x);
        }
        return Verdict(
            dealer, ITask.Offence.FalseShare, w.round, w.cluster, leaf, address(0), publicKey
        );
    }

    function reportFalseWitness(ITask.SignedWitness calldata w, bytes calldata publicKey)
        external
        view
        returns (Verdict memory)
    {
        ITask.TaskParameters memory p = _task().taskParameters();
        (address dealer, bytes32 structHash) = _dealer(w, p);
        uint256 rho = _rho(w, p, dealer);
        if (
            _foldsToOpened(w, rho, p)
                && Kzg.isOpening(
                    Kzg.combineChunks(w.commitments, rho, p.capacity), rho, w.opened, w.proof
                )
        ) revert ITask.WitnessHolds(structHash);
        return Verdict(
            dealer,
            ITask.Offence.FalseWitness,
            w.round,
            w.cluster,
            structHash,
            address(0),
            publicKey
        );
    }

    // ------------------------------------------------------------------------------------------------
    // Two statements
    // ------------------------------------------------------------------------------------------------

    function reportEquivocation(
        ITask.Statement kind,
        bytes calldata first,
        bytes calldata firstSignature,
        bytes calldata second,
        bytes calldata secondSignature,
        bytes calldata publicKey
    ) external view returns (Verdict memory) {
        (bytes32 typehash, uint256 words, uint256 occasion) = Statements.shapeOf(kind);
        _requireLength(first.length, 32 * words);
        _requireLength(second.length, 32 * words);
        for (uint256 i = 0; i < occasion; ++i) {
            uint256 one = _word(first, i);
            uint256 other = _word(second, i);
            if (one != other) revert ITask.AnotherOccasion(i, one, other);
        }
        bytes32 structHash = keccak256(abi.encodePacked(typehash, first));
        bytes32 otherHash = keccak256(abi.encodePacked(typehash, second));
        if (structHash == otherHash) revert ITask.SameStatement(structHash);
        bytes32 domain = _task().domainSeparator();
        address signer = Statements.signerOf(domain, structHash, firstSignature);
        address otherSigner = Statements.signerOf(domain, otherHash, secondSignature);
        if (signer != otherSigner) revert ITask.WrongSigner(otherSigner, signer);
        // A model vote names no cluster: it is the signer's own.
        uint256 cluster = kind == ITask.Statement.ModelVote ? _clusterOf(signer) : _word(first, 1);
        if (occasion == 3) _requireDevice(signer, cluster, _word(first, 2));
        else _requireFog(signer, cluster);
        return Verdict(
            signer,
            ITask.Offence.Equivocation,
            _word(first, 0),
            cluster,
            otherHash,
            address(0),
            publicKey
        );
    }

    // ------------------------------------------------------------------------------------------------
    // Anchors
    // ------------------------------------------------------------------------------------------------

    function reportFalseAnchor(
        uint256 roundId,
        uint256 clusterId,
        ITask.Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest,
        bytes calldata leaves
    ) external view returns (Verdict memory) {
        bytes32 message = _requireRecord(roundId, clusterId, anchored, signerCount, vectorDigest);
        (bytes32 root, bytes memory sum, bool qualified) = _readLeaves(anchored, clusterId, leaves);
        if (root != anchored.sharesRoot) {
            revert ITask.WrongLeaves(root, anchored.sharesRoot);
        }
        if (qualified && keccak256(sum) == keccak256(anchored.commitments)) {
            revert ITask.AnchorHolds(message);
        }
        address fog = _task().fogOf(clusterId, roundId);
        return Verdict(fog, ITask.Offence.FalseAnchor, roundId, clusterId, message, address(0), "");
    }

    // ------------------------------------------------------------------------------------------------
    // Noise
    // ------------------------------------------------------------------------------------------------

    /// @return caseId The case.
    /// @return done How many slots are computed after this step.
    /// @return value The sum over them.
    function advanceNoiseCase(ITask.NoiseEvidence calldata e, uint256 slots)
        external
        view
        returns (bytes32 caseId, uint256 done, uint256 value)
    {
        (caseId,) = _noiseCase(e);
        ITask.TaskParameters memory p = _task().taskParameters();
        (, done, value) = _task().noiseCase(caseId);
        uint256 left = uint256(p.capacity) * p.chunks - done;
        if (slots > left) slots = left;
        value = NoiseSampler(_task().noiseSampler())
            .evaluateNoise(
                e.seed,
                left - slots,
                left,
                uint256(p.capacity) / p.packing,
                uint256(caseId) % R,
                value
            );
        done += slots;
    }

    function reportFalseNoise(
        ITask.NoiseEvidence calldata e,
        bytes calldata commitments,
        bytes calldata proof,
        bytes calldata publicKey
    ) external view returns (Verdict memory) {
        (bytes32 caseId, address device) = _noiseCase(e);
        ITask.TaskParameters memory p = _task().taskParameters();
        (address reporter, uint256 done, uint256 value) = _task().noiseCase(caseId);
        uint256 slots = uint256(p.capacity) * p.chunks;
        if (done != slots) revert ITask.NoiseCaseIncomplete(caseId, done, slots);
        bytes32 given = keccak256(commitments);
        if (given != e.actual) revert ITask.WrongCommitments(given, e.actual);
        _requireLength(commitments.length, POINT_BYTES * p.chunks);
        Bls12381.requireSubgroup(commitments);
        uint256 z = uint256(caseId) % R;
        Kzg.requireOpening(Kzg.combineChunks(commitments, z, p.capacity), z, value, proof);
        return Verdict(
            device, ITask.Offence.FalseNoise, e.batch, e.cluster, caseId, reporter, publicKey
        );
    }

    // ------------------------------------------------------------------------------------------------
    // Results
    // ------------------------------------------------------------------------------------------------

    function reportFalseResult(
        uint256 roundId,
        bytes32 commitmentDigest,
        bytes32 vectorDigest,
        bytes calldata signature
    ) external view returns (Verdict memory) {
        (address cloud,, bytes32 accepted) = _settled(roundId);
        bytes32 structHash =
            keccak256(abi.encode(Statements.RESULT, roundId, commitmentDigest, vectorDigest));
        address signer = Statements.signerOf(_task().domainSeparator(), structHash, signature);
        if (signer != cloud) revert ITask.NotCloudOfRound(signer, roundId);
        bytes32 given = Transcript.result(commitmentDigest, vectorDigest);
        if (given == accepted) revert ITask.ResultIsAccepted(roundId);
        return Verdict(cloud, ITask.Offence.FalseResult, roundId, 0, given, address(0), "");
    }

    function reportFalseVector(
        uint256 roundId,
        bytes calldata vector,
        bytes calldata commitments,
        uint256 y,
        bytes calldata proof
    ) external view returns (Verdict memory) {
        (address cloud, uint256 included, bytes32 accepted) = _settled(roundId);
        bytes32 commitmentDigest = keccak256(commitments);
        bytes32 vectorDigest = keccak256(vector);
        bytes32 given = Transcript.result(commitmentDigest, vectorDigest);
        if (given != accepted) revert ITask.WrongResult(roundId, given, accepted);
        ITask.TaskParameters memory p = _task().taskParameters();
        uint256 z = Transcript.aggregateChallenge(
            _task().domainSeparator(), roundId, included, commitmentDigest, vectorDigest
        );
        Kzg.requireOpening(Kzg.combineChunks(commitments, z, p.capacity), z, y, proof);
        (uint256 value, bool canonical) = Horner.evaluate(vector, z);
        if (canonical && vector.length == 32 * uint256(p.capacity) * p.chunks && value == y) {
            revert ITask.VectorIsAccepted(roundId, y);
        }
        return Verdict(cloud, ITask.Offence.FalseVector, roundId, 0, given, address(0), "");
    }

    // ------------------------------------------------------------------------------------------------
    // Verification on request
    // ------------------------------------------------------------------------------------------------

    function beacon(uint256 roundId, bytes calldata header) external view returns (bytes32) {
        (, uint256 number,,,,,,,,,,,,,) = _task().round(roundId);
        if (block.number <= number) revert ITask.BeaconNotYet(number, block.number);
        bytes32 expected = BlockHeader.hashOf(number);
        if (expected == 0) revert ITask.BeaconTooOld(number, block.number);
        bytes32 given = keccak256(header);
        if (given != expected) revert ITask.WrongHeader(given, expected);
        return Transcript.beacon(_task().domainSeparator(), roundId, BlockHeader.prevrandao(header));
    }

    function verifyShareSum(
        uint256 roundId,
        uint256 clusterId,
        ITask.Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest,
        uint256 index,
        uint256 position,
        bytes32 sumDigest,
        bytes32[] calldata path
    ) external view returns (bool) {
        (bytes32 record,) = _recordOf(roundId, clusterId, anchored, signerCount, vectorDigest);
        return record == _task().recordOf(roundId, clusterId)
            && Merkle.rootOf(Transcript.sumLeaf(index, sumDigest), position, path)
                == anchored.sumsRoot;
    }

    function verifyCumulative(
        uint256 roundId,
        uint256 clusterId,
        ITask.Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest
    ) external view returns (bool) {
        (bytes32 record,) = _recordOf(roundId, clusterId, anchored, signerCount, 0);
        return Transcript.sumRecord(record, vectorDigest) == _task().recordOf(roundId, clusterId);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: S
    // ------------------------------------------------------------------------------------------------

    /// @dev The S that asks.
    function _task() private view returns (IContractS) {
        return IContractS(msg.sender);
    }

    function _requireDevice(address account, uint256 clusterId, uint256 index) private view {
        if (!_isDevice(account, clusterId, index)) {
            revert ITask.NotDeviceOfCluster(account, clusterId, index);
        }
    }

    /// @dev Whether it was admitted to that place, still active or not.
    function _isDevice(address account, uint256 clusterId, uint256 index)
        private
        view
        returns (bool)
    {
        (ITask.Role role,,,, uint256 cluster, uint256 place,) = _task().member(account);
        return role == ITask.Role.Device && cluster == clusterId && place == index;
    }

    function _requireFog(address account, uint256 clusterId) private view {
        (ITask.Role role,,,, uint256 cluster,,) = _task().member(account);
        if (role != ITask.Role.Fog || cluster != clusterId) {
            revert ITask.NotFogOfCluster(clusterId, account);
        }
    }

    function _clusterOf(address account) private view returns (uint256 cluster) {
        (,,,, cluster,,) = _task().member(account);
    }

    /// @dev Cloud, included clusters and result digest of a settled round.
    function _settled(uint256 roundId)
        private
        view
        returns (address cloud, uint256 included, bytes32 digest)
    {
        if (roundId != 0 && roundId <= _task().currentRound()) {
            (,,,,,,,,,,,, included, cloud, digest) = _task().round(roundId);
        }
        if (digest == 0) revert ITask.RoundNotSettled(roundId);
    }

    /// @dev The record of a cluster and the anchor message in it. `vectorDigest` is zero before the sum is
    /// submitted.
    function _recordOf(
        uint256 roundId,
        uint256 clusterId,
        ITask.Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest
    ) private view returns (bytes32 record, bytes32 message) {
        message = Transcript.anchor(_task().domainSeparator(), roundId, clusterId, anchored);
        record = Transcript.anchorRecord(
            message, signerCount, Bitmap.count(anchored.qualified), keccak256(anchored.commitments)
        );
        if (vectorDigest != 0) record = Transcript.sumRecord(record, vectorDigest);
    }

    /// @dev Reverts unless S keeps just this record; returns the anchor message.
    function _requireRecord(
        uint256 roundId,
        uint256 clusterId,
        ITask.Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest
    ) private view returns (bytes32 message) {
        bytes32 given;
        (given, message) = _recordOf(roundId, clusterId, anchored, signerCount, vectorDigest);
        bytes32 stored = _task().recordOf(roundId, clusterId);
        if (given != stored) revert ITask.WrongRecord(clusterId, given, stored);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: dealings
    // ------------------------------------------------------------------------------------------------

    /// @dev Who signed the witness, as the device it names, and its struct hash. The points are checked to be
    /// points in their only encoding: another of the same point would give another challenge.
    function _dealer(ITask.SignedWitness calldata w, ITask.TaskParameters memory p)
        private
        view
        returns (address dealer, bytes32 structHash)
    {
        _requireLength(w.commitments.length, POINT_BYTES * p.chunks);
        _requireLength(w.proof.length, Kzg.PROOF_BYTES);
        bytes memory points = w.commitments;
        Bls12381.requireSubgroup(points);
        structHash = keccak256(
            abi.encode(
                Statements.WITNESS,
                w.round,
                w.cluster,
                w.index,
                w.selection,
                w.count,
                Bls12381.compressedDigest(points),
                w.root,
                keccak256(w.polynomial),
                keccak256(abi.encodePacked(w.opened, w.proof))
            )
        );
        dealer = Statements.signerOf(_task().domainSeparator(), structHash, w.signature);
        _requireDevice(dealer, w.cluster, w.index);
    }

    /// @dev The challenge of the dealing.
    function _rho(ITask.SignedWitness calldata w, ITask.TaskParameters memory p, address dealer)
        private
        view
        returns (uint256)
    {
        bytes32 context =
            Transcript.context(_task().domainSeparator(), w.round, w.cluster, w.selection);
        return Transcript.shareChallenge(
            context, dealer, keccak256(w.commitments), w.root, w.count, p.threshold, p.packing
        );
    }

    /// @dev `sum_c rho^(D c) sum_q rho^q share_(c, q)`, and whether the share is one: C D / l scalars.
    function _foldShare(bytes calldata share, uint256 rho, ITask.TaskParameters memory p)
        private
        pure
        returns (uint256 value, bool good)
    {
        uint256 part = 32 * (uint256(p.capacity) / p.packing);
        if (share.length != part * p.chunks) return (0, false);
        good = true;
        uint256 step = Horner.raise(rho, p.capacity);
        for (uint256 c = p.chunks; c > 0; --c) {
            (uint256 folded, bool canonical) = Horner.evaluate(share[part * (c - 1):part * c], rho);
            good = good && canonical;
            value = addmod(mulmod(value, step, R), folded, R);
        }
    }

    /// @dev Whether P has t + l - 1 scalars and `sum_p rho^(m p) P(-p)` is the opened value, m = D / l.
    function _foldsToOpened(
        ITask.SignedWitness calldata w,
        uint256 rho,
        ITask.TaskParameters memory p
    ) private pure returns (bool) {
        if (w.polynomial.length != 32 * (uint256(p.threshold) + p.packing - 1)) {
            return false;
        }
        uint256 step = Horner.raise(rho, uint256(p.capacity) / p.packing);
        uint256 folded = 0;
        for (uint256 i = p.packing; i > 0; --i) {
            (uint256 value, bool canonical) = Horner.evaluate(w.polynomial, R - (i - 1));
            if (!canonical) return false;
            folded = addmod(mulmod(folded, step, R), value, R);
        }
        return folded == w.opened;
    }

    function _requireUnder(bytes32 root, bytes32 leaf, uint256 position, bytes32[] calldata path)
        private
        pure
    {
        bytes32 given = Merkle.rootOf(leaf, position, path);
        if (given != root) revert ITask.NotUnderRoot(leaf, given, root);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: leaves of R
    // ------------------------------------------------------------------------------------------------

    /// @dev Root and sum of the leaves, and whether they are those of the qualified devices, in the order of
    /// index.
    function _readLeaves(ITask.Anchor calldata anchored, uint256 clusterId, bytes calldata leaves)
        private
        view
        returns (bytes32 root, bytes memory sum, bool qualified)
    {
        uint256 chunks = anchored.commitments.length / POINT_BYTES;
        uint256 size = LEAF_HEAD_BYTES + chunks * PACKED_POINT_BYTES;
        uint256 count = leaves.length / size;
        _requireLength(leaves.length, size * (count == 0 ? 1 : count));
        bytes32[] memory nodes = new bytes32[](count);
        Leaf memory leaf = Leaf(0, address(0), new bytes(chunks * POINT_BYTES));
        sum = new bytes(chunks * POINT_BYTES);
        qualified = count == Bitmap.count(anchored.qualified);
        uint256 least = 0;
        for (uint256 i = 0; i < count; ++i) {
            _readLeaf(leaves[size * i:size * (i + 1)], leaf);
            nodes[i] = Merkle.leafNode(
                Transcript.selectedLeaf(leaf.index, leaf.device, keccak256(leaf.commitments))
            );
            for (uint256 c = 0; c < chunks; ++c) {
                Bls12381.addAt(sum, leaf.commitments, c);
            }
            qualified = qualified && leaf.index >= least
                && Bitmap.contains(anchored.qualified, leaf.index)
                && _isDevice(leaf.device, clusterId, leaf.index);
            least = leaf.index + 1;
        }
        root = Merkle.rootOfNodes(nodes);
    }

    /// @dev Fills `leaf` from its packed form: index (2 bytes), account (20), coordinates (48 each).
    function _readLeaf(bytes calldata packed, Leaf memory leaf) private pure {
        leaf.index = uint16(bytes2(packed[:INDEX_BYTES]));
        leaf.device = address(bytes20(packed[INDEX_BYTES:LEAF_HEAD_BYTES]));
        Bls12381.unpack(packed[LEAF_HEAD_BYTES:], leaf.commitments);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: noise
    // ------------------------------------------------------------------------------------------------

    /// @dev The case that the evidence makes, and whose it is: the device signed the root, the leaf lies under
    /// it, the seed has the leaf's hash, and its noise is said to have another commitment than the leaf's.
    function _noiseCase(ITask.NoiseEvidence calldata e)
        private
        view
        returns (bytes32 caseId, address device)
    {
        if (e.claimed == e.actual) revert ITask.NoiseIsCommitted(e.claimed);
        bytes32 domain = _task().domainSeparator();
        bytes32 structHash =
            keccak256(abi.encode(Statements.NOISE_ROOT, e.batch, e.cluster, e.index, e.root));
        device = Statements.signerOf(domain, structHash, e.signature);
        _requireDevice(device, e.cluster, e.index);
        bytes32 leaf = Transcript.noiseLeaf(e.place, e.candidate, e.seed, e.claimed);
        _requireUnder(e.root, leaf, e.position, e.path);
        caseId = Transcript.noiseCase(domain, device, e.root, leaf, e.actual);
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: words
    // ------------------------------------------------------------------------------------------------

    function _word(bytes calldata words, uint256 i) private pure returns (uint256) {
        return uint256(bytes32(words[32 * i:32 * i + 32]));
    }

    function _requireLength(uint256 given, uint256 expected) private pure {
        if (given != expected) revert ITask.WrongLength(given, expected);
    }
}
