// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Signatures} from "../common/Signatures.sol";
import {Cells} from "./Cells.sol";
import {HolderSets} from "./HolderSets.sol";
import {Blob, BlobInfo} from "./IDataAvailability.sol";

/// @title Blobs: paid for, certified, or paid back; and what their holders earn
/// @notice
///     request ─▶ paid ─ certify ─▶ certified ─ after expiry, a holder each ─▶ claim
///                     └ too late ─▶ refund                 └ challenge lost ─▶ its credit goes back to the payer
///
/// A signer's credit is its part of the signers' stake: rows are assigned by stake, so that is its part of the rows,
/// and nobody gains by being many. What rounding leaves goes to the reserve with the last credit.
abstract contract Blobs is HolderSets, Signatures, Cells {
    uint256 private constant SIGNATURE_BYTES = 65;

    /// @notice Pays for a blob, from this epoch to its expiry; the value is `feeOf`. Returns its id.
    function request(Blob calldata blob) external payable returns (bytes32 id) {
        require(blob.epoch == _epoch, WrongEpoch(_epoch));
        require(blob.length > 0 && blob.length <= LENGTH_MAX, BadLength());
        require(blob.quorum < _config.quorums, UnknownQuorum(_config.quorums));
        bool lives = blob.expiry >= blob.epoch && blob.expiry - blob.epoch < _config.lifeEpochs;
        require(lives, BadExpiry(_config.lifeEpochs));
        require(_setOf(blob.epoch).length > 0, NoHolders());
        uint256 fee = feeOf(blob.length, blob.expiry - blob.epoch + 1);
        require(msg.value == fee, WrongValue(fee));
        id = idOf(blob);
        Record storage r = _records[id];
        require(r.payer == address(0), AlreadyRequested());
        r.commitment = blob.commitment;
        (r.payer, r.requestedIn) = (msg.sender, uint48(block.number));
        (r.length, r.quorum, r.epoch, r.expiry) = (uint32(blob.length), blob.quorum, blob.epoch, blob.expiry);
        (r.fee, r.escrow) = (uint128(fee), uint128(fee));
        emit Requested(
            id, blob.commitment, msg.sender, blob.length, blob.quorum, blob.epoch, blob.expiry, fee
        );
    }

    /// @notice Certifies a blob: its rows are durable with holders of more than two thirds of the stake. Anyone may.
    /// @param signers bit i says that holder i of the blob's epoch signed
    /// @param signatures of `signedDigest`, 65 bytes each, in the order of the holders
    function certify(bytes32 id, uint256 signers, bytes calldata signatures) external {
        Record storage r = _requested(id);
        require(r.certifiedIn == 0, AlreadyCertified());
        require(block.number <= uint256(r.requestedIn) + _config.requestBlocks, TooLate());
        require(_epoch <= r.expiry, Expired());
        uint256[] storage members = _setOf(r.epoch);
        uint256 signed = _checkSignatures(signedDigest(id), members, signers, signatures);
        uint256 total = _totalOf(members);
        require(3 * signed > 2 * total, NoQuorum(signed, total));
        (r.certifiedIn, r.signedStake, r.signers) = (uint48(block.number), uint64(signed), signers);
        bytes32 known = _certified[r.commitment];
        if (known == 0 || _records[known].expiry < r.expiry) _certified[r.commitment] = id;
        _certificates.push(id);
        emit Certified(id, r.commitment, signers);
    }

    /// @notice Pays back a blob that was not certified in time. Anyone may ask.
    function refund(bytes32 id) external nonReentrant {
        Record storage r = _requested(id);
        require(r.certifiedIn == 0, AlreadyCertified());
        require(block.number > uint256(r.requestedIn) + _config.requestBlocks, TooEarly());
        (address payer, uint256 amount) = (r.payer, r.escrow);
        delete _records[id];
        emit Refunded(id, payer, amount);
        _pay(payer, amount);
    }

    /// @notice Pays a holder's owner for blobs that are kept no longer. Anyone may ask.
    function claim(address signer, bytes32[] calldata ids) external nonReentrant returns (uint256 total) {
        for (uint256 i = 0; i < ids.length; ++i) {
            Record storage r = _certifiedRecord(ids[i]);
            require(_epoch > r.expiry, TooEarly());
            uint256 index = _indexOf(r.epoch, signer);
            require(_openOf[ids[i]][index] == 0, TooEarly());
            total += _settle(r, index);
        }
        require(total > 0, NothingToPay());
        emit Claimed(signer, total);
        _pay(_holders[signer].owner, total);
    }

    // ── views ───────────────────────────────────────────────────────────────────────────────────────────────────────

    /// @notice Wei for `length` bytes and `epochs` epochs.
    function feeOf(uint64 length, uint64 epochs) public view returns (uint256) {
        return uint256(_config.bytePrice) * length * epochs + _config.blobPrice;
    }

    /// @notice How a blob is known here: the hash of its fields and the network.
    function idOf(Blob calldata blob) public view returns (bytes32) {
        return keccak256(
            abi.encodePacked(_config.network, blob.commitment, blob.length, blob.quorum, blob.epoch, blob.expiry)
        );
    }

    /// @notice What the holders of a requested blob sign.
    function signedDigest(bytes32 id) public view returns (bytes32) {
        Record storage r = _requested(id);
        return keccak256(
            abi.encodePacked(
                "ZGDAROW1", _config.network, r.commitment, uint64(r.length), r.quorum, r.epoch, r.expiry
            )
        );
    }

    /// @notice All that is known of a blob; zeros when it was never requested, or was paid back.
    function blobInfo(bytes32 id) public view returns (BlobInfo memory info) {
        Record storage r = _records[id];
        info.blob = Blob(r.commitment, r.length, r.quorum, r.epoch, r.expiry);
        (info.payer, info.requestedIn, info.certifiedIn) = (r.payer, r.requestedIn, r.certifiedIn);
        (info.fee, info.escrow) = (r.fee, r.escrow);
        (info.signers, info.settled, info.signedStake) = (r.signers, r.settled, r.signedStake);
    }

    function isCertified(bytes32 id) external view returns (bool) {
        return _records[id].certifiedIn != 0;
    }

    /// @notice The certified blob with this commitment that is kept the longest; zeros when there is none.
    function certificateOf(bytes32 commitment) external view returns (bytes32 id, BlobInfo memory info) {
        id = _certified[commitment];
        info = blobInfo(id);
    }

    function certificateCount() external view returns (uint256) {
        return _certificates.length;
    }

    /// @notice Certified blobs in the order of their certification, at most `count` from `first` on.
    function certificatesFrom(uint256 first, uint256 count) external view returns (BlobInfo[] memory page) {
        uint256 left = first < _certificates.length ? _certificates.length - first : 0;
        page = new BlobInfo[](count < left ? count : left);
        for (uint256 i = 0; i < page.length; ++i) page[i] = blobInfo(_certificates[first + i]);
    }

    /// @notice Whether `data` is cell `cell` of row `row` of a certified blob; see `DataVerifier`.
    function verifyCell(
        bytes32 commitment,
        bytes calldata header,
        uint256 row,
        uint256 cell,
        bytes calldata data,
        bytes32[] calldata path
    ) external view returns (bool) {
        return _certified[commitment] != 0 && _isCell(commitment, header, row, cell, data, path);
    }

    /// @notice Whether `data` is row `row` of a certified blob; see `DataVerifier`.
    function verifyRow(
        bytes32 commitment,
        bytes calldata header,
        uint256 row,
        bytes calldata data,
        bytes32[] calldata path
    ) external view returns (bool) {
        return _certified[commitment] != 0 && _isRow(commitment, header, row, data, path);
    }

    // ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    function _requested(bytes32 id) internal view returns (Record storage r) {
        r = _records[id];
        require(r.payer != address(0), UnknownBlob());
    }

    function _certifiedRecord(bytes32 id) internal view returns (Record storage r) {
        r = _records[id];
        require(r.certifiedIn != 0, NotCertified());
    }

    /// Reverts unless holder `index` signed and has neither had its credit nor lost it.
    function _checkUnsettled(Record storage r, uint256 index) internal view {
        require(r.signers >> index & 1 == 1, DidNotSign());
        require(r.settled >> index & 1 == 0, AlreadySettled());
    }

    /// Take a holder's credit out of the escrow, once. Returns the wei.
    function _settle(Record storage r, uint256 index) internal returns (uint256 credit) {
        _checkUnsettled(r, index);
        credit = uint256(r.fee) * _coinsOf(_setOf(r.epoch)[index]) / r.signedStake;
        uint256 left = r.escrow - credit;
        r.settled |= 1 << index;
        if (r.settled == r.signers) {
            _reserve += uint128(left);
            left = 0;
        }
        r.escrow = uint128(left);
    }

    /// The stake of the holders that `signers` names, each of which must have signed.
    function _checkSignatures(bytes32 digest, uint256[] storage members, uint256 signers, bytes calldata signatures)
        private
        view
        returns (uint256 signed)
    {
        uint256 from = 0;
        for (uint256 index = 0; signers != 0; (++index, signers >>= 1)) {
            if (signers & 1 == 0) continue;
            require(index < members.length && from + SIGNATURE_BYTES <= signatures.length, BadSignatures());
            uint256 member = members[index];
            address signer = _recover(digest, signatures[from:from + SIGNATURE_BYTES]);
            require(signer == _signerOf(member), BadSignature(index));
            signed += _coinsOf(member);
            from += SIGNATURE_BYTES;
        }
        require(from == signatures.length, BadSignatures());
    }
}
