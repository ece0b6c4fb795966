// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleMountainRange} from "../../contracts/libraries/MerkleMountainRange.sol";
import {SVM} from "./SymbolicCheats.sol";

/// @dev What {MerkleMountainRange-append} writes, for ranges of every length.
contract MerkleMountainRangeProofs {
    using MerkleMountainRange for MerkleMountainRange.Range;

    MerkleMountainRange.Range private range;

    /// @dev INV-A12, INV-A15: any peaks, any leaf, any count the library takes: one peak is written, with what the
    /// recursion says.
    /// @custom:halmos --loop 33
    function check_append__any_range__writes_the_merged_peak_alone(uint32 count, bytes32 leaf) external {
        if (count == type(uint32).max) return;
        SVM.enableSymbolicStorage(address(this));
        bytes32[32] memory before = range.peaks;
        range.append(count, leaf);
        (uint256 height, bytes32 node, uint256 taints) = _merged(before, count, 0, _clear(leaf), 0);
        for (uint256 i = 0; i < 32; ++i) {
            bytes32 stored = range.peaks[i];
            if (i != height) assert(stored == before[i]);
            else assert(uint256(stored) == uint256(node) + (taints == 0 ? 0 : 1));
        }
    }

    /// @dev Adding one to `count`, bit by bit: a set bit is a mountain to merge with, the first clear bit ends it.
    function _merged(bytes32[32] memory peaks, uint256 count, uint256 height, bytes32 node, uint256 taints)
        private
        pure
        returns (uint256, bytes32, uint256)
    {
        if (count % 2 == 0) return (height, node, taints);
        bytes32 left = peaks[height];
        bytes32 merged = _clear(keccak256(abi.encodePacked(_clear(left), node)));
        return _merged(peaks, count / 2, height + 1, merged, taints + uint256(left) % 2);
    }

    function _clear(bytes32 word) private pure returns (bytes32) {
        return bytes32(uint256(word) / 2 * 2);
    }
}
