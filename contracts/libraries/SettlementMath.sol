// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IMarketSettlement} from "../interfaces/IMarketSettlement.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {DayFill} from "./DayFill.sol";
import {DayTally} from "./DayTally.sol";
import {DayTerms} from "./DayTerms.sol";
import {Lanes} from "./Lanes.sol";

/// @title What a schedule's account is due for a delivery day, see {IMarketSettlement-settle}.
/// @notice Signs from the account's side: received > 0, paid < 0. Each component is summed in milli-units (Wh × units per
/// kWh) and rounded once, toward −∞, so that the backstop keeps the dust and cash adds up.
/// @dev Sums of a day stay below 2^46, prices below 2^40: nothing overflows.
library SettlementMath {
    using DayFill for DayTerms.Terms;
    using Lanes for uint256;

    int256 private constant MILLI = 1000;
    /// @dev Offset of the metered energies of a day's slots.
    int256 private constant METERED_OFFSET = 96 * 2 ** 31;
    /// @dev The upper bit of each of eight orders says that it is an offer.
    uint256 private constant OFFERS = Lanes.ONES_32 << 31;

    /// @notice Sums without data: as contracted, or if not `delivered`, with nothing delivered by sellers.
    function estimate(
        DayTerms.Terms memory terms,
        uint256[12] memory orders,
        OrderRules rules,
        uint256 premiumTicks,
        bool delivered
    ) internal pure returns (DayTally.Sums memory sums) {
        uint256[12] memory nothingWh;
        sums = terms.tally(orders, nothingWh, rules, premiumTicks);
        (sums.longWh, sums.penalisedWh) = (0, 0);
        sums.metered += sums.boughtWh;
        if (delivered) {
            sums.metered -= sums.soldWh;
        } else {
            // Offers alone, of which nothing was metered, are what bears the penalty.
            sums.penalisedWh = terms.tally(_offersOf(orders), nothingWh, rules, premiumTicks).penalisedWh;
        }
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
            int256 contractedWh = int256(sums.boughtWh) - int256(sums.soldWh);
            int256 meteredWh = int256(sums.metered) - METERED_OFFSET;
            (settlement.contractedWh, settlement.meteredWh) = (contractedWh, meteredWh);
            // Σ (m − c) is what was short less what was long.
            uint256 short = uint256(meteredWh - contractedWh + int256(sums.longWh));
            uint256 shortWh = Math.min(short, sums.soldWh + limitWh);
            uint256 longWh = Math.min(sums.longWh, sums.boughtWh + limitWh);
            settlement.residualShortWh = short - shortWh;
            settlement.residualLongWh = sums.longWh - longWh;

            int256 tickSize = int256(rules.tickSize());
            int256 floorPrice = int256(rules.floorPrice());
            int256 contractedTicks = int256(sums.boughtTicks) - int256(sums.soldTicks);
            settlement.tradedCash = _floor(-contractedWh * floorPrice - contractedTicks * tickSize);
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
        for (uint256 word; word < 12; ++word) {
            offers[word] = orders[word] & ((orders[word] & OFFERS) >> 31).spread32();
        }
    }

    function _floor(int256 milli) private pure returns (int256) {
        unchecked {
            return milli >= 0 ? milli / MILLI : -((MILLI - 1 - milli) / MILLI);
        }
    }
}
