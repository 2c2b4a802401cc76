// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../../contracts/interfaces/ITask.sol";
import { Cast } from "./Cast.sol";

/// @title What came in and went out, beside the books of S
abstract contract Ledger is Cast {
    uint256 internal _openings;
    uint256[] private _stakesBefore;
    uint256 private _balance;
    uint256 private _stakes;
    uint256 private _calls;
    uint256 private _credit;
    uint256 private _marked;
    // By round: of the first 256, and no run has more.
    mapping(uint256 round => mapping(address account => uint256)) private _fees;
    mapping(uint256 round => uint256[3]) private _shares; // of a cloud, a fog, a device
    mapping(uint256 round => bool) private _trains;
    mapping(address account => uint256 rounds) private _rewarded;

    /// @dev Called before and after a payment: books what reached the account, which must be its stake, its
    /// credit, and its shares of rounds that it served and was not paid for before.
    function _pays(address account, bool before) internal {
        (uint256 stakes,,,) = s.accounting();
        uint256 marked = s.claimedRounds(account, 0);
        if (before) {
            (_balance, _stakes, _calls) = (account.balance, stakes, _callsOf(account));
            (_credit, _marked) = (s.creditOf(account), marked);
            return;
        }
        // A hostile account may have paid in one wei each time it was called back.
        uint256 back = _callsOf(account) - _calls;
        uint256 received = account.balance + back - _balance;
        uint256 stake = _stakes + back - stakes;
        deposited += back;
        personOf[account].staked += back;
        paid += received;
        personOf[account].withdrawn += stake;
        uint256 fresh = marked & ~_marked;
        if (fresh & _rewarded[account] != 0) broken = "a reward was paid twice";
        _rewarded[account] |= fresh;
        uint256 credit = _credit - s.creditOf(account);
        if (received != stake + credit + _earned(account, fresh)) {
            broken = "a claim paid another sum";
        }
    }

    /// @dev What S says when it opens the round, and has to pay.
    function _promise() internal {
        uint256 round = s.currentRound();
        (,,,,,,,, uint256 cloud, uint256 fog, uint256 device, bool trains,,,) = s.round(round);
        _shares[round] = [cloud, fog, device];
        _trains[round] = trains;
    }

    function _beforeClosing() internal {
        _openings = done["openRound"];
        delete _stakesBefore;
        for (uint256 i = 0; i < people.length; ++i) {
            (,,, uint256 stake,,,) = s.member(people[i]);
            _stakesBefore.push(stake);
        }
    }

    /// @dev Books the fees of the round that was closed: at most one each, and only from who was silent.
    function _afterClosing(uint256 round) internal {
        for (uint256 i = 0; i < people.length; ++i) {
            (,,, uint256 stake,,,) = s.member(people[i]);
            if (stake > _stakesBefore[i]) broken = "the end of a round raised a stake";
            if (stake >= _stakesBefore[i]) continue;
            uint256 fee = _stakesBefore[i] - stake;
            Person storage p = personOf[people[i]];
            p.withdrawn += fee;
            ++done["fee"];
            _fees[round][people[i]] += fee;
            if (_fees[round][people[i]] > FEE) broken = "more than a fee was taken";
            if (p.role == ITask.Role.Device) broken = "a device paid a fee";
            if (p.role == ITask.Role.Fog && _sums[round][p.cluster].vectorDigest != 0) {
                broken = "a fog paid that had submitted";
            }
            if (p.role == ITask.Role.Fog && _nobodyAnchoredOnResult(round)) {
                broken = "a fog paid where a model was withdrawn";
            }
            if (p.role == ITask.Role.Cloud && _included[round] != 0) {
                broken = "a cloud paid for a settled round";
            }
        }
    }

    /// @dev That the round began with the result of the one before, and no cluster anchored.
    function _nobodyAnchoredOnResult(uint256 round) private view returns (bool) {
        if (!_trains[round - 1] || _included[round - 1] == 0) return false;
        for (uint256 c = 0; c < fogs.length; ++c) {
            if (_sums[round][c].value != 0) return false;
        }
        return true;
    }

    function _books() internal view returns (uint256[4] memory books) {
        (books[0], books[1], books[2], books[3]) = s.accounting();
    }

    /// @dev After a slash of this stake; with a result that was rejected its rewards went back to the pool.
    function _checkSlash(uint256 stake, uint256[4] memory before, bool rejected) internal {
        uint256[4] memory books = _books();
        unchecked {
            uint256 taken = before[0] - books[0];
            uint256 toOthers = books[1] + books[2] + books[3] - before[1] - before[2] - before[3];
            if (taken != stake) {
                broken = "a slash took another sum than the stake";
            } else if (taken != toOthers) {
                broken = "a slash made or lost money";
            } else if (books[3] - before[3] != stake / 10) {
                broken = "a slash burnt another part";
            } else if (!rejected && books[1] - before[1] != stake * 3 / 10) {
                broken = "a slash paid its reporter another part";
            }
        }
    }

    /// @dev The account's shares of these rounds, none of those it did not serve.
    function _earned(address account, uint256 rounds) private view returns (uint256 amount) {
        Person storage p = personOf[account];
        for (uint256 round = 1; rounds >> round != 0; ++round) {
            if (rounds >> round & 1 == 0) continue;
            Sum storage sum = _sums[round][p.cluster];
            bool included = _included[round] >> p.cluster & 1 == 1;
            if (p.role == ITask.Role.Cloud) {
                if (_included[round] != 0 && _settledBy[round] == account) {
                    amount += _shares[round][0];
                }
            } else if (p.role == ITask.Role.Fog) {
                if (included && sum.fog == account) amount += _shares[round][1];
            } else if (included && sum.signers >> p.index & 1 == 1) {
                amount += _shares[round][2];
            }
        }
    }
}
