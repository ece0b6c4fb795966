// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";

/// @title Money that a schedule's orders reserve.
/// @notice Prices are linear in ticks, so Σ energy and Σ energy * tick are enough.
library OrderReserve {
    uint256 private constant MILLI = 1000;

    /// @notice The reserve, see {IEnergyMarket-reserveOf}; the zone must be open.
    /// @dev Of offers only those count whose limit is below the price of failing: the lowest `bonded` ticks. Sums stay
    /// below 96 * 2^24 * 2^40.
    function reserve(uint256[12] calldata orders, IEnergyMarket.ZoneParams memory params)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            uint256 floorPrice = params.floorPricePerKwh;
            uint256 tickSize = params.tickSizePerKwh;
            uint256 failurePrice = uint256(params.shortPricePerKwh) + params.penaltyPerKwh;
            uint256 bonded;
            if (failurePrice > floorPrice) bonded = Math.ceilDiv(failurePrice - floorPrice, tickSize);
            (uint256 bidWh, uint256 bidTicks, uint256 offerWh, uint256 offerTicks) = _weigh(orders, bonded);
            uint256 milli = bidWh * floorPrice + bidTicks * tickSize;
            if (bonded != 0) milli += offerWh * (failurePrice - floorPrice) - offerTicks * tickSize;
            return Math.ceilDiv(milli, MILLI);
        }
    }

    /// @notice Σ energy and Σ energy * tick of bids, and of offers below tick `bonded`.
    function _weigh(uint256[12] calldata orders, uint256 bonded)
        private
        pure
        returns (uint256 bidWh, uint256 bidTicks, uint256 offerWh, uint256 offerTicks)
    {
        unchecked {
            for (uint256 word; word < ScheduleOrders.WORDS; ++word) {
                // The first of eight orders stands on top; each turn shifts it out.
                for (uint256 packed = orders[word]; ScheduleOrders.hasEnergy(packed); packed <<= 32) {
                    uint256 energy = (packed >> 224) & ScheduleOrders.ENERGY_MASK;
                    uint256 tick = (packed >> 248) & ScheduleOrders.MAX_TICK;
                    if (packed >> 255 == 0) {
                        bidWh += energy;
                        bidTicks += energy * tick;
                    } else if (tick < bonded) {
                        offerWh += energy;
                        offerTicks += energy * tick;
                    }
                }
            }
        }
    }
}
