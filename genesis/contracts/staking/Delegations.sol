// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Candidates} from "./Candidates.sol";
import {Unbonding} from "./IStaking.sol";

/// @title Stake: coins in, rewards, coins out
/// @notice Shares and one running sum of rewards a validator: nothing here, and no epoch change, visits delegators one by
///         one. A share is a wei until the validator is slashed; afterwards nobody can delegate to it, so that rounding
///         never has a direction to exploit. Shares earn from the epoch after the one they were delegated in, which
///         leaves nothing for coins that come for the last block of an epoch.
abstract contract Delegations is Candidates {
    uint256 internal constant UNBONDINGS_MAX = 64;
    uint256 internal constant MIN_DELEGATION = 1e15;

    /// @notice Stakes the value with `validator` for the caller. Returns the shares.
    function delegate(address validator) external payable nonReentrant returns (uint256) {
        return _delegate(validator, msg.sender, msg.value);
    }

    /// @notice Takes `shares` out; the coins can be withdrawn to the caller after the unbonding period. The value is the
    ///         validator's withdrawal fee. Returns the wei that unbond.
    function undelegate(address validator, uint256 shares) external payable nonReentrant returns (uint256) {
        return _undelegate(validator, msg.sender, msg.sender, shares);
    }

    /// @notice Pays what has unbonded of `delegator`, to where it said. Anyone may ask. Returns the wei.
    function withdraw(address delegator) external nonReentrant returns (uint256 total) {
        UnbondingQueue storage queue = _unbonding[delegator];
        uint256 end = queue.entries.length;
        uint256 head = queue.head;
        for (; head < end && queue.entries[head].matureEpoch <= _epoch; ++head) {
            Unbonding memory entry = queue.entries[head];
            delete queue.entries[head];
            queue.head = head + 1;
            uint256 amount = _afterSlash(entry);
            total += amount;
            emit Withdrawn(delegator, entry.to, amount);
            _pay(entry.to, amount);
        }
        require(total > 0, NothingToPay());
    }

    /// @notice Pays the caller's rewards with `validator`. Returns the wei.
    function claimRewards(address validator) external nonReentrant returns (uint256 amount) {
        _settle(validator, msg.sender);
        Delegation storage d = _delegations[validator][msg.sender];
        amount = d.owed;
        require(amount > 0, NothingToPay());
        d.owed = 0;
        emit RewardsClaimed(validator, msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @notice Wei of rewards that `delegator` could claim.
    function rewardsOf(address validator, address delegator) external view returns (uint256) {
        (uint256 earned, ) = _earned(validator, _delegations[validator][delegator]);
        return _delegations[validator][delegator].owed + earned;
    }

    /// @notice Shares and what they are worth, in wei.
    function delegationOf(address validator, address delegator) external view returns (uint256 shares, uint256 amount) {
        shares = _delegations[validator][delegator].shares;
        amount = _tokensOf(_validators[validator], shares);
    }

    /// @notice What is on its way out, the slash of its validator taken off.
    function unbondingOf(address delegator) external view returns (Unbonding[] memory entries) {
        UnbondingQueue storage queue = _unbonding[delegator];
        entries = new Unbonding[](queue.entries.length - queue.head);
        for (uint256 i = 0; i < entries.length; ++i) {
            entries[i] = queue.entries[queue.head + i];
            entries[i].amount = uint128(entries[i].amount - _slashOf(entries[i]));
        }
    }

    function _delegate(address validator, address delegator, uint256 amount) internal returns (uint256 shares) {
        Validator storage v = _known(validator);
        require(v.tombstonedIn == 0, IsTombstoned());
        require(amount >= MIN_DELEGATION, TooLittleStake(amount, MIN_DELEGATION));
        require((v.tokens + amount) / COIN <= type(uint64).max, TooMuchStake());
        _settle(validator, delegator);
        shares = amount; // a share is a wei before the slash
        v.tokens += uint128(amount);
        v.shares += uint128(shares);
        if (v.freshEpoch != _epoch) (v.fresh, v.freshEpoch) = (0, _epoch);
        v.fresh += uint128(shares);
        Delegation storage d = _delegations[validator][delegator];
        d.shares += uint128(shares);
        d.fresh += uint128(shares);
        d.freshEpoch = _epoch;
        _enterIfEasy(validator);
        emit Delegated(validator, delegator, amount, shares);
    }

    function _undelegate(address validator, address delegator, address to, uint256 shares)
        internal
        returns (uint256 amount)
    {
        Validator storage v = _known(validator);
        uint256 fee = uint256(v.withdrawalFee) * 1 gwei;
        require(msg.value == fee, WrongFee(fee));
        v.commissionOwed += uint128(fee);
        _settle(validator, delegator);
        Delegation storage d = _delegations[validator][delegator];
        require(shares > 0 && shares <= d.shares, NotEnoughShares(d.shares));
        amount = _tokensOf(v, shares);
        uint128 fresh = uint128(shares < d.fresh ? shares : d.fresh); // what earns least leaves first
        if (fresh > 0) (d.fresh, v.fresh) = (d.fresh - fresh, v.fresh - fresh);
        d.shares -= uint128(shares);
        v.shares -= uint128(shares);
        v.tokens -= uint128(amount);
        if (_selfStake(validator, v) < _config.minSelfStake) _leave(validator);
        uint64 matureEpoch = _epoch + _config.unbondingEpochs;
        _enqueue(delegator, Unbonding(validator, matureEpoch, v.tombstonedIn == 0, to, uint128(amount)));
        emit Undelegated(validator, delegator, amount, matureEpoch);
    }

    function _enqueue(address delegator, Unbonding memory entry) private {
        UnbondingQueue storage queue = _unbonding[delegator];
        uint256 end = queue.entries.length;
        if (end > queue.head) {
            Unbonding storage last = queue.entries[end - 1];
            bool same = last.validator == entry.validator && last.to == entry.to
                && last.matureEpoch == entry.matureEpoch && last.beforeSlash == entry.beforeSlash;
            if (same) {
                last.amount += entry.amount;
                return;
            }
        }
        require(end - queue.head < UNBONDINGS_MAX, TooManyUnbondings());
        queue.entries.push(entry);
    }

    /// The part of an entry that its validator's slash costs: all that had not matured by then is liable.
    function _slashOf(Unbonding memory entry) private view returns (uint256) {
        uint64 tombstonedIn = _validators[entry.validator].tombstonedIn;
        bool liable = entry.beforeSlash && tombstonedIn != 0 && entry.matureEpoch >= tombstonedIn;
        return liable ? entry.amount * _config.slashPpm / PPM : 0;
    }

    function _afterSlash(Unbonding memory entry) private returns (uint256) {
        uint256 slash = _slashOf(entry);
        _reserve += uint128(slash);
        return entry.amount - slash;
    }

    /// Bring a delegation's rewards up to date; shares of earlier epochs are not fresh any more.
    function _settle(address validator, address delegator) internal {
        Delegation storage d = _delegations[validator][delegator];
        (uint256 earned, uint256 upTo) = _earned(validator, d);
        d.owed += uint128(earned);
        d.paidPerShare = upTo;
        if (d.freshEpoch != _epoch) d.fresh = 0;
    }

    function _earned(address validator, Delegation storage d) private view returns (uint256 earned, uint256 upTo) {
        upTo = _validators[validator].rewardPerShare;
        uint256 from = d.paidPerShare;
        uint256 fresh = d.fresh;
        earned = (d.shares - fresh) * (upTo - from);
        if (fresh > 0 && d.freshEpoch < _epoch) {
            uint256 began = _rewardAt[validator][d.freshEpoch];
            earned += fresh * (upTo - (began > from ? began : from));
        }
        earned /= REWARD_SCALE;
    }
}
