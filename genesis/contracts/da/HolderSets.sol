// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {sort} from "../common/Sort.sol";
import {DataState} from "./DataState.sol";

/// @title Epochs: who holds rows when, and which
/// @notice At the last block of epoch e the protocol calls `onEpoch`, which fixes the set of e + 2 and takes the
///         block's prevRandao as the beacon of e + 1: the beacon of an epoch is known only after its set. Nothing here
///         calls other contracts, and everything is bounded: a block whose `onEpoch` failed would be invalid.
///
///     holders    0        1   2              3          by signer
///     positions  ├────────┼───┼──────────────┼───────┤  as many as rows, in proportion to stake
///     rows       position = (row + offset) mod rows, offset = keccak(beacon ‖ quorum ‖ commitment) mod rows
abstract contract HolderSets is DataState {
    /// @notice The protocol's call at the end of the last block of `epoch_`.
    function onEpoch(uint64 epoch_) external onlySystem {
        require(epoch_ == _epoch, WrongEpoch(_epoch));
        _epoch = epoch_ + 1;
        _beacons[epoch_ + 1] = bytes32(block.prevrandao);
        uint256[] memory next = _select();
        uint64 version = _versionOf[epoch_ + 1];
        if (!_same(next, _sets[version])) {
            version = ++_versions;
            _sets[version] = next;
        }
        _versionOf[epoch_ + 2] = version;
    }

    /// @notice The epoch of the next block.
    function epoch() external view returns (uint64) {
        return _epoch;
    }

    /// @notice The holders of an epoch up to the next, by signer: stake in coins, and the peer ids of now.
    function holders(uint64 epoch_)
        external
        view
        returns (address[] memory signers, uint64[] memory stakes, string[] memory peers)
    {
        uint256[] storage members = _setOf(epoch_);
        uint256 count = members.length;
        (signers, stakes, peers) = (new address[](count), new uint64[](count), new string[](count));
        for (uint256 i = 0; i < count; ++i) {
            uint256 member = members[i];
            (signers[i], stakes[i]) = (_signerOf(member), uint64(_coinsOf(member)));
            peers[i] = _holders[signers[i]].peer;
        }
    }

    /// @notice What turns the rows of an epoch that has begun; zero for any other.
    function beacon(uint64 epoch_) external view returns (bytes32) {
        return _beacons[epoch_];
    }

    /// @notice The first holder of a row, in the set and with the beacon of `epoch_`, of a blob that has `rows` of
    ///         them: its index in the set.
    function firstHolder(uint64 epoch_, uint32 quorum, bytes32 commitment, uint256 rows, uint256 row)
        public
        view
        returns (uint256 low)
    {
        require(row < rows && rows <= type(uint32).max, NoSuchCell());
        bytes32 seed = keccak256(abi.encodePacked(_beacons[epoch_], quorum, commitment));
        uint256 position = (row + uint256(seed) % rows) % rows;
        uint256[] storage members = _setOf(epoch_);
        uint256 total = _totalOf(members);
        require(total > 0, NoHolders());
        // The first whose positions end past this one.
        uint256 high = members.length - 1;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            uint256 member = members[middle];
            if (rows * (_coinsBefore(member) + _coinsOf(member)) / total > position) high = middle;
            else low = middle + 1;
        }
    }

    /// The index of a signer in the set of an epoch; reverts when it is in none.
    function _indexOf(uint64 epoch_, address signer) internal view returns (uint256 low) {
        uint256[] storage members = _setOf(epoch_);
        uint256 high = members.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_signerOf(members[middle]) < signer) low = middle + 1;
            else high = middle;
        }
        require(low < members.length && _signerOf(members[low]) == signer, NotTheHolder());
    }

    /// Append to a set that is being made.
    function _append(uint256[] storage members, address signer, uint256 coins) internal {
        uint256 before = _totalOf(members);
        members.push(uint256(uint160(signer)) << 96 | before << 48 | coins);
    }

    /// The strongest on the list, by signer; of equals, the higher address.
    function _select() private view returns (uint256[] memory members) {
        members = _listed;
        uint256 count = members.length;
        if (count > SET_MAX) {
            for (uint256 i = 0; i < count; ++i) members[i] = _coinsOf(members[i]) << 160 | members[i] >> 96;
            sort(members);
            for (uint256 i = 0; i < SET_MAX; ++i) {
                uint256 strong = members[count - SET_MAX + i];
                members[i] = strong << 96 | strong >> 160;
            }
            assembly ("memory-safe") {
                mstore(members, SET_MAX)
            }
        }
        sort(members);
        uint256 before = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            uint256 coins = _coinsOf(members[i]);
            members[i] |= before << 48;
            before += coins;
        }
    }

    function _same(uint256[] memory members, uint256[] storage others) private view returns (bool) {
        if (members.length != others.length) return false;
        for (uint256 i = 0; i < members.length; ++i) {
            if (members[i] != others[i]) return false;
        }
        return true;
    }
}
