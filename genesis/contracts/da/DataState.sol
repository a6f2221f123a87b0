// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Guarded} from "../common/Guarded.sol";
import {DataConfig, IDataAvailability} from "./IDataAvailability.sol";

/// @title What the contract of data availability remembers
/// @notice Every wei that it holds is exactly one of: a holder's deposit, a blob's escrow, the bond of an open
///         challenge, owed to somebody who may `collect` it, or the reserve.
abstract contract DataState is IDataAvailability, Guarded {
    struct Holder {
        address owner; // zero when nobody ever registered
        uint64 releasedIn; // epoch; zero while it stays
        uint16 place; // index in the list + 1; 0 outside
        uint16 open; // challenges that wait for its answer
        // slot 1
        uint128 stake; // wei
        string peer;
    }

    struct Record {
        bytes32 commitment;
        // slot 1
        address payer; // zero when there is no request
        uint48 requestedIn; // block
        uint48 certifiedIn; // block; zero without a certificate
        // slot 2
        uint32 length;
        uint32 quorum;
        uint64 epoch;
        uint64 expiry;
        uint64 signedStake; // coins
        // slot 3
        uint128 fee; // wei
        uint128 escrow; // wei of the fee that are still here
        // slots 4 and 5, a bit for each holder
        uint256 signers;
        uint256 settled;
    }

    struct Challenge {
        bytes32 id;
        address challenger;
        uint48 deadline; // block; zero when it is closed
        uint16 row;
        uint8 cell;
        uint8 holder; // index in the set of the blob's epoch
    }

    uint256 internal constant COIN = 1e18;
    uint256 internal constant PPM = 1e6;
    uint256 internal constant SET_MAX = 256;
    uint256 internal constant LISTED_MAX = 1024;
    /// Coins of a holder that count, so that the sum over a set fits 48 bits.
    uint256 internal constant COUNTED_MAX = (1 << 40) - 1;
    uint256 internal constant OPEN_MAX = 64;
    uint256 internal constant PEER_BYTES_MAX = 128;

    /// Commitment → id of the certified blob that is kept the longest. The first slot: light clients ask for its proof.
    mapping(bytes32 commitment => bytes32 id) internal _certified;
    DataConfig internal _config;
    /// The epoch of the next block.
    uint64 internal _epoch;
    /// How many different sets there have been.
    uint64 internal _versions;
    /// Wei that are for the staking contract's rewards.
    uint128 internal _reserve;

    mapping(address signer => Holder) internal _holders;
    /// Who the next set is chosen from: signer << 96 | coins.
    uint256[] internal _listed;
    /// Sets that follow one another are often the same: an epoch's set has a version, from 1 on.
    mapping(uint64 epoch => uint64 version) internal _versionOf;
    /// signer << 96 | coins of those before << 48 | coins, by signer.
    mapping(uint64 version => uint256[]) internal _sets;
    mapping(uint64 epoch => bytes32) internal _beacons;

    mapping(bytes32 id => Record) internal _records;
    /// Ids in the order of their certification.
    bytes32[] internal _certificates;
    Challenge[] internal _challenges;
    /// Open challenges by blob and holder.
    mapping(bytes32 id => mapping(uint256 holder => uint256)) internal _openOf;
    mapping(address => uint256) internal _owed;

    function _setOf(uint64 epoch_) internal view returns (uint256[] storage) {
        return _sets[_versionOf[epoch_]];
    }

    function _signerOf(uint256 member) internal pure returns (address) {
        return address(uint160(member >> 96));
    }

    function _coinsOf(uint256 member) internal pure returns (uint256) {
        return uint48(member);
    }

    function _coinsBefore(uint256 member) internal pure returns (uint256) {
        return uint48(member >> 48);
    }

    /// Coins of a whole set.
    function _totalOf(uint256[] storage members) internal view returns (uint256) {
        uint256 count = members.length;
        if (count == 0) return 0;
        uint256 last = members[count - 1];
        return _coinsBefore(last) + _coinsOf(last);
    }

    function _pay(address to, uint256 amount) internal {
        (bool paid, ) = to.call{value: amount}("");
        require(paid, PaymentFailed());
    }
}
