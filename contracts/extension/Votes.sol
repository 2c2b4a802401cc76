// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Verifier } from "../Verifier.sol";
import { Bitmap } from "../libraries/Bitmap.sol";
import { POINT_BYTES } from "../libraries/Bls12381.sol";
import { Statements } from "../libraries/Statements.sol";
import { Funds } from "./Funds.sol";

/// @title The model of a Voted task
abstract contract Votes is Funds {
    function submitModel(
        uint256 roundId,
        bytes calldata model,
        uint256 voters,
        bytes[] calldata signatures
    ) external viaS {
        Latest memory l = _enter(roundId, SETTLED);
        Constants memory fixed_ = _fixed();
        TaskParameters memory p = fixed_.parameters;
        if (p.modelRule != ModelRule.Voted || !l.updatesModel) revert NoModelVote(roundId);
        if (l.voted) revert ModelAlreadyVoted(roundId);
        _requireLength(model.length, POINT_BYTES * p.chunks);
        Verifier(fixed_.verifier).requirePoints(model, true);
        bytes32 digest = keccak256(model);
        _requireVotes(
            keccak256(abi.encode(Statements.MODEL_VOTE, roundId, _results[roundId], digest)),
            voters,
            signatures
        );
        _previousModelDigest = _modelDigest;
        _modelDigest = digest;
        l.voted = true;
        l.provisional = true;
        _latest = l;
        emit ModelVoted(roundId, voters, model, digest);
    }

    function modelQuorum() public view returns (uint256 voters, uint256 required) {
        voters = _latest.clusters & _roster.activeClusters;
        required = (2 * Bitmap.popcount(voters) + 2) / 3;
        if (required == 0) required = 1;
    }

    function _requireVotes(bytes32 structHash, uint256 voters, bytes[] calldata signatures)
        private
        view
    {
        (uint256 allowed, uint256 required) = modelQuorum();
        if (voters & ~allowed != 0) revert NotVoters(voters & ~allowed);
        uint256 given = Bitmap.popcount(voters);
        if (given < required) revert TooFewVotes(given, required);
        _requireLength(signatures.length, given);
        for (uint256 i = 0; i < given; ++i) {
            address fog = _clusters[Bitmap.lowest(voters)].fog;
            voters &= voters - 1;
            address signer = Statements.signerOf(_domainSeparatorV4(), structHash, signatures[i]);
            if (signer != fog) revert WrongSigner(signer, fog);
        }
    }
}
