// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "./ITask.sol";

/// @title Contract S of a Verifog task
/// @notice One deployment serves one task, that is one model. S records what devices, fog nodes and the
/// cloud commit to, verifies it, pays for it and slashes on evidence. docs/specification.md, section 2,
/// is its specification; hashes and encodings are those of section 1.
///
/// Safety rests on: the discrete logarithm and strong Diffie-Hellman assumptions in the groups of the
/// KZG ceremony; keccak and SHA-256; in every cluster, fewer than t + l - 1 dishonest devices; an
/// Authority that admits no more dishonest devices than that.
/// Liveness rests on: a chain that includes transactions within the deadlines; in some cluster an
/// honest fog and t + l - 1 live devices; one honest cloud; somebody who funds the pool.
/// @dev A point of G1 is 128 bytes and of G2 256 bytes, as EIP-2537 encodes them. A scalar is a 32-byte
/// word below the group order R.
/// @dev Warning: calls into the precompiles are given at most twice their present price. A fork that
/// prices one above that makes the calls fail, not succeed.
interface IContractS is ITask {
    // ------------------------------------------------------------------------------------------------
    // Membership: any phase
    // ------------------------------------------------------------------------------------------------

    /// @notice Adds the value sent to the stake of `account`. Anybody, for anybody.
    /// @dev Warning: the stake belongs to `account`, whoever pays.
    function depositStake(address account) external payable;

    /// @notice Makes `account` a cloud. Authority only. Moves nothing; the stake must be there.
    function admitCloud(address account) external;

    /// @notice Makes `account` the fog of a new cluster, whose id is the order of admission, from 0.
    /// Authority only. At most 64.
    function admitFog(address account) external returns (uint256 clusterId);

    /// @notice Makes `account` the fog of a cluster whose fog left or was slashed, from the next round on.
    /// Authority only; None, Failed, or Settled and the aggregate deadline has passed. Its devices stay.
    function admitSuccessor(uint256 clusterId, address account) external;

    /// @notice Takes the caller's suspended cluster into new rounds again. Its fog, active; any phase; its stake must
    /// cover the role again.
    function resumeCluster(uint256 clusterId) external;

    /// @notice Admits devices to a cluster; index is the order of admission, from 0. Authority only. At
    /// most 1,024 a cluster. A device admitted after a round was opened serves from the next one on.
    /// @dev Warning: an aggregate signature that is under way must be aggregated again less the new
    /// keys (as absent keys).
    function admitDevices(uint256 clusterId, Admission[] calldata admissions) external;

    /// @notice Takes the caller out of the active set at once and starts its unbonding. No way back.
    /// A fog's exit makes its cluster inactive.
    /// @param publicKey The device's admitted key; not read for a fog or a cloud.
    function requestExit(bytes calldata publicKey) external;

    /// @notice The same for `account`, which signed `Exit(address account)` (EIP-712). Anybody.
    function requestExitFor(address account, bytes calldata publicKey, bytes calldata signature)
        external;

    /// @notice Pays `account` its stake once its unbonding is over, or at once if it was never admitted.
    /// Anybody. Moves the whole stake out.
    function withdrawStake(address account) external;

    // ------------------------------------------------------------------------------------------------
    // Rounds
    // ------------------------------------------------------------------------------------------------

    /// @notice Opens the next round. Authority, active cloud or active fog; when there is no round yet or
    /// the last one is Settled or Failed. The pool must cover the reward. Moves nothing.
    /// @dev Closes the last round, if nobody did. In a Voted task it waits for the model, up to `modelTime` after
    /// the aggregate deadline.
    function openRound() external returns (uint256 roundId);

    /// @notice Takes the silence fee from those who let the last round wait: fogs of its clusters that did not anchor
    /// and submit in time, and if clusters submitted and nobody aggregated, its clouds; never devices. Anybody; once
    /// a round, when it is Failed, or Settled and its aggregate deadline has passed. Moves fees from stakes to
    /// the pool. Who left before the deadline is not charged. A cluster whose fog missed `maxSilences` rounds in a
    /// row, or cannot pay another fee, is left out of new rounds. If nobody anchored on a provisional model, which
    /// goes then, no fog was silent: perhaps none was told that model.
    function closeRound() external;

