// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SwapPair} from "./SwapPair.sol";

/// @title Creates one pair for two tokens, at an address that anyone can compute
contract SwapFactory {
    /// keccak256 of the pair's creation code, for CREATE2 addresses.
    bytes32 public constant PAIR_CODE_HASH = keccak256(type(SwapPair).creationCode);

    mapping(address tokenA => mapping(address tokenB => address)) public getPair;
    address[] public allPairs;

    event PairCreated(address indexed token0, address indexed token1, address pair, uint256 count);

    function createPair(address tokenA, address tokenB) external returns (address pair) {
        require(tokenA != tokenB, "SwapFactory: one token");
        (address token0, address token1) = tokenA < tokenB ? (tokenA, tokenB) : (tokenB, tokenA);
        require(token0 != address(0), "SwapFactory: no token");
        require(getPair[token0][token1] == address(0), "SwapFactory: pair exists");
        SwapPair created = new SwapPair{salt: keccak256(abi.encodePacked(token0, token1))}();
        created.initialize(token0, token1);
        pair = address(created);
        getPair[token0][token1] = pair;
        getPair[token1][token0] = pair;
        allPairs.push(pair);
        emit PairCreated(token0, token1, pair, allPairs.length);
    }
}
