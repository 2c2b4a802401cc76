// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ContractS } from "../contracts/ContractS.sol";
import { Extension } from "../contracts/Extension.sol";
import { Toolbox } from "../contracts/Toolbox.sol";
import { IContractS } from "../contracts/interfaces/IContractS.sol";
import { ITask } from "../contracts/interfaces/ITask.sol";
import { Bls12381, G1Point, POINT_BYTES, R } from "../contracts/libraries/Bls12381.sol";
import { Statements } from "../contracts/libraries/Statements.sol";
import { Curves } from "./Curves.sol";

interface Cheats {
    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function roll(uint256 number) external;
    function deal(address account, uint256 wei_) external;
    function etch(address account, bytes calldata code) external;
    function cool(address account) external;
}

/// @dev What some accounts do when they are paid: accept, call back, or refuse.
contract Hostile {
    IContractS private _s;
    uint256 private _mode;
    uint256 public calls;

    receive() external payable {
        if (_mode == 2) revert();
        if (_mode != 1) return;
        uint256[] memory rounds = new uint256[](2);
        (rounds[0], rounds[1]) = (1, 2);
        try _s.claim(address(this), rounds) { } catch { }
        try _s.claim(address(this), new uint256[](0)) { } catch { }
        try _s.withdrawStake(address(this)) { } catch { }
        try _s.depositStake{ value: 1 }(address(this)) {
            ++calls;
        } catch { }
        try _s.requestExit("") { } catch { }
    }

    function set(IContractS s, uint256 mode) external {
        (_s, _mode) = (s, mode);
    }
}

