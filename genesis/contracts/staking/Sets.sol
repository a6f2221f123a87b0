// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Candidates} from "./Candidates.sol";
import {sort} from "../common/Sort.sol";

/// @title Epochs: who votes when, what it earns, and what absence costs
/// @notice At the last block of epoch e the protocol calls `onBlock`, which counts what was missed, jails who was absent,
///         pays e's rewards, begins e + 1, whose set is known since the end of e − 1, and fixes the set of e + 2. Nothing
///         here calls other contracts, and everything is bounded: a block whose `onBlock` failed would be invalid.
abstract contract Sets is Candidates {
    /// Views that a validator must miss in an epoch, whatever its share, before it counts as absent.
    uint256 internal constant DOWNTIME_MIN = 4;

    event EpochChanged(uint64 indexed epoch, uint256 members, uint256 reward);
    event Jailed(address indexed validator, uint64 until);

    /// @notice The protocol's call at the end of a block of `epoch`: when views were skipped before the block, `missed`
    ///         are the voters that should have led them; `last` ends the epoch.
    function onBlock(uint64 epoch_, bool last, address[] calldata missed) external onlySystem {
        require(epoch_ == _epoch, WrongEpoch(_epoch));
        for (uint256 i = 0; i < missed.length; ++i) {
            Validator storage v = _validators[_servedBy[missed[i]]];
            if (v.missed < type(uint32).max) ++v.missed;
        }
        _missedTotal += uint64(missed.length);
        if (!last) return;
        uint256[] memory members = _sets[epoch_ % 3];
        uint256 total = _stakeOf(members);
        _jailAbsent(members, total);
        uint256 paid = _payRewards(members, total);
        for (uint256 i = 0; i < members.length; ++i) _validators[_servedBy[_voter(members[i])]].missed = 0;
        _missedTotal = 0;
        _epoch = epoch_ + 1;
        uint256[] memory next = _select();
        // Nobody is fit: those who are known go on, since a chain without a set would never move again.
        if (next.length == 0) next = _sets[(epoch_ + 1) % 3];
        _sets[(epoch_ + 2) % 3] = next;
        emit EpochChanged(epoch_ + 1, next.length, paid);
    }

    /// @notice The epoch of the next block.
    function epoch() external view returns (uint64) {
        return _epoch;
    }

    /// @notice The set that votes in `epoch()`: voters, ascending, and their stake in whole coins.
    function validators() external view returns (address[] memory voters, uint64[] memory stakes) {
        return _unpacked(_sets[_epoch % 3]);
    }

    /// @notice The set of the epoch after `epoch()`, which nothing can change any more.
    function nextSet() external view returns (address[] memory voters, uint64[] memory stakes) {
        return _unpacked(_sets[(_epoch + 1) % 3]);
    }

    /// @notice Wei left for rewards.
    function reserve() external view returns (uint256) {
        return _reserve;
    }

    /// @notice Adds the value to what rewards are paid from.
    function fundReserve() external payable {
        _reserve += uint128(msg.value);
        emit ReserveFunded(msg.sender, msg.value);
    }

    /// A member is absent that missed more than half of its turns; at most a third of the stake goes to jail in an epoch,
    /// since so many are more likely cut off than absent.
    function _jailAbsent(uint256[] memory members, uint256 total) private {
        uint256 turns = uint256(_config.epochBlocks) + _missedTotal;
        uint256 jailedStake = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            address validator = _servedBy[_voter(members[i])];
            Validator storage v = _validators[validator];
            uint256 stake = uint64(members[i]);
            bool absent = v.missed >= DOWNTIME_MIN && 2 * uint256(v.missed) * total > turns * stake;
            if (!absent || v.jailedUntil != 0 || 3 * (jailedStake + stake) > total) continue;
            jailedStake += stake;
            v.jailedUntil = _epoch + _config.jailEpochs;
            emit Jailed(validator, v.jailedUntil);
        }
    }

    /// By stake, to those neither in jail nor slashed, commission first. What rounding leaves stays in the reserve.
    function _payRewards(uint256[] memory members, uint256 total) private returns (uint256 paid) {
        uint256 pot = _config.rewardPerEpoch < _reserve ? _config.rewardPerEpoch : _reserve;
        for (uint256 i = 0; i < members.length; ++i) {
            address validator = _servedBy[_voter(members[i])];
            Validator storage v = _validators[validator];
            uint256 fresh = v.freshEpoch == _epoch ? v.fresh : 0;
            uint256 earning = v.shares - fresh;
            if (v.jailedUntil == 0 && v.tombstonedIn == 0 && earning > 0) {
                uint256 reward = pot * uint64(members[i]) / total;
                uint256 cut = reward * v.commission / PPM;
                v.commissionOwed += uint128(cut);
                v.rewardPerShare += (reward - cut) * REWARD_SCALE / earning;
                paid += reward;
            }
            if (fresh > 0) _rewardAt[validator][_epoch] = v.rewardPerShare;
            v.commission = v.nextCommission;
        }
        _reserve -= uint128(paid);
    }

    /// The strongest candidates, by voter.
    function _select() private view returns (uint256[] memory members) {
        uint256 count = _candidates.length;
        members = new uint256[](count);
        uint256 found = 0;
        for (uint256 i = 0; i < count; ++i) {
            Validator storage v = _validators[_candidates[i]];
            uint256 power = _candidatePower(v);
            if (power > 0) members[found++] = power << 160 | uint160(v.voter);
        }
        _resize(members, found);
        if (found > SET_MAX) {
            sort(members);
            for (uint256 i = 0; i < SET_MAX; ++i) members[i] = members[found - SET_MAX + i];
            _resize(members, SET_MAX);
        }
        for (uint256 i = 0; i < members.length; ++i) members[i] = members[i] << 96 >> 32 | members[i] >> 160;
        sort(members);
    }

    function _resize(uint256[] memory words, uint256 length) private pure {
        assembly ("memory-safe") {
            mstore(words, length)
        }
    }

    function _voter(uint256 member) internal pure returns (address) {
        return address(uint160(member >> 64));
    }

    function _stakeOf(uint256[] memory members) private pure returns (uint256 total) {
        for (uint256 i = 0; i < members.length; ++i) total += uint64(members[i]);
    }

    function _unpacked(uint256[] storage members)
        private
        view
        returns (address[] memory voters, uint64[] memory stakes)
    {
        voters = new address[](members.length);
        stakes = new uint64[](members.length);
        for (uint256 i = 0; i < members.length; ++i) {
            (voters[i], stakes[i]) = (_voter(members[i]), uint64(members[i]));
        }
    }
}
