// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDataAttestation} from "../interfaces/IDataAttestation.sol";

/// @title The two hashes of a batch: what its committee signs, and its leaf in the stream's mountain range.
library BatchHash {
    bytes32 internal constant TYPEHASH = keccak256(
        "Batch(bytes32 streamId,uint32 seq,bytes32 root,bytes20 previous,uint256 meta,uint32 supersedes,uint40 validFrom,uint40 validUntil,uint24 config)"
    );

    /// @notice EIP-712 struct hash, `keccak256(abi.encode(TYPEHASH, batch, config))`.
    /// @dev Words are taken as they came; one too wide for its type gives a hash that nobody signs.
    function structHash(IDataAttestation.Batch calldata batch, uint256 config) internal pure returns (bytes32 hash) {
        bytes32 typehash = TYPEHASH;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typehash)
            calldatacopy(add(start, 0x20), batch, 0x100)
            mstore(add(start, 0x120), config)
            hash := keccak256(start, 0x140)
        }
    }

    /// @notice `keccak256(abi.encode(seq, root, meta))`: 96 bytes, where nodes of the range hash 64, so no node can pass
    /// for a batch.
    function leaf(uint256 seq, bytes32 root, uint256 meta) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, seq)
            mstore(add(start, 0x20), root)
            mstore(add(start, 0x40), meta)
            hash := keccak256(start, 0x60)
        }
    }
}
