// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SlotHeader} from "../types/SlotHeader.sol";
import {DeliverySlots} from "./DeliverySlots.sol";
import {PageMemory} from "./PageMemory.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";
import {TickBook} from "./TickBook.sol";

/// @title The books of one zone and day in memory, so that many schedules write each word once.
/// @notice Orders go into pages; {flush} writes what was touched. A refused schedule leaves no energy behind.
/// @dev Loops are unchecked: indices stay below 96, and a sum is compared with its limit before it grows.
library BookPages {
    using TickBook for TickBook.Ring;

    /// @notice Add the orders of a schedule.
    /// @param firstSlot first slot of the day
    /// @return stoppedAt index of the first order whose tick sum would not fit its 32 bits, then no order was added;
    /// 96 if all were
    function add(
        PageMemory.Pages memory pages,
        TickBook.Ring storage ring,
        uint32 firstSlot,
        uint256[12] calldata orders
    ) internal view returns (uint256 stoppedAt) {
        uint256 table = PageMemory.openTable(pages);
        unchecked {
            for (uint256 word; word < ScheduleOrders.WORDS; ++word) {
                uint256 index = word * 8;
                // The first order stands on top; each turn shifts it out. What {_add} does is written out: it is the
                // innermost loop of the market, and calls would cost more than the work.
                for (uint256 packed = orders[word]; ScheduleOrders.hasEnergy(packed); packed <<= 32) {
                    uint256 energy = (packed >> 224) & ScheduleOrders.ENERGY_MASK;
                    if (energy != 0) {
                        uint256 page = PageMemory.load(table + index * 32);
                        uint256 wordIndex = packed >> 251;
                        if (page == 0 || (PageMemory.load(page + PageMemory.TOUCHED) >> wordIndex) & 1 == 0) {
                            page = PageMemory.fetch(pages, ring, firstSlot, index, wordIndex);
                        }
                        uint256 sumsAt = page + PageMemory.SUMS + wordIndex * 32;
                        uint256 shift = (packed >> 243) & 0xe0;
                        uint256 sums = PageMemory.load(sumsAt);
                        if (((sums >> shift) & TickBook.LANE_MAX) + energy > TickBook.LANE_MAX) {
                            _takeBack(pages, ring, firstSlot, orders, index);
                            return index;
                        }
                        PageMemory.store(sumsAt, sums + (energy << shift));
                    }
                    ++index;
                }
            }
        }
        return DeliverySlots.SLOTS_PER_DAY;
    }

    /// @notice Put the orders from index `from` on in the place of `previous`; unchanged ones cost nothing.
    /// @return stoppedAt as in {add}, but nothing is taken back: the caller must revert
    function exchange(
        PageMemory.Pages memory pages,
        TickBook.Ring storage ring,
        uint32 firstSlot,
        uint256[12] calldata previous,
        uint256[12] calldata orders,
        uint256 from
    ) internal view returns (uint256 stoppedAt) {
        for (uint256 index = from; index < DeliverySlots.SLOTS_PER_DAY; ++index) {
            uint256 order = ScheduleOrders.orderAt(orders, index);
            uint256 old = ScheduleOrders.orderAt(previous, index);
            if (order == old) continue;
            if (ScheduleOrders.energyWh(old) != 0) _subtract(pages, ring, firstSlot, index, old);
            if (!_add(pages, ring, firstSlot, index, order)) return index;
        }
        return DeliverySlots.SLOTS_PER_DAY;
    }

    /// @notice Write every touched word and its header, and close the pages.
    function flush(PageMemory.Pages memory pages, TickBook.Ring storage ring) internal {
        uint256 slots = pages.slots;
        for (uint256 index; slots >> index != 0; ++index) {
            if ((slots >> index) & 1 == 0) continue;
            uint256 page = pages.open[index];
            SlotHeader header = SlotHeader.wrap(PageMemory.load(page));
            uint256 touched = PageMemory.load(page + PageMemory.TOUCHED);
            ring.store(header.withLive(touched));
            for (uint256 word; touched >> word != 0; ++word) {
                if ((touched >> word) & 1 == 1) {
                    ring.write(header.slot(), word, PageMemory.load(page + PageMemory.SUMS + word * 32));
                }
            }
            pages.open[index] = 0;
        }
        pages.slots = 0;
    }

    /// @notice Subtract the orders before index `to`, which were added.
    function _takeBack(
        PageMemory.Pages memory pages,
        TickBook.Ring storage ring,
        uint32 firstSlot,
        uint256[12] calldata orders,
        uint256 to
    ) private view {
        for (uint256 index; index < to; ++index) {
            uint256 order = ScheduleOrders.orderAt(orders, index);
            if (ScheduleOrders.energyWh(order) != 0) _subtract(pages, ring, firstSlot, index, order);
        }
    }

    /// @notice Add an order to its tick's sum, unless that would not fit. An order without energy changes nothing.
    function _add(
        PageMemory.Pages memory pages,
        TickBook.Ring storage ring,
        uint32 firstSlot,
        uint256 index,
        uint256 order
    ) private view returns (bool fits) {
        unchecked {
            uint256 energy = ScheduleOrders.energyWh(order);
            if (energy == 0) return true;
            uint256 word = PageMemory.sumsOf(pages, ring, firstSlot, index, order);
            uint256 shift = ScheduleOrders.laneShift(order);
            uint256 sums = PageMemory.load(word);
            fits = ((sums >> shift) & TickBook.LANE_MAX) + energy <= TickBook.LANE_MAX;
            if (fits) PageMemory.store(word, sums + (energy << shift));
        }
    }

    /// @notice Subtract an order; the sum holds it, so nothing is borrowed from the next lane.
    function _subtract(
        PageMemory.Pages memory pages,
        TickBook.Ring storage ring,
        uint32 firstSlot,
        uint256 index,
        uint256 order
    ) private view {
        uint256 word = PageMemory.sumsOf(pages, ring, firstSlot, index, order);
        PageMemory.store(
            word, PageMemory.load(word) - (ScheduleOrders.energyWh(order) << ScheduleOrders.laneShift(order))
        );
    }
}
