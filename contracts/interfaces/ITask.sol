// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

/// @title Types, errors and events of a Verifog task
/// @notice What Contract S, its extension and the contracts that it computes with have in common.
interface ITask {
    // ------------------------------------------------------------------------------------------------
    // Types
    // ------------------------------------------------------------------------------------------------

    enum Role {
        None,
        Device,
        Fog,
        Cloud
    }

    enum Phase {
        None,
        Anchoring,
        Accumulating,
        Aggregating,
        Settled,
        Failed
    }

    /// @notice How the committed model moves: S applies the rate to the sum, or the fogs vote on a model.
    enum ModelRule {
        Linear,
        Voted
    }

    /// @notice What an account can be slashed for; section 2.5 of the specification.
    enum Offence {
        FalseShare,
        FalseWitness,
        Equivocation,
        FalseAnchor,
        FalseNoise,
        FalseResult,
        FalseVector
    }

    /// @notice Signed messages of which nobody may sign two that differ, for one round and cluster (and
    /// device). The first three are a device's, the others a fog's; of model votes, for one round and result.
    enum Statement {
        NoiseRoot,
        MaskedPacket,
        Witness,
        Selection,
        Qualified,
        ModelVote
    }

    /// @notice Fixed at construction; meaning and bounds in section 2.1 of the specification.
    struct TaskParameters {
        uint16 capacity;
        uint16 packing;
        uint16 chunks;
        uint16 threshold;
        uint16 minQualified;
        uint16 noiseRounds;
        uint16 candidates;
        uint16 beaconDelay;
        uint16 fractionalBits;
        uint16 statisticsRounds;
        uint128 rate;
        uint32 minSamples;
        uint32 maxSamples;
        uint32 anchorTime;
        uint32 cumulativeTime;
        uint32 aggregateTime;
        uint32 unbondingTime;
        uint96 deviceStake;
        uint96 fogStake;
        uint96 cloudStake;
        uint96 reward;
        ModelRule modelRule;
        uint32 modelTime;
        uint8 cloudPercent;
        uint8 fogPercent;
        uint96 silenceFee;
        uint8 maxSilences;
        uint32 claimTime;
    }

    /// @notice What the Authority says about a device it admits.
    /// @param account Ethereum account; signs messages, holds the stake, is paid.
    /// @param sealingKey X25519 key to which shares are sealed; the device's signature covers it, so that
    /// nobody can put another in its place.
    /// @param publicKey BLS key, a point of G1.
    /// @param proofOfPossession BLS signature, a point of G2, on the `verifog pop v1` message.
    struct Admission {
        address account;
        bytes32 sealingKey;
        bytes publicKey;
        bytes proofOfPossession;
    }

    /// @notice What the devices of a cluster attest to.
    /// @param sharesRoot Root R over the qualified devices' commitments.
    /// @param sumsRoot Root Q over the digests of the devices' sums of shares.
    /// @param commitments COMsum, one point of G1 a chunk.
    /// @param qualified Bitmap of the qualified devices.
    struct Anchor {
        bytes32 sharesRoot;
        bytes32 sumsRoot;
        bytes commitments;
        uint256[] qualified;
    }

    /// @notice The preimage of the record of a cluster that submitted its sum.
    struct ClusterSum {
        bytes32 anchorMessage;
        uint256 signerCount;
        uint256 qualifiedCount;
        bytes commitments;
        bytes32 vectorDigest;
    }

    /// @notice A dealer's witness, with what the signed message names by digests.
    /// @param selection Root of the selection dealt to.
    /// @param count How many recipients it has.
    /// @param commitments COM(u), 128 bytes a chunk. The message has the keccak of the 48-byte forms.
    /// @param root Of the tree of shares.
    /// @param polynomial P, 32 bytes a coefficient, lowest power first.
    /// @param opened Value of the committed polynomial at the dealing's challenge.
    /// @param proof Its opening.
    /// @param signature The dealer's, of `Witness` (EIP-712).
    struct SignedWitness {
        uint256 round;
        uint256 cluster;
        uint256 index;
        bytes32 selection;
        uint256 count;
        bytes commitments;
        bytes32 root;
        bytes polynomial;
        uint256 opened;
        bytes proof;
        bytes signature;
    }

