// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IErc20} from "./IErc20.sol";

/// @title Funds many accounts in one transaction, so that a load test's setup takes tens of transactions, not thousands
contract Disperse {
    /// @notice Sends `msg.value / recipients.length` to each recipient; what is left over by rounding stays here.
    function disperse(address payable[] calldata recipients) external payable {
        uint256 share = msg.value / recipients.length;
        for (uint256 i = 0; i < recipients.length; ++i) {
            (bool sent,) = recipients[i].call{value: share}("");
            require(sent, "Disperse: refused");
        }
    }

    /// @notice Moves `amount` of the caller's tokens, which must be approved, to each recipient.
    function disperseToken(IErc20 token, address[] calldata recipients, uint256 amount) external {
        for (uint256 i = 0; i < recipients.length; ++i) {
            require(token.transferFrom(msg.sender, recipients[i], amount), "Disperse: token refused");
        }
    }
}
