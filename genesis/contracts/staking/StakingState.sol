// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Guarded} from "../common/Guarded.sol";
import {Config, Description, IStaking, Unbonding} from "./IStaking.sol";

/// @title What the staking contract remembers
/// @notice Every wei that it holds is exactly one of: a validator's tokens, coins that unbond, commission owed, rewards
///         owed, or the reserve. Every function that changes stake is `nonReentrant`.
abstract contract StakingState is IStaking, Guarded {
    struct Validator {
        address operator;
        uint32 commission; // parts per million, of this epoch's rewards
        uint32 nextCommission; // of the next epoch's
        uint16 place; // index among the candidates + 1; 0 outside
        // slot 1
        address voter; // 0 until a vote key is registered
        uint64 jailedUntil; // epoch; 0 when free
        uint32 missed; // views not led in this epoch
        // slot 2
        uint128 tokens; // wei bonded
        uint128 shares; // as many as tokens until the slash
        // slot 3
        uint128 commissionOwed; // wei
        uint64 tombstonedIn; // epoch + 1; 0 when never
        uint64 withdrawalFee; // gwei
        // slot 4
        uint128 fresh; // shares delegated in freshEpoch, which earn from the next one on
        uint64 freshEpoch;
        // slot 5
        uint256 rewardPerShare; // wei · REWARD_SCALE that one share has earned since the beginning
        bytes pubkey;
        Description description;
    }

    struct Delegation {
        uint128 shares; // all, the fresh ones too
        uint128 fresh; // delegated in freshEpoch
        uint64 freshEpoch;
        uint128 owed; // wei of rewards, settled and not paid
        uint256 paidPerShare; // rewardPerShare up to which is settled
    }

    struct UnbondingQueue {
        uint256 head;
        Unbonding[] entries; // by maturity
    }

    uint256 internal constant COIN = 1e18;
    uint256 internal constant PPM = 1e6;
    uint256 internal constant REWARD_SCALE = 1 << 96;
    uint256 internal constant SET_MAX = 256;
    uint256 internal constant CANDIDATES_MAX = 1024;

    Config internal _config;
    /// The epoch of the next block.
    uint64 internal _epoch;
    /// Views without a block in this epoch.
    uint64 internal _missedTotal;
    /// Wei that rewards are paid from.
    uint128 internal _reserve;

    mapping(address validator => Validator) internal _validators;
    address[] internal _list;
    address[] internal _candidates;
    /// Voter → validator, for good: evidence names voters long after they are replaced.
    mapping(address voter => address validator) internal _servedBy;
    mapping(address validator => mapping(address delegator => Delegation)) internal _delegations;
    /// `rewardPerShare` at the end of an epoch in which the validator had fresh shares.
    mapping(address validator => mapping(uint64 epoch => uint256)) internal _rewardAt;
    mapping(address delegator => UnbondingQueue) internal _unbonding;
    /// Sets by epoch modulo 3: voter << 64 | stake in coins, ascending.
    mapping(uint256 => uint256[]) internal _sets;

    function _known(address validator) internal view returns (Validator storage v) {
        v = _validators[validator];
        require(v.operator != address(0), UnknownValidator());
    }

    function _operated(address validator, address caller) internal view returns (Validator storage v) {
        v = _known(validator);
        require(v.operator == caller, NotOperator());
    }

    function _tokensOf(Validator storage v, uint256 shares) internal view returns (uint256) {
        return v.shares == 0 ? shares : shares * v.tokens / v.shares;
    }

    function _selfStake(address validator, Validator storage v) internal view returns (uint256) {
        return _tokensOf(v, _delegations[validator][v.operator].shares);
    }

    /// Voting power: whole coins.
    function _power(Validator storage v) internal view returns (uint256) {
        return v.tokens / COIN;
    }

    function _pay(address to, uint256 amount) internal {
        (bool paid, ) = to.call{value: amount}("");
        require(paid, PaymentFailed());
    }
}
