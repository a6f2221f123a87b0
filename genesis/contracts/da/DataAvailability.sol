// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Challenges} from "./Challenges.sol";
import {DataConfig} from "./IDataAvailability.sol";

/// What the staking contract does with coins that are lost here.
interface IStakingReserve {
    function fundReserve() external payable;
}

/// @title Data availability on the root shard
/// @notice
///     Holders      deposits, and who competes for the coming sets
///     HolderSets   epochs: sets fixed one ahead, beacons, the first holder of every row
///     Blobs        paid for, certified by two thirds of the stake, refunded, earned
///     Challenges   a holder shows a cell, or is slashed
///
/// Block 0 makes it what it is with `initialise` and one `admit` a holder.
contract DataAvailability is Challenges {
    IStakingReserve public constant STAKING = IStakingReserve(0xea224dBB52F57752044c0C86aD50930091F561B9);

    modifier onlyGenesis() {
        require(msg.sender == SYSTEM && block.number == 0, NotSystem());
        _;
    }

    /// @notice Sets the rules, and the beacon of epoch 0.
    function initialise(DataConfig calldata config_, bytes32 beacon_) external onlyGenesis {
        bool sound = config_.epochBlocks > 0 && config_.lifeEpochs > 0 && config_.requestBlocks > 0
            && config_.answerBlocks > 0 && config_.minStake >= COIN && config_.slashPpm <= PPM;
        require(sound, BadConfig());
        _config = config_;
        _beacons[0] = beacon_;
        _versions = 1;
        (_versionOf[0], _versionOf[1]) = (1, 1);
    }

    /// @notice Makes a holder of the sets of epochs 0 and 1, with `stake` coins of its owner; signers come ascending.
    function admit(address owner, address signer, uint64 stake) external onlyGenesis {
        uint256[] storage members = _sets[1];
        uint256 count = members.length;
        require(count == 0 || _signerOf(members[count - 1]) < signer, WrongOrder());
        Holder storage h = _holders[signer];
        h.owner = owner;
        _deposit(h, stake * COIN);
        _append(members, signer, stake < COUNTED_MAX ? stake : COUNTED_MAX);
        if (h.stake >= _config.minStake) _enter(signer, h);
    }

    /// @notice Pays the caller what it is owed: bonds, parts of slashes, credits of holders that were slashed.
    function collect() external nonReentrant returns (uint256 amount) {
        amount = _owed[msg.sender];
        require(amount > 0, NothingToPay());
        _owed[msg.sender] = 0;
        emit Collected(msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @notice Hands what was lost here to the validators' rewards. Anyone may.
    function sweep() external nonReentrant returns (uint256 amount) {
        amount = _reserve;
        require(amount > 0, NothingToPay());
        _reserve = 0;
        STAKING.fundReserve{value: amount}();
    }

    /// @notice Wei that `account` may collect.
    function owedTo(address account) external view returns (uint256) {
        return _owed[account];
    }

    /// @notice Wei that `sweep` would hand on.
    function reserve() external view returns (uint256) {
        return _reserve;
    }

    /// @notice The network's rules.
    function config() external view returns (DataConfig memory) {
        return _config;
    }
}
