// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Evidence} from "./Evidence.sol";
import {Config} from "./IStaking.sol";
import {Sets} from "./Sets.sol";
import {Validators} from "./Validators.sol";

/// @title Staking on the root shard
/// @notice
///     Validators    created, edited, given a vote key, let out of jail          one contract of 0G's interface each
///     Delegations   coins in, rewards, coins out after the unbonding period
///     Candidates    who competes for the next sets
///     Sets          epochs: rewards, downtime, the set of the epoch after the next
///     Evidence      contradictory signatures: slash and tombstone
///
/// Predeployed at 0G's address. Block 0 makes it what it is with `initialise` and one `admit` a validator.
contract Staking is Validators, Sets, Evidence {
    modifier onlyGenesis() {
        require(msg.sender == SYSTEM && block.number == 0, NotSystem());
        _;
    }

    /// @notice Sets the rules; `reserve_` wei of this contract's balance are for rewards.
    function initialise(Config calldata config_, uint128 reserve_) external onlyGenesis {
        _config = config_;
        _reserve = reserve_;
    }

    /// @notice Makes a validator of the sets of epochs 0 and 1, with `stake` coins of its operator; voters come ascending.
    function admit(address operator, address voter, uint64 stake, uint32 commission, bytes calldata pubkey)
        external
        onlyGenesis
    {
        uint256[] storage set = _sets[0];
        require(set.length == 0 || _voter(set[set.length - 1]) < voter, WrongOrder());
        address validator = _create(operator, commission, pubkey);
        Validator storage v = _validators[validator];
        uint128 amount = uint128(stake * COIN);
        (v.tokens, v.shares, v.voter) = (amount, amount, voter);
        _delegations[validator][operator].shares = amount;
        _servedBy[voter] = validator;
        set.push(uint256(uint160(voter)) << 64 | stake);
        _sets[1].push(uint256(uint160(voter)) << 64 | stake);
        if (amount >= _config.minSelfStake) _enter(validator);
    }

    /// @notice The network's rules.
    function config() external view returns (Config memory) {
        return _config;
    }
}
