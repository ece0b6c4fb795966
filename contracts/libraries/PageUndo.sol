// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What follows when a schedule's orders are refused after {PageLoop} added them.
library PageUndo {
    /// @notice Subtract all orders again.
    function subtract(uint256 pages, uint256[12] calldata orders, uint256 table) internal pure {
        assembly ("memory-safe") {
            let page := mload(pages)
            for { let end := add(orders, 384) } lt(orders, end) { orders := add(orders, 32) } {
                let packed := calldataload(orders)
                for { let pageEnd := add(page, 6656) } lt(page, pageEnd) { page := add(page, 832) } {
                    let entry := mload(add(table, and(shr(243, packed), 0x1fe0)))
                    let energy := and(shr(224, packed), 0xffffff)
                    let cell := add(page, and(shr(8, entry), 0xffff))
                    if energy { mstore(cell, sub(mload(cell), shl(and(entry, 0xff), energy))) }
                    packed := shl(32, packed)
                }
            }
        }
    }

    /// @notice Index of the first order that would overflow its sum, of a schedule that was added and subtracted; 96 if none
    /// would.
    function firstOverflow(uint256 pages, uint256[12] calldata orders, uint256 table)
        internal
        pure
        returns (uint256 index)
    {
        assembly ("memory-safe") {
            let page := mload(pages)
            for {} lt(index, 96) { index := add(index, 1) } {
                let order := shr(sub(224, shl(5, and(index, 7))), calldataload(add(orders, shl(5, shr(3, index)))))
                let energy := and(order, 0xffffff)
                let entry := mload(add(table, and(shr(19, order), 0x1fe0)))
                let word := mload(add(page, and(shr(8, entry), 0xffff)))
                let sum := add(and(shr(and(entry, 0xff), word), 0xffffff), energy)
                if and(gt(energy, 0), gt(sum, 0xffffff)) { break }
                page := add(page, 832)
            }
        }
    }
}
