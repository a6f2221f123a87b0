// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {StakingState} from "./StakingState.sol";

/// @title Who competes for a place in the validator sets
/// @notice The list is bounded, so that an epoch change always fits its gas: when it is full, a newcomer needs more stake
///         than the weakest on it, whose place it takes.
abstract contract Candidates is StakingState {
    /// @notice Puts a validator on the list that has a vote key and enough self-stake. Anyone may ask.
    function enlist(address validator) external {
        _known(validator);
        _enter(validator);
    }

    function _enter(address validator) internal {
        Validator storage v = _validators[validator];
        if (v.place != 0) return;
        require(v.tombstonedIn == 0, IsTombstoned());
        require(v.voter != address(0), NoVoteKey());
        uint256 own = _selfStake(validator, v);
        require(own >= _config.minSelfStake, TooLittleStake(own, _config.minSelfStake));
        if (_candidates.length == CANDIDATES_MAX) {
            (address weakest, uint256 power) = _weakest();
            require(_power(v) > power, CandidatesFull());
            _leave(weakest);
        }
        _candidates.push(validator);
        v.place = uint16(_candidates.length);
    }

    /// As `_enter`, for those who did not ask: not at all where it would be refused, or cost a search.
    function _enterIfEasy(address validator) internal {
        Validator storage v = _validators[validator];
        bool ready = v.place == 0 && v.tombstonedIn == 0 && v.voter != address(0);
        if (!ready || _candidates.length == CANDIDATES_MAX) return;
        if (_selfStake(validator, v) >= _config.minSelfStake) _enter(validator);
    }

    function _leave(address validator) internal {
        uint16 place = _validators[validator].place;
        if (place == 0) return;
        address last = _candidates[_candidates.length - 1];
        _candidates[place - 1] = last;
        _validators[last].place = place;
        _candidates.pop();
        _validators[validator].place = 0;
    }

    /// Power that counts in a selection: none in jail.
    function _candidatePower(Validator storage v) internal view returns (uint256) {
        return v.jailedUntil == 0 ? _power(v) : 0;
    }

    function _weakest() private view returns (address weakest, uint256 power) {
        power = type(uint256).max;
        for (uint256 i = 0; i < CANDIDATES_MAX; ++i) {
            address candidate = _candidates[i];
            uint256 own = _candidatePower(_validators[candidate]);
            if (own < power) (weakest, power) = (candidate, own);
        }
    }
}
