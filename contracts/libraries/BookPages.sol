// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SlotHeader} from "../types/SlotHeader.sol";
import {DeliverySlots} from "./DeliverySlots.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";
import {TickBook} from "./TickBook.sol";

/// @title The books of one zone and day in memory, so that many schedules write each word once.
/// @notice Orders go into pages; {flush} writes what was touched. A refused schedule leaves no energy behind.
/// @dev A page is SlotHeader | bitmap of words loaded | 32 words of sums, 34 words in all, made when its slot is first
/// ordered in. A page whose header is zero holds nothing and is loaded anew, so pages serve day after day.
library BookPages {
    using TickBook for TickBook.Ring;

    uint256 private constant PAGE_BYTES = 34 * 32;

    /// @param addresses memory address of each slot's page, zero before it is made
    struct Pages {
        uint256[96] addresses;
    }

    /// @notice Add the orders of a schedule.
    /// @param firstSlot first slot of the day
    /// @return stoppedAt index of the first order whose tick sum would not fit its 32 bits, then no order was added;
    /// 96 if all were
    function add(Pages memory pages, TickBook.Ring storage ring, uint32 firstSlot, uint256[12] calldata orders)
        internal
        view
        returns (uint256 stoppedAt)
    {
        for (uint256 index; index < DeliverySlots.SLOTS_PER_DAY; ++index) {
            uint256 order = ScheduleOrders.orderAt(orders, index);
            if (ScheduleOrders.energyWh(order) == 0) continue;
            if (!_add(_word(pages, ring, firstSlot, index, order), order)) {
                _takeBack(pages, ring, firstSlot, orders, index);
                return index;
            }
        }
        return DeliverySlots.SLOTS_PER_DAY;
    }

    /// @notice Put the orders from index `from` on in the place of `previous`; unchanged ones cost nothing.
    /// @return stoppedAt as in {add}, but nothing is taken back: the caller must revert
    function exchange(
        Pages memory pages,
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
            if (ScheduleOrders.energyWh(old) != 0) _subtract(_word(pages, ring, firstSlot, index, old), old);
            if (ScheduleOrders.energyWh(order) == 0) continue;
            if (!_add(_word(pages, ring, firstSlot, index, order), order)) return index;
        }
        return DeliverySlots.SLOTS_PER_DAY;
    }

    /// @notice Write every touched word and its header, and forget the pages' contents.
    function flush(Pages memory pages, TickBook.Ring storage ring) internal {
        for (uint256 index; index < DeliverySlots.SLOTS_PER_DAY; ++index) {
            uint256 page = pages.addresses[index];
            if (page == 0 || _load(page) == 0) continue;
            SlotHeader header = SlotHeader.wrap(_load(page));
            uint256 touched = _load(page + 32);
            ring.store(header.withLive(touched));
            for (uint256 word; touched >> word != 0; ++word) {
                if ((touched >> word) & 1 == 1) ring.write(header.slot(), word, _load(page + 64 + word * 32));
            }
            _store(page, 0);
        }
    }

    /// @notice Subtract the orders before index `to`, which were added.
    function _takeBack(
        Pages memory pages,
        TickBook.Ring storage ring,
        uint32 firstSlot,
        uint256[12] calldata orders,
        uint256 to
    ) private view {
        for (uint256 index; index < to; ++index) {
            uint256 order = ScheduleOrders.orderAt(orders, index);
            if (ScheduleOrders.energyWh(order) != 0) _subtract(_word(pages, ring, firstSlot, index, order), order);
        }
    }

    /// @notice Add an order to the sums at memory address `word`, unless its lane would overflow.
    function _add(uint256 word, uint256 order) private pure returns (bool fits) {
        uint256 shift = ScheduleOrders.laneShift(order);
        uint256 energy = ScheduleOrders.energyWh(order);
        uint256 sums = _load(word);
        fits = ((sums >> shift) & TickBook.LANE_MAX) + energy <= TickBook.LANE_MAX;
        if (fits) _store(word, sums + (energy << shift));
    }

    /// @notice Subtract an order; the sum holds it, so nothing is borrowed from the next lane.
    function _subtract(uint256 word, uint256 order) private pure {
        _store(word, _load(word) - (ScheduleOrders.energyWh(order) << ScheduleOrders.laneShift(order)));
    }

    /// @notice Memory address of the sums that `order` belongs to, loaded from the ring if they were not yet.
    function _word(Pages memory pages, TickBook.Ring storage ring, uint32 firstSlot, uint256 index, uint256 order)
        private
        view
        returns (uint256 word)
    {
        uint256 page = pages.addresses[index];
        if (page == 0) page = pages.addresses[index] = _allocate();
        if (_load(page) == 0) {
            _store(page, SlotHeader.unwrap(ring.load(firstSlot + uint32(index))));
            _store(page + 32, 0);
        }
        uint256 wordIndex = ScheduleOrders.wordIndex(order);
        word = page + 64 + wordIndex * 32;
        uint256 touched = _load(page + 32);
        if ((touched >> wordIndex) & 1 == 0) {
            _store(page + 32, touched | (1 << wordIndex));
            _store(word, ring.read(SlotHeader.wrap(_load(page)), wordIndex));
        }
    }

    function _allocate() private pure returns (uint256 page) {
        assembly ("memory-safe") {
            page := mload(0x40)
            mstore(0x40, add(page, PAGE_BYTES))
            mstore(page, 0) // memory may hold scratch: an empty page must say so
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
