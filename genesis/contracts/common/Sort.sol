// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Sorts ascending in place: a heap, whose worst case is its usual one, because others choose the order.
function sort(uint256[] memory words) pure {
    uint256 length = words.length;
    for (uint256 i = length / 2; i > 0; --i) sink(words, i - 1, length);
    for (uint256 end = length; end > 1; --end) {
        (words[0], words[end - 1]) = (words[end - 1], words[0]);
        sink(words, 0, end - 1);
    }
}

/// Let the word at `node` sink to its place in the heap of the first `length` words.
function sink(uint256[] memory words, uint256 node, uint256 length) pure {
    while (2 * node + 1 < length) {
        uint256 child = 2 * node + 1;
        if (child + 1 < length && words[child + 1] > words[child]) ++child;
        if (words[node] >= words[child]) return;
        (words[node], words[child]) = (words[child], words[node]);
        node = child;
    }
}