    /// @notice A device's signed noise root, one leaf under it, and the seed that it revealed.
    /// @param batch First round of the batch: `round` of the signed message.
    /// @param signature The device's, of `NoiseRoot` (EIP-712).
    /// @param place Of the round in the batch.
    /// @param claimed Commitment digest in the leaf.
    /// @param position Of the leaf in the device's tree.
    /// @param actual Commitment digest of the seed's noise, says the reporter.
    struct NoiseEvidence {
        uint256 batch;
        uint256 cluster;
        uint256 index;
        bytes32 root;
        bytes signature;
        uint256 place;
        uint256 candidate;
        bytes32 seed;
        bytes32 claimed;
        uint256 position;
        bytes32[] path;
        bytes32 actual;
    }

    /// @notice What a cloud signs (EIP-712) when it hands the result of a round to a fog.
    struct Result {
        uint256 round;
        bytes32 commitmentDigest;
        bytes32 vectorDigest;
    }

    // ------------------------------------------------------------------------------------------------
    // Errors
    // ------------------------------------------------------------------------------------------------

    // Construction
    error ParameterOutOfRange(string name, uint256 value);
    error PrecompileUnusable(address precompile);

    // Of the extension, called directly
    error OnlyThroughContractS();

    // Precompiles. The last means that the chain does not have it, or that the call had too little gas: a
    // false proof is a FalseOpening.
    error G1AddFailed();
    error G1MsmFailed();
    error PairingFailed();
    error PointEvaluationFailed();

    // Callers, rounds and phases
    error NotAuthority(address caller);
    error NotFogOfCluster(uint256 cluster, address caller);
    error NotActiveCloud(address caller);
    error NotAllowedToOpen(address caller);
    error WrongRound(uint256 given, uint256 current);
    error WrongPhase(Phase phase);

    // Shapes
    error WrongLength(uint256 given, uint256 expected);
    error ScalarOutOfRange(uint256 value);

    // Membership
    error AmountTooLarge(uint256 amount);
    error RoleTaken(address account, Role role);
    error NotMember(address account);
    error MemberHasLeft(address account);
    error StakeTooLow(address account, uint256 stake, uint256 required);
    error StakeIsBonded(address account, uint256 withdrawableAt);
    error NoStake(address account);
    error TooManyClouds();
    error TooManyClusters();
    error TooManyDevices(uint256 cluster, uint256 devices);
    error UnknownCluster(uint256 cluster);
    error InactiveCluster(uint256 cluster);
    error KeyAtInfinity(address account);
    error KeyAlreadyUsed(bytes32 keyHash);
    error FalseProofOfPossession(address account);
    error WrongKey(uint256 cluster, uint256 index, bytes32 keyHash);
    error WrongSigner(address recovered, address expected);
    // Of the library that recovers signers: no signature, of another length, not the only form.
    error ECDSAInvalidSignature();
    error ECDSAInvalidSignatureLength(uint256 length);
    error ECDSAInvalidSignatureS(bytes32 s);

    // Rounds
    error PoolTooLow(uint256 pool, uint256 required);
    error NoActiveCluster();
    error ModelPending(uint256 round, uint256 until);
    error RoundNotOver(uint256 round, uint256 until);
    error RoundAlreadyClosed(uint256 round);
    error ClusterNotSuspended(uint256 cluster);
    error ClusterHasFog(uint256 cluster, address fog);
    error ZeroNoiseRoot();
    error NoiseRootAlreadyRecorded(uint256 cluster, uint256 batch);
    error NoiseRootMissing(uint256 cluster, uint256 batch);
    error BatchDoesNotCover(uint256 batch, uint256 round);
    error ClusterNotInRound(uint256 cluster, uint256 round);
    error AlreadyAnchored(uint256 cluster, uint256 round);
    error AlreadySubmitted(uint256 cluster, uint256 round);
    error NotActiveDevices(uint256 cluster, uint256 word, uint256 devices);
    error TooFewQualified(uint256 given, uint256 required);
    error TooFewSigners(uint256 given, uint256 required);
    error CommitmentAtInfinity(uint256 chunk);
    error AttestationKeyAtInfinity(uint256 cluster);
    error FalseAttestation(bytes32 message);
    error WrongRecord(uint256 cluster, bytes32 given, bytes32 stored);
    error FalseOpening(uint256 z, uint256 y);
    error UnknownRound(uint256 round);
    error BeaconNotYet(uint256 beaconBlock, uint256 currentBlock);
    error BeaconTooOld(uint256 beaconBlock, uint256 currentBlock);
    error WrongHeader(bytes32 given, bytes32 expected);
    error MalformedHeader();

