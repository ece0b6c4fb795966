// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Margin} from "../types/SlotResult.sol";
import {TickBook} from "./TickBook.sol";

/// @title Clearing of an order book at its one price.
library BookClearing {
    using TickBook for TickBook.Ring;

    /// @notice Result of a slot's book by the rule {IEnergyMarket-clear} states.
    /// @param capWh feeder cap
    function clear(TickBook.Ring storage ring, uint32 slot, uint256 capWh)
        internal
        view
        returns (uint256 tick, uint256 volume, Margin memory bids, Margin memory offers)
    {
        (uint256 word, uint256 bidSums, uint256 offerSums, uint256 demand, uint256 supply) = _crossing(ring, slot);
        uint256 lane;
        supply -= TickBook.sumOf(offerSums);
        while (true) {
            bids.totalWh = TickBook.laneOf(bidSums, lane);
            offers.totalWh = TickBook.laneOf(offerSums, lane);
            supply += offers.totalWh;
            demand -= bids.totalWh;
            // Now supply is S(p) and demand is D(p + 1).
            if (supply >= demand) break;
            ++lane;
        }
        tick = word * TickBook.LANES + lane;
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

    /// @notice The pair of words in which the lowest tick p with S(p) ≥ D(p + 1) stands, with D from its first tick up
    /// and S up to its last.
    /// @dev Two pointers approach each other: while S(lo) < D(hi), no tick of `lo` can be p, else none above `hi − 1`
    /// needs to be. So 14 words are read, not 26.
    function _crossing(TickBook.Ring storage ring, uint32 slot)
        private
        view
        returns (uint256 lo, uint256 bids, uint256 offers, uint256 demand, uint256 supply)
    {
        uint256 hi = TickBook.SIDE - 1;
        bids = ring.read(slot, hi);
        offers = ring.read(slot, TickBook.SIDE);
        demand = TickBook.sumOf(bids);
        supply = TickBook.sumOf(offers);
        while (lo < hi) {
            if (supply < demand) {
                offers = ring.read(slot, TickBook.SIDE + ++lo);
                supply += TickBook.sumOf(offers);
            } else {
                bids = ring.read(slot, --hi);
                demand += TickBook.sumOf(bids);
            }
        }
    }

    /// @notice Lowest tick above `tick` with a bid or an offer; TickBook.MAX_TICK if there is none.
    function _nextTick(TickBook.Ring storage ring, uint32 slot, uint256 tick) private view returns (uint256) {
        uint256 skip = (tick % TickBook.LANES) + 1;
        // The word a tick stands in: the floor is meant.
        // slither-disable-next-line divide-before-multiply
        for (uint256 word = tick / TickBook.LANES; word < TickBook.SIDE; ++word) {
            uint256 sums = ring.read(slot, word) | ring.read(slot, TickBook.SIDE + word);
            sums >>= skip * TickBook.LANE_BITS;
            if (sums != 0) {
                while (sums & TickBook.LANE_MAX == 0) {
                    sums >>= TickBook.LANE_BITS;
                    ++skip;
                }
                return word * TickBook.LANES + skip;
            }
            skip = 0;
        }
        return TickBook.MAX_TICK;
    }

    /// @notice The highest tick from which on bids reach the cap, and how much of it fits.
    function _cutBids(TickBook.Ring storage ring, uint32 slot, uint256 capWh, Margin memory bids) private view {
        uint256 word = TickBook.SIDE - 1;
        uint256 sums = ring.read(slot, word);
        uint256 above;
        while (above + TickBook.sumOf(sums) < capWh) {
            above += TickBook.sumOf(sums);
            sums = ring.read(slot, --word);
        }
        uint256 lane = word == TickBook.SIDE - 1 ? TickBook.MAX_TICK % TickBook.LANES : TickBook.LANES - 1;
        while (above + TickBook.laneOf(sums, lane) < capWh) above += TickBook.laneOf(sums, lane--);
        (bids.tick, bids.filledWh, bids.totalWh) =
        (word * TickBook.LANES + lane, capWh - above, TickBook.laneOf(sums, lane));
    }

    /// @notice The lowest tick up to which offers reach the cap, and how much of it fits.
    function _cutOffers(TickBook.Ring storage ring, uint32 slot, uint256 capWh, Margin memory offers) private view {
        uint256 word;
        uint256 sums = ring.read(slot, TickBook.SIDE);
        uint256 below;
        while (below + TickBook.sumOf(sums) < capWh) {
            below += TickBook.sumOf(sums);
            sums = ring.read(slot, TickBook.SIDE + ++word);
        }
        uint256 lane;
        while (below + TickBook.laneOf(sums, lane) < capWh) below += TickBook.laneOf(sums, lane++);
        (offers.tick, offers.filledWh, offers.totalWh) =
        (word * TickBook.LANES + lane, capWh - below, TickBook.laneOf(sums, lane));
    }
}
