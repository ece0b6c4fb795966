// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IMarketSettlement} from "../interfaces/IMarketSettlement.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {SlotResult} from "../types/SlotResult.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";

/// @title What a schedule's account is due for a delivery day, see {IMarketSettlement-settle}.
/// @notice Signs from the account's side: received > 0, paid < 0. Energies import positive. Each component is summed in
/// milli-units (Wh × units per kWh) and rounded once, toward −∞, so that the backstop keeps the dust and cash adds up.
/// @dev Prices are linear in ticks and the same all day, so sums of energy and of energy * tick are enough. Sums of a day stay
/// below 2^46, prices below 2^40: nothing overflows.
library SettlementMath {
    int256 private constant MILLI = 1000;
    uint256 private constant BPS = 10_000;

    /// @dev Energies of a day in Wh. `…Ticks` are sums of energy * clearing tick; `dustTicks` has one Wh for each bid that is
    /// filled a fraction of a Wh short.
    struct Sums {
        uint256 boughtWh;
        uint256 boughtTicks;
        uint256 soldWh;
        uint256 soldTicks;
        uint256 dustWh;
        uint256 dustTicks;
        int256 meteredWh;
        uint256 longWh;
        uint256 penalisedWh;
    }

    /// @notice Sums on metered energy.
    /// @param orders the schedule's orders
    /// @param energyWh packed int32 net energies
    /// @param results results of the day's slots; zero where a slot has none, then nothing was traded in it
    function onProof(
        uint256[12] calldata orders,
        uint256[12] calldata energyWh,
        SlotResult[96] memory results,
        OrderRules rules,
        bool green
    ) internal pure returns (Sums memory sums) {
        uint256 toleranceBps = rules.toleranceBps();
        unchecked {
            for (uint256 word; word < ScheduleOrders.WORDS; ++word) {
                uint256 packed = orders[word];
                uint256 energies = energyWh[word];
                // The first of eight stands on top; each turn shifts it out.
                for (uint256 index = word * 8; index < word * 8 + 8; ++index) {
                    int256 metered = int256(energies) >> 224;
                    int256 contracted;
                    if (ScheduleOrders.energyWh(packed >> 224) != 0) {
                        contracted = _contract(sums, packed >> 224, results[index], rules, green);
                        if (contracted != 0) _penalise(sums, contracted, metered, toleranceBps);
                    }
                    sums.meteredWh += metered;
                    if (metered < contracted) sums.longWh += uint256(contracted - metered);
                    packed <<= 32;
                    energies <<= 32;
                }
            }
        }
    }

    /// @notice Sums without data: as contracted, or if `delivered` is false with nothing delivered by sellers.
    function onEstimate(
        uint256[12] calldata orders,
        SlotResult[96] memory results,
        OrderRules rules,
        bool green,
        bool delivered
    ) internal pure returns (Sums memory sums) {
        uint256 toleranceBps = rules.toleranceBps();
        for (uint256 index; index < 96; ++index) {
            uint256 order = ScheduleOrders.orderAt(orders, index);
            if (ScheduleOrders.energyWh(order) == 0) continue;
            int256 contracted = _contract(sums, order, results[index], rules, green);
            int256 metered = contracted < 0 && !delivered ? int256(0) : contracted;
            if (contracted != 0) _penalise(sums, contracted, metered, toleranceBps);
            sums.meteredWh += metered;
        }
    }

    /// @notice Money of a day's sums.
    /// @param limitWh the schedule's imbalance limit
    /// @return settlement the components
    /// @return fromCounterparties traded energy, less the dust of bids
    /// @return fromBackstop all else
    function value(Sums memory sums, OrderRules rules, uint256 limitWh, bool green)
        internal
        pure
        returns (IMarketSettlement.Settlement memory settlement, int64 fromCounterparties, int64 fromBackstop)
    {
        unchecked {
            settlement.contractedWh = int256(sums.boughtWh) - int256(sums.soldWh);
            settlement.meteredWh = sums.meteredWh;
            // Σ (m − c) is what was short less what was long.
            uint256 short = uint256(sums.meteredWh - settlement.contractedWh + int256(sums.longWh));
            uint256 shortWh = Math.min(short, sums.soldWh + limitWh);
            uint256 longWh = Math.min(sums.longWh, sums.boughtWh + limitWh);
            settlement.residualShortWh = short - shortWh;
            settlement.residualLongWh = sums.longWh - longWh;

            uint256 tickSize = rules.tickSize();
            int256 traded = settlement.contractedWh * int256(rules.floorPrice());
            traded += (int256(sums.boughtTicks) - int256(sums.soldTicks)) * int256(tickSize);
            settlement.tradedCash = _floor(-traded);
            uint256 premiumTicks = green ? rules.greenPremiumTicks() * sums.soldWh : 0;
            uint256 feeTicks = rules.networkFeeTicks() * sums.boughtWh;
            settlement.gridCash = _floor((int256(premiumTicks) - int256(feeTicks)) * int256(tickSize));
            settlement.imbalanceCash = _floor(int256(longWh * rules.longPrice()) - int256(shortWh * rules.shortPrice()));
            settlement.penaltyCash = _floor(-int256(sums.penalisedWh * rules.penalty()));
            int256 dust = -_floor(-int256(sums.dustWh * rules.floorPrice() + sums.dustTicks * tickSize));
            fromCounterparties = int64(settlement.tradedCash - dust);
            fromBackstop = int64(settlement.gridCash + settlement.imbalanceCash + settlement.penaltyCash + dust);
        }
    }

    /// @notice Energy that an order contracted (import positive), added to the sums: all of it on the better side of the
    /// margin, its share at the margin rounded down, nothing beyond it or without a result.
    function _contract(Sums memory sums, uint256 order, SlotResult result, OrderRules rules, bool green)
        private
        pure
        returns (int256)
    {
        unchecked {
            uint256 filled = ScheduleOrders.energyWh(order);
            if (!result.isCleared()) return 0;
            uint256 tick = ScheduleOrders.bookTick(order, rules, green);
            uint256 clearingTick = result.tick();
            if (ScheduleOrders.isOffer(order)) {
                uint256 margin = result.offerTick();
                if (tick > margin) return 0;
                if (tick == margin) filled = filled * result.marginalOfferFilledWh() / result.marginalOfferWh();
                sums.soldWh += filled;
                sums.soldTicks += filled * clearingTick;
                return -int256(filled);
            }
            uint256 bidMargin = result.bidTick();
            if (tick < bidMargin) return 0;
            if (tick == bidMargin) {
                uint256 share = filled * result.marginalBidFilledWh();
                filled = share / result.marginalBidWh();
                if (filled * result.marginalBidWh() != share) {
                    sums.dustWh += 1;
                    sums.dustTicks += clearingTick;
                }
            }
            sums.boughtWh += filled;
            sums.boughtTicks += filled * clearingTick;
            return int256(filled);
        }
    }

    /// @notice Add the part of a contract, beyond the tolerance, that was not kept. What was never contracted was promised to
    /// nobody, so it bears no penalty.
    function _penalise(Sums memory sums, int256 contracted, int256 metered, uint256 toleranceBps) private pure {
        unchecked {
            uint256 promised = _size(contracted);
            uint256 missed = _size(metered - contracted);
            if (missed > promised) missed = promised;
            uint256 tolerated = promised * toleranceBps / BPS;
            if (missed > tolerated) sums.penalisedWh += missed - tolerated;
        }
    }

    function _size(int256 energy) private pure returns (uint256) {
        unchecked {
            return uint256(energy < 0 ? -energy : energy);
        }
    }

    function _floor(int256 milli) private pure returns (int256) {
        unchecked {
            return milli >= 0 ? milli / MILLI : -((MILLI - 1 - milli) / MILLI);
        }
    }
}
