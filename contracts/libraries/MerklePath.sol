// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Folding a leaf with the siblings on its path, in the two orders used here.
/// @dev Assembly, because settlement folds thousands of levels in a transaction: some 110 and 120 gas a level, where
/// OpenZeppelin's loop in Solidity takes 250. A loop's own steps cost a third of a level, hence four levels a turn; what
/// four do not divide comes first, one and two. Both write only the scratch space 0x00 to 0x3f.
library MerklePath {
    /// @notice Root of a StandardMerkleTree path: each pair is hashed in ascending order.
    function foldSorted(bytes32 leaf, bytes32[] calldata siblings) internal pure returns (bytes32 node) {
        node = leaf;
        assembly ("memory-safe") {
            let at := siblings.offset
            let end := add(at, shl(5, siblings.length))
            if and(siblings.length, 1) {
                let sibling := calldataload(at)
                let place := shl(5, gt(node, sibling))
                mstore(place, node)
                mstore(xor(place, 0x20), sibling)
                node := keccak256(0x00, 0x40)
                at := add(at, 0x20)
            }
            if and(siblings.length, 2) {
                let sibling := calldataload(at)
                let place := shl(5, gt(node, sibling))
                mstore(place, node)
                mstore(xor(place, 0x20), sibling)
                node := keccak256(0x00, 0x40)
                sibling := calldataload(add(at, 0x20))
                place := shl(5, gt(node, sibling))
                mstore(place, node)
                mstore(xor(place, 0x20), sibling)
                node := keccak256(0x00, 0x40)
                at := add(at, 0x40)
            }
            for {} lt(at, end) { at := add(at, 0x80) } {
                let sibling := calldataload(at)
                let place := shl(5, gt(node, sibling))
                mstore(place, node)
                mstore(xor(place, 0x20), sibling)
                node := keccak256(0x00, 0x40)
                sibling := calldataload(add(at, 0x20))
                place := shl(5, gt(node, sibling))
                mstore(place, node)
                mstore(xor(place, 0x20), sibling)
                node := keccak256(0x00, 0x40)
                sibling := calldataload(add(at, 0x40))
                place := shl(5, gt(node, sibling))
                mstore(place, node)
                mstore(xor(place, 0x20), sibling)
                node := keccak256(0x00, 0x40)
                sibling := calldataload(add(at, 0x60))
                place := shl(5, gt(node, sibling))
                mstore(place, node)
                mstore(xor(place, 0x20), sibling)
                node := keccak256(0x00, 0x40)
            }
        }
    }

    /// @notice Root of the path of leaf `index` in a mountain of a range: a set bit of the index puts the sibling left. The
    /// lowest bit of leaf and nodes is cleared. At most 251 siblings.
    function foldRange(bytes32 leaf, uint256 index, bytes32[] calldata siblings) internal pure returns (bytes32 node) {
        node = bytes32(uint256(leaf) & ~uint256(1));
        assembly ("memory-safe") {
            let at := siblings.offset
            let end := add(at, shl(5, siblings.length))
            // Bit 5 is the index's bit at the present level: where the node goes, 0x00 or 0x20.
            let places := shl(5, index)
            if and(siblings.length, 1) {
                let place := and(places, 0x20)
                mstore(place, node)
                mstore(xor(place, 0x20), calldataload(at))
                node := and(keccak256(0x00, 0x40), not(1))
                places := shr(1, places)
                at := add(at, 0x20)
            }
            if and(siblings.length, 2) {
                let place := and(places, 0x20)
                mstore(place, node)
                mstore(xor(place, 0x20), calldataload(at))
                node := and(keccak256(0x00, 0x40), not(1))
                place := and(shr(1, places), 0x20)
                mstore(place, node)
                mstore(xor(place, 0x20), calldataload(add(at, 0x20)))
                node := and(keccak256(0x00, 0x40), not(1))
                places := shr(2, places)
                at := add(at, 0x40)
            }
            for {} lt(at, end) { at := add(at, 0x80) } {
                let place := and(places, 0x20)
                mstore(place, node)
                mstore(xor(place, 0x20), calldataload(at))
                node := and(keccak256(0x00, 0x40), not(1))
                place := and(shr(1, places), 0x20)
                mstore(place, node)
                mstore(xor(place, 0x20), calldataload(add(at, 0x20)))
                node := and(keccak256(0x00, 0x40), not(1))
                place := and(shr(2, places), 0x20)
                mstore(place, node)
                mstore(xor(place, 0x20), calldataload(add(at, 0x40)))
                node := and(keccak256(0x00, 0x40), not(1))
                place := and(shr(3, places), 0x20)
                mstore(place, node)
                mstore(xor(place, 0x20), calldataload(add(at, 0x60)))
                node := and(keccak256(0x00, 0x40), not(1))
                places := shr(4, places)
            }
        }
    }
}
