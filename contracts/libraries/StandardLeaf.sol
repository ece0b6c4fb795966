// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Leaf hash of OpenZeppelin's StandardMerkleTree.
/// @dev Hashed twice, so that no inner node (one hash of 64 bytes) can pass for a leaf.
library StandardLeaf {
    /// @notice `keccak256(keccak256(encoded))` of an ABI-encoded leaf.
    function hash(bytes memory encoded) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(encoded)));
    }
}
