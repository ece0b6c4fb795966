// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IMarketSettlement} from "../interfaces/IMarketSettlement.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {DayTally} from "./DayTally.sol";

/// @title What a schedule's account is due for a delivery day, see {IMarketSettlement-settle}.
/// @notice Signs from the account's side: received > 0, paid < 0. Each component is summed in milli-units (Wh × units per
/// kWh) and rounded once, toward −∞, so that the backstop keeps the dust and cash adds up.
/// @dev Sums of a day stay below 2^46, prices below 2^40: nothing overflows.
library SettlementMath {
    int256 private constant MILLI = 1000;
    /// @dev The upper bit of each of eight orders says that it is an offer.
    uint256 private constant OFFER_BITS = 0x8000000080000000800000008000000080000000800000008000000080000000;

    /// @notice Sums without data: as contracted, or if not `delivered`, with nothing delivered by sellers.
    /// @param terms,table,toleranceBps as for {DayTally-tally}
    function estimate(
        uint256[12] memory orders,
        uint256[96] memory terms,
        uint256 table,
        uint256 toleranceBps,
        bool delivered
    ) internal pure returns (DayTally.Sums memory sums) {
        uint256[12] memory nothingWh;
        sums = DayTally.tally(orders, nothingWh, terms, table, toleranceBps);
        (sums.longWh, sums.penalisedWh) = (0, 0);
        sums.meteredWh = delivered ? sums.contractedWh : int256(sums.boughtWh);
        if (delivered) return sums;
        // Offers alone, of which nothing was metered, are what bears the penalty.
        sums.penalisedWh = DayTally.tally(_offersOf(orders), nothingWh, terms, table, toleranceBps).penalisedWh;
    }

    /// @notice Money of a day's sums.
    /// @param limitWh the schedule's imbalance limit
    /// @return settlement the components
    /// @return fromCounterparties traded energy, less the dust of bids
    /// @return fromBackstop all else
    function value(DayTally.Sums memory sums, OrderRules rules, uint256 limitWh, bool green)
        internal
        pure
        returns (IMarketSettlement.Settlement memory settlement, int64 fromCounterparties, int64 fromBackstop)
    {
        unchecked {
            settlement.contractedWh = sums.contractedWh;
            settlement.meteredWh = sums.meteredWh;
            // Σ (m − c) is what was short less what was long.
            uint256 short = uint256(sums.meteredWh - sums.contractedWh + int256(sums.longWh));
            uint256 shortWh = Math.min(short, sums.soldWh + limitWh);
            uint256 longWh = Math.min(sums.longWh, sums.boughtWh + limitWh);
            settlement.residualShortWh = short - shortWh;
            settlement.residualLongWh = sums.longWh - longWh;

            int256 tickSize = int256(rules.tickSize());
            int256 floorPrice = int256(rules.floorPrice());
            settlement.tradedCash = _floor(-sums.contractedWh * floorPrice - sums.contractedTicks * tickSize);
            uint256 premiumTicks = green ? rules.greenPremiumTicks() * sums.soldWh : 0;
            uint256 feeTicks = rules.networkFeeTicks() * sums.boughtWh;
            settlement.gridCash = _floor((int256(premiumTicks) - int256(feeTicks)) * tickSize);
            settlement.imbalanceCash = _floor(int256(longWh * rules.longPrice()) - int256(shortWh * rules.shortPrice()));
            settlement.penaltyCash = _floor(-int256(sums.penalisedWh * rules.penalty()));
            int256 dust = -_floor(-int256(sums.dustWh) * floorPrice - int256(sums.dustTicks) * tickSize);
            fromCounterparties = int64(settlement.tradedCash - dust);
            fromBackstop = int64(settlement.gridCash + settlement.imbalanceCash + settlement.penaltyCash + dust);
        }
    }

    function _offersOf(uint256[12] memory orders) private pure returns (uint256[12] memory offers) {
        unchecked {
            for (uint256 word; word < 12; ++word) {
                // An offer's bit makes all its 32 bits ones.
                uint256 bits = orders[word] & OFFER_BITS;
                offers[word] = orders[word] & ((bits << 1) - (bits >> 31));
            }
        }
    }

    function _floor(int256 milli) private pure returns (int256) {
        unchecked {
            return milli >= 0 ? milli / MILLI : -((MILLI - 1 - milli) / MILLI);
        }
    }
}
