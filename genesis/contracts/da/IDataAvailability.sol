// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// The network's rules, fixed in block 0.
struct DataConfig {
    /// keccak256 of the network's parameters: what every signature is bound to.
    bytes32 network;
    /// Blocks of an epoch, as in the staking contract.
    uint64 epochBlocks;
    /// How many quorums there are: one a shard.
    uint32 quorums;
    /// Epochs that a blob may be paid for, the one of its request included. Who leaves stays liable for as long.
    uint64 lifeEpochs;
    /// Blocks from a request until it is refunded when no certificate has come.
    uint64 requestBlocks;
    /// Blocks that a holder has to answer a challenge.
    uint64 answerBlocks;
    /// Wei that a holder must have deposited.
    uint128 minStake;
    /// Wei that a challenge costs for as long as it is open.
    uint128 challengeBond;
    /// Wei for each byte and epoch.
    uint64 bytePrice;
    /// Wei for each blob.
    uint64 blobPrice;
    /// Parts per million of the deposit that an unanswered challenge costs.
    uint32 slashPpm;
}

/// What is paid for, signed and certified.
struct Blob {
    /// SHA-256 of the header.
    bytes32 commitment;
    /// Bytes.
    uint64 length;
    uint32 quorum;
    /// Whose holders sign.
    uint64 epoch;
    /// The last epoch in which its rows are kept.
    uint64 expiry;
}

/// A blob as the contract knows it.
struct BlobInfo {
    Blob blob;
    address payer;
    /// Block of the request; zero when there is none.
    uint64 requestedIn;
    /// Block of the certificate; zero when there is none yet.
    uint64 certifiedIn;
    /// Wei that were paid.
    uint256 fee;
    /// Wei of it that have not gone to anybody yet.
    uint256 escrow;
    /// Who signed: bit i is holder i of the blob's epoch.
    uint256 signers;
    /// Those of them that have had their credit, or lost it.
    uint256 settled;
    /// Coins behind the signers.
    uint64 signedStake;
}

/// A holder at a glance.
struct HolderInfo {
    address signer;
    address owner;
    string peer;
    /// Wei deposited.
    uint256 stake;
    /// Whether it is among those that the coming sets are chosen from.
    bool listed;
    /// The epoch from which on it may withdraw; zero while it stays.
    uint64 releasedIn;
    /// Challenges that wait for its answer.
    uint16 open;
}

/// That a holder shows a cell.
struct ChallengeInfo {
    bytes32 id;
    /// Who has to answer.
    address signer;
    address challenger;
    uint32 row;
    uint32 cell;
    /// The last block for the answer; zero when there is no such challenge, or none any more.
    uint64 deadline;
}

/// @title Data availability on the root shard: events and errors
interface IDataAvailability {
    event Registered(address indexed signer, address indexed owner, uint256 stake, string peer);
    event PeerChanged(address indexed signer, string peer);
    event StakeAdded(address indexed signer, uint256 amount);
    event ExitRequested(address indexed signer, uint64 releasedIn);
    event Withdrawn(address indexed signer, address indexed owner, uint256 amount);
    event Requested(
        bytes32 indexed id,
        bytes32 indexed commitment,
        address indexed payer,
        uint64 length,
        uint32 quorum,
        uint64 epoch,
        uint64 expiry,
        uint256 fee
    );
    event Certified(bytes32 indexed id, bytes32 indexed commitment, uint256 signers);
    event Refunded(bytes32 indexed id, address indexed payer, uint256 amount);
    event Claimed(address indexed signer, uint256 amount);
    event Challenged(
        uint256 indexed number, address indexed signer, bytes32 indexed id, uint32 row, uint32 cell, uint64 deadline
    );
    event Answered(uint256 indexed number, address indexed signer);
    event Slashed(uint256 indexed number, address indexed signer, uint256 amount);
    event Collected(address indexed by, uint256 amount);

    error BadConfig();
    error WrongOrder();
    error WrongEpoch(uint64 epoch);
    error NothingToPay();
    error PaymentFailed();
    error NotOwner();
    error UnknownHolder();
    error HolderExists();
    error BadProof();
    error BadPeer();
    error TooLittleStake(uint256 amount, uint256 minimum);
    error TooMuchStake();
    error HoldersFull();
    error NoHolders();
    error IsLeaving(uint64 releasedIn);
    error NotLeaving();
    error ChallengesOpen(uint16 count);
    error TooManyChallenges();
    error BadLength();
    error BadExpiry(uint64 lifeEpochs);
    error UnknownQuorum(uint32 quorums);
    error WrongValue(uint256 due);
    error UnknownBlob();
    error AlreadyRequested();
    error AlreadyCertified();
    error NotCertified();
    error BadSignature(uint256 holder);
    error BadSignatures();
    error NoQuorum(uint256 stake, uint256 total);
    error TooLate();
    error TooEarly();
    error Expired();
    error NoSuchCell();
    error DidNotSign();
    error AlreadySettled();
    error UnknownChallenge();
    error NotTheHolder();
    error BadCell();
}
