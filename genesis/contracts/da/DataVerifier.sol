// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Cells} from "./Cells.sol";

/// @title Checks of rows and cells against a commitment, for contracts of any shard
/// @notice Remembers nothing and says nothing about certificates: those are with DataAvailability on the root shard.
contract DataVerifier is Cells {
    /// @notice Whether `data` is cell `cell` (1,024 bytes, the last of a row may be shorter) of row `row`.
    /// @param header 81 bytes, whose SHA-256 is the commitment
    /// @param path SHA-256 digests beside the way from the cell to the row root, lowest first
    function verifyCell(
        bytes32 commitment,
        bytes calldata header,
        uint256 row,
        uint256 cell,
        bytes calldata data,
        bytes32[] calldata path
    ) external pure returns (bool) {
        return _isCell(commitment, header, row, cell, data, path);
    }

    /// @notice Whether `data` is row `row`.
    /// @param path SHA-256 digests beside the way from the row to the row root, lowest first
    function verifyRow(
        bytes32 commitment,
        bytes calldata header,
        uint256 row,
        bytes calldata data,
        bytes32[] calldata path
    ) external pure returns (bool) {
        return _isRow(commitment, header, row, data, path);
    }
}
