// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Who may enter a contract of the protocol, and when
abstract contract Guarded {
    /// Only the protocol may call this.
    error NotSystem();
    error Reentered();

    /// Who makes the protocol's own calls.
    address internal constant SYSTEM = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;

    bool private transient _entered;

    modifier onlySystem() {
        require(msg.sender == SYSTEM, NotSystem());
        _;
    }

    /// Coins leave a contract in functions with this modifier alone, after everything else is done.
    modifier nonReentrant() {
        require(!_entered, Reentered());
        _entered = true;
        _;
        _entered = false;
    }
}
