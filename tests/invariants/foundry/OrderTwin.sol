// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";

/// @dev What the interfaces say of an order, told a second time in plain fields: where it stands, what it is served,
/// what it reserves and exposes the backstop to.
library OrderTwin {
    struct Order {
        bool isOffer;
        uint256 tick;
        uint256 energyWh;
    }

    /// @notice Field `index` of 32 bits of twelve words.
    function fieldAt(uint256[12] memory packed, uint256 index) internal pure returns (uint32) {
        return uint32(packed[index / 8] >> (32 * (7 - index % 8)));
    }

    function orderAt(uint256[12] memory packed, uint256 index) internal pure returns (Order memory) {
        return unpack(fieldAt(packed, index));
    }

    function unpack(uint32 word) internal pure returns (Order memory) {
        return Order(word >> 31 == 1, (word >> 24) % 128, word % (1 << 24));
    }

    function bookTick(Order memory order, IMarketZones.ZoneParams memory params, bool green)
        internal
        pure
        returns (uint256)
    {
        if (!order.isOffer) return order.tick - params.networkFeeTicks;
        if (!green) return order.tick;
        return order.tick > params.greenPremiumTicks ? order.tick - params.greenPremiumTicks : 0;
    }

    function priceOf(IMarketZones.ZoneParams memory params, uint256 tick) internal pure returns (uint256) {
        return params.floorPricePerKwh + tick * params.tickSizePerKwh;
    }

    /// @return filledWh what the order is served
    /// @return isDusty whether it is a fraction of a Wh less than its share
    function fill(Order memory order, IEnergyMarket.Clearing memory result, uint256 tick)
        internal
        pure
        returns (uint256 filledWh, bool isDusty)
    {
        if (!result.cleared || order.energyWh == 0) return (0, false);
        uint256 margin = order.isOffer ? result.offerTick : result.bidTick;
        if (tick != margin) return ((tick < margin) == order.isOffer ? order.energyWh : 0, false);
        uint256 filled = order.isOffer ? result.marginalOfferFilledWh : result.marginalBidFilledWh;
        uint256 total = order.isOffer ? result.marginalOfferWh : result.marginalBidWh;
        return (order.energyWh * filled / total, order.energyWh * filled % total != 0);
    }

    /// @notice What a schedule reserves, and what it exposes the backstop to.
    function stake(
        IMarketZones.ZoneParams memory params,
        uint256[12] memory orders,
        uint256 imbalanceLimitWh,
        bool green
    ) internal pure returns (uint256 reserve, uint256 exposure) {
        uint256 failure = uint256(params.shortPricePerKwh) + params.penaltyPerKwh;
        uint256 premium = uint256(params.greenPremiumTicks) * params.tickSizePerKwh;
        uint256 total;
        for (uint256 index; index < 96; ++index) {
            if (fieldAt(orders, index) % (1 << 24) == 0) continue;
            Order memory order = orderAt(orders, index);
            uint256 limit = priceOf(params, order.tick);
            total += order.energyWh;
            if (order.isOffer) {
                reserve += order.energyWh * (failure > limit + premium ? failure - limit : premium);
                if (green) exposure += order.energyWh * premium;
            } else {
                reserve += order.energyWh * (limit + params.penaltyPerKwh);
                exposure += order.energyWh * params.longPricePerKwh;
            }
        }
        if (total == 0) return (0, 0);
        uint256 dust = 96 * priceOf(params, params.capTick);
        reserve = _ceil(reserve + imbalanceLimitWh * params.shortPricePerKwh + dust) + 3;
        exposure = _ceil(exposure + imbalanceLimitWh * params.longPricePerKwh + dust) + 1;
    }

    function _ceil(uint256 milli) private pure returns (uint256) {
        return (milli + 999) / 1000;
    }
}