    // Noise
    error SlotsOutOfRange(uint256 from, uint256 to);

    // Settlement
    error WrongInclusion(uint256 included, uint256 submitted);
    error WrongModel(bytes32 given, bytes32 stored);
    error NotClaimable(uint256 round);
    error NotEarned(address account, uint256 round);
    error RewardReturned(uint256 round);
    error NothingToReturn(uint256 word);
    error ClaimTimeNotOver(uint256 word, uint256 until);
    error NothingToClaim(address account);
    error PaymentFailed(address account, uint256 amount);

    // Votes
    error NoModelVote(uint256 round);
    error ModelAlreadyVoted(uint256 round);
    error NotVoters(uint256 clusters);
    error TooFewVotes(uint256 given, uint256 required);

    // Disputes
    error RoundNotSettled(uint256 round);
    error NotCloudOfRound(address signer, uint256 round);
    error ResultIsAccepted(uint256 round);
    error WrongResult(uint256 round, bytes32 given, bytes32 stored);
    error VectorIsAccepted(uint256 round, uint256 y);
    error NothingToSlash(address account);
    error NotDeviceOfCluster(address signer, uint256 cluster, uint256 index);
    error NotUnderRoot(bytes32 leaf, bytes32 given, bytes32 root);
    error ShareHolds(uint256 x);
    error WitnessHolds(bytes32 structHash);
    error AnotherOccasion(uint256 word, uint256 first, uint256 second);
    error SameStatement(bytes32 structHash);
    error WrongLeaves(bytes32 given, bytes32 root);
    error AnchorHolds(bytes32 anchorMessage);
    error NoiseIsCommitted(bytes32 commitmentDigest);
    error NoiseCaseIncomplete(bytes32 caseId, uint256 done, uint256 slots);
    error WrongCommitments(bytes32 given, bytes32 expected);

    // ------------------------------------------------------------------------------------------------
    // Events
    // ------------------------------------------------------------------------------------------------

    // Construction

    /// @notice The task exists. With the events below, all state can be rebuilt from here.
    event TaskCreated(
        address indexed authority,
        address toolbox,
        address noiseSampler,
        address verifier,
        address judge,
        address extension,
        uint16 capacity,
        uint16 packing,
        uint16 chunks,
        uint16 threshold,
        uint16 minQualified,
        uint16 noiseRounds,
        uint16 candidates,
        uint16 beaconDelay,
        uint16 fractionalBits,
        uint16 statisticsRounds,
        uint128 rate,
        uint32 minSamples,
        uint32 maxSamples,
        uint32 anchorTime,
        uint32 cumulativeTime,
        uint32 aggregateTime,
        uint32 unbondingTime,
        uint96 deviceStake,
        uint96 fogStake,
        uint96 cloudStake,
        uint96 reward,
        ModelRule modelRule,
        uint32 modelTime,
        uint8 cloudPercent,
        uint8 fogPercent,
        uint96 silenceFee,
        uint8 maxSilences,
        uint32 claimTime,
        bytes model,
        bytes32 modelDigest
    );

    // Membership

    event StakeDeposited(address indexed account, address indexed payer, uint256 amount);
    event CloudAdmitted(address indexed account, uint256 index);
    event FogAdmitted(address indexed account, uint256 indexed cluster);
    event DeviceAdmitted(
        address indexed account,
        uint256 indexed cluster,
        uint256 index,
        bytes publicKey,
        bytes32 sealingKey
    );
    /// @notice `account` follows `predecessor`, who left or was slashed, from round `firstRound` on. A noise root
    /// recorded for the batch that begins with it is void.
    event FogSucceeded(
        address indexed account, uint256 indexed cluster, address predecessor, uint256 firstRound
    );
    /// @notice The cluster is left out of new rounds until its fog calls back.
    event ClusterSuspended(uint256 indexed cluster, uint256 indexed round);
    event ClusterResumed(uint256 indexed cluster);
    event ExitRequested(address indexed account, uint256 withdrawableAt);
    event StakeWithdrawn(address indexed account, uint256 amount);

