// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {DeliverySlots} from "./DeliverySlots.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";

/// @title Why the orders of a schedule are refused.
/// @notice Each answers an ABI-encoded custom error of IEnergyMarket, empty if nothing is wrong.
library ScheduleRefusal {
    uint256 private constant SLOTS = 96;

    /// @notice Revert with a refusal, if it is one.
    function revertIf(bytes memory refused) internal pure {
        if (refused.length == 0) return;
        assembly ("memory-safe") {
            revert(add(refused, 32), mload(refused))
        }
    }

    /// @notice The first order that the rules do not admit.
    function ofOrders(uint256[12] calldata orders, uint24 day, OrderRules rules) internal pure returns (bytes memory) {
        for (uint256 index; index < SLOTS; ++index) {
            bytes memory refused = ofOrder(ScheduleOrders.orderAt(orders, index), day, index, rules);
            if (refused.length != 0) return refused;
        }
        return "";
    }

    /// @notice An order that the rules do not admit: limit above the cap or below the fee, too little energy.
    function ofOrder(uint256 order, uint24 day, uint256 index, OrderRules rules) internal pure returns (bytes memory) {
        uint256 energy = ScheduleOrders.energyWh(order);
        if (energy == 0) return "";
        uint256 slot = _slot(day, index);
        uint256 tick = ScheduleOrders.tickOf(order);
        if (energy < rules.minOrderWh()) {
            return abi.encodeWithSelector(IEnergyMarket.OrderBelowMinimum.selector, slot, energy, rules.minOrderWh());
        }
        if (tick > rules.capTick()) {
            return abi.encodeWithSelector(IEnergyMarket.LimitAboveCap.selector, slot, tick, rules.capTick());
        }
        if (ScheduleOrders.isOffer(order) || tick >= rules.networkFeeTicks()) return "";
        return abi.encodeWithSelector(IEnergyMarket.LimitBelowFee.selector, slot, tick, rules.networkFeeTicks());
    }

    /// @notice An order with energy outside the slots that are open, from index `from` to `to` − 1.
    function ofWindow(uint24 day, uint256 index, uint256 from, uint256 to, OrderRules rules)
        internal
        view
        returns (bytes memory)
    {
        uint256 slot = _slot(day, index);
        if (index < from) {
            uint256 closesAt = DeliverySlots.gateClosesAt(uint32(slot), rules.gateLeadSlots());
            return abi.encodeWithSelector(IEnergyMarket.GateClosed.selector, slot, closesAt);
        }
        if (index < to) return "";
        return abi.encodeWithSelector(IEnergyMarket.BeyondHorizon.selector, slot, DeliverySlots.lastInHorizon());
    }

    /// @notice An order whose tick's sum would overflow.
    function ofOverflow(uint256 order, uint24 day, uint256 index) internal pure returns (bytes memory) {
        (uint256 tick, uint256 energy) = (ScheduleOrders.tickOf(order), ScheduleOrders.energyWh(order));
        return abi.encodeWithSelector(IEnergyMarket.TickSumOverflow.selector, _slot(day, index), tick, energy);
    }

    function _slot(uint24 day, uint256 index) private pure returns (uint256) {
        unchecked {
            return DeliverySlots.firstOf(day) + index;
        }
    }
}
