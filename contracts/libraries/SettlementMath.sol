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
    /// @param data memory address of 12 words of orders and 12 words of zero
    /// @param terms,table as for {DayTally-tally}
    function estimate(uint256 data, uint256 terms, uint256 table, bool delivered)
        internal
        pure
        returns (DayTally.Sums memory sums)
    {
        sums = DayTally.tally(data, terms, table);
        (sums.longWh, sums.penalisedWh) = (0, 0);
        sums.meteredWh = delivered ? sums.contractedWh : int256(sums.boughtWh);
        if (delivered) return sums;
        // Offers alone, of which nothing was metered, are what bears the penalty.
        _keepOffers(data);
        sums.penalisedWh = DayTally.tally(data, terms, table).penalisedWh;
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

    /// @notice Blank the bids of 12 words of orders.
    function _keepOffers(uint256 data) private pure {
        unchecked {
            for (uint256 end = data + 384; data < end; data += 32) {
                assembly ("memory-safe") {
                    let packed := mload(data)
                    // An offer's bit makes all its 32 bits ones.
                    let bits := and(packed, OFFER_BITS)
                    mstore(data, and(packed, sub(shl(1, bits), shr(31, bits))))
                }
            }
        }
    }

    function _floor(int256 milli) private pure returns (int256) {
        unchecked {
            return milli >= 0 ? milli / MILLI : -((MILLI - 1 - milli) / MILLI);
        }
    }
}