    // Rounds

    event NoiseRootRecorded(uint256 indexed cluster, uint256 indexed batch, bytes32 root);
    /// @param clusters Bitmap of the clusters that take part.
    /// @param cloudShare What the cloud, each fog and each device that serve the round earn, in wei.
    event RoundOpened(
        uint256 indexed round,
        uint256 beaconBlock,
        uint256 anchorDeadline,
        uint256 cumulativeDeadline,
        uint256 aggregateDeadline,
        uint256 clusters,
        uint256 cloudShare,
        uint256 fogShare,
        uint256 deviceShare,
        bool updatesModel,
        bytes32 modelDigest
    );
    /// @notice The round is over and its silence is paid for.
    /// @param silent Bitmap of its clusters that did not anchor and submit in time; none if nobody anchored on a
    /// provisional model, which is then withdrawn.
    /// @param cloudsSilent Whether clusters submitted and no cloud aggregated.
    event RoundClosed(uint256 indexed round, uint256 silent, bool cloudsSilent);
    event SilenceCharged(uint256 indexed round, address indexed account, uint256 fee);
    /// @notice No cluster anchored in `round`, the first on a provisional model: the model before it is
    /// back, and no fog was silent.
    event ModelWithdrawn(uint256 indexed round, bytes32 modelDigest);
    event ClusterAnchored(
        uint256 indexed round,
        uint256 indexed cluster,
        bytes32 anchorMessage,
        bytes32 sharesRoot,
        bytes32 sumsRoot,
        bytes commitments,
        uint256[] qualified,
        uint256[] signers
    );
    event CumulativeSubmitted(
        uint256 indexed round,
        uint256 indexed cluster,
        bytes32 commitmentDigest,
        bytes32 vectorDigest,
        uint256 y,
        bytes proof
    );

    // Settlement

    /// @param samples The opened sample total, before it is clamped.
    /// @param proof With `y` the opening at the aggregate challenge: what `reportFalseVector` asks for.
    /// @param factor k of `COM(theta') = COM(theta) - k COM(c)`.
    event ResultAccepted(
        uint256 indexed round,
        address indexed cloud,
        uint256 included,
        bytes commitments,
        bytes32 vectorDigest,
        uint256 samples,
        uint256 y,
        bytes proof,
        uint256 factor,
        bytes model,
        bytes32 modelDigest
    );
    /// @param voters Bitmap of the clusters whose fogs signed.
    event ModelVoted(uint256 indexed round, uint256 voters, bytes model, bytes32 modelDigest);
    /// @notice What was not claimed of the rounds `256 * word` to `upTo` is in the pool again.
    event UnclaimedReturned(uint256 indexed word, uint256 upTo, uint256 amount);
    event PoolWithdrawn(uint256 amount);
    event PoolFunded(address indexed payer, uint256 amount);
    /// @param rounds Bitmap: bit i stands for round `256 * word + i`.
    event RewardClaimed(address indexed account, uint256 word, uint256 rounds, uint256 amount);
    /// @notice What `account` earned as a reporter was paid.
    event CreditPaid(address indexed account, uint256 amount);

    // Disputes

    /// @notice Evidence against `account` held. `Slashed` follows, unless it had lost its stake before and
    /// only its result was left to reject.
    /// @param round For noise, the first round of the batch.
    /// @param cluster 0 for a cloud.
    /// @param evidence Names the false thing: the share's leaf, the struct hash of the witness or of the second
    /// statement, the anchor message, the noise case, the result digest.
    event OffenceProven(
        address indexed account,
        Offence indexed offence,
        uint256 indexed round,
        uint256 cluster,
        bytes32 evidence
    );
    /// @param done Slots of the noise computed by now, from the last one down.
    /// @param value Their sum at the challenge of the case.
    event NoiseCaseAdvanced(
        bytes32 indexed caseId, address indexed reporter, uint256 done, uint256 value
    );
    event ResultRejected(uint256 indexed round, address indexed cloud, bytes32 modelDigest);
    event Slashed(
        address indexed account,
        address indexed reporter,
        uint256 toReporter,
        uint256 burnt,
        uint256 toPool
    );
}