    /// @notice Records the root over the noise trees of a cluster for the batch of rounds that begins
    /// with the next round. The cluster's fog; any phase; once a batch.
    function recordNoiseRoot(uint256 clusterId, bytes32 root) external;

    /// @notice Records what a quorum of the cluster's devices attests. The cluster's active fog;
    /// Anchoring.
    /// @param batch A batch with a recorded noise root that covers the round.
    /// @param signers Bitmap of the active devices that signed.
    /// @param absentKeys The 128-byte keys of the active devices that did not sign, in the order of index.
    /// @param signature Aggregate BLS signature on the anchor message.
    /// @dev Warning: S checks who signed and that COMsum lies in the group. That COMsum is the sum over
    /// R's leaves is for the devices to check before they sign.
    function anchor(
        uint256 roundId,
        uint256 clusterId,
        uint256 batch,
        Anchor calldata anchored,
        uint256[] calldata signers,
        bytes calldata absentKeys,
        bytes calldata signature
    ) external;

    /// @notice Records the digest of the cluster's sum c_i. The cluster's fog; Anchoring or Accumulating.
    /// @param y Value of the committed polynomial at `cumulativeChallenge`.
    /// @param proof Its opening, 48 bytes.
    /// @dev Warning: that `vectorDigest` belongs to the committed vector is for the reader of the vector
    /// to check; S sees an opening only.
    function submitCumulative(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest,
        uint256 y,
        bytes calldata proof
    ) external;

    // ------------------------------------------------------------------------------------------------
    // Settlement
    // ------------------------------------------------------------------------------------------------

    /// @notice Settles the round with the sum of the included clusters and updates the committed model.
    /// Any active cloud; Aggregating. Moves the shares of those who served from pool to owed.
    /// @param included Bitmap of clusters that submitted, not empty.
    /// @param sums The included clusters' records, in the order of id.
    /// @param model The preimage of `modelDigest`: the committed model, one point a chunk.
    /// @param samples Value of slot 0, the sample total.
    /// @param countProof Opening of chunk 0 at 0.
    /// @param y Value of the committed polynomial at `aggregateChallenge`.
    /// @param proof Its opening.
    /// @dev Warning: a cloud that sees another's transaction before it is included can send it as its
    /// own. Clouds are admitted, and only the reward is at stake.
    function submitAggregate(
        uint256 roundId,
        uint256 included,
        ClusterSum[] calldata sums,
        bytes calldata model,
        bytes32 vectorDigest,
        uint256 samples,
        bytes calldata countProof,
        uint256 y,
        bytes calldata proof
    ) external;

    /// @notice Sets the model of the latest round of a Voted task. Anybody; Settled; once a round, unless it is a
    /// statistics round. Moves nothing.
    /// @param model The new commitment, one point a chunk; infinity is allowed.
    /// @param voters Bitmap of clusters of the round whose active fogs signed: two thirds of them, rounded up.
    /// @param signatures Theirs of `ModelVote` (EIP-712), in the order of cluster id.
    /// @dev Warning: S checks who signed, not what they computed. The audit recomputes it.
    function submitModel(
        uint256 roundId,
        bytes calldata model,
        uint256 voters,
        bytes[] calldata signatures
    ) external;

    /// @notice Takes `amount` out of the pool. Authority only, which gets it; None, Failed, or Settled and the
    /// aggregate deadline has passed.
    function withdrawPool(uint256 amount) external;

    /// @notice Returns to the pool what nobody claimed of the rounds `256 * word` to `256 * word + 255`, once
    /// `claimTime` has passed since the last aggregate deadline of a settled one. Anybody, any phase. They cannot be
    /// claimed any more; what reporters earned stays.
    function returnUnclaimed(uint256 word) external;

    /// @notice Adds the value sent to the pool that rewards come from. Anybody, any phase.
    function fundPool() external payable;

