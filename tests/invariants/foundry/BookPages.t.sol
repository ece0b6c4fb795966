// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";
import {BookPages} from "../../../contracts/libraries/BookPages.sol";
import {OrderReserve} from "../../../contracts/libraries/OrderReserve.sol";
import {TickBook} from "../../../contracts/libraries/TickBook.sol";
import {OrderRules, packOrderRules} from "../../../contracts/types/OrderRules.sol";
import {MarketDraws} from "./MarketDraws.sol";
import {OrderTwin} from "./OrderTwin.sol";

/// @dev Rows of schedules into books of two zones: all through pages, and order by order.
contract BookPagesTest {
    using BookPages for BookPages.Pages;
    using TickBook for TickBook.Ring;

    /// @param isTakenBack whether it is refused after all, as for want of money
    struct Row {
        uint256 zone;
        uint32 firstSlot;
        bool green;
        bool isTakenBack;
        uint256[12] orders;
    }

    /// @dev What became of a row: refused, or weighed.
    struct Fate {
        bool isAccepted;
        uint256 weight;
    }

    /// @dev An order is not admitted, or its tick's sum would overflow.
    error Refused();
    error TakenBack();

    uint32 private constant DAY = 96 * 20_000;

    TickBook.Ring[2] private _paged;
    TickBook.Ring[2] private _plain;

    /// forge-config: default.fuzz.runs = 500
    function testFuzz_add__any_rows__as_order_by_order(uint256 seed) external {
        IMarketZones.ZoneParams[2] memory params = [MarketDraws.params(seed), MarketDraws.params(~seed)];
        Row[] memory rows = new Row[](1 + seed % 6);
        for (uint256 i; i < rows.length; ++i) {
            rows[i] = _row(MarketDraws.random(seed, i), seed, params);
        }
        // A lap before, whose sums must not come back; and half of them again, onto what was flushed.
        this.addPaged(_atLap(rows, 0), params);
        this.addPlain(_atLap(rows, 0), params);
        for (uint256 times; times <= seed % 2; ++times) {
            Fate[] memory given = this.addPaged(_atLap(rows, 1), params);
            Fate[] memory expected = this.addPlain(_atLap(rows, 1), params);
            require(keccak256(abi.encode(given)) == keccak256(abi.encode(expected)), "verdicts differ");
        }
        _requireSameBooks();
    }

    /// @dev INV-M16: 2^24 − 1 Wh fit a tick. Wherever in the day the next Wh comes, nothing of its schedule stays.
    function testFuzz_add__sum_overflows_at_any_slot__nothing_remains_and_the_order_is_named(uint8 index, uint8 tick)
        external
    {
        (index, tick) = (index % 96, tick % 128);
        IMarketZones.ZoneParams[2] memory params;
        (params[0].capTick, params[0].tickSizePerKwh, params[0].minOrderWh) = (127, 1, 1);
        Row[] memory rows = new Row[](2);
        (rows[0].firstSlot, rows[1].firstSlot) = (DAY, DAY);
        MarketDraws.put(rows[0].orders, index, (uint256(tick) << 24) | MarketDraws.MOST_WH);
        for (uint256 i; i < 96; ++i) {
            MarketDraws.put(rows[1].orders, i, (uint256(tick) << 24) | 1);
        }
        Fate[] memory fates = this.addPaged(rows, params);
        require(fates[0].isAccepted && !fates[1].isAccepted, "verdicts");
        for (uint256 i; i < 96; ++i) {
            (uint256 word, uint256 lane) = TickBook.placeOf(tick, false);
            uint256 sum = TickBook.laneOf(_paged[0].read(DAY + uint32(i), word), lane);
            require(sum == (i == index ? MarketDraws.MOST_WH : 0), "sums");
        }
        require(this.stopOf(rows[1], params) == index, "another order is named");
    }

    function addPaged(Row[] calldata rows, IMarketZones.ZoneParams[2] calldata params)
        external
        returns (Fate[] memory fates)
    {
        fates = new Fate[](rows.length);
        BookPages.Pages memory pages;
        pages.make();
        for (uint256 i; i < rows.length; ++i) {
            Row calldata row = rows[i];
            if (i == 0 || row.zone != rows[i - 1].zone || row.firstSlot != rows[i - 1].firstSlot) {
                if (i != 0) pages.flush();
                pages.turn(_paged[row.zone], row.firstSlot);
            }
            OrderRules rules = packOrderRules(params[row.zone], 0);
            (uint256 weight, bool added) = pages.add(row.orders, rules, row.green);
            if (!added) continue;
            fates[i] = Fate(true, weight);
            if (row.isTakenBack) pages.takeBack(row.orders, rules, row.green);
        }
        pages.flush();
    }

    /// @notice Index of the order that pages cannot take.
    function stopOf(Row calldata row, IMarketZones.ZoneParams[2] calldata params) external view returns (uint256) {
        BookPages.Pages memory pages;
        pages.make();
        pages.turn(_paged[row.zone], row.firstSlot);
        OrderRules rules = packOrderRules(params[row.zone], 0);
        (, bool added) = pages.add(row.orders, rules, row.green);
        require(!added, "added");
        return pages.overflowOf(row.orders, rules, row.green);
    }

    function addPlain(Row[] calldata rows, IMarketZones.ZoneParams[2] calldata params)
        external
        returns (Fate[] memory fates)
    {
        fates = new Fate[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            IMarketZones.ZoneParams calldata rules = params[rows[i].zone];
            try this.addWhole(rows[i], rules) {
                fates[i] = Fate(true, _weigh(rows[i], rules));
            } catch (bytes memory reason) {
                if (bytes4(reason) == TakenBack.selector) fates[i] = Fate(true, _weigh(rows[i], rules));
                else require(bytes4(reason) == Refused.selector, "failed");
            }
        }
    }

    /// @notice All orders of a row, or none.
    function addWhole(Row calldata row, IMarketZones.ZoneParams calldata params) external {
        for (uint256 index; index < 96; ++index) {
            OrderTwin.Order memory order = OrderTwin.orderAt(row.orders, index);
            if (order.energyWh == 0) continue;
            bool isBelowFee = !order.isOffer && order.tick < params.networkFeeTicks;
            if (order.energyWh < params.minOrderWh || order.tick > params.capTick || isBelowFee) revert Refused();
            uint256 tick = OrderTwin.bookTick(order, params, row.green);
            (uint256 word, uint256 lane) = TickBook.placeOf(tick, order.isOffer);
            if (!_plain[row.zone].add(row.firstSlot + uint32(index), word, lane, order.energyWh)) revert Refused();
        }
        if (row.isTakenBack) revert TakenBack();
    }

    function _weigh(Row calldata row, IMarketZones.ZoneParams calldata params) private pure returns (uint256 weight) {
        OrderRules rules = packOrderRules(params, 0);
        for (uint256 index; index < 96; ++index) {
            uint32 order = OrderTwin.fieldAt(row.orders, index);
            weight += (order % (1 << 24)) * OrderReserve.weightOf(order, rules, row.green);
        }
        (uint256 reserve, uint256 exposure) = OrderTwin.stake(params, row.orders, 0, row.green);
        if (reserve == 0) return weight;
        (uint256 reserved, uint256 exposed) = OrderReserve.ofWeight(weight, rules, 0);
        require(reserved == reserve && exposed == exposure, "another reserve or exposure");
    }

    /// @dev Some to 96 orders, many at the same tick, few that the rules do not admit.
    function _row(uint256 seed, uint256 common, IMarketZones.ZoneParams[2] memory params)
        private
        pure
        returns (Row memory row)
    {
        row.zone = (seed >> 8) % 2;
        row.firstSlot = DAY + 96 * uint32((seed >> 16) % 2);
        row.green = (seed >> 24) % 2 == 1;
        row.isTakenBack = (seed >> 32) % 4 == 0;
        uint256 sparse = (seed >> 40) % 8;
        uint256 spoilt = (seed >> 48) % 4 == 0 ? (seed >> 56) % 96 : 96;
        for (uint256 index; index < 96; ++index) {
            uint256 r = MarketDraws.random((seed >> 64) % 3 == 0 ? common : seed, index);
            if (r % 8 < sparse && index != spoilt) continue;
            uint256 order = MarketDraws.order(r, params[row.zone]);
            MarketDraws.put(row.orders, index, index == spoilt ? uint32(r >> 200) : order);
        }
    }

    function _atLap(Row[] memory rows, uint32 lap) private pure returns (Row[] memory shifted) {
        shifted = abi.decode(abi.encode(rows), (Row[]));
        for (uint256 i; i < rows.length; ++i) {
            shifted[i].firstSlot += 1024 * lap;
        }
    }

    /// @dev Word for word, laps and all, over both days.
    function _requireSameBooks() private view {
        for (uint256 zone; zone < 2; ++zone) {
            for (uint256 place = 0; place < 192; ++place) {
                uint256 at = ((DAY + place) % 1024) * 32;
                for (uint256 word; word < TickBook.WORDS; ++word) {
                    require(_paged[zone].words[at + word] == _plain[zone].words[at + word], "books differ");
                }
            }
        }
    }
}
