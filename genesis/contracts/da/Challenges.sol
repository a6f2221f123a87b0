// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Blobs} from "./Blobs.sol";
import {Holders} from "./Holders.sol";
import {ChallengeInfo} from "./IDataAvailability.sol";

/// @title Serve or be slashed
/// @notice Anyone may ask, against a bond, that the first holder of a row shows one of its cells here.
///
///     challenge ─▶ open ─ answer, in time ─▶ half of the bond pays the holder for its trouble, half is lost
///                       └ settle, later ───▶ bond back, half of the slash with it; the blob's payer gets the credit
///
/// Deadlines lie before the end of the blob's last epoch: rows need not be kept longer. What is lost keeps a holder
/// from being busy with challenges of its own; the rest of a slash is lost for the same reason. Both go to the reserve.
abstract contract Challenges is Holders, Blobs {
    /// @notice Asks the first holder of `row`, in the blob's own epoch, for a cell. The value is the bond.
    function challenge(bytes32 id, uint32 row, uint32 cell) external payable returns (uint256 number) {
        require(msg.value == _config.challengeBond, WrongValue(_config.challengeBond));
        Record storage r = _certifiedRecord(id);
        (uint256 rows, uint256 cells) = _shapeOf(r.length);
        require(row < rows && cell < cells, NoSuchCell());
        uint256 deadline = block.number + _config.answerBlocks;
        require(deadline <= (uint256(r.expiry) + 1) * _config.epochBlocks, Expired());
        uint256 index = firstHolder(r.epoch, r.quorum, r.commitment, rows, row);
        _checkUnsettled(r, index);
        address signer = _signerOf(_setOf(r.epoch)[index]);
        Holder storage h = _holders[signer];
        require(h.open < OPEN_MAX, TooManyChallenges());
        ++h.open;
        ++_openOf[id][index];
        number = _challenges.length;
        _challenges.push(Challenge(id, msg.sender, uint48(deadline), uint16(row), uint8(cell), uint8(index)));
        emit Challenged(number, signer, id, row, cell, uint64(deadline));
    }

    /// @notice Shows the cell. For the holder that was asked: its signer or its owner.
    /// @param header 81 bytes, whose SHA-256 is the commitment
    /// @param path SHA-256 digests beside the way from the cell to the row root, lowest first
    function answer(uint256 number, bytes calldata header, bytes calldata data, bytes32[] calldata path) external {
        Challenge memory c = _open(number);
        Record storage r = _records[c.id];
        address signer = _signerOf(_setOf(r.epoch)[c.holder]);
        address owner = _holders[signer].owner;
        require(msg.sender == signer || msg.sender == owner, NotTheHolder());
        require(block.number <= c.deadline, TooLate());
        require(_isCell(r.commitment, header, c.row, c.cell, data, path), BadCell());
        _close(number, c, signer);
        uint256 bond = _config.challengeBond;
        _owed[owner] += bond / 2;
        _reserve += uint128(bond - bond / 2);
        emit Answered(number, signer);
    }

    /// @notice Closes a challenge that was not answered in time, and slashes the holder, once a blob. Anyone may.
    function settle(uint256 number) external {
        Challenge memory c = _open(number);
        require(block.number > c.deadline, TooEarly());
        Record storage r = _records[c.id];
        address signer = _signerOf(_setOf(r.epoch)[c.holder]);
        _close(number, c, signer);
        _owed[c.challenger] += _config.challengeBond;
        if (r.settled >> c.holder & 1 == 1) return;
        uint256 amount = uint256(_holders[signer].stake) * _config.slashPpm / PPM;
        _reduce(signer, amount);
        _owed[c.challenger] += amount / 2;
        _reserve += uint128(amount - amount / 2);
        _owed[r.payer] += _settle(r, c.holder);
        emit Slashed(number, signer, amount);
    }

    /// @notice How many challenges there have been; they are numbered from zero on.
    function challengeCount() external view returns (uint256) {
        return _challenges.length;
    }

    function challengeInfo(uint256 number) external view returns (ChallengeInfo memory info) {
        if (number >= _challenges.length) return info;
        Challenge memory c = _challenges[number];
        if (c.deadline == 0) return info;
        address signer = _signerOf(_setOf(_records[c.id].epoch)[c.holder]);
        return ChallengeInfo(c.id, signer, c.challenger, c.row, c.cell, c.deadline);
    }

    function _open(uint256 number) private view returns (Challenge memory c) {
        require(number < _challenges.length, UnknownChallenge());
        c = _challenges[number];
        require(c.deadline != 0, UnknownChallenge());
    }

    function _close(uint256 number, Challenge memory c, address signer) private {
        delete _challenges[number];
        --_holders[signer].open;
        --_openOf[c.id][c.holder];
    }
}
