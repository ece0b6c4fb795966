// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {BookClearing} from "../../../contracts/libraries/BookClearing.sol";
import {RING_SLOTS} from "../../../contracts/libraries/DeliverySlots.sol";
import {TickBook} from "../../../contracts/libraries/TickBook.sol";
import {Margin} from "../../../contracts/types/SlotResult.sol";
import {BruteForceClearing} from "./BruteForceClearing.sol";
import {CHEATS} from "./Cheats.sol";
import {MarketDraws} from "./MarketDraws.sol";
import {OrderTwin} from "./OrderTwin.sol";

/// @dev Fuzz of the book and its clearing against sums kept in arrays and the rule told on them.
contract TickBookTest {
    using BookClearing for TickBook.Ring;
    using BruteForceClearing for uint256[128];
    using TickBook for TickBook.Ring;

    uint32 private constant SLOT = 96 * 20_000 + 7;
    uint256 private constant NO_CAP = type(uint32).max;

    TickBook.Ring private _ring;

    /// @dev INV-M4. A cap of nothing, of one Wh, just below, at and above what would be matched, or any.
    /// forge-config: default.fuzz.runs = 20000
    function testFuzz_clear__adversarial_book_and_cap__equals_brute_force(uint256 seed) external {
        OrderTwin.Order[] memory orders = _orders(seed);
        _place(SLOT, orders);
        (uint256[128] memory bids, uint256[128] memory offers) = _sums(orders);
        IEnergyMarket.Clearing memory uncapped = _clear(SLOT, NO_CAP);
        _requireAsByBruteForce(uncapped, bids, offers, NO_CAP);
        uint256 volume = uncapped.volumeWh;
        uint256[6] memory caps = [0, 1, volume == 0 ? 0 : volume - 1, volume, volume + 1, (seed >> 128) % (volume + 2)];
        uint256 capWh = caps[(seed >> 64) % 6];
        _requireAsByBruteForce(_clear(SLOT, capWh), bids, offers, capWh);
    }

    /// @dev INV-M2, INV-M3, INV-M6.
    /// forge-config: default.fuzz.runs = 2000
    function testFuzz_fill__every_order__within_quantity_and_limit(uint256 seed) external {
        OrderTwin.Order[] memory orders = _orders(seed);
        _place(SLOT, orders);
        uint256 capWh = seed % 2 == 0 ? NO_CAP : (seed >> 128) % (_clear(SLOT, NO_CAP).volumeWh + 2);
        IEnergyMarket.Clearing memory result = _clear(SLOT, capWh);
        uint256 bought;
        uint256 sold;
        for (uint256 i; i < orders.length; ++i) {
            (uint256 filled,) = OrderTwin.fill(orders[i], result, orders[i].tick);
            require(filled <= orders[i].energyWh, "beyond quantity");
            bool isBetter = orders[i].isOffer ? orders[i].tick < result.offerTick : orders[i].tick > result.bidTick;
            require(!isBetter || filled == orders[i].energyWh, "better order left out");
            if (orders[i].isOffer) {
                require(filled == 0 || orders[i].tick <= result.tick, "below limit");
                sold += filled;
            } else {
                require(filled == 0 || orders[i].tick >= result.tick, "above limit");
                bought += filled;
            }
        }
        uint256 volume = result.volumeWh;
        require(volume <= capWh && bought <= volume && sold <= volume, "more than was matched");
        require(bought + orders.length >= volume && sold + orders.length >= volume, "dust beyond 1 Wh an order");
    }

    /// @dev INV-M5.
    function testFuzz_add__other_order_of_arrival__same_book(uint256 seed) external {
        OrderTwin.Order[] memory orders = _orders(seed);
        _place(SLOT, orders);
        for (uint256 i = orders.length; i > 1; --i) {
            uint256 other = MarketDraws.random(seed, i) % i;
            (orders[i - 1], orders[other]) = (orders[other], orders[i - 1]);
        }
        _place(SLOT + 1, orders);
        for (uint256 word; word < TickBook.WORDS; ++word) {
            require(_ring.read(SLOT, word) == _ring.read(SLOT + 1, word), "order of arrival matters");
        }
    }

    /// @dev INV-M8.
    function testFuzz_add__next_lap__old_quantity_never_returns(uint256 seed, uint8 laps) external {
        uint32 later = SLOT + RING_SLOTS * (1 + uint32(laps) % 3);
        _place(SLOT, _orders(seed));
        OrderTwin.Order[] memory orders = _orders(~seed);
        for (uint256 word; word < TickBook.WORDS; ++word) {
            require(_ring.read(later, word) == 0, "revived");
        }
        _place(later, orders);
        (uint256[128] memory bids, uint256[128] memory offers) = _sums(orders);
        _requireAsByBruteForce(_clear(later, NO_CAP), bids, offers, NO_CAP);
    }

    function testFuzz_subtract__some_of_the_orders__as_if_they_never_were(uint256 seed) external {
        OrderTwin.Order[] memory orders = _orders(seed);
        _place(SLOT, orders);
        for (uint256 i; i < orders.length; ++i) {
            if (MarketDraws.random(seed, i) % 2 == 0) continue;
            (uint256 word, uint256 lane) = TickBook.placeOf(orders[i].tick, orders[i].isOffer);
            _ring.subtract(SLOT, word, lane, orders[i].energyWh);
            orders[i].energyWh = 0;
        }
        _place(SLOT + 1, orders);
        for (uint256 word; word < TickBook.WORDS; ++word) {
            require(_ring.read(SLOT, word) == _ring.read(SLOT + 1, word), "something stayed");
        }
    }

    /// @dev INV-M16: a tick holds 2^24 − 1 Wh; what is more does not touch it, nor the ticks beside it.
    function testFuzz_add__sum_would_overflow__adds_nothing(uint8 tick, bool isOffer, uint24 first, uint24 second)
        external
    {
        (uint256 word, uint256 lane) = TickBook.placeOf(tick % 128, isOffer);
        require(_ring.add(SLOT, word, lane, first), "the first fits");
        bool fits = uint256(first) + second <= MarketDraws.MOST_WH;
        require(_ring.add(SLOT, word, lane, second) == fits, "fits");
        uint256 sum = fits ? uint256(first) + second : first;
        for (uint256 index; index < TickBook.WORDS; ++index) {
            require(_ring.read(SLOT, index) == (index == word ? sum << (24 * lane) : 0), "sums");
        }
    }

    /// @dev Why clearing costs the same for ten orders and for ten thousand: 14 words of 26 are read to find the price,
    /// one more where it is one of several, and those beyond the cap.
    function test_clear__every_tick_ordered__reads_few_words() external {
        for (uint256 i; i < 256; ++i) {
            (uint256 word, uint256 lane) = TickBook.placeOf(i % 128, i >= 128);
            _ring.add(SLOT, word, lane, 1000 + 31 * i);
        }
        require(_readsToClear(NO_CAP) == 14, "reads");
        require(_readsToClear(1) == 16, "reads with a cap of one Wh");
        require(_readsToClear(_clear(SLOT, NO_CAP).volumeWh) <= 14 + 15, "reads with a cap at the volume");
    }

    /// @dev Orders of eight shapes of book: few and small around few ticks, so that many balance exactly; any; all at
    /// one tick; at the ends alone; one side or none; every tick full; sizes at their limits; and stairs that cross.
    function _orders(uint256 seed) private pure returns (OrderTwin.Order[] memory orders) {
        uint256 shape = seed % 8;
        uint256 count = (seed >> 8) % 40;
        if (shape == 0) count %= 8;
        if (shape == 5) count = 256;
        orders = new OrderTwin.Order[](count);
        uint256 band = shape == 2 ? 1 : 1 + (seed >> 16) % 128;
        uint256 low = (seed >> 24) % (129 - band);
        for (uint256 i; i < count; ++i) {
            uint256 r = MarketDraws.random(seed, i);
            uint256 energyWh = 1 + (r >> 64) % (shape == 0 ? 3 : MarketDraws.MOST_WH >> ((seed >> 32) % 24));
            if (shape == 5) energyWh = MarketDraws.MOST_WH;
            if (shape == 6) energyWh = r % 3 == 0 ? MarketDraws.MOST_WH : 1;
            if (shape == 7) energyWh = 1 + (seed >> 64) % 5;
            orders[i] = OrderTwin.Order(r % 2 == 1, low + (r >> 8) % band, energyWh);
            if (shape == 3) orders[i].tick = (r >> 8) % 2 * 127;
            if (shape == 4) orders[i].isOffer = (seed >> 48) % 2 == 1;
            if (shape == 5) (orders[i].isOffer, orders[i].tick) = (i >= 128, i % 128);
            if (shape == 7) orders[i].tick = orders[i].isOffer ? i : 127 - i;
        }
        _shed(orders);
    }

    /// @dev Take away what the sum of a tick would not hold.
    function _shed(OrderTwin.Order[] memory orders) private pure {
        uint256[128][2] memory sums;
        for (uint256 i; i < orders.length; ++i) {
            uint256[128] memory side = sums[orders[i].isOffer ? 1 : 0];
            if (side[orders[i].tick] + orders[i].energyWh > MarketDraws.MOST_WH) orders[i].energyWh = 0;
            side[orders[i].tick] += orders[i].energyWh;
        }
    }

    function _place(uint32 slot, OrderTwin.Order[] memory orders) private {
        for (uint256 i; i < orders.length; ++i) {
            if (orders[i].energyWh == 0) continue;
            (uint256 word, uint256 lane) = TickBook.placeOf(orders[i].tick, orders[i].isOffer);
            require(_ring.add(slot, word, lane, orders[i].energyWh), "overflow");
        }
    }

    function _sums(OrderTwin.Order[] memory orders)
        private
        pure
        returns (uint256[128] memory bids, uint256[128] memory offers)
    {
        for (uint256 i; i < orders.length; ++i) {
            (orders[i].isOffer ? offers : bids)[orders[i].tick] += orders[i].energyWh;
        }
    }

    function _clear(uint32 slot, uint256 capWh) private view returns (IEnergyMarket.Clearing memory result) {
        (uint256 tick, uint256 volume, Margin memory bids, Margin memory offers) = _ring.clear(slot, capWh);
        (result.cleared, result.tick, result.volumeWh) = (true, uint8(tick), volume);
        (result.bidTick, result.offerTick) = (uint8(bids.tick), uint8(offers.tick));
        (result.marginalBidFilledWh, result.marginalBidWh) = (bids.filledWh, bids.totalWh);
        (result.marginalOfferFilledWh, result.marginalOfferWh) = (offers.filledWh, offers.totalWh);
    }

    function _requireAsByBruteForce(
        IEnergyMarket.Clearing memory result,
        uint256[128] memory bids,
        uint256[128] memory offers,
        uint256 capWh
    ) private pure {
        BruteForceClearing.Result memory expected = bids.clear(offers, capWh);
        require(result.tick == expected.tick, "tick");
        require(result.volumeWh == expected.volumeWh, "volume");
        require(result.bidTick == expected.bidTick && result.offerTick == expected.offerTick, "margins");
        require(result.marginalBidFilledWh == expected.bidFilledWh, "bids filled");
        require(result.marginalBidWh == expected.bidWh, "bids at the margin");
        require(result.marginalOfferFilledWh == expected.offerFilledWh, "offers filled");
        require(result.marginalOfferWh == expected.offerWh, "offers at the margin");
        require(
            result.volumeWh == BruteForceClearing.mostVolume(bids.curves(offers, capWh)), "another price matches more"
        );
    }

    function _readsToClear(uint256 capWh) private returns (uint256) {
        CHEATS.record();
        _clear(SLOT, capWh);
        (bytes32[] memory reads,) = CHEATS.accesses(address(this));
        return reads.length;
    }
}
