// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../../../contracts/interfaces/IMarketSettlement.sol";
import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";
import {DeliverySlots} from "../../../contracts/libraries/DeliverySlots.sol";
import {BruteForceClearing} from "./BruteForceClearing.sol";
import {CHEATS} from "./Cheats.sol";
import {MarketDraws} from "./MarketDraws.sol";
import {MarketTrades} from "./MarketTrades.sol";
import {OrderTwin} from "./OrderTwin.sol";

/// @dev Money, clearing, rules and time of the walk.
abstract contract MarketZonesWalk is MarketTrades {
    using BruteForceClearing for uint256[128];

    constructor() {
        for (uint24 zone = 1; zone <= ZONES; ++zone) {
            IMarketZones.ZoneParams memory params = _params(zone, 0);
            market.openZone(zone, params);
            _rules[zone].push(Rules(0, params));
            _fund(zone, 2e10);
        }
    }

    function deposit(uint256 seed, uint256 amount) external {
        _deposit(owner(seed), 1 + amount % 1e8);
    }

    /// @dev INV-M10: what is reserved stays.
    function withdraw(uint256 seed, uint256 share) external {
        address account = owner(seed);
        uint256 free = _free[account];
        bytes memory beyond = abi.encodeCall(IEnergyMarket.withdraw, (free + 1, account));
        _mustRefuse(account, beyond, IEnergyMarket.InsufficientBalance.selector);
        uint256 amount = free * (share % 101) / 100;
        if (amount == 0) return;
        CHEATS.prank(account);
        market.withdraw(amount, account);
        _free[account] -= amount;
    }

    function fundBackstop(uint256 seed, uint256 amount) external {
        _fund(uint24(1 + seed % ZONES), 1 + amount % 2e10);
    }

    /// @dev INV-M17: what is exposed stays, and what is not goes to nobody but an operator.
    function withdrawBackstop(uint256 seed, uint256 share) external {
        uint24 zone = uint24(1 + seed % ZONES);
        uint256 unexposed = _unexposed(zone);
        bytes memory beyond = abi.encodeCall(IMarketZones.withdrawBackstop, (zone, unexposed + 1, address(this)));
        _mustRefuse(address(this), beyond, IMarketZones.BackstopExhausted.selector);
        uint256 amount = unexposed * (share % 101) / 100;
        if (amount == 0) return;
        bytes memory call = abi.encodeCall(IMarketZones.withdrawBackstop, (zone, amount, address(this)));
        _mustRefuse(owner(seed), call, bytes4(keccak256("AccessControlUnauthorizedAccount(address,bytes32)")));
        market.withdrawBackstop(zone, amount, address(this));
        _zoneMoney[zone].balance -= amount;
    }

    function pauseOrders(uint256 seed) external {
        uint24 zone = uint24(1 + seed % ZONES);
        bool isPaused = (seed >> 8) % 8 == 0;
        market.pauseOrders(zone, isPaused);
        _zoneMoney[zone].isPaused = isPaused;
    }

    /// @dev INV-M18: rules begin with notice, one announcement at a time.
    function announceParams(uint256 seed, uint256 daysAhead) external {
        uint24 zone = uint24(1 + seed % ZONES);
        IMarketZones.ZoneParams memory params = _params(zone, seed >> 8);
        uint24 today = uint24(block.timestamp / 1 days);
        uint24 fromDay = today + 6 + uint24(daysAhead % 4);
        bytes4 reason;
        if (_rules[zone][_rules[zone].length - 1].fromDay > today) reason = IMarketZones.ParamsPending.selector;
        else if (fromDay < today + 7) reason = IMarketZones.NoticeTooShort.selector;
        if (reason != 0) {
            bytes memory call = abi.encodeCall(IMarketZones.announceParams, (zone, fromDay, params));
            return _mustRefuse(address(this), call, reason);
        }
        market.announceParams(zone, fromDay, params);
        _rules[zone].push(Rules(fromDay, params));
        ++reached["rules announced"];
    }

    /// @dev Eight slots in a row; refused whole if one of them is closed or beyond the horizon.
    function setFeederCap(uint256 seed, uint256 capWh) external {
        uint24 zone = uint24(1 + seed % ZONES);
        uint32 first = uint32(block.timestamp / 900 + (seed >> 8) % 300);
        capWh = capWh % 3 == 0 ? capWh % 8 : capWh % (1 << 21);
        uint32[] memory slots = new uint32[](8);
        bytes4 reason;
        for (uint32 i; i < 8; ++i) {
            slots[i] = first + i;
            (uint256 from, uint256 to) = _window(zone, uint24(slots[i] / 96));
            if (reason != 0) continue;
            if (slots[i] % 96 < from) reason = IEnergyMarket.GateClosed.selector;
            else if (slots[i] % 96 >= to) reason = IEnergyMarket.BeyondHorizon.selector;
        }
        if (reason != 0) {
            bytes memory call = abi.encodeCall(IMarketZones.setFeederCap, (zone, slots, uint32(capWh)));
            return _mustRefuse(address(this), call, reason);
        }
        market.setFeederCap(zone, slots, uint32(capWh));
        for (uint256 i; i < 8; ++i) {
            _ownCaps[zone][slots[i]] = 1 + capWh;
        }
        ++reached["capped"];
    }

    function clear(uint256 pick) external {
        if (_positions.length == 0) return;
        IMarketSettlement.Schedule memory schedule = _positions[pick % _positions.length].schedule;
        _clearDay(schedule.zone, schedule.day);
        (uint256 from,) = _window(schedule.zone, schedule.day);
        if (from == 96) return;
        uint32[] memory slots = new uint32[](1);
        slots[0] = DeliverySlots.firstOf(schedule.day) + uint32(from);
        bytes memory call = abi.encodeCall(IEnergyMarket.clear, (schedule.zone, slots));
        _mustRefuse(address(this), call, IEnergyMarket.GateStillOpen.selector);
    }

    function passHours(uint256 quarters) external {
        CHEATS.warp(block.timestamp + 900 * (1 + quarters % 64));
    }

    /// @dev Now and then days in which nobody does anything: laps of both rings, and results that are lost.
    function passLap(uint256 seed) external {
        if (seed % 16 != 0) return;
        ++reached["lap"];
        CHEATS.warp(block.timestamp + 5 days + (seed >> 8) % 16 days);
    }

    /// @dev Clear what can be cleared of a day with standing orders, and check each slot against brute force.
    function _clearDay(uint24 zone, uint24 day) internal {
        (uint256 closed,) = _window(zone, day);
        uint256[12] memory ordered = _orderedIn(zone, day);
        for (uint32 index; index < closed; ++index) {
            uint32 slot = DeliverySlots.firstOf(day) + index;
            if (OrderTwin.fieldAt(ordered, index) % (1 << 24) == 0) continue;
            if (_results[zone][slot] != 0 || slot < DeliverySlots.oldestKept()) continue;
            (uint256[128] memory bids, uint256[128] memory offers) = expectedBook(zone, slot);
            uint32[] memory slots = new uint32[](1);
            slots[0] = slot;
            market.clear(zone, slots);
            _checkClearing(zone, slot, bids, offers);
        }
    }

    /// @dev Orders of a day laid one over the other: without energy where there is none.
    function _orderedIn(uint24 zone, uint24 day) private view returns (uint256[12] memory ordered) {
        for (uint256 i; i < _positions.length; ++i) {
            IMarketSettlement.Schedule storage schedule = _positions[i].schedule;
            for (uint256 word; schedule.zone == zone && schedule.day == day && word < 12; ++word) {
                ordered[word] |= schedule.orders[word];
            }
        }
    }

    function _checkClearing(uint24 zone, uint32 slot, uint256[128] memory bids, uint256[128] memory offers) private {
        IEnergyMarket.Clearing memory result = market.clearing(zone, slot);
        uint256 ownCap = _ownCaps[zone][slot];
        uint256 capWh = ownCap == 0 ? rulesOf(zone, slot / 96).feederCapWh : ownCap - 1;
        BruteForceClearing.Result memory expected = bids.clear(offers, capWh);
        require(result.cleared && result.tick == expected.tick, "price");
        require(result.volumeWh == expected.volumeWh, "volume");
        require(result.bidTick == expected.bidTick && result.offerTick == expected.offerTick, "margins");
        require(result.marginalBidFilledWh == expected.bidFilledWh, "bids filled");
        require(result.marginalOfferFilledWh == expected.offerFilledWh, "offers filled");
        _results[zone][slot] = _hashOf(result);
        ++reached["cleared"];
        if (result.volumeWh != 0) ++reached[result.volumeWh == capWh ? bytes32("cap binds") : bytes32("matched")];
        _checkFills(zone, slot, result);
    }

    /// @dev INV-M2, INV-M3, INV-M6: fee and premium included.
    function _checkFills(uint24 zone, uint32 slot, IEnergyMarket.Clearing memory result) private view {
        IMarketZones.ZoneParams memory params = rulesOf(zone, slot / 96);
        uint256 bought;
        uint256 sold;
        for (uint256 i; i < _positions.length; ++i) {
            Position storage position = _positions[i];
            OrderTwin.Order memory order = _orderIn(position, zone, slot);
            if (order.energyWh == 0) continue;
            uint256 tick = OrderTwin.bookTick(order, params, position.green);
            (uint256 filled,) = OrderTwin.fill(order, result, tick);
            require(filled <= order.energyWh, "beyond quantity");
            if (order.isOffer) sold += filled;
            else bought += filled;
            if (filled == 0) continue;
            uint256 premium = position.green ? params.greenPremiumTicks : 0;
            if (order.isOffer) require(result.tick + premium >= order.tick, "below limit");
            else require(result.tick + params.networkFeeTicks <= order.tick, "above limit");
        }
        require(bought <= result.volumeWh && sold <= result.volumeWh, "filled more than matched");
    }

    function _fund(uint24 zone, uint256 amount) private {
        token.mint(address(this), amount);
        market.fundBackstop(zone, amount);
        _zoneMoney[zone].balance += amount;
    }

    /// @dev Zone 1 starts with fee, premium and lead, zone 2 without, and with a feeder that is often too small.
    function _params(uint24 zone, uint256 seed) private view returns (IMarketZones.ZoneParams memory) {
        return IMarketZones.ZoneParams({
            profileStream: _streamId,
            floorPricePerKwh: 50_000,
            tickSizePerKwh: uint32(1 + (seed + 2_500) % 5_000),
            shortPricePerKwh: 400_000,
            longPricePerKwh: uint32(40_000 - (seed >> 16) % 40_000),
            penaltyPerKwh: uint32(30_000 + (seed >> 32) % 300_000),
            toleranceBps: uint16((500 + (seed >> 48)) % 10_001),
            holdScoreBps: 9_900,
            capTick: uint8(90 + (seed >> 64) % 38),
            networkFeeTicks: zone == 1 ? 2 : uint8(seed >> 72) % 6,
            greenPremiumTicks: zone == 1 ? 3 : uint8(seed >> 80) % 128,
            greenKinds: zone == 1 ? 12 : uint8(seed >> 88),
            minOrderWh: uint16(10 + (seed >> 96) % 100),
            gateLeadSlots: zone == 1 ? 4 : uint8(seed >> 112) % 16,
            feederCapWh: zone == 1 ? type(uint32).max : 400_000,
            provisionalAfterSeconds: uint32(1 days - (seed >> 120) % 1 days),
            finalAfterSeconds: uint32(2 days + (seed >> 136) % 4 days),
            disputeSeconds: uint32(12 hours + (seed >> 152) % 4 days),
            disputeBond: uint64(1e6 - (seed >> 168) % 1e6)
        });
    }
}