    /// @notice Pays `account` what it earned in `rounds` and as a reporter. Anybody, any phase; a round
    /// can be claimed once a later one is open or its aggregate deadline has passed. Rounds already
    /// claimed are passed over, so that nobody can spoil a claim of many rounds by claiming one of them.
    function claim(address account, uint256[] calldata rounds) external;

    // ------------------------------------------------------------------------------------------------
    // Disputes
    // ------------------------------------------------------------------------------------------------

    // Every report: anybody, any phase, as often as it likes. It slashes whom it proves guilty, once: what comes
    // later finds NothingToSlash. Evidence counts until the culprit's stake is withdrawn, so during its
    // unbonding too. A report that proves nothing reverts and changes nothing. `publicKey` is the BLS key of an
    // accused device, 128 bytes; it is not read once the device has left.
    //
    // Warning: the reporter is the sender; evidence in the public mempool can be sent by another.

    /// @notice Slashes a dealer for a share that contradicts its own signed witness: folded by the dealing's
    /// challenge it is not P(x), or it is no vector of C D / l scalars.
    /// @param x Coordinate of the share: index of its recipient + 1.
    /// @param position Of the share's leaf under `w.root`.
    function reportFalseShare(
        SignedWitness calldata w,
        uint256 x,
        uint256 position,
        bytes calldata share,
        bytes32[] calldata path,
        bytes calldata publicKey
    ) external;

    /// @notice Slashes a dealer for a witness that contradicts itself: P is not t + l - 1 scalars, does not
    /// fold to the opened value, or the opening is false.
    /// @dev Warning: l evaluations of P; packing times (t + l - 1) up to 100,000 fits into a transaction.
    function reportFalseWitness(SignedWitness calldata w, bytes calldata publicKey) external;

    /// @notice Slashes an account that signed two different statements of one kind for the same round and
    /// cluster, and as a device for its index.
    /// @param first The words of the EIP-712 struct, after the type hash.
    /// @param second Those of the other.
    /// @param publicKey Not read for a fog.
    function reportEquivocation(
        Statement kind,
        bytes calldata first,
        bytes calldata firstSignature,
        bytes calldata second,
        bytes calldata secondSignature,
        bytes calldata publicKey
    ) external;

    /// @notice Slashes a fog for an anchor whose R is not over the qualified devices, in the order of index, or
    /// whose COMsum is not the sum of R's leaves.
    /// @param vectorDigest Of the cluster's sum if that is submitted, else zero.
    /// @param leaves Of R, in order, each: index (2 bytes), account (20), and the coordinates of its points (96 a
    /// chunk).
    /// @dev Warning: the leaves come in one transaction: about 1,000 of them with one chunk.
    function reportFalseAnchor(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest,
        bytes calldata leaves
    ) external;

    /// @notice Computes up to `slots` more slots of the noise of a revealed seed: at the challenge that the case's
    /// evidence gives, from the last slot down. Anybody can go on with a case; it is the one's who began it.
    /// Moves nothing.
    /// @dev Warning: about 1,700 gas a slot.
    function advanceNoiseCase(NoiseEvidence calldata evidence, uint256 slots) external;

    /// @notice Slashes a device that committed to other noise than its seed gives, once all slots of the case are
    /// computed; pays the one who began it.
    /// @param commitments With the digest `evidence.actual`, 128 bytes a chunk.
    /// @param proof That they open to the computed sum at the challenge.
    function reportFalseNoise(
        NoiseEvidence calldata evidence,
        bytes calldata commitments,
        bytes calldata proof,
        bytes calldata publicKey
    ) external;

    /// @notice Slashes the cloud of a settled round that signed `Result` with other digests than those
    /// accepted. Until the aggregate deadline of the latest round, also rejects the result.
    /// @param signature The cloud's EIP-712 signature of `Result(round, commitmentDigest, vectorDigest)`.
    function reportFalseResult(
        uint256 roundId,
        bytes32 commitmentDigest,
        bytes32 vectorDigest,
        bytes calldata signature
    ) external;

