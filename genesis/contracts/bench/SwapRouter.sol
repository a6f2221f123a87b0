// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IErc20} from "./IErc20.sol";
import {SwapFactory} from "./SwapFactory.sol";
import {SwapPair} from "./SwapPair.sol";

/// @title What users call: adds liquidity and swaps along a path, with the signatures of Uniswap V2's router
contract SwapRouter {
    SwapFactory public immutable factory;
    bytes32 private immutable pairCodeHash;

    modifier before(uint256 deadline) {
        require(block.timestamp <= deadline, "SwapRouter: expired");
        _;
    }

    constructor(SwapFactory factory_) {
        factory = factory_;
        pairCodeHash = factory_.PAIR_CODE_HASH();
    }

    /// @notice Deposits as much of both tokens as fits the pool's price, and gives `to` the shares.
    function addLiquidity(
        address tokenA,
        address tokenB,
        uint256 amountADesired,
        uint256 amountBDesired,
        uint256 amountAMin,
        uint256 amountBMin,
        address to,
        uint256 deadline
    ) external before(deadline) returns (uint256 amountA, uint256 amountB, uint256 liquidity) {
        if (factory.getPair(tokenA, tokenB) == address(0)) factory.createPair(tokenA, tokenB);
        (uint256 reserveA, uint256 reserveB) = _reserves(tokenA, tokenB);
        (amountA, amountB) = (amountADesired, amountBDesired);
        if (reserveA > 0 || reserveB > 0) {
            uint256 quoteB = amountADesired * reserveB / reserveA;
            if (quoteB <= amountBDesired) amountB = quoteB;
            else amountA = amountBDesired * reserveA / reserveB;
        }
        require(amountA >= amountAMin && amountB >= amountBMin, "SwapRouter: price moved");
        SwapPair pair = _pairFor(tokenA, tokenB);
        _pull(tokenA, address(pair), amountA);
        _pull(tokenB, address(pair), amountB);
        liquidity = pair.mint(to);
    }

    /// @notice Sells exactly `amountIn` of path[0] for at least `amountOutMin` of the path's last token.
    function swapExactTokensForTokens(
        uint256 amountIn,
        uint256 amountOutMin,
        address[] calldata path,
        address to,
        uint256 deadline
    ) external before(deadline) returns (uint256[] memory amounts) {
        amounts = getAmountsOut(amountIn, path);
        require(amounts[amounts.length - 1] >= amountOutMin, "SwapRouter: too little out");
        _pull(path[0], address(_pairFor(path[0], path[1])), amountIn);
        for (uint256 i = 0; i + 1 < path.length; ++i) {
            (address from, address into) = (path[i], path[i + 1]);
            (uint256 out0, uint256 out1) = from < into ? (uint256(0), amounts[i + 1]) : (amounts[i + 1], uint256(0));
            address receiver = i + 2 < path.length ? address(_pairFor(into, path[i + 2])) : to;
            _pairFor(from, into).swap(out0, out1, receiver);
        }
    }

    /// @notice What each hop of the path would give for `amountIn`.
    function getAmountsOut(uint256 amountIn, address[] calldata path) public view returns (uint256[] memory amounts) {
        require(path.length >= 2, "SwapRouter: short path");
        amounts = new uint256[](path.length);
        amounts[0] = amountIn;
        for (uint256 i = 0; i + 1 < path.length; ++i) {
            (uint256 reserveIn, uint256 reserveOut) = _reserves(path[i], path[i + 1]);
            amounts[i + 1] = getAmountOut(amounts[i], reserveIn, reserveOut);
        }
    }

    /// @notice The constant product less the fee of 0.3 %.
    function getAmountOut(uint256 amountIn, uint256 reserveIn, uint256 reserveOut) public pure returns (uint256) {
        require(amountIn > 0 && reserveIn > 0 && reserveOut > 0, "SwapRouter: empty");
        uint256 charged = amountIn * 997;
        return charged * reserveOut / (reserveIn * 1000 + charged);
    }

    function _reserves(address tokenA, address tokenB) private view returns (uint256, uint256) {
        (uint112 reserve0, uint112 reserve1,) = _pairFor(tokenA, tokenB).getReserves();
        return tokenA < tokenB ? (uint256(reserve0), uint256(reserve1)) : (uint256(reserve1), uint256(reserve0));
    }

    /// EIP-1014: the pair's address follows from the factory, the tokens and the pair's code.
    function _pairFor(address tokenA, address tokenB) private view returns (SwapPair) {
        (address token0, address token1) = tokenA < tokenB ? (tokenA, tokenB) : (tokenB, tokenA);
        bytes32 salt = keccak256(abi.encodePacked(token0, token1));
        bytes32 digest = keccak256(abi.encodePacked(bytes1(0xff), address(factory), salt, pairCodeHash));
        return SwapPair(address(uint160(uint256(digest))));
    }

    function _pull(address token, address to, uint256 amount) private {
        require(IErc20(token).transferFrom(msg.sender, to, amount), "SwapRouter: token refused");
    }
}
