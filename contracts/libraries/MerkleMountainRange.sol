// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MerklePath} from "./MerklePath.sol";

/// @title An append-only Merkle mountain range that keeps its peaks and nothing else.
/// @notice A range of `count` leaves is one perfect tree ("mountain") per set bit of `count`, tallest first. Appending
/// works like adding one to a binary number: equal mountains merge, and one peak is written.
/// @dev After P. Todd's mountain ranges (as in OpenTimestamps and Grin). Peaks below the highest set bit are overwritten
/// in turn, so a new storage slot is used only when `count` grows by a bit. A peak whose bit is clear is stale and is
/// never read. The caller keeps `count`, and must make leaves that cannot be nodes: hashes of anything but 64 bytes.
library MerkleMountainRange {
    /// @param peaks peak of the mountain of 2^h leaves at index h
    struct Range {
        bytes32[32] peaks;
    }

    /// @notice Append `leaf` to a range of `count` leaves, `count` < 2^32 - 1.
    function append(Range storage self, uint256 count, bytes32 leaf) internal {
        bytes32 node = leaf;
        uint256 height = 0;
        while ((count >> height) & 1 == 1) {
            node = Hashes.efficientKeccak256(self.peaks[height], node);
            ++height;
        }
        self.peaks[height] = node;
    }

    /// @notice Whether `leaf` stands at `index` of a range of `count` leaves.
    /// @dev The mountain of leaf `index` has the height of the highest bit in which `index` and `count` differ, so a
    /// proof of any other length proves nothing.
    /// @param proof siblings from the leaf up to the peak
    function verify(Range storage self, uint256 count, uint256 index, bytes32 leaf, bytes32[] calldata proof)
        internal
        view
        returns (bool)
    {
        uint256 height = proof.length;
        if (index >= count || (index ^ count) >> height != 1) return false;
        return MerklePath.foldIndexed(leaf, index, proof) == self.peaks[height];
    }
}
