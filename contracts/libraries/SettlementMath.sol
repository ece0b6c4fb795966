// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {SlotHeader} from "../types/SlotHeader.sol";
import {DeliverySlots} from "./DeliverySlots.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";

/// @title What a schedule's account is owed for a delivery day.
/// @notice Signs from the account's side: received > 0, paid < 0. Energies import positive. Each component is summed in
/// milli-units (Wh × units per kWh) and rounded once, toward −∞, so that the backstop keeps the dust and cash adds up.
library SettlementMath {
    int256 private constant MILLI = 1000;
    int256 private constant BPS = 10_000;

    /// @notice Settlement on metered energy.
    /// @param orders the schedule's orders
    /// @param energyWh packed int32 net energies
    /// @param headers results of the day's slots; zero where a slot has no result, then nothing was traded in it
    /// @param params rules of the zone
    function onProof(
        uint256[12] calldata orders,
        uint256[12] calldata energyWh,
        SlotHeader[96] memory headers,
        IEnergyMarket.ZoneParams memory params
    ) internal pure returns (IEnergyMarket.Settlement memory total) {
        for (uint256 index; index < DeliverySlots.SLOTS_PER_DAY; ++index) {
            SlotHeader header = headers[index];
            int256 contracted = contractedWh(ScheduleOrders.orderAt(orders, index), header);
            int256 metered = int32(uint32(ScheduleOrders.orderAt(energyWh, index)));
            _add(total, contracted, metered, header, params);
        }
        _round(total);
    }

    /// @notice Settlement without data: buyers took what they bought, sellers delivered nothing.
    function onEstimate(
        uint256[12] calldata orders,
        SlotHeader[96] memory headers,
        IEnergyMarket.ZoneParams memory params
    ) internal pure returns (IEnergyMarket.Settlement memory total) {
        for (uint256 index; index < DeliverySlots.SLOTS_PER_DAY; ++index) {
            SlotHeader header = headers[index];
            int256 contracted = contractedWh(ScheduleOrders.orderAt(orders, index), header);
            _add(total, contracted, contracted < 0 ? int256(0) : contracted, header, params);
        }
        _round(total);
    }

    /// @notice Energy an order contracted: all of it on the better side of the clearing tick, its share at the tick
    /// rounded down, nothing beyond it or without a result.
    function contractedWh(uint256 order, SlotHeader header) internal pure returns (int256) {
        uint256 energy = ScheduleOrders.energyWh(order);
        if (energy == 0 || !header.isCleared()) return 0;
        uint256 tick = ScheduleOrders.tickOf(order);
        uint256 clearingTick = header.tick();
        unchecked {
            if (ScheduleOrders.isOffer(order)) {
                if (tick > clearingTick) return 0;
                // One branch or the other divides, never both.
                // slither-disable-next-line divide-before-multiply
                if (tick == clearingTick) energy = energy * header.marginalOfferFilledWh() / header.marginalOfferWh();
                return -int256(energy);
            }
            if (tick < clearingTick) return 0;
            if (tick == clearingTick) energy = energy * header.marginalBidFilledWh() / header.marginalBidWh();
            return int256(energy);
        }
    }

    /// @notice Add one slot in milli-units; |energies| < 2^32 and prices < 2^40, so 96 slots stay below 2^80.
    function _add(
        IEnergyMarket.Settlement memory total,
        int256 contracted,
        int256 metered,
        SlotHeader header,
        IEnergyMarket.ZoneParams memory params
    ) private pure {
        unchecked {
            int256 size;
            if (contracted != 0) {
                total.contractedWh += contracted;
                total.tradedCash -= contracted * int256(ScheduleOrders.priceOf(params, header.tick()));
                size = contracted < 0 ? -contracted : contracted;
            }
            total.meteredWh += metered;
            int256 deviation = metered - contracted;
            if (deviation == 0) return;
            if (deviation > 0) {
                total.imbalanceCash -= deviation * int256(uint256(params.shortPricePerKwh));
            } else {
                deviation = -deviation;
                total.imbalanceCash += deviation * int256(uint256(params.longPricePerKwh));
            }
            // What was never contracted was promised to nobody, so it bears no penalty.
            if (deviation > size) deviation = size;
            int256 beyond = deviation - size * int256(uint256(params.toleranceBps)) / BPS;
            if (beyond > 0) total.penaltyCash -= beyond * int256(uint256(params.penaltyPerKwh));
        }
    }

    function _round(IEnergyMarket.Settlement memory total) private pure {
        total.tradedCash = _floor(total.tradedCash);
        total.imbalanceCash = _floor(total.imbalanceCash);
        total.penaltyCash = _floor(total.penaltyCash);
    }

    function _floor(int256 milli) private pure returns (int256) {
        return milli >= 0 ? milli / MILLI : -((MILLI - 1 - milli) / MILLI);
    }
}
