// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Delegations} from "./Delegations.sol";
import {Description, ValidatorInfo} from "./IStaking.sol";
import {Possession} from "./Possession.sol";
import {ValidatorContract} from "./ValidatorContract.sol";

/// @title Validators: how they come to be, what their operators may change, and their way out of jail
/// @notice A validator is known by its BLS key (48 bytes, compressed) and has a contract of its own, at an address that
///         follows from the key, which speaks 0G's interface and hands everything on to this one.
abstract contract Validators is Delegations, Possession {
    uint32 internal constant COMMISSION_STEP_MAX = 50_000;
    uint64 internal constant WITHDRAWAL_FEE_MAX = 1e9;

    /// @notice Creates a validator of the caller, who stakes the value with it.
    /// @param commissionRate parts per million of the rewards
    /// @param withdrawalFeeInGwei what each `undelegate` pays the operator; at most one coin, and for good
    /// @param pubkey the BLS key, 48 bytes
    /// @param signature that the caller holds it: see `Possession`
    function createAndInitializeValidatorIfNecessary(
        Description calldata description,
        uint32 commissionRate,
        uint96 withdrawalFeeInGwei,
        bytes calldata pubkey,
        bytes calldata signature
    ) external payable nonReentrant returns (address validator) {
        require(msg.value >= _config.minSelfStake, TooLittleStake(msg.value, _config.minSelfStake));
        require(commissionRate <= PPM, CommissionTooHigh(commissionRate, uint32(PPM)));
        require(withdrawalFeeInGwei <= WITHDRAWAL_FEE_MAX, FeeTooHigh());
        _checkPossession(pubkey, signature, possessionMessage(pubkey, msg.sender));
        validator = _create(msg.sender, commissionRate, pubkey);
        _validators[validator].withdrawalFee = uint64(withdrawalFeeInGwei);
        _describe(_validators[validator], description);
        _delegate(validator, msg.sender, msg.value);
    }

    /// @notice Makes `voter` the address whose signatures are the validator's votes; it leads and votes from the second
    ///         epoch after this one on. Needs the minimum self-stake.
    /// @param proof the voter's signature (65 bytes) of `voteKeyDigest`
    function registerVoteKey(bytes calldata pubkey48, address voter, bytes calldata proof) external nonReentrant {
        address validator = computeValidatorAddress(pubkey48);
        Validator storage v = _operated(validator, msg.sender);
        require(v.tombstonedIn == 0, IsTombstoned());
        bytes32 digest = voteKeyDigest(pubkey48);
        require(voter != address(0) && _recover(digest, proof) == voter, BadVoteKeyProof());
        address served = _servedBy[voter];
        require(served == address(0) || served == validator, VoterTaken());
        _servedBy[voter] = validator;
        v.voter = voter;
        _enter(validator);
        emit VoteKeyRegistered(validator, voter);
    }

    /// @notice Changes what a validator says about itself, and its commission from the next epoch on; a rise is at most
    ///         five points an epoch.
    function editValidator(address validator, Description calldata description, uint32 commissionRate) external {
        Validator storage v = _operated(validator, msg.sender);
        uint256 limit = v.commission + COMMISSION_STEP_MAX;
        limit = limit > PPM ? PPM : limit;
        require(commissionRate <= limit, CommissionTooHigh(commissionRate, uint32(limit)));
        v.nextCommission = commissionRate;
        _describe(v, description);
        emit ValidatorEdited(validator, commissionRate);
    }

    /// @notice Pays the commission of `validator`, whose operator the caller is. Returns the wei.
    function withdrawCommission(address validator, address to) external nonReentrant returns (uint256) {
        return _withdrawCommission(validator, msg.sender, to);
    }

    /// @notice Competes for a place again after downtime.
    function unjail(address validator) external {
        Validator storage v = _operated(validator, msg.sender);
        require(v.tombstonedIn == 0, IsTombstoned());
        require(v.jailedUntil != 0, NotJailed());
        require(v.jailedUntil <= _epoch, StillJailed(v.jailedUntil));
        v.jailedUntil = 0;
        _enterIfEasy(validator);
        emit Unjailed(validator);
    }

    // ── what validator contracts hand on ────────────────────────────────────────────────────────────────────────────

    /// @notice `delegate` of the validator contract that calls.
    function delegateFor(address delegator) external payable nonReentrant returns (uint256) {
        return _delegate(msg.sender, delegator, msg.value);
    }

    /// @notice `undelegate` of the validator contract that calls, made by `delegator`.
    function undelegateFor(address delegator, address to, uint256 shares)
        external
        payable
        nonReentrant
        returns (uint256)
    {
        return _undelegate(msg.sender, delegator, to, shares);
    }

    /// @notice `withdrawCommission` of the validator contract that calls, made by `caller`.
    function withdrawCommissionFor(address caller, address to) external nonReentrant returns (uint256) {
        return _withdrawCommission(msg.sender, caller, to);
    }

    // ── views ───────────────────────────────────────────────────────────────────────────────────────────────────────

    /// @notice The address of the validator with this key, whether it exists or not.
    function computeValidatorAddress(bytes calldata pubkey) public view returns (address) {
        bytes32 code = keccak256(type(ValidatorContract).creationCode);
        bytes32 hash = keccak256(abi.encodePacked(bytes1(0xff), address(this), keccak256(pubkey), code));
        return address(uint160(uint256(hash)));
    }

    /// @notice The validator with this key, or zero.
    function getValidator(bytes calldata pubkey) external view returns (address validator) {
        validator = computeValidatorAddress(pubkey);
        if (_validators[validator].operator == address(0)) return address(0);
    }

    function validatorCount() external view returns (uint32) {
        return uint32(_list.length);
    }

    function maxValidatorCount() external pure returns (uint32) {
        return uint32(SET_MAX);
    }

    /// @notice Validators in the order of their creation, at most `count` from `first` on.
    function validatorsFrom(uint256 first, uint256 count) external view returns (address[] memory page) {
        uint256 left = first < _list.length ? _list.length - first : 0;
        page = new address[](count < left ? count : left);
        for (uint256 i = 0; i < page.length; ++i) page[i] = _list[first + i];
    }

    function validatorInfo(address validator) external view returns (ValidatorInfo memory info) {
        Validator storage v = _known(validator);
        info.validator = validator;
        info.operator = v.operator;
        info.voter = v.voter;
        info.pubkey = v.pubkey;
        info.tokens = v.tokens;
        info.shares = v.shares;
        info.selfStake = _selfStake(validator, v);
        info.commissionOwed = v.commissionOwed;
        info.commissionRate = v.commission;
        info.nextCommissionRate = v.nextCommission;
        info.withdrawalFeeInGwei = v.withdrawalFee;
        info.missed = v.missed;
        info.jailedUntil = v.jailedUntil;
        info.tombstoned = v.tombstonedIn != 0;
        info.candidate = v.place != 0;
    }

    function descriptionOf(address validator) external view returns (Description memory) {
        return _known(validator).description;
    }

    /// @notice The validator that `voter` signs or has signed for, or zero.
    function servedBy(address voter) external view returns (address) {
        return _servedBy[voter];
    }

    /// @notice What a voter signs to serve the validator with this key.
    function voteKeyDigest(bytes calldata pubkey48) public view returns (bytes32) {
        address validator = computeValidatorAddress(pubkey48);
        return keccak256(abi.encodePacked("ZGVKEY1\x00", _config.network, uint64(block.chainid), validator, pubkey48));
    }

    /// @notice What the BLS key signs for `operator` to create its validator.
    function possessionMessage(bytes calldata pubkey, address operator) public view returns (bytes memory) {
        return abi.encodePacked("ZGBLSK1\x00", _config.network, uint64(block.chainid), operator, pubkey);
    }

    // ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    function _create(address operator, uint32 commission, bytes calldata pubkey) internal returns (address validator) {
        require(pubkey.length == 48, BadPubkey());
        validator = computeValidatorAddress(pubkey);
        Validator storage v = _validators[validator];
        require(v.operator == address(0), ValidatorExists());
        new ValidatorContract{salt: keccak256(pubkey)}();
        v.operator = operator;
        (v.commission, v.nextCommission) = (commission, commission);
        v.pubkey = pubkey;
        _list.push(validator);
        emit ValidatorCreated(validator, operator, pubkey);
    }

    function _describe(Validator storage v, Description calldata description) private {
        require(bytes(description.moniker).length <= 70, TooLong("moniker"));
        require(bytes(description.identity).length <= 3000, TooLong("identity"));
        require(bytes(description.website).length <= 140, TooLong("website"));
        require(bytes(description.securityContact).length <= 140, TooLong("securityContact"));
        require(bytes(description.details).length <= 280, TooLong("details"));
        v.description = description;
    }

    function _withdrawCommission(address validator, address caller, address to) private returns (uint256 amount) {
        Validator storage v = _operated(validator, caller);
        amount = v.commissionOwed;
        require(amount > 0, NothingToPay());
        v.commissionOwed = 0;
        emit CommissionWithdrawn(validator, to, amount);
        _pay(to, amount);
    }
}
