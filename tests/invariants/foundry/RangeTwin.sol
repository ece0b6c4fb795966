// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev A mountain range made the naive way: all leaves kept, each mountain hashed from scratch, the mountain of a leaf
/// found by walking the range from its tallest tree. The lowest bit of leaves and nodes is taken off by arithmetic.
library RangeTwin {
    function even(bytes32 node) internal pure returns (bytes32) {
        return bytes32(uint256(node) - uint256(node) % 2);
    }

    /// @dev Root of the tree over `size` leaves from `start`, a power of two.
    function root(bytes32[] memory leaves, uint256 start, uint256 size) internal pure returns (bytes32) {
        if (size == 1) return even(leaves[start]);
        uint256 half = size / 2;
        return even(keccak256(abi.encodePacked(root(leaves, start, half), root(leaves, start + half, half))));
    }

    /// @dev All mountains folded, the tallest outermost: what is left of `start` is hashed with what is right of it.
    function rangeRoot(bytes32[] memory leaves, uint256 start) internal pure returns (bytes32) {
        uint256 left = leaves.length - start;
        if (left == 0) return bytes32(0);
        (uint256 first, uint256 height) = mountainOf(leaves.length, start);
        assert(first == start);
        bytes32 mountain = root(leaves, start, 1 << height);
        if (left == 1 << height) return mountain;
        return even(keccak256(abi.encodePacked(mountain, rangeRoot(leaves, start + (1 << height)))));
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
}
