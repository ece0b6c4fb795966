// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BookClearing} from "../libraries/BookClearing.sol";
import {TickBook} from "../libraries/TickBook.sol";
import {Margin, SlotResult, clearedSlot} from "../types/SlotResult.sol";

/// @notice Clears many books in one call, for tests that compare the results with Python's.
contract BookHarness {
    using BookClearing for TickBook.Ring;

    uint32 private constant SLOT = 2_000_000;

    TickBook.Ring private _ring;

    /// @notice Results of books, as {IEnergyMarket-SlotCleared} packs them.
    /// @param books the 26 words of each, without their lap
    /// @param capsWh the feeder cap of each
    function clear(uint256[26][] calldata books, uint32[] calldata capsWh) external returns (uint256[] memory results) {
        results = new uint256[](books.length);
        uint256 lap = TickBook.lapOf(SLOT) << TickBook.LAP_SHIFT;
        for (uint256 i; i < books.length; ++i) {
            for (uint256 word; word < TickBook.WORDS; ++word) {
                _ring.words[(SLOT % 1024) * 32 + word] = lap | books[i][word];
            }
            (uint256 tick, uint256 volume, Margin memory bids, Margin memory offers) = _ring.clear(SLOT, capsWh[i]);
            SlotResult result = clearedSlot(SlotResult.wrap(0), SLOT, tick, volume, capsWh[i], bids, offers);
            results[i] = SlotResult.unwrap(result);
        }
    }
}
