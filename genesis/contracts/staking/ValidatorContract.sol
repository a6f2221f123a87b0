// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Description, ValidatorInfo} from "./IStaking.sol";

/// What a validator contract asks of the staking contract.
interface IStakingForValidators {
    function delegateFor(address delegator) external payable returns (uint256);
    function undelegateFor(address delegator, address to, uint256 shares) external payable returns (uint256);
    function withdrawCommissionFor(address caller, address to) external returns (uint256);
    function validatorInfo(address validator) external view returns (ValidatorInfo memory);
    function descriptionOf(address validator) external view returns (Description memory);
    function delegationOf(address validator, address delegator) external view returns (uint256, uint256);
}

/// @title One validator under 0G's interface
/// @notice Holds neither coins nor state: it names itself, and its caller, to the staking contract.
contract ValidatorContract {
    IStakingForValidators public constant STAKING = IStakingForValidators(0xea224dBB52F57752044c0C86aD50930091F561B9);

    /// @notice Stakes the value for `delegatorAddress`. Returns the shares.
    function delegate(address delegatorAddress) external payable returns (uint256) {
        return STAKING.delegateFor{value: msg.value}(delegatorAddress);
    }

    /// @notice Takes the caller's `shares` out; the value is the withdrawal fee. Returns the wei, to be had by
    ///         `withdraw(caller)` of the staking contract once they have unbonded, and paid to `withdrawalAddress`.
    function undelegate(address withdrawalAddress, uint256 shares) external payable returns (uint256) {
        return STAKING.undelegateFor{value: msg.value}(msg.sender, withdrawalAddress, shares);
    }

    /// @notice Pays the commission; for the operator alone. Returns the wei.
    function withdrawCommission(address withdrawalAddress) external returns (uint256) {
        return STAKING.withdrawCommissionFor(msg.sender, withdrawalAddress);
    }

    function consensusPubkey() external view returns (bytes memory) {
        return _info().pubkey;
    }

    function operatorAddress() external view returns (address) {
        return _info().operator;
    }

    function description() external view returns (Description memory) {
        return STAKING.descriptionOf(address(this));
    }

    function commissionRate() external view returns (uint32) {
        return _info().commissionRate;
    }

    function withdrawalFeeInGwei() external view returns (uint96) {
        return _info().withdrawalFeeInGwei;
    }

    /// @notice Wei bonded.
    function tokens() external view returns (uint256) {
        return _info().tokens;
    }

    function delegatorShares() external view returns (uint256) {
        return _info().shares;
    }

    /// @notice Wei of commission that the operator may withdraw.
    function commission() external view returns (uint256) {
        return _info().commissionOwed;
    }

    /// @notice This contract's address, as on 0G, and the shares of `delegator`.
    function getDelegation(address delegator) external view returns (address, uint256) {
        (uint256 shares, ) = STAKING.delegationOf(address(this), delegator);
        return (address(this), shares);
    }

    function convertToTokens(uint256 shares) external view returns (uint256) {
        ValidatorInfo memory info = _info();
        return info.shares == 0 ? shares : shares * info.tokens / info.shares;
    }

    function convertToShares(uint256 amount) external view returns (uint256) {
        ValidatorInfo memory info = _info();
        return info.tokens == 0 ? amount : amount * info.shares / info.tokens;
    }

    function _info() private view returns (ValidatorInfo memory) {
        return STAKING.validatorInfo(address(this));
    }
}
