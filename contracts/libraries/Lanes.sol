// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Arithmetic of four numbers of 64 bits in one word, and of eight of 32 bits.
/// @dev Nothing is checked: the caller sees to it that no lane overflows or falls below zero.
library Lanes {
    /// @dev One in each 64-bit lane, and in each 32-bit lane.
    uint256 internal constant ONES = 0x0000000000000001000000000000000100000000000000010000000000000001;
    uint256 internal constant ONES_32 = 0x0000000100000001000000010000000100000001000000010000000100000001;

    /// @notice All bits of each 32-bit lane that is 1, none of each that is 0.
    function spread32(uint256 flags) internal pure returns (uint256) {
        unchecked {
            return (flags << 32) - flags;
        }
    }

    /// @notice Sum of four lanes, below 2^64.
    function sum(uint256 four) internal pure returns (uint256) {
        unchecked {
            return (four * ONES) >> 192;
        }
    }

    /// @notice Sum of eight lanes.
    function sum32(uint256 eight) internal pure returns (uint256) {
        unchecked {
            uint256 low = (ONES << 32) - ONES;
            return sum((eight & low) + ((eight >> 32) & low));
        }
    }
}
