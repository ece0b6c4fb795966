// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BookPages} from "../../../contracts/libraries/BookPages.sol";
import {RING_SLOTS} from "../../../contracts/libraries/DeliverySlots.sol";
import {PageMemory} from "../../../contracts/libraries/PageMemory.sol";
import {ScheduleOrders} from "../../../contracts/libraries/ScheduleOrders.sol";
import {SettlementMath} from "../../../contracts/libraries/SettlementMath.sol";
import {TickBook} from "../../../contracts/libraries/TickBook.sol";
import {SlotHeader} from "../../../contracts/types/SlotHeader.sol";
import {BruteForceClearing} from "./BruteForceClearing.sol";
import {VM} from "./MarketCheats.sol";

/// @dev A ring with the library's functions, taking orders as calldata as the market does.
contract TickBookHarness {
    using BookPages for PageMemory.Pages;
    using TickBook for TickBook.Ring;

    TickBook.Ring private _ring;

    /// @notice Add schedules of one day through the same pages.
    function addAll(uint32 firstSlot, uint256[12][] calldata schedules) external returns (uint256 stoppedAt) {
        PageMemory.Pages memory pages;
        for (uint256 i; i < schedules.length; ++i) {
            stoppedAt = pages.add(_ring, firstSlot, schedules[i]);
        }
        pages.flush(_ring);
    }

    function exchange(uint32 firstSlot, uint256[12] calldata previous, uint256[12] calldata orders) external {
        PageMemory.Pages memory pages;
        require(pages.exchange(_ring, firstSlot, previous, orders, 0) == 96, "overflow");
        pages.flush(_ring);
    }

    function clear(uint32 slot) external view returns (SlotHeader) {
        return _ring.clear(_ring.load(slot));
    }

    function book(uint32 slot) external view returns (uint256[128] memory bids, uint256[128] memory offers) {
        SlotHeader header = _ring.load(slot);
        for (uint256 tick; tick < 128; ++tick) {
            bids[tick] = TickBook.laneOf(_ring.read(header, tick / 8), tick % 8);
            offers[tick] = TickBook.laneOf(_ring.read(header, 16 + tick / 8), tick % 8);
        }
    }
}

