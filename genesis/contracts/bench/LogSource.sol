// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Writes as many log lines as it is asked for, so that a benchmark of eth_getLogs can fill blocks with them
contract LogSource {
    event Line(uint256 indexed number, address indexed writer);

    /// @notice Writes `count` lines, and lets `other`, unless it is the zero address, write one more.
    function write(uint256 count, LogSource other) external {
        for (uint256 i = 0; i < count; ++i) {
            emit Line(i, msg.sender);
        }
        if (address(other) != address(0)) other.write(1, LogSource(address(0)));
    }
}
