// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev A mountain range made the naive way: all leaves kept, each mountain hashed from scratch, the mountain of a leaf
/// found by walking the range from its tallest tree.
library RangeTwin {
    function root(bytes32[] memory leaves, uint256 start, uint256 size) internal pure returns (bytes32) {
        if (size == 1) return _even(leaves[start]);
        uint256 half = size / 2;
        return _even(keccak256(abi.encodePacked(root(leaves, start, half), root(leaves, start + half, half))));
    }

    /// @return start first leaf of the mountain that holds leaf `index`
    /// @return height its height
    function mountainOf(uint256 count, uint256 index) internal pure returns (uint256 start, uint256 height) {
        for (height = 31;; --height) {
            uint256 size = 1 << height;
            if (count - start >= size) {
                if (index < start + size) return (start, height);
                start += size;
            }
        }
    }

    function proof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory path) {
        (uint256 start, uint256 height) = mountainOf(leaves.length, index);
        path = new bytes32[](height);
        while (height > 0) {
            uint256 half = 1 << --height;
            bool right = index >= start + half;
            path[height] = root(leaves, right ? start : start + half, half);
            if (right) start += half;
        }
    }

    function _even(bytes32 node) private pure returns (bytes32) {
        return node & ~bytes32(uint256(1));
    }
}
