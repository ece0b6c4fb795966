// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The innermost loop of taking orders: a schedule's 96 orders into pages of the book.
/// @notice Some 200 gas an order. What it must come to is {TickBook-add} order by order, against which it is fuzzed.
/// @dev The eight orders of a word are written out one after another, since a loop's own steps would cost a third more.
library PageLoop {
    /// @notice Add all orders, even where a sum overflows its lane: {PageUndo-subtract} undoes that, whatever was carried.
    /// @param pages memory address of {BookPages-Pages}
    /// @param table memory address of {OrderTable}
    /// @return weight sum of energy * weight
    /// @return full bits of all sums that were added to: above 2^24 − 1 if one overflowed
    function add(uint256 pages, uint256[12] calldata orders, uint256 table)
        internal
        view
        returns (uint256 weight, uint256 full)
    {
        assembly ("memory-safe") {
            // Read the word of memory address `cell` from the ring, and note in the list that it was: its place in the
            // ring and in the pages, two bytes each.
            function fetch(pages_, cell_) -> word_ {
                let key := shr(5, sub(cell_, mload(pages_)))
                let slot := add(mload(add(pages_, 64)), div(key, 26))
                let place := add(shl(5, and(slot, 1023)), mod(key, 26))
                let end := mload(add(pages_, 128))
                mstore(end, shl(224, or(shl(16, place), key)))
                mstore(add(pages_, 128), add(end, 4))
                word_ := sload(add(mload(add(pages_, 32)), place))
                let lap := and(shr(10, slot), 0xffff)
                if iszero(eq(shr(240, word_), lap)) { word_ := shl(240, lap) }
            }

            let page := mload(pages)
            for { let end := add(orders, 384) } lt(orders, end) { orders := add(orders, 32) } {
                let packed := calldataload(orders)
                let energy, entry, cell, word
                energy := and(shr(224, packed), 0xffffff)
                if energy {
                    entry := mload(add(table, and(shr(243, packed), 0x1fe0)))
                    cell := add(page, and(shr(8, entry), 0xffff))
                    word := mload(cell)
                    if iszero(word) { word := fetch(pages, cell) }
                    full := or(full, add(and(shr(and(entry, 0xff), word), 0xffffff), energy))
                    mstore(cell, add(word, shl(and(entry, 0xff), energy)))
                    weight := add(weight, mul(energy, shr(64, entry)))
                }
                energy := and(shr(192, packed), 0xffffff)
                if energy {
                    entry := mload(add(table, and(shr(211, packed), 0x1fe0)))
                    cell := add(add(page, 832), and(shr(8, entry), 0xffff))
                    word := mload(cell)
                    if iszero(word) { word := fetch(pages, cell) }
                    full := or(full, add(and(shr(and(entry, 0xff), word), 0xffffff), energy))
                    mstore(cell, add(word, shl(and(entry, 0xff), energy)))
                    weight := add(weight, mul(energy, shr(64, entry)))
                }
                energy := and(shr(160, packed), 0xffffff)
                if energy {
                    entry := mload(add(table, and(shr(179, packed), 0x1fe0)))
                    cell := add(add(page, 1664), and(shr(8, entry), 0xffff))
                    word := mload(cell)
                    if iszero(word) { word := fetch(pages, cell) }
                    full := or(full, add(and(shr(and(entry, 0xff), word), 0xffffff), energy))
                    mstore(cell, add(word, shl(and(entry, 0xff), energy)))
                    weight := add(weight, mul(energy, shr(64, entry)))
                }
                energy := and(shr(128, packed), 0xffffff)
                if energy {
                    entry := mload(add(table, and(shr(147, packed), 0x1fe0)))
                    cell := add(add(page, 2496), and(shr(8, entry), 0xffff))
                    word := mload(cell)
                    if iszero(word) { word := fetch(pages, cell) }
                    full := or(full, add(and(shr(and(entry, 0xff), word), 0xffffff), energy))
                    mstore(cell, add(word, shl(and(entry, 0xff), energy)))
                    weight := add(weight, mul(energy, shr(64, entry)))
                }
                energy := and(shr(96, packed), 0xffffff)
                if energy {
                    entry := mload(add(table, and(shr(115, packed), 0x1fe0)))
                    cell := add(add(page, 3328), and(shr(8, entry), 0xffff))
                    word := mload(cell)
                    if iszero(word) { word := fetch(pages, cell) }
                    full := or(full, add(and(shr(and(entry, 0xff), word), 0xffffff), energy))
                    mstore(cell, add(word, shl(and(entry, 0xff), energy)))
                    weight := add(weight, mul(energy, shr(64, entry)))
                }
                energy := and(shr(64, packed), 0xffffff)
                if energy {
                    entry := mload(add(table, and(shr(83, packed), 0x1fe0)))
                    cell := add(add(page, 4160), and(shr(8, entry), 0xffff))
                    word := mload(cell)
                    if iszero(word) { word := fetch(pages, cell) }
                    full := or(full, add(and(shr(and(entry, 0xff), word), 0xffffff), energy))
                    mstore(cell, add(word, shl(and(entry, 0xff), energy)))
                    weight := add(weight, mul(energy, shr(64, entry)))
                }
                energy := and(shr(32, packed), 0xffffff)
                if energy {
                    entry := mload(add(table, and(shr(51, packed), 0x1fe0)))
                    cell := add(add(page, 4992), and(shr(8, entry), 0xffff))
                    word := mload(cell)
                    if iszero(word) { word := fetch(pages, cell) }
                    full := or(full, add(and(shr(and(entry, 0xff), word), 0xffffff), energy))
                    mstore(cell, add(word, shl(and(entry, 0xff), energy)))
                    weight := add(weight, mul(energy, shr(64, entry)))
                }
                energy := and(packed, 0xffffff)
                if energy {
                    entry := mload(add(table, and(shr(19, packed), 0x1fe0)))
                    cell := add(add(page, 5824), and(shr(8, entry), 0xffff))
                    word := mload(cell)
                    if iszero(word) { word := fetch(pages, cell) }
                    full := or(full, add(and(shr(and(entry, 0xff), word), 0xffffff), energy))
                    mstore(cell, add(word, shl(and(entry, 0xff), energy)))
                    weight := add(weight, mul(energy, shr(64, entry)))
                }
                page := add(page, 6656)
            }
        }
    }
}
