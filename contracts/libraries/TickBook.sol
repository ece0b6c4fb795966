// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SlotHeader, freshHeader} from "../types/SlotHeader.sol";
import {RING_SLOTS} from "./DeliverySlots.sol";

/// @title Order books of sums per price tick, in a ring of delivery slots, and their clearing.
/// @notice 128 ticks a side. A slot has 64 storage words: its header, 16 words of bids (ticks 0–7, 8–15, …) and 16 of
/// offers, each of eight uint32 sums in Wh with the lowest tick in the least significant bits; the rest stays empty
/// so that addresses are shifts. Words of an earlier lap are never cleared: they read as zero until they are live.
library TickBook {
    uint256 internal constant WORDS = 32;
    /// @dev Words per side, and index of the first word of offers.
    uint256 internal constant SIDE = 16;
    uint256 internal constant LANES = 8;
    uint256 internal constant LANE_BITS = 32;
    uint256 internal constant LANE_MAX = type(uint32).max;
    uint256 internal constant MAX_TICK = 127;
    uint256 private constant EVEN_LANES = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;

    struct Ring {
        // RING_SLOTS * 64, written out because Slither cannot fold a constant of the file.
        uint256[65_536] words;
    }

    /// @notice Header of `slot`; a fresh one if its place in the ring still belongs to another lap.
    function load(Ring storage ring, uint32 slot) internal view returns (SlotHeader header) {
        header = SlotHeader.wrap(ring.words[_place(slot)]);
        if (header.slot() != slot) header = freshHeader(slot);
    }

    function store(Ring storage ring, SlotHeader header) internal {
        ring.words[_place(header.slot())] = SlotHeader.unwrap(header);
    }

    /// @notice Word `index` of the book that `header` heads.
    function read(Ring storage ring, SlotHeader header, uint256 index) internal view returns (uint256) {
        return header.isLive(index) ? ring.words[_place(header.slot()) + 1 + index] : 0;
    }

    /// @notice Write word `index`; the caller marks it live in the header it stores.
    function write(Ring storage ring, uint32 slot, uint256 index, uint256 sums) internal {
        ring.words[_place(slot) + 1 + index] = sums;
    }

    /// @notice The header with its result, by the rule {IEnergyMarket-clear} states.
    function clear(Ring storage ring, SlotHeader header) internal view returns (SlotHeader) {
        (uint256 word, uint256 bids, uint256 offers, uint256 demand, uint256 supply) = _crossing(ring, header);
        uint256 lane;
        uint256 bid;
        uint256 offer;
        supply -= sumOf(offers);
        while (true) {
            bid = laneOf(bids, lane);
            offer = laneOf(offers, lane);
            supply += offer;
            demand -= bid;
            // Now supply is S(p) and demand is D(p + 1).
            if (supply >= demand) break;
            ++lane;
        }
        uint256 tick = word * LANES + lane;
        if (supply == demand) {
            uint256 price = (tick + _nextTick(ring, header, tick)) / 2;
            if (price != tick) (tick, bid, offer) = (price, 0, 0);
        }
        uint256 volume = supply < demand + bid ? supply : demand + bid;
        return header.withResult(tick, volume, volume - demand, bid, volume + offer - supply, offer);
    }

    /// @notice Sum of lane `lane` of a word.
    function laneOf(uint256 sums, uint256 lane) internal pure returns (uint256) {
        return (sums >> (lane * LANE_BITS)) & LANE_MAX;
    }

    /// @notice Sum of all eight lanes of a word.
    function sumOf(uint256 sums) internal pure returns (uint256) {
        uint256 pairs = (sums & EVEN_LANES) + ((sums >> 32) & EVEN_LANES);
        pairs += pairs >> 128;
        return uint64(pairs) + uint64(pairs >> 64);
    }

    /// @notice The pair of words in which the lowest tick p with S(p) ≥ D(p + 1) stands, with D from its first tick up
    /// and S up to its last.
    /// @dev Two pointers approach each other: while S(lo) < D(hi), no tick of `lo` can be p, else none above `hi − 1`
    /// needs to be. So 17 words are read, not 32.
    function _crossing(Ring storage ring, SlotHeader header)
        private
        view
        returns (uint256 lo, uint256 bids, uint256 offers, uint256 demand, uint256 supply)
    {
        uint256 hi = SIDE - 1;
        bids = read(ring, header, hi);
        offers = read(ring, header, SIDE);
        demand = sumOf(bids);
        supply = sumOf(offers);
        while (lo < hi) {
            if (supply < demand) {
                offers = read(ring, header, SIDE + ++lo);
                supply += sumOf(offers);
            } else {
                bids = read(ring, header, --hi);
                demand += sumOf(bids);
            }
        }
    }

    /// @notice Lowest tick above `tick` with a bid or an offer; MAX_TICK if there is none.
    function _nextTick(Ring storage ring, SlotHeader header, uint256 tick) private view returns (uint256) {
        uint256 skip = (tick % LANES) + 1;
        // The word a tick stands in: the floor is meant.
        // slither-disable-next-line divide-before-multiply
        for (uint256 word = tick / LANES; word < SIDE; ++word) {
            uint256 sums = read(ring, header, word) | read(ring, header, SIDE + word);
            sums >>= skip * LANE_BITS;
            if (sums != 0) {
                while (sums & LANE_MAX == 0) {
                    sums >>= LANE_BITS;
                    ++skip;
                }
                return word * LANES + skip;
            }
            skip = 0;
        }
        return MAX_TICK;
    }

    function _place(uint32 slot) private pure returns (uint256) {
        return uint256(slot % RING_SLOTS) << 6;
    }
}
