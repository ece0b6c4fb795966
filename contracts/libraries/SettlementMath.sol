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
    uint256 private constant BPS = 10_000;

    /// @dev Sums of a day. Prices are linear in ticks and the same all day, so energies are enough.
    struct Sums {
        int256 contractedWh;
        int256 meteredWh;
        int256 contractedWhTicks;
        uint256 shortWh;
        uint256 longWh;
        uint256 penalisedWh;
    }

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
    ) internal pure returns (IEnergyMarket.Settlement memory) {
        Sums memory sums;
        uint256 toleranceBps = params.toleranceBps;
        unchecked {
            for (uint256 word; word < ScheduleOrders.WORDS; ++word) {
                uint256 packed = orders[word];
                uint256 energies = energyWh[word];
                // The first of eight stands on top; each turn shifts it out.
                for (uint256 index = word * 8; index < word * 8 + 8; ++index) {
                    int256 metered = int32(uint32(energies >> 224));
                    int256 contracted;
                    if (ScheduleOrders.energyWh(packed >> 224) != 0) {
                        SlotHeader header = headers[index];
                        contracted = contractedWh(packed >> 224, header);
                        if (contracted != 0) _addContract(sums, contracted, metered, header, toleranceBps);
                    }
                    sums.meteredWh += metered;
                    if (metered < contracted) sums.longWh += uint256(contracted - metered);
                    packed <<= 32;
                    energies <<= 32;
                }
            }
            // Σ (m − c) is what was short less what was long.
            sums.shortWh = uint256(sums.meteredWh - sums.contractedWh + int256(sums.longWh));
        }
        return _value(sums, params);
    }

    /// @notice Settlement without data: buyers took what they bought, sellers delivered nothing.
    function onEstimate(
        uint256[12] calldata orders,
        SlotHeader[96] memory headers,
        IEnergyMarket.ZoneParams memory params
    ) internal pure returns (IEnergyMarket.Settlement memory) {
        Sums memory sums;
        for (uint256 index; index < DeliverySlots.SLOTS_PER_DAY; ++index) {
            int256 contracted = contractedWh(ScheduleOrders.orderAt(orders, index), headers[index]);
            if (contracted == 0) continue;
            int256 metered = contracted < 0 ? int256(0) : contracted;
            _addContract(sums, contracted, metered, headers[index], params.toleranceBps);
            sums.meteredWh += metered;
            sums.shortWh += uint256(metered - contracted);
        }
        return _value(sums, params);
    }

    /// @notice Energy an order contracted: all of it on the better side of the clearing tick, its share at the tick
    /// rounded down, nothing beyond it or without a result.
    function contractedWh(uint256 order, SlotHeader header) internal pure returns (int256) {
        uint256 energy = ScheduleOrders.energyWh(order);
        if (energy == 0 || !header.isCleared()) return 0;
        uint256 tick = ScheduleOrders.tickOf(order);
        uint256 clearingTick = header.tick();
        unchecked {
            if (order >> 31 == 0) {
                if (tick > clearingTick) return int256(energy);
                if (tick < clearingTick) return 0;
                return int256(energy * header.marginalBidFilledWh() / header.marginalBidWh());
            }
            if (tick < clearingTick) return -int256(energy);
            if (tick > clearingTick) return 0;
            return -int256(energy * header.marginalOfferFilledWh() / header.marginalOfferWh());
        }
    }

    /// @notice Add what was contracted in a slot and the part of it, beyond the tolerance, that was not kept. What was
    /// never contracted was promised to nobody, so it bears no penalty. Sums of a day stay below 2^46.
    function _addContract(Sums memory sums, int256 contracted, int256 metered, SlotHeader header, uint256 toleranceBps)
        private
        pure
    {
        unchecked {
            sums.contractedWh += contracted;
            sums.contractedWhTicks += contracted * int256(uint256(header.tick()));
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

    /// @notice Money of a day's sums; prices are below 2^40, so nothing overflows.
    function _value(Sums memory sums, IEnergyMarket.ZoneParams memory params)
        private
        pure
        returns (IEnergyMarket.Settlement memory total)
    {
        unchecked {
            int256 paid = sums.contractedWh * int256(uint256(params.floorPricePerKwh));
            paid += sums.contractedWhTicks * int256(uint256(params.tickSizePerKwh));
            total.tradedCash = _floor(-paid);
            int256 imbalance = int256(sums.longWh * params.longPricePerKwh);
            imbalance -= int256(sums.shortWh * params.shortPricePerKwh);
            total.imbalanceCash = _floor(imbalance);
            total.penaltyCash = _floor(-int256(sums.penalisedWh * params.penaltyPerKwh));
            total.contractedWh = sums.contractedWh;
            total.meteredWh = sums.meteredWh;
        }
    }

    function _floor(int256 milli) private pure returns (int256) {
        return milli >= 0 ? milli / MILLI : -((MILLI - 1 - milli) / MILLI);
    }
}
