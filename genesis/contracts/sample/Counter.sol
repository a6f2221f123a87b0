// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The small contract of the client tests: one value, one event, two ways to fail
contract Counter {
    uint256 public value;

    event Increased(address indexed by, uint256 amount, uint256 value);

    error TooLarge(uint256 amount, uint256 limit);

    uint256 public constant LIMIT = 1000;

    /// @notice Adds `amount`; zero fails with a reason string, more than LIMIT with a custom error.
    function increase(uint256 amount) external {
        require(amount > 0, "Counter: nothing to add");
        require(amount <= LIMIT, TooLarge(amount, LIMIT));
        value += amount;
        emit Increased(msg.sender, amount, value);
    }
}
