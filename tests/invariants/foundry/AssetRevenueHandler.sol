// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../../../contracts/interfaces/IMarketSettlement.sol";
import {DeliverySlots} from "../../../contracts/libraries/DeliverySlots.sol";
import {AssetRevenueSetting} from "./AssetRevenueSetting.sol";
import {CHEATS} from "./Cheats.sol";
import {MarketDraws} from "./MarketDraws.sol";
import {OrderTwin} from "./OrderTwin.sol";
import {SettlementTwin} from "./SettlementTwin.sol";

/// @dev Two plants earn for an asset, day after day, from one household that buys; anyone has the asset paid for days of its
/// choice, in any order and as often as it likes.
contract AssetRevenueHandler is AssetRevenueSetting {
    using SettlementTwin for SettlementTwin.Day;

    /// @dev A settled schedule, what was attested of it, and what the twin says it earned.
    struct Row {
        uint256 seller;
        uint24 day;
        IMarketSettlement.Schedule schedule;
        uint256[12] energyWh;
        uint32 seq;
        IMarketSettlement.Settlement earned;
    }

    struct Totals {
        int256 soldWh;
        int256 attestedWh;
        int256 revenue;
        int256 ceiling;
    }

    uint256 private constant FIRST_SLOT = 10;
    uint256 private constant SLOTS = 2;
    uint24 private constant DAYS_REMEMBERED = 15;

    Totals public totals;
    string public surprise;
    Row[] private _rows;
    uint24[PLANTS] private _paidThrough;
    bool[PLANTS] private _isOut;

    constructor() {
        _paidThrough = [_today(), _today()];
    }

    /// @dev One step of a day: orders, delivery and settlement, or the final runs. Time passes last, for the optimizer takes
    /// block.timestamp for constant in a transaction.
    function advance(uint256 seed) external {
        if (_positions.length == 0) {
            _submit(seed, _today() + 1);
            CHEATS.warp(DeliverySlots.endOf(_today() + 1));
        } else if (_positions[0].run.ranAt == 0) {
            _clear(_positions[0].schedule.day);
            _settle(seed);
            CHEATS.warp(block.timestamp + _params().disputeSeconds);
        } else {
            _finalize();
            CHEATS.warp(DeliverySlots.endOf(_today()) + 3 hours);
        }
    }

    /// @dev Mostly the days that come next, sometimes others; once a day is too old, nobody can prove it.
    function fundRevenue(uint256 pick, uint256 count) external {
        uint256 first = pick % 4 == 0 ? (pick / 4) % (_rows.length + 1) : _nextRow();
        uint256 end = first + 1 + count % 4;
        if (end > _rows.length) end = _rows.length;
        if (first >= end || _isForgotten(_rows[first].day)) return;
        IMarketSettlement.Schedule[] memory schedules = new IMarketSettlement.Schedule[](end - first);
        IMarketSettlement.Metered[] memory metered = new IMarketSettlement.Metered[](end - first);
        for (uint256 i = first; i < end; ++i) {
            (schedules[i - first], metered[i - first].energyWh) = (_rows[i].schedule, _rows[i].energyWh);
            metered[i - first].proof = _proofOf(_rows[i].seq);
        }
        (bool may, uint24[PLANTS] memory through, Totals memory sums) = _judge(first, end);
        try asset.fundRevenue(schedules, metered) returns (uint256 cash) {
            _expect(may && int256(cash) == sums.revenue, "revenue was paid that must not be");
            _paidThrough = through;
            totals.soldWh += sums.soldWh;
            totals.attestedWh += sums.attestedWh;
            totals.revenue += sums.revenue;
            totals.ceiling += sums.ceiling;
            ++reached[schedules.length > 1 ? bytes32("paid for several") : bytes32("paid for one")];
        } catch {
            _expect(!may, "revenue was refused");
            ++reached[sums.soldWh > sums.attestedWh ? bytes32("oversold") : bytes32("refused")];
        }
    }

    /// @dev Now and then a plant leaves, or comes back and goes on where it was.
    function movePlant(uint256 seed) external {
        if (seed % 4 != 0) return;
        uint256 plant = (seed / 4) % PLANTS;
        if (_isOut[plant]) asset.addPlant(_plantId(plant));
        else asset.removePlant(_plantId(plant));
        _isOut[plant] = !_isOut[plant];
        ++reached["moved"];
    }

    // A day

    function _submit(uint256 seed, uint24 day) private {
        IEnergyMarket.SignedSchedule[] memory rows = new IEnergyMarket.SignedSchedule[](PLANTS + 1);
        uint256 count;
        for (uint256 seller = 0; seller <= PLANTS; ++seller) {
            uint256 r = MarketDraws.random(seed, seller);
            if (seller < PLANTS && (_isOut[seller] || r % 8 == 0)) continue;
            IMarketSettlement.Schedule memory schedule = _draw(r, seller, day);
            rows[count++] = _signed(schedule, 0);
            _open(schedule, false);
        }
        assembly ("memory-safe") {
            mstore(rows, count)
        }
        require(market.submit(rows) == count, "a schedule was refused");
    }

    function _draw(uint256 r, uint256 seller, uint24 day)
        private
        view
        returns (IMarketSettlement.Schedule memory schedule)
    {
        bool isPlant = seller < PLANTS;
        uint256 isOffer = isPlant ? 1 : 0;
        schedule.deviceId = isPlant ? _plantId(seller) : _deviceId(BUYER);
        schedule.account = isPlant ? address(asset) : owner(BUYER);
        (schedule.zone, schedule.day, schedule.version) = (ZONE, day, 1);
        (schedule.deadline, schedule.imbalanceLimitWh) = (type(uint40).max, 2_000);
        for (uint256 i = 0; i < SLOTS; ++i) {
            uint256 tick = isPlant ? 40 + (r >> 16) % 20 : 60;
            uint256 energyWh = 100 + (r >> (32 + 16 * i)) % (isPlant ? 4_000 : 12_000);
            MarketDraws.put(schedule.orders, FIRST_SLOT + i, (isOffer << 31) | (tick << 24) | energyWh);
        }
    }

    function _clear(uint24 day) private {
        uint32[] memory slots = new uint32[](SLOTS);
        for (uint256 i = 0; i < SLOTS; ++i) {
            slots[i] = DeliverySlots.firstOf(day) + uint32(FIRST_SLOT + i);
        }
        market.clear(ZONE, slots);
        for (uint256 i = 0; i < SLOTS; ++i) {
            _results[ZONE][slots[i]] = _hashOf(market.clearing(ZONE, slots[i]));
        }
    }

    function _settle(uint256 seed) private {
        uint256 count = _positions.length;
        IMarketSettlement.Schedule[] memory schedules = new IMarketSettlement.Schedule[](count);
        IMarketSettlement.Metered[] memory metered = new IMarketSettlement.Metered[](count);
        uint32[] memory seqs = new uint32[](count);
        for (uint256 i = 0; i < count; ++i) {
            schedules[i] = _positions[i].schedule;
            metered[i].energyWh = _delivered(MarketDraws.random(seed, 100 + i), schedules[i]);
            seqs[i] = _attestProfile(_leafOf(schedules[i], metered[i].energyWh), 0);
        }
        for (uint256 i = 0; i < count; ++i) {
            metered[i].proof = _proofOf(seqs[i]);
        }
        market.settle(schedules, metered);
        for (uint256 i = 0; i < count; ++i) {
            _run(_positions[i], SettlementTwin.Data.Metered, metered[i].energyWh, seqs[i]);
            if (_isPlants(schedules[i]) || seed % 8 == 0) _note(schedules[i], metered[i].energyWh, seqs[i]);
        }
    }

    /// @dev What was contracted in each slot; or up to 127 Wh more or less; or more; or less by a third.
    function _delivered(uint256 r, IMarketSettlement.Schedule memory schedule)
        private
        view
        returns (uint256[12] memory energyWh)
    {
        for (uint256 i = FIRST_SLOT; i < FIRST_SLOT + SLOTS; ++i) {
            OrderTwin.Order memory order = OrderTwin.orderAt(schedule.orders, i);
            (uint256 filledWh,) = OrderTwin.fill(order, _clearingOf(schedule.day, i), order.tick);
            int256 energy = order.isOffer ? -int256(filledWh) : int256(filledWh);
            if (r % 4 == 1) energy += int8(uint8(r >> (8 * i)));
            if (r % 4 == 2) energy += energy / 20;
            if (r % 8 == 3) energy -= energy / 3;
            MarketDraws.put(energyWh, i, uint32(int32(energy)));
        }
    }

    function _clearingOf(uint24 day, uint256 index) private view returns (IEnergyMarket.Clearing memory) {
        return market.clearing(ZONE, DeliverySlots.firstOf(day) + uint32(index));
    }

    function _leafOf(IMarketSettlement.Schedule memory schedule, uint256[12] memory energyWh)
        private
        pure
        returns (IDataAttestation.ProfileLeaf memory)
    {
        return IDataAttestation.ProfileLeaf({
            deviceId: schedule.deviceId,
            firstSlot: DeliverySlots.firstOf(schedule.day),
            count: 96,
            energyHash: keccak256(abi.encodePacked(energyWh)),
            scoreBps: 0
        });
    }

    function _note(IMarketSettlement.Schedule memory schedule, uint256[12] memory energyWh, uint32 seq) private {
        Row storage row = _rows.push();
        row.seller = _isPlants(schedule) ? _deviceOf(schedule.deviceId) - FIRST_PLANT : PLANTS;
        (row.day, row.schedule, row.energyWh, row.seq) = (schedule.day, schedule, energyWh, seq);
        row.earned = _earnedBy(schedule, energyWh);
    }

    function _earnedBy(IMarketSettlement.Schedule memory schedule, uint256[12] memory energyWh)
        private
        view
        returns (IMarketSettlement.Settlement memory earned)
    {
        SettlementTwin.Day memory day;
        (day.params, day.limitWh, day.orders) = (_params(), schedule.imbalanceLimitWh, schedule.orders);
        day.energyWh = energyWh;
        for (uint256 i = FIRST_SLOT; i < FIRST_SLOT + SLOTS; ++i) {
            day.results[i] = _clearingOf(schedule.day, i);
        }
        (earned,,) = day.settle();
    }

    function _finalize() private {
        IMarketSettlement.SettlementRun[] memory runs = new IMarketSettlement.SettlementRun[](_positions.length);
        for (uint256 i = 0; i < runs.length; ++i) {
            runs[i] = _positions[i].run;
        }
        market.finalize(runs);
        delete _positions;
    }

    // What may be paid

    /// @dev Each plant's days once, in order, none left out that the market remembers; all together not oversold, and earned.
    function _judge(uint256 first, uint256 end)
        private
        view
        returns (bool may, uint24[PLANTS] memory through, Totals memory sums)
    {
        (may, through) = (true, _paidThrough);
        for (uint256 i = first; i < end; ++i) {
            Row storage row = _rows[i];
            if (row.seller == PLANTS) return (false, through, sums);
            bool isFinal = _positions.length == 0 || _positions[0].schedule.day != row.day;
            bool isNext = row.day > through[row.seller] && !_isOneLeftOut(row, through[row.seller]);
            may = may && isFinal && isNext;
            through[row.seller] = row.day;
            IMarketSettlement.Settlement storage earned = row.earned;
            sums.soldWh -= earned.contractedWh;
            sums.attestedWh -= earned.meteredWh;
            sums.revenue += earned.tradedCash + earned.imbalanceCash + earned.penaltyCash;
            sums.ceiling += earned.tradedCash;
        }
        sums.ceiling += (sums.attestedWh - sums.soldWh) * int256(uint256(_params().longPricePerKwh)) / 1_000;
        may = may && sums.soldWh > 0 && sums.soldWh <= sums.attestedWh && sums.revenue > 0;
    }

    function _isOneLeftOut(Row storage row, uint24 through) private view returns (bool) {
        for (uint256 i = 0; i < _rows.length; ++i) {
            Row storage other = _rows[i];
            if (other.seller != row.seller || other.day <= through || other.day >= row.day) continue;
            if (other.day + DAYS_REMEMBERED >= _today()) return true;
        }
        return false;
    }

    /// @dev The first that is not paid for yet and can be; a plant's.
    function _nextRow() private view returns (uint256 index) {
        for (; index < _rows.length; ++index) {
            Row storage row = _rows[index];
            bool isPlant = row.seller < PLANTS;
            if (isPlant && row.day > _paidThrough[row.seller] && !_isForgotten(row.day)) return index;
        }
    }

    function _isForgotten(uint24 day) private view returns (bool) {
        return day + DAYS_REMEMBERED < _today();
    }

    function _expect(bool condition, string memory otherwise) private {
        if (!condition) surprise = otherwise;
    }

    function _isPlants(IMarketSettlement.Schedule memory schedule) private view returns (bool) {
        return schedule.account == address(asset);
    }

    function _today() private view returns (uint24) {
        return uint24(block.timestamp / 1 days);
    }
}
