// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDataAttestation} from "../interfaces/IDataAttestation.sol";

/// @title Leaf hash of OpenZeppelin's StandardMerkleTree.
/// @dev Hashed twice, so that no inner node (one hash of 64 bytes) can pass for a leaf.
library StandardLeaf {
    /// @notice `keccak256(keccak256(encoded))` of an ABI-encoded leaf.
    function hash(bytes memory encoded) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(encoded)));
    }

    /// @notice Hash of a leaf of two words, a device of a fleet: (bytes32 deviceId, uint8 kind).
    function hash(bytes32 deviceId, uint8 kind) internal pure returns (bytes32 leafHash) {
        assembly ("memory-safe") {
            mstore(0x00, deviceId)
            mstore(0x20, and(kind, 0xff))
            mstore(0x00, keccak256(0x00, 0x40))
            leafHash := keccak256(0x00, 0x20)
        }
    }

    /// @notice Hash of a reading, its words taken as they came: one too wide for its type makes another leaf.
    function hash(IDataAttestation.ReadingLeaf calldata leaf) internal pure returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := leaf
        }
        return _hashWords(offset, 7);
    }

    /// @notice Hash of a profile, its words taken as they came: one too wide for its type makes another leaf.
    function hash(IDataAttestation.ProfileLeaf calldata leaf) internal pure returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := leaf
        }
        return _hashWords(offset, 5);
    }

    function _hashWords(uint256 offset, uint256 words) private pure returns (bytes32 leafHash) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, offset, shl(5, words))
            mstore(0x00, keccak256(start, shl(5, words)))
            leafHash := keccak256(0x00, 0x20)
        }
    }
}
