// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Margin} from "../types/SlotResult.sol";
import {RING_SLOTS} from "./DeliverySlots.sol";

/// @title Order books of sums per price tick, in a ring of delivery slots, and their clearing.
/// @notice 128 ticks a side. A slot has 32 storage words of which 26 are used: 13 of bids (ticks 0–9, 10–19, …) and 13 of
/// offers. A word is lap u16 | ten uint24 sums in Wh, the lowest tick in the least significant bits. The lap, slot / 1024,
/// says which slot of the ring the word was written for: one of an earlier lap reads as zero, so nothing is ever cleared
/// away and no header has to be written when an order comes.
library TickBook {
    uint256 internal constant WORDS = 26;
    /// @dev Words per side, and index of the first word of offers.
    uint256 internal constant SIDE = 13;
    uint256 internal constant LANES = 10;
    uint256 internal constant LANE_BITS = 24;
    uint256 internal constant LANE_MAX = type(uint24).max;
    uint256 internal constant MAX_TICK = 127;
    uint256 internal constant LAP_SHIFT = 240;
    uint256 private constant SUMS = (1 << LAP_SHIFT) - 1;
    uint256 private constant EVEN_LANES = 0x000000ffffff000000ffffff000000ffffff000000ffffff000000ffffff;
    uint256 private constant PAIR_ONES = 0x000000000001000000000001000000000001000000000001000000000001;

    struct Ring {
        // RING_SLOTS * 32, written out because Slither cannot fold a constant of the file.
        uint256[32_768] words;
    }

    /// @notice Sums of word `index` of the book of `slot`.
    function read(Ring storage ring, uint32 slot, uint256 index) internal view returns (uint256) {
        uint256 word = ring.words[_place(slot) + index];
        return word >> LAP_SHIFT == lapOf(slot) ? word & SUMS : 0;
    }

    /// @notice Word and lane of a tick on one side.
    function placeOf(uint256 tick, bool isOffer) internal pure returns (uint256 index, uint256 lane) {
        unchecked {
            return (tick / LANES + (isOffer ? SIDE : 0), tick % LANES);
        }
    }

    /// @notice Add energy to the sum of a place.
    /// @return fits whether the sum can hold it; if not, nothing was added
    function add(Ring storage ring, uint32 slot, uint256 index, uint256 lane, uint256 energyWh)
        internal
        returns (bool fits)
    {
        unchecked {
            uint256 sums = read(ring, slot, index);
            fits = laneOf(sums, lane) + energyWh <= LANE_MAX;
            if (!fits) return false;
            sums += energyWh << (lane * LANE_BITS);
            ring.words[_place(slot) + index] = (lapOf(slot) << LAP_SHIFT) | sums;
        }
    }

    /// @notice Take energy that was added back from the sum of a place.
    function subtract(Ring storage ring, uint32 slot, uint256 index, uint256 lane, uint256 energyWh) internal {
        ring.words[_place(slot) + index] -= energyWh << (lane * LANE_BITS);
    }

    /// @notice Result of a slot's book by the rule {IEnergyMarket-clear} states.
    /// @param capWh feeder cap
    function clear(Ring storage ring, uint32 slot, uint256 capWh)
        internal
        view
        returns (uint256 tick, uint256 volume, Margin memory bids, Margin memory offers)
    {
        (uint256 word, uint256 bidSums, uint256 offerSums, uint256 demand, uint256 supply) = _crossing(ring, slot);
        uint256 lane;
        supply -= sumOf(offerSums);
        while (true) {
            bids.totalWh = laneOf(bidSums, lane);
            offers.totalWh = laneOf(offerSums, lane);
            supply += offers.totalWh;
            demand -= bids.totalWh;
            // Now supply is S(p) and demand is D(p + 1).
            if (supply >= demand) break;
            ++lane;
        }
        tick = word * LANES + lane;
        if (supply == demand) {
            uint256 middle = (tick + _nextTick(ring, slot, tick)) / 2;
            if (middle != tick) (tick, bids.totalWh, offers.totalWh) = (middle, 0, 0);
        }
        volume = supply < demand + bids.totalWh ? supply : demand + bids.totalWh;
        if (volume >= capWh) {
            _cutBids(ring, slot, capWh, bids);
            _cutOffers(ring, slot, capWh, offers);
            return ((bids.tick + offers.tick) / 2, capWh, bids, offers);
        }
        (bids.tick, offers.tick) = (tick, tick);
        (bids.filledWh, offers.filledWh) = (volume - demand, volume + offers.totalWh - supply);
    }

    /// @notice Sum of lane `lane` of a word.
    function laneOf(uint256 sums, uint256 lane) internal pure returns (uint256) {
        return (sums >> (lane * LANE_BITS)) & LANE_MAX;
    }

    /// @notice Sum of all ten lanes of a word without its lap.
    /// @dev Neighbours are added in fields of 48 bits; multiplied by ones, the topmost field is the sum of all five.
    function sumOf(uint256 sums) internal pure returns (uint256) {
        unchecked {
            uint256 pairs = (sums & EVEN_LANES) + ((sums >> LANE_BITS) & EVEN_LANES);
            return uint48((pairs * PAIR_ONES) >> 192);
        }
    }

    /// @notice Lap of the ring that `slot` belongs to. It comes again after 1,900 years.
    function lapOf(uint32 slot) internal pure returns (uint256) {
        return uint16(slot / RING_SLOTS);
    }

    /// @notice The pair of words in which the lowest tick p with S(p) ≥ D(p + 1) stands, with D from its first tick up
    /// and S up to its last.
    /// @dev Two pointers approach each other: while S(lo) < D(hi), no tick of `lo` can be p, else none above `hi − 1`
    /// needs to be. So 14 words are read, not 26.
    function _crossing(Ring storage ring, uint32 slot)
        private
        view
        returns (uint256 lo, uint256 bids, uint256 offers, uint256 demand, uint256 supply)
    {
        uint256 hi = SIDE - 1;
        bids = read(ring, slot, hi);
        offers = read(ring, slot, SIDE);
        demand = sumOf(bids);
        supply = sumOf(offers);
        while (lo < hi) {
            if (supply < demand) {
                offers = read(ring, slot, SIDE + ++lo);
                supply += sumOf(offers);
            } else {
                bids = read(ring, slot, --hi);
                demand += sumOf(bids);
            }
        }
    }

    /// @notice Lowest tick above `tick` with a bid or an offer; MAX_TICK if there is none.
    function _nextTick(Ring storage ring, uint32 slot, uint256 tick) private view returns (uint256) {
        uint256 skip = (tick % LANES) + 1;
        // The word a tick stands in: the floor is meant.
        // slither-disable-next-line divide-before-multiply
        for (uint256 word = tick / LANES; word < SIDE; ++word) {
            uint256 sums = read(ring, slot, word) | read(ring, slot, SIDE + word);
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

    /// @notice The highest tick from which on bids reach the cap, and how much of it fits.
    function _cutBids(Ring storage ring, uint32 slot, uint256 capWh, Margin memory bids) private view {
        uint256 word = SIDE - 1;
        uint256 sums = read(ring, slot, word);
        uint256 above;
        while (above + sumOf(sums) < capWh) {
            above += sumOf(sums);
            sums = read(ring, slot, --word);
        }
        uint256 lane = word == SIDE - 1 ? MAX_TICK % LANES : LANES - 1;
        while (above + laneOf(sums, lane) < capWh) above += laneOf(sums, lane--);
        (bids.tick, bids.filledWh, bids.totalWh) = (word * LANES + lane, capWh - above, laneOf(sums, lane));
    }

    /// @notice The lowest tick up to which offers reach the cap, and how much of it fits.
    function _cutOffers(Ring storage ring, uint32 slot, uint256 capWh, Margin memory offers) private view {
        uint256 word;
        uint256 sums = read(ring, slot, SIDE);
        uint256 below;
        while (below + sumOf(sums) < capWh) {
            below += sumOf(sums);
            sums = read(ring, slot, SIDE + ++word);
        }
        uint256 lane;
        while (below + laneOf(sums, lane) < capWh) below += laneOf(sums, lane++);
        (offers.tick, offers.filledWh, offers.totalWh) = (word * LANES + lane, capWh - below, laneOf(sums, lane));
    }

    function _place(uint32 slot) private pure returns (uint256) {
        return uint256(slot % RING_SLOTS) << 5;
    }
}