    /// @notice Slashes the cloud of a settled round whose accepted vector digest belongs to something
    /// else than the committed vector; rejects the result as above.
    /// @param vector The bytes with the accepted digest: of wrong length, with an element that is no
    /// scalar, or with another value at the challenge than the commitment's.
    /// @param commitments The accepted COM(c).
    /// @param y The commitment's value at `aggregateChallenge`.
    /// @param proof Its opening.
    /// @dev Warning: at 4,096 slots and one chunk the vector alone is 131,072 bytes, above what many
    /// nodes relay in one transaction.
    function reportFalseVector(
        uint256 roundId,
        bytes calldata vector,
        bytes calldata commitments,
        uint256 y,
        bytes calldata proof
    ) external;

    // ------------------------------------------------------------------------------------------------
    // Verification views
    // ------------------------------------------------------------------------------------------------

    /// @notice Whether `sumDigest` is what the device at `index` announced in the anchored root Q.
    /// @param vectorDigest Of the cluster's sum if that is submitted, else zero.
    /// @param position Of the leaf among Q's leaves.
    function verifyShareSum(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest,
        uint256 index,
        uint256 position,
        bytes32 sumDigest,
        bytes32[] calldata path
    ) external view returns (bool);

    /// @notice Whether the cluster anchored this and submitted `vectorDigest`.
    function verifyCumulative(
        uint256 roundId,
        uint256 clusterId,
        Anchor calldata anchored,
        uint256 signerCount,
        bytes32 vectorDigest
    ) external view returns (bool);

    /// @notice Whether the round is settled with this result.
    function verifyAggregate(uint256 roundId, bytes32 commitmentDigest, bytes32 vectorDigest)
        external
        view
        returns (bool);

    // ------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------

    /// @notice The deployer: admits members, and can neither expel them nor touch money.
    function authority() external view returns (address);

    /// @notice S computes with these two and asks the judge about evidence; all without state.
    function noiseSampler() external view returns (address);

    function judge() external view returns (address);

    /// @notice The code that S runs on its own storage for what is not done in every round by every cluster.
    /// @dev Warning: it can do whatever S can. It is fixed at construction, as S's own code.
    function extension() external view returns (address);

    function taskParameters() external view returns (TaskParameters memory);

    function domainSeparator() external view returns (bytes32);

    function phase() external view returns (Phase);

    /// @notice The number of the latest round, 0 if there is none.
    function currentRound() external view returns (uint256);

    /// @notice What S keeps about a round. Deadlines, `clusters`, `anchored` and `submitted` (bitmaps)
    /// are kept for the latest round only and zero for others; of earlier rounds the phase is Settled
    /// or Failed. `cloud` is the account of a settled round's cloud.
    function round(uint256 roundId)
        external
        view
        returns (
            Phase state,
            uint256 beaconBlock,
            uint256 anchorDeadline,
            uint256 cumulativeDeadline,
            uint256 aggregateDeadline,
            uint256 clusters,
            uint256 anchored,
            uint256 submitted,
            uint256 cloudShare,
            uint256 fogShare,
            uint256 deviceShare,
            bool updatesModel,
            uint256 included,
            address cloud,
            bytes32 resultDigest
        );

    /// @notice Bitmap of the devices whose attestation of that round S accepted. Of a round before the latest it
    /// is zero unless the cluster's sum was submitted: others can earn nothing.
    function signers(uint256 roundId, uint256 clusterId) external view returns (uint256[] memory);

    /// @notice What S keeps of a cluster's anchor: keccak of anchor message, signer count, qualified count and
    /// commitment digest, and once its sum is submitted keccak of that and the vector digest.
    function recordOf(uint256 roundId, uint256 clusterId) external view returns (bytes32);

    function noiseRoot(uint256 clusterId, uint256 batch) external view returns (bytes32);

    /// @notice Commitment digest of the current model.
    function modelDigest() external view returns (bytes32);

    /// @notice Commitment digest of the model before the last settled round, and whether the current
    /// one is still provisional: nobody has anchored on it.
    function previousModel() external view returns (bytes32 digest, bool provisional);

