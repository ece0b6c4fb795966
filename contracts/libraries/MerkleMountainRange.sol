// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MerklePath} from "./MerklePath.sol";

/// @title An append-only Merkle mountain range that keeps its peaks and nothing else.
/// @notice A range of `count` leaves is one perfect tree ("mountain") per set bit of `count`, tallest first. Appending
/// works like adding one to a binary number: equal mountains merge, and one peak is written.
/// @dev After P. Todd's mountain ranges (as in OpenTimestamps and Grin). Peaks below the highest set bit are overwritten
/// in turn, so a new storage slot is used only when `count` grows by a bit. The lowest bit of every leaf and node is
/// cleared; in a stored peak it is the taint: "look up whether the leaf still counts". The caller keeps `count`, and must
/// make leaves that cannot be nodes (hashes of anything but 64 bytes) and that bind their index: a peak whose bit of
/// `count` is clear is stale but true, so {verify} needs no count, which saves a cold slot.
library MerkleMountainRange {
    uint256 private constant TAINT = 1;

    /// @param peaks peak of the mountain of 2^h leaves at index h
    struct Range {
        bytes32[32] peaks;
    }

    /// @notice Append `leaf` to a range of `count` leaves, `count` < 2^32 - 1.
    function append(Range storage self, uint256 count, bytes32 leaf) internal {
        uint256 node = uint256(leaf) & ~TAINT;
        uint256 taints = 0;
        uint256 height = 0;
        for (; (count >> height) & 1 == 1; ++height) {
            uint256 left = uint256(_load(self, height));
            taints |= left & TAINT;
            node = uint256(Hashes.efficientKeccak256(bytes32(left & ~TAINT), bytes32(node))) & ~TAINT;
        }
        _store(self, height, bytes32(node | taints));
    }

    /// @notice Mark every peak, stale ones as well: some leaf below no longer counts. For a range of `count` leaves.
    function taintAll(Range storage self, uint256 count) internal {
        for (uint256 height = 0; count >> height != 0; ++height) {
            _taint(self, height);
        }
    }

    /// @notice Mark the peaks that leaf `index` stands under, stale ones as well. For a range of `count` leaves.
    /// @dev Only left nodes are ever stored, so at each height it is the newest subtree of an even number that is there.
    function taint(Range storage self, uint256 count, uint256 index) internal {
        for (uint256 height = 0; count >> height != 0; ++height) {
            uint256 newestLeft = ((count >> height) - 1) & ~uint256(1);
            if (index >> height == newestLeft) _taint(self, height);
        }
    }

    /// @notice Peak of the mountain of 2^height leaves, without its taint.
    function peak(Range storage self, uint256 height) internal view returns (bytes32) {
        return _clear(self.peaks[height]);
    }

    /// @notice One hash over a range of `count` leaves: peaks folded from the smallest to the tallest; zero for none.
    function root(Range storage self, uint256 count) internal view returns (bytes32 node) {
        bool begun = false;
        for (uint256 height = 0; count >> height != 0; ++height) {
            if ((count >> height) & 1 == 0) continue;
            node = begun ? _clear(Hashes.efficientKeccak256(peak(self, height), node)) : peak(self, height);
            begun = true;
        }
    }

    /// @notice Whether `leaf` stands at `index` of the range, and if so, whether it must be looked up if it still counts.
    /// @param proof siblings from the leaf up to the peak
    function verify(Range storage self, uint256 index, bytes32 leaf, bytes32[] calldata proof)
        internal
        view
        returns (bool contained, bool tainted)
    {
        if (proof.length >= 32) return (false, false);
        uint256 difference = uint256(_load(self, proof.length) ^ MerklePath.foldRange(leaf, index, proof));
        contained = difference <= TAINT;
        tainted = difference == TAINT;
    }

    /// @dev Solidity's own access asks the bounds again; the callers' heights are below 32.
    function _load(Range storage self, uint256 height) private view returns (bytes32 stored) {
        assembly ("memory-safe") {
            stored := sload(add(self.slot, height))
        }
    }

    function _store(Range storage self, uint256 height, bytes32 node) private {
        assembly ("memory-safe") {
            sstore(add(self.slot, height), node)
        }
    }

    function _taint(Range storage self, uint256 height) private {
        _store(self, height, bytes32(uint256(_load(self, height)) | TAINT));
    }

    function _clear(bytes32 node) private pure returns (bytes32) {
        return bytes32(uint256(node) & ~TAINT);
    }
}
