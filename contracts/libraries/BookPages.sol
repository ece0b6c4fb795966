// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OrderRules} from "../types/OrderRules.sol";
import {OrderTable} from "./OrderTable.sol";
import {PageLoop} from "./PageLoop.sol";
import {PageUndo} from "./PageUndo.sol";
import {TickBook} from "./TickBook.sol";

/// @title The books of one zone and day in memory, so that many schedules read and write each word once.
/// @notice Orders go into pages; {flush} writes what was touched. A refused schedule leaves no energy behind.
/// @dev Memory: 96 pages of 26 words, a list of the words touched, and two tables of {OrderTable}, for devices not green and
/// green. A page's word is zero until it is read from the ring; its lap keeps it from being zero from then on.
library BookPages {
    uint256 private constant PAGES_BYTES = 96 * 26 * 32;
    /// @dev Four bytes a word, and a word more since entries are written 32 bytes at a time.
    uint256 private constant LIST_BYTES = 96 * 26 * 4 + 32;
    uint256 private constant ONES = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant ALL_ENERGIES = ONES * 0xffffff;

    /// @param sums memory address of the first page
    /// @param ring storage slot of the ring
    /// @param firstSlot first delivery slot of the day
    /// @param list memory address of the list of words touched
    /// @param listEnd memory address after it
    /// @param tables memory address of both tables
    /// @param filled which tables are filled: 1 not green, 2 green
    struct Pages {
        uint256 sums;
        uint256 ring;
        uint256 firstSlot;
        uint256 list;
        uint256 listEnd;
        uint256 tables;
        uint256 filled;
    }

    /// @notice Make pages, all zero.
    function make(Pages memory pages) internal pure {
        pages.sums = _allocate(PAGES_BYTES);
        pages.list = _allocate(LIST_BYTES);
        pages.listEnd = pages.list;
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
    /// @return added whether all were added; if not, none was: either {ScheduleRefusal-ofOrders} says why, or
    /// {overflowOf}
    function add(Pages memory pages, uint256[12] calldata orders, OrderRules rules, bool green)
        internal
        view
        returns (uint256 weight, bool added)
    {
        uint256 table = _tableOf(pages, rules, green);
        uint256 full;
        (weight, full) = PageLoop.add(_addressOf(pages), orders, table);
        added = full <= TickBook.LANE_MAX && weight >> OrderTable.INADMISSIBLE_SHIFT == 0
            && _reachMinimum(orders, rules.minOrderWh());
        if (!added) PageUndo.subtract(_addressOf(pages), orders, table);
    }

    /// @notice Index of the first order that would overflow its tick's sum, of a schedule that was not added.
    function overflowOf(Pages memory pages, uint256[12] calldata orders, OrderRules rules, bool green)
        internal
        pure
        returns (uint256)
    {
        return PageUndo.firstOverflow(_addressOf(pages), orders, _tableOf(pages, rules, green));
    }

    /// @notice Subtract the orders of a schedule that was added.
    function takeBack(Pages memory pages, uint256[12] calldata orders, OrderRules rules, bool green) internal pure {
        PageUndo.subtract(_addressOf(pages), orders, _tableOf(pages, rules, green));
    }

    /// @notice Write what was added to the ring, and empty the pages.
    function flush(Pages memory pages) internal {
        (uint256 sums, uint256 ring, uint256 list, uint256 listEnd) =
            (pages.sums, pages.ring, pages.list, pages.listEnd);
        assembly ("memory-safe") {
            for {} lt(list, listEnd) { list := add(list, 4) } {
                let entry := shr(224, mload(list))
                let cell := add(sums, shl(5, and(entry, 0xffff)))
                let word := mload(cell)
                // Nothing was written to a word without sums, if only refused schedules asked for it.
                if shl(16, word) { sstore(add(ring, shr(16, entry)), word) }
                mstore(cell, 0)
            }
        }
        pages.listEnd = pages.list;
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

    /// @notice Memory address of the first entry for devices green or not.
    function _tableOf(Pages memory pages, OrderRules rules, bool green) private pure returns (uint256 table) {
        table = pages.tables + (green ? OrderTable.BYTES : 0);
        uint256 mark = green ? 2 : 1;
        if (pages.filled & mark != 0) return table;
        pages.filled |= mark;
        OrderTable.fill(table, rules, green);
    }

    function _addressOf(Pages memory pages) private pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := pages
        }
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