    /// @notice How many settled rounds stand.
    function settledRounds() external view returns (uint256);

    /// @notice `clusterOrIndex`: cluster of a device or fog. `index`: of a device in its cluster, of a cloud
    /// among clouds. `withdrawableAt`: 0 while active.
    function member(address account)
        external
        view
        returns (
            Role role,
            bool active,
            bool slashed,
            uint256 stake,
            uint256 clusterId,
            uint256 index,
            uint256 withdrawableAt
        );

    /// @notice `eligible`: the devices below this index may sign in the latest round; with `devices`
    /// below a multiple of 256, bitmaps have ceil(eligible / 256) words.
    function cluster(uint256 clusterId)
        external
        view
        returns (
            address fog,
            bool active,
            uint256 devices,
            uint256 activeCount,
            uint256 eligible,
            bytes memory aggregateKey
        );

    /// @notice Whose cluster it was in that round.
    function fogOf(uint256 clusterId, uint256 roundId) external view returns (address);

    /// @notice Of a cluster: how many rounds in a row it missed.
    function silencesOf(uint256 clusterId) external view returns (uint256);

    /// @notice Bitmap of the clusters whose fogs may vote on the latest round's model, and how many must.
    function modelQuorum() external view returns (uint256 voters, uint256 required);

    /// @notice Rewards not claimed of the rounds `256 * word` to `256 * word + 255`, the last aggregate deadline
    /// of a settled one, and up to which round they were returned.
    function rewardsOf(uint256 word)
        external
        view
        returns (uint256 owed, uint256 deadline, uint256 returnedUpTo);

    /// @notice Bitmap of the active devices of a cluster.
    function activeDevices(uint256 clusterId) external view returns (uint256[] memory);

    /// @notice Whose key has this keccak; the zero address if nobody's.
    function keyOwner(bytes32 keyHash)
        external
        view
        returns (address account, uint256 clusterId, uint256 index);

    function counts() external view returns (uint256 clusters, uint256 clouds, uint256 activeCount);

    /// @notice Where the ether that S took in and did not pay out belongs.
    function accounting()
        external
        view
        returns (uint256 stakes, uint256 owed, uint256 pool, uint256 burnt);

    /// @notice What `account` earned as a reporter and has not been paid; part of `owed`.
    function creditOf(address account) external view returns (uint256);

    /// @notice A noise case: who began it, how many slots are computed, and their sum.
    function noiseCase(bytes32 caseId)
        external
        view
        returns (address reporter, uint256 done, uint256 value);

    /// @notice Bitmap of claimed rounds: bit i of word w stands for round `256 * w + i`.
    function claimedRounds(address account, uint256 word) external view returns (uint256);

    function possessionMessage(address account, bytes calldata publicKey, bytes32 sealingKey)
        external
        view
        returns (bytes32);

    function anchorMessage(uint256 roundId, uint256 clusterId, Anchor calldata anchored)
        external
        view
        returns (bytes32);

    function cumulativeChallenge(bytes32 anchorMessage_, bytes32 vectorDigest)
        external
        pure
        returns (uint256);

    function aggregateChallenge(
        uint256 roundId,
        uint256 included,
        bytes32 commitmentDigest,
        bytes32 vectorDigest
    ) external view returns (uint256);

    /// @notice The beacon of a round, from the RLP header of its beacon block.
    /// @dev Warning: the chain remembers about 8,191 blocks (EIP-2935), 256 where that is missing.
    function beacon(uint256 roundId, bytes calldata header) external view returns (bytes32);

    /// @notice The noise of slots `from` to `to - 1` of a seed (protocol: discrete Gaussian of deviation
    /// 32 sqrt(65) sqrt(4097)).
    function sampleNoise(bytes32 seed, uint256 from, uint256 to)
        external
        view
        returns (int256[] memory);

    /// @notice The blinding element of a slot of a seed.
    function blindingNoise(bytes32 seed, uint256 slot) external view returns (uint256);
}
