// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OrderRules} from "../types/OrderRules.sol";
import {OrderReserve} from "./OrderReserve.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";
import {TickBook} from "./TickBook.sol";

/// @title The books of one zone and day in memory, so that many schedules read and write each word once.
/// @notice Orders go into pages; {flush} writes what was touched. The innermost loop of the market is here and in assembly:
/// some 100 gas an order. What it must come to is {TickBook-add} and {OrderReserve-weigh}, against which it is fuzzed.
/// @dev Memory: 256 entries by the upper byte of an order for devices that are not green, 256 for those that are, 96 pages
/// of 26 words, and a list of the words touched. A page's word is zero until it is read from the ring; its lap keeps it
/// from being zero from then on.
library BookPages {
    using TickBook for TickBook.Ring;

    uint256 private constant TABLE_BYTES = 256 * 32;
    uint256 private constant PAGE_BYTES = 26 * 32;
    uint256 private constant PAGES_BYTES = 96 * PAGE_BYTES;
    /// @dev Two bytes a word, and a word more since entries are written 32 bytes at a time.
    uint256 private constant LIST_BYTES = 96 * 26 * 2 + 32;
    /// @dev An entry is weight << 64 | byte of the tick's word in its page << 8 | position of its lane in bits.
    uint256 private constant ENTRY_WEIGHT_SHIFT = 64;
    /// @dev Weight of an order that the rules do not admit: beyond what the weights of 96 orders can add up to.
    uint256 private constant INADMISSIBLE = 1 << 186;
    uint256 private constant INADMISSIBLE_SHIFT = 186;

    /// @param sums memory address of the first page
    /// @param list memory address of the list of words touched
    /// @param touched number of words in the list
    /// @param tables memory address of the entries, first those for devices that are not green
    /// @param filled which of both tables hold entries: 1 not green, 2 green
    struct Pages {
        uint256 sums;
        uint256 list;
        uint256 touched;
        uint256 tables;
        uint256 filled;
    }

    /// @notice Make pages, all zero.
    function make(Pages memory pages) internal pure {
        pages.sums = _allocate(PAGES_BYTES);
        pages.list = _allocate(LIST_BYTES);
        pages.tables = _allocate(2 * TABLE_BYTES);
    }

    /// @notice Forget the entries, since the zone or day changes.
    function forgetRules(Pages memory pages) internal pure {
        pages.filled = 0;
    }

    /// @notice Add the orders of a schedule.
    /// @param firstSlot first slot of the day
    /// @param rules rules of the zone on that day
    /// @return weight as {OrderReserve-weigh}
    /// @return stoppedAt 96, or less if an order could not be added: then none was, and {ScheduleRefusal} says why
    function add(
        Pages memory pages,
        TickBook.Ring storage ring,
        uint32 firstSlot,
        uint256[12] calldata orders,
        OrderRules rules,
        bool green
    ) internal view returns (uint256 weight, uint256 stoppedAt) {
        uint256 table = _tableOf(pages, rules, green);
        (weight, stoppedAt) = _add(pages, ring, firstSlot, orders, table, rules.minOrderWh());
        if (stoppedAt == 96 && weight >> INADMISSIBLE_SHIFT == 0) return (weight, stoppedAt);
        _takeBack(pages, orders, table, stoppedAt);
        return (0, 0);
    }

    /// @notice Subtract the orders of a schedule that was added last.
    function takeBack(Pages memory pages, uint256[12] calldata orders, bool green) internal pure {
        _takeBack(pages, orders, pages.tables + (green ? TABLE_BYTES : 0), 96);
    }

    /// @notice Write every touched word to the ring, and empty the pages.
    function flush(Pages memory pages, TickBook.Ring storage ring, uint32 firstSlot) internal {
        uint256 list = pages.list;
        uint256 sums = pages.sums;
        uint256 count = pages.touched;
        assembly ("memory-safe") {
            for { let end := add(list, mul(count, 2)) } lt(list, end) { list := add(list, 2) } {
                let key := shr(240, mload(list))
                let cell := add(sums, shl(5, key))
                let place := shl(5, and(add(firstSlot, div(key, 26)), 1023))
                let word := mload(cell)
                // Of a word without sums nothing was written if only refused schedules asked for it.
                if shl(16, word) { sstore(add(add(ring.slot, place), mod(key, 26)), word) }
                mstore(cell, 0)
            }
        }
        pages.touched = 0;
    }

    function _add(
        Pages memory pages,
        TickBook.Ring storage ring,
        uint32 firstSlot,
        uint256[12] calldata orders,
        uint256 table,
        uint256 minOrderWh
    ) private view returns (uint256 weight, uint256 stoppedAt) {
        assembly ("memory-safe") {
            // Read the word of page address `cell` from the ring, and note that it is touched.
            function fetch(pages_, ringSlot, firstSlot_, cell) -> word {
                let sums := mload(pages_)
                let list := mload(add(pages_, 32))
                let touched := mload(add(pages_, 64))
                let key := shr(5, sub(cell, sums))
                mstore(add(list, mul(touched, 2)), shl(240, key))
                mstore(add(pages_, 64), add(touched, 1))
                let slot := add(firstSlot_, div(key, 26))
                let lap := and(shr(10, slot), 0xffff)
                word := sload(add(add(ringSlot, shl(5, and(slot, 1023))), mod(key, 26)))
                if iszero(eq(shr(240, word), lap)) { word := shl(240, lap) }
            }

            let page := mload(pages)
            let wordEnd := add(orders, 384)
            for { let wordAt := orders } lt(wordAt, wordEnd) { wordAt := add(wordAt, 32) } {
                let pageOfWord := page
                // The first of eight orders stands on top; each turn shifts it out.
                for { let packed := calldataload(wordAt) } packed { packed := shl(32, packed) } {
                    let energy := and(shr(224, packed), 0xffffff)
                    if energy {
                        let entry := mload(add(table, and(shr(243, packed), 0x1fe0)))
                        let cell := add(page, and(shr(8, entry), 0xffff))
                        let word := mload(cell)
                        if iszero(word) { word := fetch(pages, ring.slot, firstSlot, cell) }
                        let lane := and(entry, 0xff)
                        let sum := add(and(shr(lane, word), 0xffffff), energy)
                        if or(gt(sum, 0xffffff), lt(energy, minOrderWh)) {
                            // What was fetched but not added to must not stay zero.
                            mstore(cell, word)
                            stoppedAt := add(1, div(sub(page, mload(pages)), 832))
                            break
                        }
                        mstore(cell, add(word, shl(lane, energy)))
                        weight := add(weight, mul(energy, shr(64, entry)))
                    }
                    page := add(page, 832)
                }
                if stoppedAt { break }
                page := add(pageOfWord, 6656)
            }
            // One more than the index, so that zero means none.
            switch stoppedAt
            case 0 { stoppedAt := 96 }
            default { stoppedAt := sub(stoppedAt, 1) }
        }
    }

    /// @notice Subtract the orders before index `to`, which were added.
    function _takeBack(Pages memory pages, uint256[12] calldata orders, uint256 table, uint256 to) private pure {
        uint256 page = pages.sums;
        for (uint256 index; index < to; ++index) {
            uint256 order = ScheduleOrders.orderAt(orders, index);
            uint256 energy = ScheduleOrders.energyWh(order);
            if (energy != 0) {
                uint256 entry = _load(table + (order >> 24) * 32);
                uint256 cell = page + uint16(entry >> 8);
                _store(cell, _load(cell) - (energy << uint8(entry)));
            }
            page += PAGE_BYTES;
        }
    }

    /// @notice Memory address of the entries by rules and kind of device, filled when they are first asked for.
    function _tableOf(Pages memory pages, OrderRules rules, bool green) private pure returns (uint256 table) {
        table = pages.tables + (green ? TABLE_BYTES : 0);
        uint256 mark = green ? 2 : 1;
        if (pages.filled & mark != 0) return table;
        pages.filled |= mark;
        for (uint256 upper; upper < 256; ++upper) {
            _store(table + upper * 32, _entryOf(upper << 24, rules, green));
        }
    }

    function _entryOf(uint256 order, OrderRules rules, bool green) private pure returns (uint256) {
        uint256 tick = ScheduleOrders.tickOf(order);
        bool isOffer = ScheduleOrders.isOffer(order);
        if (tick > rules.capTick() || (!isOffer && tick < rules.networkFeeTicks())) {
            return INADMISSIBLE << ENTRY_WEIGHT_SHIFT;
        }
        (uint256 word, uint256 lane) = TickBook.placeOf(ScheduleOrders.bookTick(order, rules, green), isOffer);
        uint256 place = ((word * 32) << 8) | (lane * TickBook.LANE_BITS);
        return (OrderReserve.weightOf(order, rules, green) << ENTRY_WEIGHT_SHIFT) | place;
    }

    /// @notice Memory of so many bytes, all zero: what lies beyond the calldata is copied, which is nothing.
    function _allocate(uint256 size) private pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := mload(0x40)
            mstore(0x40, add(start, size))
            calldatacopy(start, calldatasize(), size)
        }
    }

    function _load(uint256 from) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(from)
        }
    }

    function _store(uint256 to, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(to, value)
        }
    }
}