/// @dev Fuzz of the book and its clearing against a naive twin.
contract TickBookTest {
    using BruteForceClearing for uint256[128];

    uint32 private constant DAY = 96 * 20_000;
    uint32 private constant SLOT = DAY + 7;

    TickBookHarness private _books;

    function setUp() external {
        _books = new TickBookHarness();
    }

    /// @dev Orders in a band of ticks; few distinct sizes make exact balance frequent, many make it rare.
    function _orders(uint256 seed, uint256 count, uint256 band, uint256 sizes)
        private
        pure
        returns (uint256[] memory orders)
    {
        count %= 40;
        band = 1 + band % 128;
        sizes = 1 + sizes % ((1 << 24) - 1);
        uint256 low = uint256(keccak256(abi.encode(seed, "low"))) % (129 - band);
        orders = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 tick = low + (random >> 8) % band;
            orders[i] = ((random & 1) << 31) | (tick << 24) | (1 + (random >> 64) % sizes);
        }
    }

    function _schedule(uint32 slot, uint256 order) private pure returns (uint256[12] memory words) {
        uint256 index = slot % 96;
        words[index / 8] = order << (224 - (index % 8) * 32);
    }

    function _place(uint32 slot, uint256[] memory orders) private {
        uint256[12][] memory schedules = new uint256[12][](orders.length);
        for (uint256 i; i < orders.length; ++i) {
            schedules[i] = _schedule(slot, orders[i]);
        }
        require(orders.length == 0 || _books.addAll(slot - slot % 96, schedules) == 96, "refused");
    }

    function _sums(uint256[] memory orders)
        private
        pure
        returns (uint256[128] memory bids, uint256[128] memory offers)
    {
        for (uint256 i; i < orders.length; ++i) {
            uint256[128] memory side = ScheduleOrders.isOffer(orders[i]) ? offers : bids;
            side[ScheduleOrders.tickOf(orders[i])] += ScheduleOrders.energyWh(orders[i]);
        }
    }

    function _requireSame(uint256[128] memory a, uint256[128] memory b) private pure {
        require(keccak256(abi.encode(a)) == keccak256(abi.encode(b)), "book differs");
    }

    function testFuzz_clear__random_book__equals_brute_force(uint256 seed, uint256 count, uint256 band, uint256 sizes)
        external
    {
        uint256[] memory orders = _orders(seed, count, band, sizes);
        _place(SLOT, orders);
        (uint256[128] memory bids, uint256[128] memory offers) = _sums(orders);
        (uint256[128] memory heldBids, uint256[128] memory heldOffers) = _books.book(SLOT);
        _requireSame(bids, heldBids);
        _requireSame(offers, heldOffers);
        BruteForceClearing.Result memory expected = bids.clear(offers);
        SlotHeader result = _books.clear(SLOT);
        require(result.isCleared() && result.slot() == SLOT, "not cleared");
        require(result.tick() == expected.tick, "tick");
        require(result.volumeWh() == expected.volumeWh, "volume");
        require(result.marginalBidFilledWh() == expected.bidFilledWh, "bid filled");
        require(result.marginalBidWh() == expected.bidWh, "bid total");
        require(result.marginalOfferFilledWh() == expected.offerFilledWh, "offer filled");
        require(result.marginalOfferWh() == expected.offerWh, "offer total");
    }

    /// @dev Small sizes over few ticks: about half of these books balance exactly.
    function testFuzz_clear__balanced_book__equals_brute_force(uint256 seed, uint256 count, uint256 band) external {
        uint256[] memory orders = _orders(seed, count % 8, band, seed % 3);
        _place(SLOT, orders);
        (uint256[128] memory bids, uint256[128] memory offers) = _sums(orders);
        BruteForceClearing.Result memory expected = bids.clear(offers);
        SlotHeader result = _books.clear(SLOT);
        require(result.tick() == expected.tick && result.volumeWh() == expected.volumeWh, "differs");
        require(result.marginalBidFilledWh() == expected.bidFilledWh, "bid filled");
        require(result.marginalOfferFilledWh() == expected.offerFilledWh, "offer filled");
    }

    /// @dev INV-M4.
    function testFuzz_clear__every_other_price__volume_is_maximal(uint256 seed, uint256 count, uint256 band) external {
        uint256[] memory orders = _orders(seed, count, band, seed >> 128);
        _place(SLOT, orders);
        (uint256[128] memory bids, uint256[128] memory offers) = _sums(orders);
        uint256 volume = _books.clear(SLOT).volumeWh();
        for (uint256 tick; tick < 128; ++tick) {
            require(bids.volumeAt(offers, tick) <= volume, "another price clears more");
        }
    }

    /// @dev INV-M2, INV-M3, INV-M6.
    function testFuzz_fill__every_order__within_quantity_and_limit(uint256 seed, uint256 count, uint256 band) external {
        uint256[] memory orders = _orders(seed, count, band, seed >> 128);
        _place(SLOT, orders);
        SlotHeader result = _books.clear(SLOT);
        uint256 bought;
        uint256 sold;
        for (uint256 i; i < orders.length; ++i) {
            uint256 energy = ScheduleOrders.energyWh(orders[i]);
            uint256 tick = ScheduleOrders.tickOf(orders[i]);
            int256 contracted = SettlementMath.contractedWh(orders[i], result);
            uint256 filled = uint256(contracted < 0 ? -contracted : contracted);
            require(filled <= energy, "beyond quantity");
            if (ScheduleOrders.isOffer(orders[i])) {
                require(contracted <= 0 && (filled == 0 || tick <= result.tick()), "below limit");
                require(filled == energy || tick >= result.tick(), "better offer left out");
                sold += filled;
            } else {
                require(contracted >= 0 && (filled == 0 || tick >= result.tick()), "above limit");
                require(filled == energy || tick <= result.tick(), "better bid left out");
                bought += filled;
            }
        }
        uint256 volume = result.volumeWh();
        require(bought <= volume && sold <= volume, "more than was matched");
        require(bought + orders.length >= volume && sold + orders.length >= volume, "dust beyond 1 Wh an order");
    }

    /// @dev INV-M5.
    function testFuzz_add__other_order_and_grouping__same_result(uint256 seed, uint256 count, uint256 band) external {
        uint256[] memory orders = _orders(seed, count, band, seed >> 128);
        _place(SLOT, orders);
        TickBookHarness together = _books;
        _books = new TickBookHarness();
        uint256[] memory one = new uint256[](1);
        for (uint256 i = orders.length; i > 0; --i) {
            uint256 swap = uint256(keccak256(abi.encode(seed, "swap", i))) % i;
            (one[0], orders[swap]) = (orders[swap], orders[i - 1]);
            _place(SLOT, one);
        }
        require(
            SlotHeader.unwrap(_books.clear(SLOT)) == SlotHeader.unwrap(together.clear(SLOT)), "order of arrival matters"
        );
    }

    /// @dev INV-M8.
    function testFuzz_add__next_lap__old_quantity_never_returns(uint256 seed, uint256 count, uint8 laps) external {
        uint256[] memory old = _orders(seed, 39, 127, seed >> 128);
        uint256[] memory orders = _orders(~seed, count % 6, seed, seed >> 128);
        uint32 later = SLOT + RING_SLOTS * (1 + uint32(laps) % 3);
        _place(SLOT, old);
        _place(later, orders);
        (uint256[128] memory bids, uint256[128] memory offers) = _sums(orders);
        (uint256[128] memory heldBids, uint256[128] memory heldOffers) = _books.book(later);
        _requireSame(bids, heldBids);
        _requireSame(offers, heldOffers);
        require(_books.clear(later).volumeWh() == bids.clear(offers).volumeWh, "revived");
    }

    function testFuzz_exchange__any_schedules__as_if_the_first_never_was(uint256 seed, uint256 a, uint256 b) external {
        uint256[12] memory previous;
        uint256[12] memory orders;
        for (uint256 word; word < 12; ++word) {
            previous[word] = uint256(keccak256(abi.encode(seed, a, word))) & uint256(keccak256(abi.encode(b)));
            orders[word] = uint256(keccak256(abi.encode(seed, b, word))) & uint256(keccak256(abi.encode(a)));
        }
        uint256[12][] memory schedules = new uint256[12][](1);
        schedules[0] = previous;
        _books.addAll(DAY, schedules);
        _books.exchange(DAY, previous, orders);
        TickBookHarness expected = new TickBookHarness();
        schedules[0] = orders;
        expected.addAll(DAY, schedules);
        for (uint32 slot = DAY; slot < DAY + 96; slot += 5) {
            (uint256[128] memory bids, uint256[128] memory offers) = expected.book(slot);
            (uint256[128] memory heldBids, uint256[128] memory heldOffers) = _books.book(slot);
            _requireSame(bids, heldBids);
            _requireSame(offers, heldOffers);
        }
    }

    /// @dev INV-M16: 256 orders of 2^24 − 1 Wh fit one tick; what a refused schedule placed before is taken back whole.
    function test_add__tick_sum_overflows__nothing_of_the_schedule_remains() external {
        uint256 largest = (uint256(1) << 31) | (5 << 24) | 0xffffff;
        uint256[12][] memory schedules = new uint256[12][](257);
        for (uint256 i; i < 257; ++i) {
            schedules[i] = _schedule(SLOT, largest);
        }
        schedules[256][0] |= uint256(0x0b000009) << 224; // a bid at tick 11 in the day's first slot
        require(_books.addAll(DAY, schedules) == SLOT - DAY, "must stop at the overflow");
        (uint256[128] memory bids, uint256[128] memory offers) = _books.book(SLOT);
        require(offers[5] == 256 * 0xffffff && offers[4] == 0 && offers[6] == 0 && bids[5] == 0, "wrong sums");
        (bids,) = _books.book(DAY);
        require(bids[11] == 0, "left behind");
    }

    /// @dev Why clearing costs the same for ten orders and for ten thousand: header and 17 of 32 words are read.
    function test_clear__every_tick_ordered__reads_18_words() external {
        uint256[] memory orders = new uint256[](256);
        for (uint256 i; i < 256; ++i) {
            orders[i] = (i << 24) | (1000 + 31 * i);
        }
        _place(SLOT, orders);
        VM.record();
        _books.clear(SLOT);
        (bytes32[] memory reads,) = VM.accesses(address(_books));
        require(reads.length == 18, "storage reads");
    }
}
