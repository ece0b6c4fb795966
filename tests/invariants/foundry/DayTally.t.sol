// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../../../contracts/interfaces/IMarketSettlement.sol";
import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";
import {DayFill} from "../../../contracts/libraries/DayFill.sol";
import {DayTally} from "../../../contracts/libraries/DayTally.sol";
import {DayTerms} from "../../../contracts/libraries/DayTerms.sol";
import {OrderReserve} from "../../../contracts/libraries/OrderReserve.sol";
import {SettlementMath} from "../../../contracts/libraries/SettlementMath.sol";
import {OrderRules, packOrderRules} from "../../../contracts/types/OrderRules.sol";
import {Margin, SlotResult, clearedSlot} from "../../../contracts/types/SlotResult.sol";
import {BruteForceClearing} from "./BruteForceClearing.sol";
import {MarketDraws} from "./MarketDraws.sol";
import {OrderTwin} from "./OrderTwin.sol";
import {SettlementTwin} from "./SettlementTwin.sol";

/// @dev Settlement of one schedule's day: the assembly against its twin, and the bounds that keep everybody solvent.
contract DayTallyTest {
    using BruteForceClearing for uint256[128];
    using DayFill for DayTerms.Terms;
    using DayTerms for DayTerms.Terms;
    using SettlementMath for DayTally.Sums;
    using SettlementTwin for SettlementTwin.Day;

    /// @dev What the market makes of a day.
    struct Outcome {
        IMarketSettlement.Settlement settlement;
        int256 fromCounterparties;
        int256 fromBackstop;
        uint256 reserve;
        uint256 exposure;
    }

    /// forge-config: default.fuzz.runs = 4000
    function testFuzz_tally__any_day__as_slot_by_slot(uint256 seed) external view {
        SettlementTwin.Day memory day = _day(seed);
        Outcome memory given = _settle(day);
        Outcome memory expected;
        (expected.settlement, expected.fromCounterparties, expected.fromBackstop) = day.settle();
        (expected.reserve, expected.exposure) = OrderTwin.stake(day.params, day.orders, day.limitWh, day.green);
        require(keccak256(abi.encode(given)) == keccak256(abi.encode(expected)), "differs");
    }

    /// @dev INV-M20: whatever was metered, or estimated.
    /// forge-config: default.fuzz.runs = 4000
    function testFuzz_settle__any_day__within_reserve_and_exposure(uint256 seed) external view {
        Outcome memory outcome = _settle(_day(seed));
        require(outcome.fromCounterparties + outcome.fromBackstop >= -int256(outcome.reserve), "beyond the reserve");
        require(outcome.fromBackstop < int256(outcome.exposure), "beyond the exposure");
        require(outcome.exposure <= outcome.reserve, "exposes more than it reserves");
    }

    /// @dev INV-M21: buyers of three slots pay no less for traded energy than its sellers receive, dust and all.
    /// forge-config: default.fuzz.runs = 1000
    function testFuzz_settle__whole_market__counterparties_are_covered(uint256 seed, uint32 capWh) external view {
        SettlementTwin.Day[] memory days_ = new SettlementTwin.Day[](2 + seed % 12);
        IMarketZones.ZoneParams memory params = MarketDraws.params(seed);
        for (uint256 i; i < days_.length; ++i) {
            days_[i].params = params;
            days_[i].green = MarketDraws.random(seed, 50 + i) % 2 == 1;
            for (uint256 slot; slot < 3; ++slot) {
                uint256 order = MarketDraws.order(MarketDraws.random(seed, 100 * i + slot), params);
                // A third of them small, so that the margin is shared unevenly.
                if (seed % 3 == 0) order = (order & 0xff000000) | (params.minOrderWh + order % 8);
                MarketDraws.put(days_[i].orders, 40 * slot, order);
            }
        }
        for (uint256 slot; slot < 3; ++slot) {
            _clear(days_, 40 * slot, seed % 2 == 0 ? capWh % (1 << 24) : type(uint32).max);
        }
        int256 sum;
        for (uint256 i; i < days_.length; ++i) {
            sum += _settle(days_[i]).fromCounterparties;
        }
        require(sum <= 0, "sellers are not covered");
    }

    /// @notice Rules as the market packs them, from calldata.
    function rulesOf(IMarketZones.ZoneParams calldata params) external pure returns (OrderRules) {
        return packOrderRules(params, 0);
    }

    /// @notice A call of its own, since the compiler runs out of stack otherwise.
    function stakeOf(DayTally.Sums memory sums, OrderRules rules, uint256 limitWh, bool green)
        external
        pure
        returns (uint256 reserve, uint256 exposure)
    {
        return OrderReserve.ofSums(sums, rules, limitWh, green);
    }

    /// @dev As the market does it, after another schedule of the day, which had other slots looked up.
    function _settle(SettlementTwin.Day memory day) private view returns (Outcome memory outcome) {
        OrderRules rules = this.rulesOf(day.params);
        uint256 premium = day.green ? rules.greenPremiumTicks() : 0;
        DayTerms.Terms memory terms;
        terms.forget();
        for (uint256 index; index < 96; ++index) {
            bool isNeeded = OrderTwin.orderAt(day.orders, index).energyWh != 0;
            if (isNeeded || index % 7 == 0) terms.note(index, _packed(day.results[index]), rules);
        }
        DayTally.Sums memory sums = day.data == SettlementTwin.Data.Metered
            ? terms.tally(day.orders, day.energyWh, rules, premium)
            : SettlementMath.estimate(terms, day.orders, rules, premium, day.data == SettlementTwin.Data.AsContracted);
        (outcome.settlement, outcome.fromCounterparties, outcome.fromBackstop) =
            sums.value(rules, day.limitWh, day.green);
        (outcome.reserve, outcome.exposure) = this.stakeOf(sums, rules, day.limitWh, day.green);
    }

    /// @dev One to 96 orders, each in a slot that was cleared so that it may stand at the margin or beyond, or was not.
    function _day(uint256 seed) private pure returns (SettlementTwin.Day memory day) {
        day.params = MarketDraws.params(seed);
        day.green = MarketDraws.random(seed, 1) % 2 == 1;
        day.limitWh = uint32(MarketDraws.random(seed, 2) >> (seed % 33));
        day.data = SettlementTwin.Data(MarketDraws.random(seed, 3) % 3);
        uint256 sparse = MarketDraws.random(seed, 4) % 8;
        for (uint256 index = seed % 96; index < 96; ++index) {
            uint256 r = MarketDraws.random(seed, 100 + index);
            if (index != seed % 96 && r % 8 < sparse) continue;
            MarketDraws.put(day.orders, index, MarketDraws.order(r, day.params));
            OrderTwin.Order memory order = OrderTwin.orderAt(day.orders, index);
            uint256 tick = OrderTwin.bookTick(order, day.params, day.green);
            day.results[index] = _result(r, order, tick, day.params);
        }
        day.energyWh = MarketDraws.energies(MarketDraws.random(seed, 5), day.orders);
    }

    /// @dev With the cap binding, offers are served up to a tick no higher than that from which on bids are.
    function _result(uint256 r, OrderTwin.Order memory order, uint256 tick, IMarketZones.ZoneParams memory params)
        private
        pure
        returns (IEnergyMarket.Clearing memory result)
    {
        result.cleared = (r >> 8) % 8 != 0;
        if (!result.cleared) return result;
        uint256 margin = (r >> 16) % 3 == 0 ? tick : (r >> 24) % 128;
        uint256 other = (r >> 32) % 2 == 0
            ? margin
            : order.isOffer ? margin + (r >> 40) % (128 - margin) : (r >> 40) % (margin + 1);
        (result.bidTick, result.offerTick) =
            order.isOffer ? (uint8(other), uint8(margin)) : (uint8(margin), uint8(other));
        result.tick = uint8((margin + other) / 2);
        result.pricePerKwh = OrderTwin.priceOf(params, result.tick);
        uint256 total = order.energyWh + (r >> 48) % (MarketDraws.MOST_WH + 1 - order.energyWh);
        uint256 filled = (r >> 80) % (total + 1);
        if ((r >> 72) % 4 == 0) filled = (r >> 80) % 2 == 0 ? 0 : total;
        (result.marginalBidFilledWh, result.marginalBidWh) = (filled, total);
        (result.marginalOfferFilledWh, result.marginalOfferWh) = (filled, total);
    }

    function _clear(SettlementTwin.Day[] memory days_, uint256 index, uint256 capWh) private pure {
        uint256[128] memory bids;
        uint256[128] memory offers;
        for (uint256 i; i < days_.length; ++i) {
            OrderTwin.Order memory order = OrderTwin.orderAt(days_[i].orders, index);
            uint256 tick = OrderTwin.bookTick(order, days_[i].params, days_[i].green);
            uint256[128] memory side = order.isOffer ? offers : bids;
            // What the sum of a tick cannot hold is not in the book.
            if (side[tick] + order.energyWh > MarketDraws.MOST_WH) MarketDraws.put(days_[i].orders, index, 0);
            else side[tick] += order.energyWh;
        }
        BruteForceClearing.Result memory cleared = bids.clear(offers, capWh);
        IEnergyMarket.Clearing memory result = IEnergyMarket.Clearing({
            cleared: true,
            tick: uint8(cleared.tick),
            pricePerKwh: OrderTwin.priceOf(days_[0].params, cleared.tick),
            volumeWh: cleared.volumeWh,
            capWh: capWh,
            bidTick: uint8(cleared.bidTick),
            offerTick: uint8(cleared.offerTick),
            marginalBidFilledWh: cleared.bidFilledWh,
            marginalBidWh: cleared.bidWh,
            marginalOfferFilledWh: cleared.offerFilledWh,
            marginalOfferWh: cleared.offerWh
        });
        for (uint256 i; i < days_.length; ++i) {
            days_[i].results[index] = result;
        }
    }

    function _packed(IEnergyMarket.Clearing memory result) private pure returns (SlotResult) {
        if (!result.cleared) return SlotResult.wrap(0);
        return clearedSlot(
            SlotResult.wrap(0),
            7,
            result.tick,
            result.volumeWh,
            result.capWh,
            Margin(result.bidTick, result.marginalBidFilledWh, result.marginalBidWh),
            Margin(result.offerTick, result.marginalOfferFilledWh, result.marginalOfferWh)
        );
    }
}
