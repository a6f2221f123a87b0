// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IErc20} from "./IErc20.sol";

/// @title A constant-product pool of two tokens, and the ERC-20 of its shares
/// @notice Does the work that a Uniswap V2 pair does in a swap, with the same calls and events: balances are read
///         before and after, the product is checked less 0.3 % of what came in, reserves and the timestamp share one
///         slot, and two price accumulators are kept. Two deliberate differences: there is no protocol fee and there are no flash-swap callbacks.
contract SwapPair {
    uint256 public constant MINIMUM_LIQUIDITY = 1000;

    address public immutable factory;
    address public token0;
    address public token1;

    uint112 private reserve0;
    uint112 private reserve1;
    uint32 private updatedAt;

    /// Sums of price × seconds, prices as 112.112 fixed point; they wrap around on purpose.
    uint256 public price0CumulativeLast;
    uint256 public price1CumulativeLast;

    uint256 public totalSupply;
    mapping(address account => uint256) public balanceOf;

    uint256 private entered = 1;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Mint(address indexed sender, uint256 amount0, uint256 amount1);
    event Burn(address indexed sender, uint256 amount0, uint256 amount1, address indexed to);
    event Swap(
        address indexed sender,
        uint256 amount0In,
        uint256 amount1In,
        uint256 amount0Out,
        uint256 amount1Out,
        address indexed to
    );
    event Sync(uint112 reserve0, uint112 reserve1);

    modifier once() {
        require(entered == 1, "SwapPair: reentered");
        entered = 2;
        _;
        entered = 1;
    }

    constructor() {
        factory = msg.sender;
    }

    /// @notice Names the tokens; the factory calls this in the transaction that creates the pair.
    function initialize(address first, address second) external {
        require(msg.sender == factory && token0 == address(0), "SwapPair: initialized");
        token0 = first;
        token1 = second;
    }

    function getReserves() public view returns (uint112, uint112, uint32) {
        return (reserve0, reserve1, updatedAt);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        uint256 balance = balanceOf[msg.sender];
        require(balance >= value, "SwapPair: balance");
        unchecked {
            balanceOf[msg.sender] = balance - value;
            balanceOf[to] += value;
        }
        emit Transfer(msg.sender, to, value);
        return true;
    }

    /// @notice Gives `to` shares for the tokens that were sent here beforehand.
    function mint(address to) external once returns (uint256 liquidity) {
        (uint256 balance0, uint256 balance1) = _balances();
        uint256 amount0 = balance0 - reserve0;
        uint256 amount1 = balance1 - reserve1;
        uint256 supply = totalSupply;
        if (supply == 0) {
            liquidity = _sqrt(amount0 * amount1) - MINIMUM_LIQUIDITY;
            _mint(address(0), MINIMUM_LIQUIDITY);
        } else {
            uint256 by0 = amount0 * supply / reserve0;
            uint256 by1 = amount1 * supply / reserve1;
            liquidity = by0 < by1 ? by0 : by1;
        }
        require(liquidity > 0, "SwapPair: too little liquidity");
        _mint(to, liquidity);
        _update(balance0, balance1);
        emit Mint(msg.sender, amount0, amount1);
    }

    /// @notice Pays out to `to` what the shares that were sent here beforehand stand for.
    function burn(address to) external once returns (uint256 amount0, uint256 amount1) {
        (uint256 balance0, uint256 balance1) = _balances();
        uint256 liquidity = balanceOf[address(this)];
        amount0 = liquidity * balance0 / totalSupply;
        amount1 = liquidity * balance1 / totalSupply;
        require(amount0 > 0 && amount1 > 0, "SwapPair: too little liquidity");
        unchecked {
            balanceOf[address(this)] = 0;
            totalSupply -= liquidity;
        }
        emit Transfer(address(this), address(0), liquidity);
        _pay(token0, to, amount0);
        _pay(token1, to, amount1);
        (balance0, balance1) = _balances();
        _update(balance0, balance1);
        emit Burn(msg.sender, amount0, amount1, to);
    }

    /// @notice Pays out the amounts asked for, if what was sent here beforehand is worth them.
    function swap(uint256 amount0Out, uint256 amount1Out, address to) external once {
        require(amount0Out > 0 || amount1Out > 0, "SwapPair: nothing out");
        (uint112 before0, uint112 before1,) = getReserves();
        require(amount0Out < before0 && amount1Out < before1, "SwapPair: too little liquidity");
        require(to != token0 && to != token1, "SwapPair: bad receiver");

        if (amount0Out > 0) _pay(token0, to, amount0Out);
        if (amount1Out > 0) _pay(token1, to, amount1Out);

        (uint256 balance0, uint256 balance1) = _balances();
        uint256 amount0In = balance0 > before0 - amount0Out ? balance0 - (before0 - amount0Out) : 0;
        uint256 amount1In = balance1 > before1 - amount1Out ? balance1 - (before1 - amount1Out) : 0;
        require(amount0In > 0 || amount1In > 0, "SwapPair: nothing in");

        uint256 adjusted0 = balance0 * 1000 - amount0In * 3;
        uint256 adjusted1 = balance1 * 1000 - amount1In * 3;
        require(adjusted0 * adjusted1 >= uint256(before0) * before1 * 1_000_000, "SwapPair: product fell");

        _update(balance0, balance1);
        emit Swap(msg.sender, amount0In, amount1In, amount0Out, amount1Out, to);
    }

    function _balances() private view returns (uint256, uint256) {
        return (IErc20(token0).balanceOf(address(this)), IErc20(token1).balanceOf(address(this)));
    }

    /// Accumulates the prices once a second, and stores the new reserves.
    function _update(uint256 balance0, uint256 balance1) private {
        require(balance0 <= type(uint112).max && balance1 <= type(uint112).max, "SwapPair: overflow");
        (uint112 before0, uint112 before1, uint32 before) = getReserves();
        uint32 now32 = uint32(block.timestamp);
        unchecked {
            uint32 elapsed = now32 - before;
            if (elapsed > 0 && before0 != 0 && before1 != 0) {
                price0CumulativeLast += (uint256(before1) << 112) / before0 * elapsed;
                price1CumulativeLast += (uint256(before0) << 112) / before1 * elapsed;
            }
        }
        reserve0 = uint112(balance0);
        reserve1 = uint112(balance1);
        updatedAt = now32;
        emit Sync(uint112(balance0), uint112(balance1));
    }

    function _mint(address to, uint256 value) private {
        totalSupply += value;
        unchecked {
            balanceOf[to] += value;
        }
        emit Transfer(address(0), to, value);
    }

    function _pay(address token, address to, uint256 value) private {
        require(IErc20(token).transfer(to, value), "SwapPair: token refused");
    }

    /// ⌊√x⌋ by Newton's method from above.
    function _sqrt(uint256 x) private pure returns (uint256 root) {
        if (x < 2) return x;
        root = x;
        uint256 next = x / 2 + 1;
        while (next < root) {
            root = next;
            next = (x / next + next) / 2;
        }
    }
}
