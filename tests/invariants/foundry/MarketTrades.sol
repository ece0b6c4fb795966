// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../../../contracts/interfaces/IMarketSettlement.sol";
import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";
import {DeliverySlots} from "../../../contracts/libraries/DeliverySlots.sol";
import {CHEATS} from "./Cheats.sol";
import {MarketDraws} from "./MarketDraws.sol";
import {MarketModel} from "./MarketModel.sol";
import {OrderTwin} from "./OrderTwin.sol";

/// @dev Schedules of the walk: drawn at random, judged as the market must judge them, and submitted.
abstract contract MarketTrades is MarketModel {
    /// @dev What a row is spoilt with, so that it must be refused, or may have to be.
    enum Fault {
        None,
        DeadlinePassed,
        AccountForeign,
        ZoneForeign,
        SignerStrange,
        VersionStale,
        OrderInadmissible,
        OrderOutsideWindow,
        Unaffordable,
        Empty
    }

    uint40 private constant NO_DEADLINE = type(uint40).max;

    function submit(uint256 seed, uint256 dayAhead, uint256 density) external {
        IEnergyMarket.SignedSchedule[] memory rows = new IEnergyMarket.SignedSchedule[](1 + seed % 4);
        Fault[] memory faults = new Fault[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            uint256 r = MarketDraws.random(seed, i);
            faults[i] = (r >> 8) % 3 == 0 ? Fault((r >> 16) % 10) : Fault.None;
            rows[i] = _row(r, dayAhead % 5 + (seed >> 8) % 2 * (i % 2), density, faults[i]);
        }
        uint256 accepted;
        for (uint256 i; i < rows.length; ++i) {
            bytes4 reason = _refusalOf(rows[i].schedule, faults[i] != Fault.SignerStrange, false);
            if (i == 0) require(bytes4(market.refusal(rows[i])) == reason, "refused for another reason");
            ++reached[reason];
            if (reason != 0) continue;
            _open(rows[i].schedule, _greenOf(rows[i].schedule));
            ++accepted;
        }
        require(market.submit(rows) == accepted, "another number of rows accepted");
        for (uint256 i = _positions.length > 4 ? _positions.length - 4 : 0; i < _positions.length; ++i) {
            _checkRecord(_positions[i]);
        }
    }

    function submitOwn(uint256 seed, uint256 dayAhead, uint256 density) external {
        Fault fault = seed % 3 == 0 ? Fault((seed >> 16) % 10) : Fault.None;
        IMarketSettlement.Schedule memory schedule = _row(seed, dayAhead % 5, density, fault).schedule;
        bytes4 reason = _refusalOf(schedule, true, true);
        ++reached[reason];
        if (reason != 0) {
            _mustRefuse(schedule.account, abi.encodeCall(IEnergyMarket.submitOwn, (schedule)), reason);
            return;
        }
        CHEATS.prank(schedule.account);
        market.submitOwn(schedule);
        ++reached["own"];
        _open(schedule, _greenOf(schedule));
        if (_positions.length != 0) _checkRecord(_positions[_positions.length - 1]);
    }

    /// @dev INV-M11, INV-M12, INV-M22.
    function replace(uint256 pick, uint256 seed, uint256 density) external {
        uint256 index = _pick(pick, _isReplaceable);
        if (index == _positions.length) index = _pick(pick, _isOpen);
        if (index == _positions.length) return;
        IMarketSettlement.Schedule memory previous = _positions[index].schedule;
        IMarketSettlement.Schedule memory next = abi.decode(abi.encode(previous), (IMarketSettlement.Schedule));
        (uint256 from, uint256 to) = _window(next.zone, next.day);
        next.version += uint32(seed % 4);
        next.deadline = NO_DEADLINE;
        if (from == 0) next.imbalanceLimitWh = uint32(seed >> 32) >> (12 + seed % 20);
        bool isEmpty = density % 4 == 0 || _zoneMoney[next.zone].isPaused;
        for (uint256 i = from; i < 96; ++i) {
            MarketDraws.put(next.orders, i, 0);
        }
        if (!isEmpty) _drawOrders(next, seed, density, from, to);
        if (seed % 3 == 0) _afford(next, _positions[index].reserve);
        _replace(index, next, previous, (seed >> 8) % 4);
    }

    /// @dev Change what may not be changed any more: an order whose gate has closed, or the limit once one has.
    function replaceTooLate(uint256 pick, uint256 seed) external {
        uint256 index = _pick(pick, _isOpen);
        if (index == _positions.length) return;
        IMarketSettlement.Schedule memory previous = _positions[index].schedule;
        IMarketSettlement.Schedule memory next = abi.decode(abi.encode(previous), (IMarketSettlement.Schedule));
        (uint256 from,) = _window(next.zone, next.day);
        if (from == 0) return;
        ++next.version;
        uint256 closed = seed % from;
        bool isLimit = seed % 2 == 0 && from != 96;
        if (isLimit) ++next.imbalanceLimitWh;
        else MarketDraws.put(next.orders, closed, OrderTwin.fieldAt(next.orders, closed) ^ (1 << (seed >> 8) % 32));
        bytes4 reason = isLimit ? IEnergyMarket.ImbalanceLimitFixed.selector : IEnergyMarket.GateClosed.selector;
        IEnergyMarket.SignedSchedule memory row = IEnergyMarket.SignedSchedule(next, "");
        _mustRefuse(next.account, abi.encodeCall(IEnergyMarket.replace, (row, previous)), reason);
    }

    // How a schedule is drawn

    function _row(uint256 seed, uint256 dayAhead, uint256 density, Fault fault)
        private
        returns (IEnergyMarket.SignedSchedule memory)
    {
        uint256 device = (seed >> 32) % DEVICES;
        IMarketSettlement.Schedule memory schedule;
        schedule.deviceId = _deviceId(device);
        schedule.account = owner(device / 2);
        schedule.zone = _zone(device);
        // From yesterday to beyond the horizon.
        schedule.day = uint24(block.timestamp / 1 days + dayAhead - 1);
        schedule.version = _versions[schedule.deviceId][schedule.day] + 1;
        schedule.deadline = fault == Fault.DeadlinePassed ? uint40(block.timestamp - 1) : NO_DEADLINE;
        schedule.imbalanceLimitWh = uint32(seed >> 64) >> (12 + seed % 20);
        (uint256 from, uint256 to) = _window(schedule.zone, schedule.day);
        if (fault != Fault.Empty) _drawOrders(schedule, seed, density, from, to);
        _spoil(schedule, seed, fault, from, to);
        return _signed(schedule, fault == Fault.SignerStrange ? 2 : seed % 2);
    }

    function _spoil(IMarketSettlement.Schedule memory schedule, uint256 seed, Fault fault, uint256 from, uint256 to)
        private
    {
        if (fault == Fault.AccountForeign) schedule.account = address(0xF0E);
        if (fault == Fault.ZoneForeign) schedule.zone = 3 - schedule.zone;
        if (fault == Fault.VersionStale) --schedule.version;
        uint256 slot = (seed >> 96) % 96;
        // Below what an order must have, above the price cap, or a bid below the fee.
        uint32[3] memory inadmissible = [uint32(64 << 24 | 1), 127 << 24 | 1000, 1000];
        if (fault == Fault.OrderInadmissible && slot >= from && slot < to) {
            MarketDraws.put(schedule.orders, slot, inadmissible[(seed >> 104) % 3]);
        }
        if (fault == Fault.OrderOutsideWindow && (slot < from || slot >= to)) {
            MarketDraws.put(schedule.orders, slot, (64 << 24) | MarketDraws.MOST_WH);
        }
        if (fault != Fault.Unaffordable && fault != Fault.AccountForeign && fault != Fault.ZoneForeign) {
            _afford(schedule, 0);
        }
    }

    /// @dev Orders around the middle ticks and in the same few slots of a day for all devices, so that many cross.
    function _drawOrders(
        IMarketSettlement.Schedule memory schedule,
        uint256 seed,
        uint256 density,
        uint256 from,
        uint256 to
    ) private view {
        IMarketZones.ZoneParams memory params = rulesOf(schedule.zone, schedule.day);
        for (uint256 index = from; index < to; ++index) {
            uint256 r = MarketDraws.random(seed, index);
            if (!_isBusy(schedule.day, index) || r % 8 > density % 8) continue;
            uint256 isOffer = (r >> 64) % 2;
            uint256 tick = params.capTick - (r >> 8) % 16;
            if ((r >> 72) % 16 == 0) tick = isOffer == 1 ? 0 : params.networkFeeTicks;
            uint256 energyWh = params.minOrderWh + (r >> 16) % (seed % 3 == 0 ? 8 : 1 << 20);
            if ((r >> 80) % 16 == 0) energyWh = MarketDraws.MOST_WH;
            MarketDraws.put(schedule.orders, index, (isOffer << 31) | (tick << 24) | energyWh);
        }
    }

    function _isBusy(uint24 day, uint256 index) private pure returns (bool) {
        return MarketDraws.random(day, index) % 8 == 0;
    }

    function _afford(IMarketSettlement.Schedule memory schedule, uint256 released) private {
        (uint256 reserve,) = _stakeOf(schedule, false);
        uint256 available = _free[schedule.account] + released;
        if (reserve > available) _deposit(schedule.account, reserve - available);
    }

    function _deposit(address account, uint256 amount) internal {
        token.mint(address(this), amount);
        market.deposit(account, amount);
        _free[account] += amount;
    }

    // How the market must judge it

    /// @return why a first version must be refused; zero if it must be accepted
    function _refusalOf(IMarketSettlement.Schedule memory schedule, bool isAuthorised, bool isOwn)
        private
        view
        returns (bytes4)
    {
        uint256 device = _deviceOf(schedule.deviceId);
        if (_zoneMoney[schedule.zone].isPaused) return IMarketZones.ZoneOrdersPaused.selector;
        if (!isOwn && block.timestamp > schedule.deadline) return IEnergyMarket.SignatureExpired.selector;
        if (schedule.account != owner(device / 2)) return IEnergyMarket.NotAccountOwner.selector;
        if (schedule.zone != _zone(device)) return IEnergyMarket.ZoneMismatch.selector;
        if (!isAuthorised) return IEnergyMarket.NotAuthorised.selector;
        if (schedule.version <= _versions[schedule.deviceId][schedule.day]) {
            return IEnergyMarket.VersionNotHigher.selector;
        }
        for (uint256 i; i < _positions.length; ++i) {
            IMarketSettlement.Schedule storage other = _positions[i].schedule;
            if (other.deviceId == schedule.deviceId && other.day % 16 == schedule.day % 16) {
                return IEnergyMarket.ScheduleStands.selector;
            }
        }
        bytes4 reason = _refusalOfOrders(schedule, isOwn);
        return reason == 0 ? _refusalOfMoney(schedule) : reason;
    }

    /// @dev A relayed row is judged by its window, then by what the rules admit, then by the books; an own one order by
    /// order.
    function _refusalOfOrders(IMarketSettlement.Schedule memory schedule, bool isOwn)
        private
        view
        returns (bytes4 reason)
    {
        (uint256 from, uint256 to) = _window(schedule.zone, schedule.day);
        if (from >= to) return to == 0 ? IEnergyMarket.BeyondHorizon.selector : IEnergyMarket.GateClosed.selector;
        IMarketZones.ZoneParams memory params = rulesOf(schedule.zone, schedule.day);
        for (uint256 step; reason == 0 && step < 3 * 96; ++step) {
            (uint256 index, uint256 criterion) = isOwn ? (step / 3, step % 3) : (step % 96, step / 96);
            uint32 word = OrderTwin.fieldAt(schedule.orders, index);
            if (word % (1 << 24) == 0) continue;
            if (criterion == 0) reason = _refusalByWindow(schedule, index);
            if (criterion == 1) reason = _refusalByRules(OrderTwin.unpack(word), params);
            if (criterion == 2 && _overflows(schedule, index, params)) reason = IEnergyMarket.TickSumOverflow.selector;
        }
    }

    function _refusalByWindow(IMarketSettlement.Schedule memory schedule, uint256 index) private view returns (bytes4) {
        (uint256 from, uint256 to) = _window(schedule.zone, schedule.day);
        if (index < from) return IEnergyMarket.GateClosed.selector;
        return index < to ? bytes4(0) : IEnergyMarket.BeyondHorizon.selector;
    }

    function _refusalByRules(OrderTwin.Order memory order, IMarketZones.ZoneParams memory params)
        private
        pure
        returns (bytes4)
    {
        if (order.energyWh < params.minOrderWh) return IEnergyMarket.OrderBelowMinimum.selector;
        if (order.tick > params.capTick) return IEnergyMarket.LimitAboveCap.selector;
        bool isBelowFee = !order.isOffer && order.tick < params.networkFeeTicks;
        return isBelowFee ? IEnergyMarket.LimitBelowFee.selector : bytes4(0);
    }

    function _overflows(
        IMarketSettlement.Schedule memory schedule,
        uint256 index,
        IMarketZones.ZoneParams memory params
    ) private view returns (bool) {
        OrderTwin.Order memory order = OrderTwin.orderAt(schedule.orders, index);
        uint256 tick = OrderTwin.bookTick(order, params, _greenOf(schedule));
        uint256 sum = order.energyWh;
        for (uint256 i; i < _positions.length; ++i) {
            uint32 slot = DeliverySlots.firstOf(schedule.day) + uint32(index);
            OrderTwin.Order memory other = _orderIn(_positions[i], schedule.zone, slot);
            if (other.energyWh == 0 || other.isOffer != order.isOffer) continue;
            if (OrderTwin.bookTick(other, params, _positions[i].green) == tick) sum += other.energyWh;
        }
        return sum > MarketDraws.MOST_WH;
    }

    function _refusalOfMoney(IMarketSettlement.Schedule memory schedule) private view returns (bytes4) {
        (uint256 reserve, uint256 exposure) = _stakeOf(schedule, _greenOf(schedule));
        if (reserve > _free[schedule.account]) return IEnergyMarket.InsufficientBalance.selector;
        return exposure > _unexposed(schedule.zone) ? IMarketZones.BackstopExhausted.selector : bytes4(0);
    }

    /// @dev By the account itself (3), or by somebody with the signature of the device, of its owner or of a stranger.
    function _replace(
        uint256 index,
        IMarketSettlement.Schedule memory next,
        IMarketSettlement.Schedule memory previous,
        uint256 signer
    ) private {
        bool isOwn = signer == 3;
        IEnergyMarket.SignedSchedule memory row = isOwn ? IEnergyMarket.SignedSchedule(next, "") : _signed(next, signer);
        address sender = isOwn ? next.account : address(0xF0E);
        Position memory stood = _positions[index];
        _remove(index);
        _free[next.account] += stood.reserve;
        bytes4 reason = signer == 2 ? IEnergyMarket.NotAuthorised.selector : _refusalOfReplacement(next, previous);
        if (reason != 0) {
            _mustRefuse(sender, abi.encodeCall(IEnergyMarket.replace, (row, previous)), reason);
            _free[next.account] -= stood.reserve;
            _positions.push(stood);
            return;
        }
        CHEATS.prank(sender);
        market.replace(row, previous);
        uint256 count = _positions.length;
        _open(next, stood.green);
        ++reached[_positions.length == count ? bytes32("cancelled") : bytes32("replaced")];
        if (_positions.length > count) _checkRecord(_positions[count]);
    }

    /// @return why `next` must not take the place of `previous`, which the model has taken away already
    function _refusalOfReplacement(IMarketSettlement.Schedule memory next, IMarketSettlement.Schedule memory previous)
        private
        view
        returns (bytes4)
    {
        if (next.version <= previous.version) return IEnergyMarket.VersionNotHigher.selector;
        (uint256 from,) = _window(next.zone, next.day);
        if (from == 96) return IEnergyMarket.GateClosed.selector;
        IMarketZones.ZoneParams memory params = rulesOf(next.zone, next.day);
        for (uint256 index = from; index < 96; ++index) {
            if (OrderTwin.fieldAt(next.orders, index) % (1 << 24) == 0) continue;
            if (_overflows(next, index, params)) return IEnergyMarket.TickSumOverflow.selector;
        }
        return _refusalOfMoney(next);
    }

    function _greenOf(IMarketSettlement.Schedule memory schedule) private view returns (bool) {
        return _isGreen(schedule.deviceId, schedule.zone, schedule.day);
    }

    function _isOpen(Position storage position) private view returns (bool) {
        return position.status == IMarketSettlement.ScheduleStatus.Open;
    }

    function _isReplaceable(Position storage position) private view returns (bool) {
        (uint256 from,) = _window(position.schedule.zone, position.schedule.day);
        return _isOpen(position) && from < 96;
    }

    /// @dev Indices of the slots of a day that may be ordered in.
    function _window(uint24 zone, uint24 day) internal view returns (uint256 from, uint256 to) {
        uint256 first = uint256(day) * 96;
        from = _clamp(block.timestamp / 900 + 1 + rulesOf(zone, day).gateLeadSlots, first);
        to = _clamp(block.timestamp / 900 + 288, first);
    }

    function _clamp(uint256 slot, uint256 first) private pure returns (uint256) {
        if (slot < first) return 0;
        return slot > first + 96 ? 96 : slot - first;
    }
}
