// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../interfaces/IMarketSettlement.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {DeliverySlots} from "./DeliverySlots.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";

/// @title Why the orders of a schedule are refused.
/// @notice Each answers an ABI-encoded custom error of IEnergyMarket, empty if nothing is wrong.
library ScheduleRefusal {
    uint256 private constant SLOTS = 96;

    /// @notice An order that the rules do not admit: limit above the cap or below the fee, too little energy.
    function ofOrders(IMarketSettlement.Schedule calldata schedule, OrderRules rules)
        internal
        pure
        returns (bytes memory)
    {
        for (uint256 word; word < ScheduleOrders.WORDS; ++word) {
            uint256 index = word * 8;
            for (uint256 packed = schedule.orders[word]; ScheduleOrders.hasEnergy(packed); packed <<= 32) {
                if (!_isAdmissible(packed >> 224, rules)) return _inadmissible(schedule, index, rules);
                ++index;
            }
        }
        return "";
    }

    /// @notice An order in a slot whose gate is closed, namely that of index `closedAt` if below `from`, or in one beyond
    /// the horizon, from index `to` on.
    function ofSlots(
        IMarketSettlement.Schedule calldata schedule,
        OrderRules rules,
        uint256 from,
        uint256 to,
        uint256 closedAt
    ) internal view returns (bytes memory) {
        uint32 firstSlot = DeliverySlots.firstOf(schedule.day);
        if (closedAt < from) {
            uint32 slot = firstSlot + uint32(closedAt);
            uint256 closesAt = DeliverySlots.gateClosesAt(slot, rules.gateLeadSlots());
            return abi.encodeWithSelector(IEnergyMarket.GateClosed.selector, slot, closesAt);
        }
        uint256 beyond = to == 0 ? 0 : ScheduleOrders.firstWithEnergy(schedule.orders, to, SLOTS);
        if (beyond == SLOTS) return "";
        uint256 refused = firstSlot + beyond;
        return abi.encodeWithSelector(IEnergyMarket.BeyondHorizon.selector, refused, DeliverySlots.lastInHorizon());
    }

    /// @notice The order of index `index`, whose tick's sum would overflow.
    function ofOverflow(IMarketSettlement.Schedule calldata schedule, uint256 index)
        internal
        pure
        returns (bytes memory)
    {
        uint256 order = ScheduleOrders.orderAt(schedule.orders, index);
        return abi.encodeWithSelector(
            IEnergyMarket.TickSumOverflow.selector,
            DeliverySlots.firstOf(schedule.day) + index,
            ScheduleOrders.tickOf(order),
            ScheduleOrders.energyWh(order)
        );
    }

    function _isAdmissible(uint256 order, OrderRules rules) private pure returns (bool) {
        uint256 energy = ScheduleOrders.energyWh(order);
        if (energy == 0) return true;
        uint256 tick = ScheduleOrders.tickOf(order);
        if (energy < rules.minOrderWh() || tick > rules.capTick()) return false;
        return ScheduleOrders.isOffer(order) || tick >= rules.networkFeeTicks();
    }

    function _inadmissible(IMarketSettlement.Schedule calldata schedule, uint256 index, OrderRules rules)
        private
        pure
        returns (bytes memory)
    {
        uint256 order = ScheduleOrders.orderAt(schedule.orders, index);
        uint256 slot = DeliverySlots.firstOf(schedule.day) + index;
        uint256 tick = ScheduleOrders.tickOf(order);
        uint256 energy = ScheduleOrders.energyWh(order);
        if (energy < rules.minOrderWh()) {
            return abi.encodeWithSelector(IEnergyMarket.OrderBelowMinimum.selector, slot, energy, rules.minOrderWh());
        }
        if (tick > rules.capTick()) {
            return abi.encodeWithSelector(IEnergyMarket.LimitAboveCap.selector, slot, tick, rules.capTick());
        }
        return abi.encodeWithSelector(IEnergyMarket.LimitBelowFee.selector, slot, tick, rules.networkFeeTicks());
    }
}
