// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// What a validator says about itself; lengths in bytes are bounded as on 0G.
struct Description {
    string moniker; // at most 70
    string identity; // at most 3,000
    string website; // at most 140
    string securityContact; // at most 140
    string details; // at most 280
}

/// The network's rules, fixed in block 0.
struct Config {
    /// keccak256 of the network's parameters: what every signature is bound to.
    bytes32 network;
    /// Blocks of an epoch.
    uint64 epochBlocks;
    /// Epochs from `undelegate` until the coins may be withdrawn, and for which evidence is accepted.
    uint64 unbondingEpochs;
    /// Epochs that a validator sits out for downtime before it may `unjail`.
    uint64 jailEpochs;
    /// Wei that an operator itself must have staked.
    uint128 minSelfStake;
    /// Wei for all validators of an epoch together, as long as the reserve lasts.
    uint128 rewardPerEpoch;
    /// Parts per million of the stake that contradictory signatures cost.
    uint32 slashPpm;
}

/// What a vote or a proposal signs besides network, chain, epoch and view.
struct Statement {
    /// 0 proposal, 1 NOTARIZE, 2 SKIP, 3 FINALIZE.
    uint8 kind;
    /// The view of a proposal's parent; zero for votes.
    uint64 parentView;
    /// Zero for SKIP.
    bytes32 blockHash;
    /// r, s, recovery id (0 or 1): 65 bytes.
    bytes signature;
}

/// A validator at a glance.
struct ValidatorInfo {
    address validator;
    address operator;
    address voter;
    bytes pubkey;
    uint256 tokens;
    uint256 shares;
    uint256 selfStake;
    uint256 commissionOwed;
    uint32 commissionRate;
    uint32 nextCommissionRate;
    uint64 withdrawalFeeInGwei;
    /// Views that it should have led in this epoch and did not.
    uint32 missed;
    /// The epoch from which on it may unjail; zero when it is not in jail.
    uint64 jailedUntil;
    bool tombstoned;
    /// Whether it competes for a place in the sets to come.
    bool candidate;
}

/// Coins on their way out.
struct Unbonding {
    address validator;
    /// Withdrawable from this epoch on.
    uint64 matureEpoch;
    /// Whether it left before its validator was slashed, if it ever was: then its share of the slash is still due.
    bool beforeSlash;
    address to;
    uint128 amount;
}

/// @title Staking on the root shard: events and errors
interface IStaking {
    event ValidatorCreated(address indexed validator, address indexed operator, bytes pubkey);
    event ValidatorEdited(address indexed validator, uint32 nextCommissionRate);
    event VoteKeyRegistered(address indexed validator, address indexed voter);
    event Delegated(address indexed validator, address indexed delegator, uint256 amount, uint256 shares);
    event Undelegated(address indexed validator, address indexed delegator, uint256 amount, uint64 matureEpoch);
    event Withdrawn(address indexed delegator, address indexed to, uint256 amount);
    event RewardsClaimed(address indexed validator, address indexed delegator, uint256 amount);
    event CommissionWithdrawn(address indexed validator, address indexed to, uint256 amount);
    event Unjailed(address indexed validator);
    event Slashed(address indexed validator, address indexed reporter, uint64 epoch, uint256 amount);
    event ReserveFunded(address indexed by, uint256 amount);

    error NotOperator();
    error UnknownValidator();
    error ValidatorExists();
    error TooLong(string field);
    error BadPubkey();
    error BadPossessionProof();
    error BadVoteKeyProof();
    /// The voter address has served another validator.
    error VoterTaken();
    error CommissionTooHigh(uint32 rate, uint32 limit);
    error FeeTooHigh();
    error WrongFee(uint256 due);
    error TooLittleStake(uint256 amount, uint256 minimum);
    error TooMuchStake();
    error NotEnoughShares(uint256 have);
    error NothingToPay();
    error PaymentFailed();
    error TooManyUnbondings();
    error CandidatesFull();
    error NoVoteKey();
    error IsTombstoned();
    error NotJailed();
    error StillJailed(uint64 until);
    error NotContradictory();
    error NotSameSigner();
    error EvidenceOutOfTime(uint64 epoch);
    error WrongEpoch(uint64 epoch);
    error WrongOrder();
}
