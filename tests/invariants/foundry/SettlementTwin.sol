// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../../../contracts/interfaces/IMarketSettlement.sol";
import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";
import {OrderTwin} from "./OrderTwin.sol";

/// @dev Settlement as IMarketSettlement states it, told a second time: slot by slot, in plain fields.
library SettlementTwin {
    /// @dev What is known of the delivery: what was metered; or it is taken as contracted; or sellers delivered
    /// nothing.
    enum Data {
        Metered,
        AsContracted,
        Undelivered
    }

    /// @dev A schedule's day. The price of a slot's result is taken from the result.
    struct Day {
        IMarketZones.ZoneParams params;
        bool green;
        uint256 limitWh;
        uint256[12] orders;
        uint256[12] energyWh;
        IEnergyMarket.Clearing[96] results;
        Data data;
    }

    struct Sums {
        int256 tradedMilli;
        int256 gridMilli;
        int256 penaltyMilli;
        int256 dustMilli;
        int256 boughtWh;
        int256 soldWh;
        int256 shortWh;
        int256 longWh;
        int256 meteredWh;
    }

    function settle(Day memory day)
        internal
        pure
        returns (IMarketSettlement.Settlement memory settlement, int256 fromCounterparties, int256 fromBackstop)
    {
        Sums memory sums;
        for (uint256 index; index < 96; ++index) {
            _addSlot(sums, day, index);
        }
        int256 shortWh = _least(sums.shortWh, sums.soldWh + int256(day.limitWh));
        int256 longWh = _least(sums.longWh, sums.boughtWh + int256(day.limitWh));
        int256 imbalance = longWh * int256(uint256(day.params.longPricePerKwh));
        imbalance -= shortWh * int256(uint256(day.params.shortPricePerKwh));
        settlement.tradedCash = _floor(sums.tradedMilli);
        settlement.gridCash = _floor(sums.gridMilli);
        settlement.imbalanceCash = _floor(imbalance);
        settlement.penaltyCash = _floor(sums.penaltyMilli);
        settlement.contractedWh = sums.boughtWh - sums.soldWh;
        settlement.meteredWh = sums.meteredWh;
        settlement.residualShortWh = uint256(sums.shortWh - shortWh);
        settlement.residualLongWh = uint256(sums.longWh - longWh);
        int256 dust = -_floor(-sums.dustMilli);
        fromCounterparties = settlement.tradedCash - dust;
        fromBackstop = settlement.gridCash + settlement.imbalanceCash + settlement.penaltyCash + dust;
    }

    function _addSlot(Sums memory sums, Day memory day, uint256 index) private pure {
        int256 contracted = _contract(sums, day, index);
        int256 metered = int32(OrderTwin.fieldAt(day.energyWh, index));
        if (day.data == Data.AsContracted) metered = contracted;
        if (day.data == Data.Undelivered) metered = contracted > 0 ? contracted : int256(0);
        int256 deviation = metered - contracted;
        sums.meteredWh += metered;
        if (deviation > 0) sums.shortWh += deviation;
        else sums.longWh -= deviation;
        int256 missed = _least(_size(deviation), _size(contracted));
        int256 tolerated = _size(contracted) * int256(uint256(day.params.toleranceBps)) / 10_000;
        if (missed <= tolerated) return;
        sums.penaltyMilli -= (missed - tolerated) * int256(uint256(day.params.penaltyPerKwh));
    }

    function _contract(Sums memory sums, Day memory day, uint256 index) private pure returns (int256 contracted) {
        if (OrderTwin.fieldAt(day.orders, index) == 0) return 0;
        OrderTwin.Order memory order = OrderTwin.orderAt(day.orders, index);
        IEnergyMarket.Clearing memory result = day.results[index];
        uint256 tick = OrderTwin.bookTick(order, day.params, day.green);
        (uint256 filledWh, bool isDusty) = OrderTwin.fill(order, result, tick);
        int256 filled = int256(filledWh);
        int256 tickSize = int256(uint256(day.params.tickSizePerKwh));
        if (order.isOffer) {
            sums.soldWh += filled;
            sums.tradedMilli += filled * int256(result.pricePerKwh);
            if (day.green) sums.gridMilli += filled * int256(uint256(day.params.greenPremiumTicks)) * tickSize;
            return -filled;
        }
        sums.boughtWh += filled;
        sums.tradedMilli -= filled * int256(result.pricePerKwh);
        sums.gridMilli -= filled * int256(uint256(day.params.networkFeeTicks)) * tickSize;
        if (isDusty) sums.dustMilli += int256(result.pricePerKwh);
        return filled;
    }

    function _size(int256 value) private pure returns (int256) {
        return value < 0 ? -value : value;
    }

    function _least(int256 a, int256 b) private pure returns (int256) {
        return a < b ? a : b;
    }

    function _floor(int256 milli) private pure returns (int256) {
        int256 rest = ((milli % 1000) + 1000) % 1000;
        return (milli - rest) / 1000;
    }
}
