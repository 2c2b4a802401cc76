// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ContractS } from "../../contracts/ContractS.sol";
import { Extension } from "../../contracts/Extension.sol";
import { Toolbox } from "../../contracts/Toolbox.sol";
import { RoundEntry, RoundLog } from "../../contracts/libraries/RoundLog.sol";
import { Transcript } from "../../contracts/libraries/Transcript.sol";

/// @title What S computes with, if every point and opening were good and the judge said what it is told to
contract Tools {
    bytes private _verdict;

    function setVerdict(bytes calldata verdict) external {
        _verdict = verdict;
    }

    function verifier() external view returns (address) {
        return address(this);
    }

    function noiseSampler() external view returns (address) {
        return address(this);
    }

    function judge() external view returns (address) {
        return address(this);
    }

    function requirePoints(bytes calldata, bool) external pure { }

    function requireOpening(bytes calldata, uint256, uint256, uint256, bytes calldata)
        external
        pure { }

    function addPoints(bytes calldata a, bytes calldata) external pure returns (bytes memory) {
        return a;
    }

    function subtractMultiple(bytes calldata a, bytes calldata, uint256)
        external
        pure
        returns (bytes memory)
    {
        return a;
    }

    /// @dev The judge, whatever it is asked.
    fallback() external {
        bytes memory verdict = _verdict;
        assembly ("memory-safe") {
            return(add(verdict, 0x20), mload(verdict))
        }
    }
}

/// @title S, with storage that can be set
/// @notice Nothing of its code is changed, and none is copied.
contract OpenS is ContractS {
    using RoundLog for mapping(uint256 => uint256);

    constructor(TaskParameters memory p, bytes memory model, Tools tools, Extension extension_)
        ContractS(p, model, Toolbox(address(tools)), extension_)
    { }

    function setAccounts(Accounts calldata a) external {
        _accounts = a;
    }

    function setMember(address account, Member calldata m) external {
        _members[account] = m;
    }

    function setCloud(uint256 index, address account) external {
        _clouds[index] = account;
    }

    function setCluster(uint256 clusterId, Cluster calldata c) external {
        _clusters[clusterId] = c;
    }

    function setRoster(Roster calldata roster) external {
        _roster = roster;
    }

    function setLatest(Latest calldata l) external {
        _latest = l;
    }

    function setRewards(uint256 word, Rewards calldata r) external {
        _rewards[word] = r;
    }

    function setCredit(address account, uint256 amount) external {
        _credits[account] = amount;
    }

    function setEntry(uint256 roundId, uint256 clusters, uint256 devices) external {
        _log.store(roundId, RoundLog.open(clusters, devices, 1));
    }

    function setSettled(uint256 roundId, uint256 included, uint256 cloud) external {
        _log.store(roundId, _log.load(roundId).settle(included, cloud));
    }

    function setSigned(uint256 clusterId, uint256 roundId, uint256 bits) external {
        _signers[clusterId][0][roundId / 4] = bits << (64 * (roundId % 4));
    }

    function setSum(uint256 roundId, uint256 clusterId, ClusterSum calldata s) external {
        bytes32 record = Transcript.anchorRecord(
            s.anchorMessage, s.signerCount, s.qualifiedCount, keccak256(s.commitments)
        );
        _records[roundId][clusterId] = Transcript.sumRecord(record, s.vectorDigest);
    }

    function accounts() external view returns (Accounts memory) {
        return _accounts;
    }

    function memberOf(address account) external view returns (Member memory) {
        return _members[account];
    }

    function rewards(uint256 word) external view returns (Rewards memory) {
        return _rewards[word];
    }

    function credit(address account) external view returns (uint256) {
        return _credits[account];
    }

    function latest() external view returns (Latest memory) {
        return _latest;
    }

    function entry(uint256 roundId) external view returns (uint256) {
        return RoundEntry.unwrap(_log.load(roundId));
    }
}
