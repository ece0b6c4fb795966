// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {DayTally} from "./DayTally.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";

/// @title The most a schedule's account may come to owe, and the most its backstop may.
/// @notice Each order weighs energy * price for either; see {IEnergyMarket-reserveOf} and {IEnergyMarket-exposureOf}.
/// @dev Both weights of a schedule stand in one word, reserve << 96 | exposure, in milli-units: one multiplication adds an
/// order to both. Weights of 96 orders stay below 2^24 * 2^41 * 96 < 2^72.
library OrderReserve {
    uint256 internal constant RESERVE_SHIFT = 96;
    uint256 private constant MILLI = 1000;
    /// @dev A settlement's components are rounded down one by one: three of four may add a unit to what the sum says.
    uint256 private constant RESERVE_ROUNDING = 3;
    uint256 private constant EXPOSURE_ROUNDING = 1;
    uint256 private constant DUST_WH = 96;
    uint256 private constant SLOTS = 96;

    /// @notice What one Wh of an order weighs.
    function weightOf(uint256 order, OrderRules rules, bool green) internal pure returns (uint256) {
        unchecked {
            uint256 limit = rules.priceOf(ScheduleOrders.tickOf(order));
            if (!ScheduleOrders.isOffer(order)) {
                return ((limit + rules.penalty()) << RESERVE_SHIFT) | rules.longPrice();
            }
            // What a seller pays per kWh that it sold and did not deliver; at least what it could expose the backstop to.
            uint256 failure = rules.shortPrice() + rules.penalty();
            uint256 premium = rules.greenPremiumTicks() * rules.tickSize();
            uint256 reserve = failure > limit + premium ? failure - limit : premium;
            return (reserve << RESERVE_SHIFT) | (green ? premium : 0);
        }
    }

    /// @notice Money of a schedule by its orders; nothing without energy.
    function ofOrders(uint256[12] calldata orders, OrderRules rules, uint256 limitWh, bool green)
        internal
        pure
        returns (uint256 reserve, uint256 exposure)
    {
        uint256 index = ScheduleOrders.firstWithEnergy(orders, 0, SLOTS);
        if (index == SLOTS) return (0, 0);
        uint256 weight;
        for (; index < SLOTS; ++index) {
            uint256 order = ScheduleOrders.orderAt(orders, index);
            weight += ScheduleOrders.energyWh(order) * weightOf(order, rules, green);
        }
        return ofWeight(weight, rules, limitWh);
    }

    /// @notice Money of a schedule that has energy, by its day's sums.
    function ofSums(DayTally.Sums memory sums, OrderRules rules, uint256 limitWh, bool green)
        internal
        pure
        returns (uint256 reserve, uint256 exposure)
    {
        unchecked {
            uint256 tickSize = rules.tickSize();
            uint256 premium = sums.offersWh * rules.greenPremiumTicks() * tickSize;
            uint256 milli = sums.bidsWh * (rules.floorPrice() + rules.penalty()) + sums.bidsTicks * tickSize + premium;
            if (sums.bondedWh != 0) {
                uint256 failure = rules.shortPrice() + rules.penalty() - rules.greenPremiumTicks() * tickSize;
                milli += sums.bondedWh * (failure - rules.floorPrice()) - sums.bondedTicks * tickSize;
            }
            uint256 exposed = sums.bidsWh * rules.longPrice();
            if (green) exposed += premium;
            return ofWeight((milli << RESERVE_SHIFT) | exposed, rules, limitWh);
        }
    }

    /// @notice Money of a schedule that has energy, by the weight of its orders.
    function ofWeight(uint256 weight, OrderRules rules, uint256 limitWh)
        internal
        pure
        returns (uint256 reserve, uint256 exposure)
    {
        unchecked {
            uint256 dust = DUST_WH * rules.priceOf(rules.capTick());
            reserve = _up((weight >> RESERVE_SHIFT) + limitWh * rules.shortPrice() + dust) + RESERVE_ROUNDING;
            exposure = _up(uint96(weight) + limitWh * rules.longPrice() + dust) + EXPOSURE_ROUNDING;
        }
    }

    function _up(uint256 milli) private pure returns (uint256) {
        unchecked {
            return (milli + MILLI - 1) / MILLI;
        }
    }
}