/// @title Everybody who can do something to Contract S, for the fuzzer to call
/// @notice Commitments are to constant polynomials, `[v]`: their openings are `(v, infinity)` at every point, so
/// whole rounds need no ceremony beyond the generator. Signatures are real.
/// @dev Every action takes what the fuzzer gives and makes a call of it that may succeed or fail; what it must
/// not do is in `broken`. `done` counts successes.
contract Play {
    struct Person {
        uint256 secret; // of its account
        uint256 bls;
        ITask.Role role;
        uint256 cluster;
        uint256 index;
        bool cheated;
        uint256 staked;
        uint256 withdrawn;
    }

    struct Sum {
        uint256 value; // v of COMsum = [v]
        uint256 signers;
        uint256 qualified;
        uint256 signerCount;
        uint256 qualifiedCount;
        bytes32 sumsRoot;
        bytes32 message;
        bytes32 vectorDigest;
    }

    Cheats internal constant vm = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant STAKE = 1 ether;
    uint256 private constant REWARD = 0.01 ether;
    uint256 private constant FEE = 0.003 ether;
    uint256 private constant UNBONDING = 5600;
    uint256 private constant CLAIM_TIME = 6000;
    uint256 private constant MOST_CLUSTERS = 3;
    uint256 private constant MOST_DEVICES = 6;
    uint256 private constant MOST_CLOUDS = 4;

    IContractS public immutable s;
    address private immutable _test;
    bytes32 private immutable _domain;

    address[] public people;
    mapping(address => Person) public personOf;
    address[] public clouds;
    address[] public fogs;
    mapping(uint256 cluster => address[]) private _devices;
    mapping(bytes32 digest => bytes) private _models;
    mapping(uint256 round => mapping(uint256 cluster => Sum)) private _sums;
    mapping(uint256 round => bytes32[2]) private _results;

    uint256 public deposited;
    uint256 public paid;
    uint256 public forced;
    string public broken;
    mapping(bytes32 name => uint256) public done;

    constructor(Toolbox toolbox, Extension extension) {
        _test = msg.sender;
        bytes memory model = new bytes(POINT_BYTES);
        s = IContractS(address(new ContractS(parameters(), model, toolbox, extension)));
        _models[keccak256(model)] = model;
        _domain = s.domainSeparator();
        for (uint256 i = 0; i < 2; ++i) {
            _addCloud();
        }
        for (uint256 c = 0; c < 2; ++c) {
            _addFog();
            for (uint256 i = 0; i < 4; ++i) {
                _addDevice(c);
            }
        }
        _fund(100 * REWARD);
    }

    function parameters() public pure returns (ITask.TaskParameters memory p) {
        p.capacity = 64;
        p.packing = 1;
        p.chunks = 1;
        p.threshold = 2;
        p.minQualified = 3;
        p.noiseRounds = 3;
        p.candidates = 2;
        p.beaconDelay = 2;
        p.fractionalBits = 16;
        p.statisticsRounds = 1;
        p.rate = 1 << 20;
        p.minSamples = 1;
        p.maxSamples = 100;
        p.anchorTime = 1000;
        p.cumulativeTime = 500;
        p.aggregateTime = 500;
        p.unbondingTime = uint32(UNBONDING);
        p.deviceStake = uint96(STAKE);
        p.fogStake = uint96(STAKE);
        p.cloudStake = uint96(STAKE);
        p.reward = uint96(REWARD);
        p.cloudPercent = 10;
        p.fogPercent = 20;
        p.silenceFee = uint96(FEE);
        p.maxSilences = 1;
        p.claimTime = uint32(CLAIM_TIME);
    }

    // ------------------------------------------------------------------------------------------------
    // The round
    // ------------------------------------------------------------------------------------------------

    /// @dev The next step of a round, whatever it is; most of what the fuzzer does.
    function step(uint256 seed) public {
        ITask.Phase phase = s.phase();
        if (phase == ITask.Phase.Anchoring) anchor(seed, 0);
        else if (phase == ITask.Phase.Accumulating) submit(seed);
        else if (phase == ITask.Phase.Aggregating) aggregate(seed, true);
        else if (phase == ITask.Phase.Settled && seed % 8 == 1) _falseResult(0);
        else open(seed);
    }

    /// @dev Several of them: most of a round, or a little more.
    function steps(uint256 seed) external {
        for (uint256 i = 0; i < 1 + seed % 9; ++i) {
            step(uint256(keccak256(abi.encode(seed, i))));
        }
    }

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

    /// @dev A new fog for a cluster that has lost its own.
    function succeed(uint256 seed) external {
        uint256 c = seed % fogs.length;
        (, bool active,,,,) = s.cluster(c);
        if (active || people.length > 30) return;
        ITask.Phase phase = s.phase();
        address account = _newPerson(ITask.Role.Fog, c, 0);
        _beforeClosing(); // what the predecessor missed is charged
        try s.admitSuccessor(c, account) {
            _in("admitSuccessor", phase, 0x31);
            fogs[c] = account;
        } catch {
            personOf[account].role = ITask.Role.None;
        }
        _afterClosing(s.currentRound());
    }

    function withdrawPool(uint256 seed, uint96 amount) external {
        uint256 value = amount % (seed % 7 == 0 ? 1 ether : 0.001 ether);
        ITask.Phase phase = s.phase();
        uint256 before = address(this).balance;
        vm.prank(seed % 3 == 0 ? _any(seed) : address(this));
        try s.withdrawPool(value) {
            _in("withdrawPool", phase, 0x31);
            if (address(this).balance != before + value) {
                broken = "the pool was paid to a stranger";
            }
            paid += value;
        } catch { }
    }

    function returnUnclaimed(uint256 word) external {
        (, uint256 owed, uint256 pool,) = s.accounting();
        try s.returnUnclaimed(word % 2) {
            ++done["returnUnclaimed"];
            (, uint256 owedAfter, uint256 poolAfter,) = s.accounting();
            if (owed - owedAfter != poolAfter - pool) broken = "unclaimed rewards went elsewhere";
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
            _included(round, all ? type(uint256).max : seed);
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
            _rejected[round] = false;
            _keepModel(model, commitments, total, qualified);
        } catch { }
    }

    // ------------------------------------------------------------------------------------------------
    // Members and money
    // ------------------------------------------------------------------------------------------------

    function join(uint256 seed) external {
        uint256 kind = seed % 4;
        if (kind == 0 && clouds.length < MOST_CLOUDS) return _addCloud();
        if (kind == 1 && fogs.length < MOST_CLUSTERS) return _addFog();
        uint256 c = (seed >> 8) % fogs.length;
        (, bool active,,,,) = s.cluster(c);
        if (active && _devices[c].length < MOST_DEVICES) _addDevice(c);
    }

    function exit(uint256 seed) external {
        if (seed % 4 != 0) return; // not too often: somebody has to stay
        address account = _any(seed >> 8);
        bytes memory key = Curves.point(personOf[account].bls);
        vm.prank(account);
        try s.requestExit(key) {
            ++done["requestExit"];
        } catch { }
    }

    function deposit(uint256 seed, uint96 amount) external {
        address account = _any(seed);
        uint256 value = seed % 11 == 0 ? amount : amount % 1 ether;
        vm.deal(address(this), value);
        try s.depositStake{ value: value }(account) {
            ++done["depositStake"];
            deposited += value;
            personOf[account].staked += value;
        } catch { }
    }

    function fund(uint96 amount) external {
        _fund(amount % 1 ether);
        ++done["fundPool"];
    }

    function force(uint96 amount) external {
        uint256 value = amount % 1 ether;
        vm.deal(address(s), address(s).balance + value);
        forced += value;
        ++done["force"];
    }

    function withdraw(uint256 seed) external {
        address account = seed % 2 == 0 ? _any(seed) : _unbonded(seed);
        (,,, uint256 stake,,, uint256 free) = s.member(account);
        _pays(account, true);
        try s.withdrawStake(account) {
            ++done["withdrawStake"];
            if (personOf[account].role != ITask.Role.None && (free == 0 || block.timestamp < free))
            {
                broken = "a bonded stake was withdrawn";
            }
            if (stake == 0) broken = "no stake was withdrawn";
        } catch { }
        _pays(account, false);
    }

    function claim(uint256 seed, uint8 first, uint8 count) external {
        address account = _any(seed);
        uint256[] memory rounds = new uint256[](count % 4);
        for (uint256 i = 0; i < rounds.length; ++i) {
            rounds[i] = uint256(first) % (s.currentRound() + 2) + i;
        }
        _pays(account, true);
        try s.claim(account, rounds) {
            ++done["claim"];
        } catch { }
        _pays(account, false);
    }

    /// @dev Makes an account behave when it is paid.
    function arm(uint256 seed, uint256 mode) external {
        address account = _any(seed);
        if (account.code.length != 0) Hostile(payable(account)).set(s, mode % 3);
    }

    function clock(uint256 seed) external {
        uint256 by = seed % 3 == 0 ? seed % 6000 : seed % 600;
        vm.warp(block.timestamp + by);
        vm.roll(block.number + 1 + by / 12);
        ++done["clock"];
    }

    // ------------------------------------------------------------------------------------------------
    // Frauds and false reports
    // ------------------------------------------------------------------------------------------------

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
    // The end: by time alone, everybody gets what is theirs
    // ------------------------------------------------------------------------------------------------

    /// @dev What is true of every state; empty if all of it is.
    function wrong() public view returns (string memory) {
        if (bytes(broken).length != 0) return broken;
        (uint256 stakes, uint256 owed, uint256 pool, uint256 burnt) = s.accounting();
        if (stakes + owed + pool + burnt != deposited - paid) return "value is not conserved";
        if (address(s).balance != deposited + forced - paid) return "the balance is another one";
        uint256 sumOfStakes;
        uint256 sumOfCredits;
        for (uint256 i = 0; i < people.length; ++i) {
            Person memory p = personOf[people[i]];
            (, bool active, bool slashed, uint256 stake,,,) = s.member(people[i]);
            sumOfStakes += stake;
            sumOfCredits += s.creditOf(people[i]);
            if (slashed && !p.cheated) return "somebody honest was slashed";
            if (slashed && (active || stake != 0)) return "a slashed member goes on";
            if (!slashed && stake != p.staked - p.withdrawn) return "a stake changed by itself";
        }
        if (sumOfStakes != stakes) return "the stakes are another sum";
        if (sumOfCredits + s.creditOf(address(this)) > owed) return "more credit than is owed";
        return "";
    }

    /// @dev Lets time pass, and everybody claim, leave and withdraw.
    function goHome() external returns (string memory) {
        require(msg.sender == _test);
        vm.warp(block.timestamp + 2001);
        ITask.Phase phase = s.phase();
        if (
            phase != ITask.Phase.None && phase != ITask.Phase.Settled && phase != ITask.Phase.Failed
        ) {
            return "time does not end a round";
        }
        if (!_opensAgain()) return "no new round can be opened";
        vm.warp(block.timestamp + 2001);
        uint256 last = s.currentRound();
        uint256[] memory one = new uint256[](1);
        for (uint256 i = 0; i < people.length; ++i) {
            address account = people[i];
            if (account.code.length != 0) Hostile(payable(account)).set(s, 0);
            for (one[0] = 1; one[0] <= last; ++one[0]) {
                try s.claim(account, one) { } catch { }
            }
            if (s.creditOf(account) != 0) s.claim(account, new uint256[](0));
            (, bool active,,,,,) = s.member(account);
            if (!active) continue;
            bytes memory key = Curves.point(personOf[account].bls);
            vm.prank(account);
            s.requestExit(key);
        }
        if (s.creditOf(address(this)) != 0) s.claim(address(this), new uint256[](0));
        vm.warp(block.timestamp + UNBONDING);
        for (uint256 i = 0; i < people.length; ++i) {
            (,,, uint256 stake,,,) = s.member(people[i]);
            uint256 before = people[i].balance;
            if (stake != 0) s.withdrawStake(people[i]);
            if (people[i].balance != before + stake) return "a stake was not paid";
        }
        (uint256 stakes, uint256 owed, uint256 pool, uint256 burnt) = s.accounting();
        if (stakes != 0) return "stakes are left behind";
        if (owed != 0) return "something owed is left behind";
        if (address(s).balance != pool + burnt + forced) return "S holds another sum";
        return "";
    }

    receive() external payable { }

    // ------------------------------------------------------------------------------------------------
    // Internal: people
    // ------------------------------------------------------------------------------------------------

    function _any(uint256 seed) private view returns (address) {
        return people[uint256(keccak256(abi.encode(seed))) % people.length];
    }

    /// @dev Somebody whose unbonding is over, if there is one.
    function _unbonded(uint256 seed) private view returns (address account) {
        for (uint256 i = 0; i < people.length; ++i) {
            account = people[(seed % people.length + i) % people.length];
            (,,, uint256 stake,,, uint256 free) = s.member(account);
            if (stake != 0 && free != 0 && free <= block.timestamp) return account;
        }
    }

    function _mayOpen(address account) private view returns (bool) {
        (ITask.Role role, bool active,,,,,) = s.member(account);
        return active && (role == ITask.Role.Fog || role == ITask.Role.Cloud);
    }

    function _newPerson(ITask.Role role, uint256 cluster, uint256 index)
        private
        returns (address account)
    {
        uint256 secret = uint256(keccak256(abi.encode("account", people.length)));
        account = vm.addr(secret);
        // Every third account is a contract that may not want to be paid.
        if (people.length % 3 == 2) vm.etch(account, type(Hostile).runtimeCode);
        people.push(account);
        personOf[account] =
            Person(secret, 100 + people.length, role, cluster, index, false, STAKE, 0);
        vm.deal(address(this), STAKE);
        s.depositStake{ value: STAKE }(account);
        deposited += STAKE;
    }

    function _addCloud() private {
        address account = _newPerson(ITask.Role.Cloud, 0, clouds.length);
        clouds.push(account);
        s.admitCloud(account);
        ++done["admitCloud"];
    }

    function _addFog() private {
        address account = _newPerson(ITask.Role.Fog, fogs.length, 0);
        fogs.push(account);
        s.admitFog(account);
        ++done["admitFog"];
    }

    function _addDevice(uint256 c) private {
        address account = _newPerson(ITask.Role.Device, c, _devices[c].length);
        _devices[c].push(account);
        uint256 key = personOf[account].bls;
        ITask.Admission[] memory admissions = new ITask.Admission[](1);
        bytes memory public_ = Curves.point(key);
        bytes32 sealing = keccak256(abi.encode(account));
        bytes memory possession = Curves.sign(s.possessionMessage(account, public_, sealing), key);
        admissions[0] = ITask.Admission(account, sealing, public_, possession);
        s.admitDevices(c, admissions);
        ++done["admitDevices"];
    }

    function _fund(uint256 value) private {
        vm.deal(address(this), value);
        s.fundPool{ value: value }();
        deposited += value;
    }

    /// @dev Called before and after a payment: books what reached the account.
    function _pays(address account, bool before) private {
        (uint256 stakes,,,) = s.accounting();
        if (before) {
            (_balance, _stakes, _calls) = (account.balance, stakes, _callsOf(account));
            return;
        }
        // A hostile account may have paid in one wei each time it was called back.
        uint256 back = _callsOf(account) - _calls;
        deposited += back;
        personOf[account].staked += back;
        paid += account.balance + back - _balance;
        personOf[account].withdrawn += _stakes + back - stakes;
    }

    uint256 private _balance;
    uint256 private _stakes;
    uint256 private _calls;

    uint256 private _openings;
    uint256[] private _stakesBefore;

    function _beforeClosing() private {
        _openings = done["openRound"];
        delete _stakesBefore;
        for (uint256 i = 0; i < people.length; ++i) {
            (,,, uint256 stake,,,) = s.member(people[i]);
            _stakesBefore.push(stake);
        }
    }

    /// @dev Books the fees of the round that was closed: at most one each, and only from who was silent.
    function _afterClosing(uint256 round) private {
        for (uint256 i = 0; i < people.length; ++i) {
            (,,, uint256 stake,,,) = s.member(people[i]);
            uint256 fee = _stakesBefore[i] - stake;
            if (fee == 0) continue;
            Person storage p = personOf[people[i]];
            p.withdrawn += fee;
            ++done["fee"];
            if (fee > FEE) broken = "more than a fee was taken";
            if (p.role == ITask.Role.Device) broken = "a device paid a fee";
            if (p.role == ITask.Role.Fog && _sums[round][p.cluster].vectorDigest != 0) {
                broken = "a fog paid that had submitted";
            }
            if (p.role == ITask.Role.Cloud && _results[round][0] != 0 && !_rejected[round]) {
                broken = "a cloud paid for a settled round";
            }
        }
    }

    mapping(uint256 round => bool) private _rejected;

    function _callsOf(address account) private view returns (uint256) {
        return account.code.length == 0 ? 0 : Hostile(payable(account)).calls();
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: rounds
    // ------------------------------------------------------------------------------------------------

    /// @dev Counts a success, which must be in one of the phases of the specification's table.
    function _in(bytes32 name, ITask.Phase phase, uint256 phases) private {
        ++done[name];
        if (phases >> uint256(phase) & 1 == 0) broken = string(abi.encodePacked("phase: ", name));
    }

    function _nextCluster(uint256 seed) private view returns (uint256 c) {
        c = seed % fogs.length;
        uint256 round = s.currentRound();
        for (uint256 i = 0; i < fogs.length && _sums[round][c].value != 0; ++i) {
            c = (c + 1) % fogs.length;
        }
    }

    function _batch(uint256 c, uint256 round) private view returns (uint256 batch) {
        for (batch = round; batch > 0 && batch + 2 >= round; --batch) {
            if (s.noiseRoot(c, batch) != 0) return batch;
        }
        return round;
    }

    /// @dev An anchor of the eligible active devices, some of them absent.
    function _anchorOf(uint256 c, uint256 seed, uint256 skip)
        private
        view
        returns (ITask.Anchor memory a, Sum memory sum, bytes memory absent)
    {
        (,, uint256 devices,, uint256 eligible,) = s.cluster(c);
        uint256 active = devices == 0 ? 0 : s.activeDevices(c)[0];
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

    function _anchorStruct(Sum memory sum) private view returns (ITask.Anchor memory) {
        uint256[] memory qualified = new uint256[](1);
        qualified[0] = sum.qualified;
        return ITask.Anchor(keccak256("R"), sum.sumsRoot, Curves.point(sum.value), qualified);
    }

    function _included(uint256 round, uint256 wanted)
        private
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
    ) private {
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

    /// @dev That somebody other than the Authority can open a round, where S says that one may.
    function _opensAgain() private returns (bool) {
        (,, uint256 pool,) = s.accounting();
        bool cluster;
        address opener;
        for (uint256 i = 0; i < fogs.length; ++i) {
            (, bool active,,,,) = s.cluster(i);
            if (active) (cluster, opener) = (true, fogs[i]);
        }
        if (pool < REWARD || !cluster) return true;
        // A fog that was silent too often has to call back, with a stake that covers its role.
        vm.deal(address(this), STAKE);
        s.depositStake{ value: STAKE }(opener);
        deposited += STAKE;
        personOf[opener].staked += STAKE;
        // The round that is over is closed first: opening the next one closes it too, but would leave out the
        // cluster that has to call back.
        uint256 over = s.currentRound();
        _beforeClosing();
        try s.closeRound() { } catch { }
        _afterClosing(over);
        vm.prank(opener);
        try s.resumeCluster(personOf[opener].cluster) { } catch { }
        _beforeClosing();
        vm.prank(opener);
        try s.openRound() {
            _afterClosing(s.currentRound() - 1);
            return true;
        } catch {
            return false;
        }
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: evidence
    // ------------------------------------------------------------------------------------------------

    function _equivocation(address account, Person storage p, uint256 seed, bool differ) private {
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
    ) private {
        (,,, uint256 stake,,,) = s.member(account);
        (uint256 stakes, uint256 owed, uint256 pool, uint256 burnt) = s.accounting();
        bytes memory key = Curves.point(personOf[account].bls);
        vm.prank(reporter);
        try s.reportEquivocation(kind, first, firstSignature, second, secondSignature, key) {
            ++done["reportEquivocation"];
            (uint256 a, uint256 b, uint256 c, uint256 d) = s.accounting();
            _checkSlash(stake, stakes - a, b - owed, c - pool, d - burnt);
        } catch { }
    }

    function _falseResult(uint256 seed) private {
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
        (uint256 stakes, uint256 owed, uint256 pool, uint256 burnt) = s.accounting();
        vm.prank(_any(seed >> 32));
        try s.reportFalseResult(round, digest, digest, signature) {
            ++done["reportFalseResult"];
            (uint256 a, uint256 b, uint256 c, uint256 d) = s.accounting();
            if (s.settledRounds() == settled) {
                _checkSlash(stake, stakes - a, b - owed, c - pool, d - burnt);
            } else {
                ++done["rejected"];
                _rejected[round] = true;
                if (stakes - a != stake) broken = "a slash took another sum than the stake";
            }
        } catch { }
    }

    function _checkSlash(
        uint256 stake,
        uint256 taken,
        uint256 toReporter,
        uint256 toPool,
        uint256 burnt
    ) private {
        if (taken != stake) broken = "a slash took another sum than the stake";
        if (toReporter + toPool + burnt != stake) broken = "a slash made or lost money";
        if (burnt != stake / 10) broken = "a slash burnt another part";
    }

    function _settledRound(uint256 seed) private view returns (uint256 round) {
        uint256 last = s.currentRound();
        for (uint256 i = 0; i < last; ++i) {
            // The latest first: its result can still be rejected.
            round = seed & 0x80 == 0 ? last - i : 1 + (seed + i) % last;
            (,,,,,,,,,,,,,, bytes32 digest) = s.round(round);
            if (digest != 0) return round;
        }
        return 0;
    }

    // ------------------------------------------------------------------------------------------------
    // Internal: curves
    // ------------------------------------------------------------------------------------------------

    function _signTyped(uint256 secret, bytes memory struct_) private view returns (bytes memory) {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", _domain, keccak256(struct_)));
        (uint8 v, bytes32 r, bytes32 sValue) = vm.sign(secret, digest);
        return abi.encodePacked(r, sValue, v);
    }

    function _keySum(uint256 c, uint256 signers) private view returns (uint256 sum) {
        for (uint256 i = 0; i < _devices[c].length; ++i) {
            if (signers >> i & 1 == 1) sum += personOf[_devices[c][i]].bls;
        }
    }

    function _count(uint256 bits) private pure returns (uint256 n) {
        for (; bits != 0; bits &= bits - 1) {
            ++n;
        }
    }
}
