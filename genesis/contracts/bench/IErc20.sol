// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title What the exchange and the disperser need of a token
interface IErc20 {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}
