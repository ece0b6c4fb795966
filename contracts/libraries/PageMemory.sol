// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SlotHeader} from "../types/SlotHeader.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";
import {TickBook} from "./TickBook.sol";

/// @title Memory behind {BookPages}: where a slot's page stands and when it is filled.
/// @dev A page is SlotHeader | bitmap of words loaded | 32 words of sums, 34 words in all. It is made when its slot is
/// first ordered in and serves that slot of the day again after a flush, for another zone or day.
library PageMemory {
    using TickBook for TickBook.Ring;

    uint256 private constant PAGE_BYTES = 34 * 32;
    /// @dev Byte of a page at which its bitmap of loaded words stands, and at which its sums begin.
    uint256 internal constant TOUCHED = 32;
    uint256 internal constant SUMS = 64;

    /// @param open memory address of each slot's page since the last flush, zero if there is none
    /// @param made memory address of each slot's page, open or not
    /// @param slots bitmap of the slots with an open page
    struct Pages {
        uint256[96] open;
        uint256[96] made;
        uint256 slots;
    }

    /// @notice Memory address of the sums that `order` belongs to, loaded from the ring if they were not yet.
    function sumsOf(Pages memory pages, TickBook.Ring storage ring, uint32 firstSlot, uint256 index, uint256 order)
        internal
        view
        returns (uint256 word)
    {
        uint256 wordIndex = ScheduleOrders.wordIndex(order);
        return fetch(pages, ring, firstSlot, index, wordIndex) + SUMS + wordIndex * 32;
    }

    /// @notice Memory address of a slot's page, with word `wordIndex` loaded from the ring.
    function fetch(Pages memory pages, TickBook.Ring storage ring, uint32 firstSlot, uint256 index, uint256 wordIndex)
        internal
        view
        returns (uint256 page)
    {
        page = pages.open[index];
        if (page == 0) page = _openPage(pages, ring, firstSlot, index);
        uint256 touched = load(page + TOUCHED);
        if ((touched >> wordIndex) & 1 == 1) return page;
        store(page + TOUCHED, touched | (1 << wordIndex));
        store(page + SUMS + wordIndex * 32, ring.read(SlotHeader.wrap(load(page)), wordIndex));
    }

    function _openPage(Pages memory pages, TickBook.Ring storage ring, uint32 firstSlot, uint256 index)
        private
        view
        returns (uint256 page)
    {
        page = pages.made[index];
        if (page == 0) {
            assembly ("memory-safe") {
                page := mload(0x40)
                mstore(0x40, add(page, PAGE_BYTES))
            }
            pages.made[index] = page;
        }
        pages.open[index] = page;
        pages.slots |= 1 << index;
        store(page, SlotHeader.unwrap(ring.load(firstSlot + uint32(index))));
        store(page + TOUCHED, 0);
    }

    /// @notice Memory address of `pages.open`; indices below 96 need no check.
    function openTable(Pages memory pages) internal pure returns (uint256 table) {
        assembly ("memory-safe") {
            table := mload(pages)
        }
    }

    function load(uint256 from) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(from)
        }
    }

    function store(uint256 to, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(to, value)
        }
    }
}
