// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title That a cell or a row is the committed one of its place
/// @notice
///     header     = version u8 ‖ K u16 ‖ N u16 ‖ row bytes u32 ‖ blob length u64 ‖ row root 32 ‖ checksum root 32
///     commitment = SHA-256(header)
///     cell ─ path ─▶ row's digest ─ path ─▶ row root          Merkle trees of RFC 6962 over the cells, over the rows
///
/// Paths are lowest first; a node without a neighbour moves up as it is. The code itself is not checked here: that a
/// row belongs to a codeword is what its holders have signed.
abstract contract Cells {
    uint256 internal constant CELL_BYTES = 1024;
    uint256 internal constant LENGTH_MAX = 128 << 20;

    uint256 private constant HEADER_BYTES = 81;
    uint8 private constant HEADER_VERSION = 1;
    uint256 private constant ROWS_MAX = 16_384;
    uint256 private constant ROW_BYTES_MAX = 32 << 10;
    uint256 private constant ROW_UNIT_BYTES = 64;

    struct CellHeader {
        uint256 rows;
        uint256 rowBytes;
        bytes32 rowRoot;
    }

    /// Whether `data` is the cell `cell` of row `row`. `path` leads from the cell to the row root.
    function _isCell(
        bytes32 commitment,
        bytes calldata header,
        uint256 row,
        uint256 cell,
        bytes calldata data,
        bytes32[] calldata path
    ) internal pure returns (bool) {
        (bool sound, CellHeader memory h) = _parse(commitment, header);
        uint256 cells = _cellsOf(h.rowBytes);
        if (!sound || row >= h.rows || cell >= cells) return false;
        uint256 rest = h.rowBytes - cell * CELL_BYTES;
        if (data.length != (rest < CELL_BYTES ? rest : CELL_BYTES)) return false;
        (bool within, bytes32 digest, uint256 used) = _climb(_leaf(data), cell, cells, path, 0);
        return within && _leadsToRoot(h, row, digest, path, used);
    }

    /// Whether `data` is the row `row`. `path` leads from the row to the row root.
    function _isRow(
        bytes32 commitment,
        bytes calldata header,
        uint256 row,
        bytes calldata data,
        bytes32[] calldata path
    ) internal pure returns (bool) {
        (bool sound, CellHeader memory h) = _parse(commitment, header);
        if (!sound || row >= h.rows || data.length != h.rowBytes) return false;
        return _leadsToRoot(h, row, _rowDigest(data), path, 0);
    }

    /// Data and parity rows of a blob of `length` bytes, and the cells of a row: the shape that holders insist on.
    function _shapeOf(uint256 length) internal pure returns (uint256 rows, uint256 cells) {
        uint256 k = 16;
        if (length > 32 << 20) {
            k = 4096;
        } else if (length >= 64 << 10) {
            k = 1024;
        } else {
            while (k * 256 < length) k *= 2;
        }
        uint256 rowBytes = (length + k * ROW_UNIT_BYTES - 1) / (k * ROW_UNIT_BYTES) * ROW_UNIT_BYTES;
        return (4 * k, _cellsOf(rowBytes));
    }

    function _parse(bytes32 commitment, bytes calldata header) private pure returns (bool sound, CellHeader memory h) {
        if (header.length != HEADER_BYTES || sha256(header) != commitment) return (false, h);
        (uint256 k, uint256 n) = (uint16(bytes2(header[1:3])), uint16(bytes2(header[3:5])));
        uint256 length = uint64(bytes8(header[9:17]));
        h.rows = k + n;
        h.rowBytes = uint32(bytes4(header[5:9]));
        h.rowRoot = bytes32(header[17:49]);
        sound = uint8(header[0]) == HEADER_VERSION && k > 0 && n > 0 && h.rows <= ROWS_MAX && h.rowBytes > 0
            && h.rowBytes <= ROW_BYTES_MAX && h.rowBytes % ROW_UNIT_BYTES == 0;
        return (sound && length > 0 && length <= k * h.rowBytes, h);
    }

    function _leadsToRoot(CellHeader memory h, uint256 row, bytes32 digest, bytes32[] calldata path, uint256 from)
        private
        pure
        returns (bool)
    {
        (bool within, bytes32 root, uint256 used) = _climb(digest, row, h.rows, path, from);
        return within && used == path.length && root == h.rowRoot;
    }

    /// The root over `count` leaves to which one of them leads with the digests from `path[from]` on, and the place in
    /// the path behind the last that was needed; false when the path is too short.
    function _climb(bytes32 digest, uint256 leaf, uint256 count, bytes32[] calldata path, uint256 from)
        private
        pure
        returns (bool, bytes32, uint256)
    {
        for (; count > 1; (leaf, count) = (leaf / 2, (count + 1) / 2)) {
            if (leaf ^ 1 >= count) continue;
            if (from == path.length) return (false, 0, 0);
            bytes32 beside = path[from++];
            digest = leaf % 2 == 0 ? _node(digest, beside) : _node(beside, digest);
        }
        return (true, digest, from);
    }

    function _rowDigest(bytes calldata row) private pure returns (bytes32) {
        uint256 width = _cellsOf(row.length);
        bytes32[] memory level = new bytes32[](width);
        for (uint256 i = 0; i < width; ++i) {
            uint256 end = (i + 1) * CELL_BYTES;
            level[i] = _leaf(row[i * CELL_BYTES:end < row.length ? end : row.length]);
        }
        for (; width > 1; width = (width + 1) / 2) {
            for (uint256 i = 0; i < width / 2; ++i) level[i] = _node(level[2 * i], level[2 * i + 1]);
            if (width % 2 == 1) level[width / 2] = level[width - 1];
        }
        return level[0];
    }

    function _cellsOf(uint256 rowBytes) private pure returns (uint256) {
        return (rowBytes + CELL_BYTES - 1) / CELL_BYTES;
    }

    function _leaf(bytes calldata data) private pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(0), data));
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(1), left, right));
    }
}
