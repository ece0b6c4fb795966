// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OrderRules} from "../types/OrderRules.sol";
import {OrderTable} from "./OrderTable.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";
import {TickBook} from "./TickBook.sol";

/// @title The books of one zone and day in memory, so that many schedules read and write each word once.
/// @notice Orders go into pages; {flush} writes what was touched. The innermost loop of the market is here and in assembly:
/// some 200 gas an order. What it must come to is {TickBook-add} and {OrderReserve-weightOf}, against which it is fuzzed.
/// @dev Memory: 96 pages of 26 words, and two tables of {OrderTable}, for devices not green and green. A page's word is zero
/// until it is read from the ring; its lap keeps it from being zero from then on.
library BookPages {
    using TickBook for TickBook.Ring;

    uint256 private constant PAGE_BYTES = 26 * 32;
    uint256 private constant ONES = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant ALL_ENERGIES = ONES * 0xffffff;

    /// @param sums memory address of the first page
    /// @param ring storage slot of the ring
    /// @param firstSlot first delivery slot of the day
    /// @param touched bitmap of the pages that were touched
    /// @param tables memory address of both tables
    /// @param filled which tables are filled: 1 not green, 2 green
    struct Pages {
        uint256 sums;
        uint256 ring;
        uint256 firstSlot;
        uint256 touched;
        uint256 tables;
        uint256 filled;
    }

    /// @notice Make pages, all zero.
    function make(Pages memory pages) internal pure {
        pages.sums = _allocate(96 * PAGE_BYTES);
        pages.tables = _allocate(2 * OrderTable.BYTES);
    }

    /// @notice Turn to another zone or day; what was added before must have been flushed.
    function turn(Pages memory pages, TickBook.Ring storage ring, uint256 firstSlot) internal pure {
        uint256 ringSlot;
        assembly ("memory-safe") {
            ringSlot := ring.slot
        }
        (pages.ring, pages.firstSlot, pages.filled) = (ringSlot, firstSlot, 0);
    }

    /// @notice Add the orders of a schedule.
    /// @param rules rules of the zone on that day
    /// @return weight sum of energy * {OrderReserve-weightOf}
    /// @return stoppedAt 96, or less if an order could not be added: then none was, and {ScheduleRefusal} says why
    function add(Pages memory pages, uint256[12] calldata orders, OrderRules rules, bool green)
        internal
        view
        returns (uint256 weight, uint256 stoppedAt)
    {
        uint256 table = _tableOf(pages, rules, green);
        (weight, stoppedAt) = _add(pages, orders, table);
        bool admitted = weight >> OrderTable.INADMISSIBLE_SHIFT == 0 && _reachMinimum(orders, rules.minOrderWh());
        if (stoppedAt == 96 && admitted) return (weight, stoppedAt);
        _takeBack(pages, orders, table, stoppedAt);
        return (0, 0);
    }

    /// @notice Subtract the orders of a schedule that was added.
    function takeBack(Pages memory pages, uint256[12] calldata orders, bool green) internal pure {
        _takeBack(pages, orders, pages.tables + (green ? OrderTable.BYTES : 0), 96);
    }

    /// @notice Write what was added to the ring, and empty the pages.
    function flush(Pages memory pages) internal {
        assembly ("memory-safe") {
            let touched := mload(add(pages, 96))
            let cell := mload(pages)
            for { let slot := mload(add(pages, 64)) } touched { slot := add(slot, 1) } {
                let end := add(cell, 832)
                if and(touched, 1) {
                    let place := add(mload(add(pages, 32)), shl(5, and(slot, 1023)))
                    for {} lt(cell, end) { cell := add(cell, 32) } {
                        let word := mload(cell)
                        if word {
                            // Of a word without sums nothing was written if only refused schedules asked for it.
                            if shl(16, word) { sstore(place, word) }
                            mstore(cell, 0)
                        }
                        place := add(place, 1)
                    }
                }
                cell := end
                touched := shr(1, touched)
            }
            mstore(add(pages, 96), 0)
        }
    }

    function _add(Pages memory pages, uint256[12] calldata orders, uint256 table)
        private
        view
        returns (uint256 weight, uint256 stoppedAt)
    {
        assembly ("memory-safe") {
            // Read the word of address `cell` in `page` from the ring, and note that the page is touched.
            function fetch(pages_, page, cell) -> word {
                let index := div(sub(page, mload(pages_)), 832)
                let touched := add(pages_, 96)
                mstore(touched, or(mload(touched), shl(index, 1)))
                let slot := add(mload(add(pages_, 64)), index)
                word := sload(add(add(mload(add(pages_, 32)), shl(5, and(slot, 1023))), shr(5, sub(cell, page))))
                let lap := and(shr(10, slot), 0xffff)
                if iszero(eq(shr(240, word), lap)) { word := shl(240, lap) }
            }

            // Add the orders of one word, the first of which is that of `page`. The first stands on top; each turn shifts
            // it out. `stopped` is the page of the order whose sum would overflow.
            function addWord(packed, page, table_, pages_) -> gain, stopped {
                for {} packed { page := add(page, 832) } {
                    let energy := and(shr(224, packed), 0xffffff)
                    if energy {
                        let entry := mload(add(table_, and(shr(243, packed), 0x1fe0)))
                        let cell := add(page, and(shr(8, entry), 0xffff))
                        let word := mload(cell)
                        if iszero(word) {
                            word := fetch(pages_, page, cell)
                            mstore(cell, word)
                        }
                        if shr(24, add(and(shr(and(entry, 0xff), word), 0xffffff), energy)) {
                            stopped := page
                            leave
                        }
                        mstore(cell, add(word, shl(and(entry, 0xff), energy)))
                        gain := add(gain, mul(energy, shr(64, entry)))
                    }
                    packed := shl(32, packed)
                }
            }

            stoppedAt := 96
            let page := mload(pages)
            for { let end := add(orders, 384) } lt(orders, end) { orders := add(orders, 32) } {
                let gain, stopped := addWord(calldataload(orders), page, table, pages)
                weight := add(weight, gain)
                if stopped {
                    stoppedAt := div(sub(stopped, mload(pages)), 832)
                    break
                }
                page := add(page, 6656)
            }
        }
    }

    /// @notice Whether each order that has energy has at least so much, eight at a time.
    /// @dev Bit 24 of an order's 32 is set by energy + (2^24 − 1) if there is any, and by energy + (2^24 − least) if enough.
    function _reachMinimum(uint256[12] calldata orders, uint256 least) private pure returns (bool) {
        unchecked {
            uint256 lacking;
            uint256 toLeast = ONES * (0x1000000 - least);
            for (uint256 word; word < 12; ++word) {
                uint256 energies = orders[word] & ALL_ENERGIES;
                lacking |= (energies + ALL_ENERGIES) & ~(energies + toLeast);
            }
            return lacking & (ONES << 24) == 0;
        }
    }

    /// @notice Subtract the orders before index `to`, which were added.
    function _takeBack(Pages memory pages, uint256[12] calldata orders, uint256 table, uint256 to) private pure {
        for (uint256 index; index < to; ++index) {
            uint256 order = ScheduleOrders.orderAt(orders, index);
            uint256 energy = ScheduleOrders.energyWh(order);
            uint256 page = pages.sums + index * PAGE_BYTES;
            assembly ("memory-safe") {
                if energy {
                    let entry := mload(add(table, shl(5, shr(24, order))))
                    let cell := add(page, and(shr(8, entry), 0xffff))
                    mstore(cell, sub(mload(cell), shl(and(entry, 0xff), energy)))
                }
            }
        }
    }

    function _tableOf(Pages memory pages, OrderRules rules, bool green) private pure returns (uint256 table) {
        table = pages.tables + (green ? OrderTable.BYTES : 0);
        uint256 mark = green ? 2 : 1;
        if (pages.filled & mark != 0) return table;
        pages.filled |= mark;
        OrderTable.fill(table, rules, green);
    }

    /// @notice Memory of so many bytes, all zero: what lies beyond the calldata is copied, which is nothing.
    function _allocate(uint256 size) private pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := mload(0x40)
            mstore(0x40, add(start, size))
            calldatacopy(start, calldatasize(), size)
        }
    }
}
