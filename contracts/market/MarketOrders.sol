// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {BookPages} from "../libraries/BookPages.sol";
import {DeliverySlots} from "../libraries/DeliverySlots.sol";
import {OrderReserve} from "../libraries/OrderReserve.sol";
import {ScheduleOrders} from "../libraries/ScheduleOrders.sol";
import {ScheduleRefusal} from "../libraries/ScheduleRefusal.sol";
import {TickBook} from "../libraries/TickBook.sol";
import {AccountMoney, ZoneMoney} from "../types/MarketMoney.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {ScheduleRecord, packRecord} from "../types/ScheduleRecord.sol";
import {SCOPE_TRADE} from "../types/Scopes.sol";
import {MarketAccounts} from "./MarketAccounts.sol";

/// @dev The schedules of EnergyMarket: who may submit them, what refuses them, and how they enter the books.
abstract contract MarketOrders is MarketAccounts, EIP712 {
    using BookPages for BookPages.Pages;
    using ScheduleOrders for Schedule;
    using ScheduleOrders for uint256[12];
    using ScheduleRefusal for bytes;
    using TickBook for TickBook.Ring;

    /// @dev The zone and day that a call takes orders for.
    /// @param from index of the first slot whose gate is open
    /// @param to index after the last slot within the horizon
    /// @param exposed what accepted schedules expose the backstop to
    struct Session {
        uint24 zone;
        uint24 day;
        OrderRules rules;
        ZoneMoney money;
        uint256 from;
        uint256 to;
        uint256 exposed;
    }

    /// @dev What is known of a schedule. `weight` is that of its orders, `money` what its account had before.
    struct Verdict {
        bytes32 hash;
        bool green;
        bool hasEnergy;
        uint256 weight;
        uint256 reserve;
        uint256 exposure;
        AccountMoney money;
    }

    /// @dev Gas for asking the registry about a signature: a contract's own check (ERC-1271) can burn no more of a relayer's
    /// transaction, and P-256 in Solidity, where the precompile is missing, fits in.
    uint256 private constant SIGNATURE_GAS = 500_000;

    constructor() EIP712("Gridwitness EnergyMarket", "1") {}

    /// @inheritdoc IEnergyMarket
    function submit(SignedSchedule[] calldata rows) external returns (uint256 accepted) {
        Session memory session;
        BookPages.Pages memory pages;
        pages.make();
        for (uint256 row; row < rows.length; ++row) {
            Schedule calldata schedule = rows[row].schedule;
            if (schedule.zone != session.zone || schedule.day != session.day) {
                _close(session, pages);
                _open(session, schedule);
                pages.turn(_books[schedule.zone], DeliverySlots.firstOf(schedule.day));
            }
            uint256 mark = _markMemory();
            (bytes memory refused, Verdict memory verdict) = _judgeRow(session, pages, rows[row]);
            if (refused.length == 0) {
                _keep(session, schedule, verdict);
                ++accepted;
            } else {
                emit ScheduleSkipped(schedule.deviceId, schedule.day, row, refused);
            }
            _releaseMemory(mark);
        }
        _close(session, pages);
    }

    /// @inheritdoc IEnergyMarket
    function submitOwn(Schedule calldata schedule) external {
        Session memory session;
        _open(session, schedule);
        Verdict memory verdict;
        verdict.hash = schedule.hash();
        _zoneRefusal(session).revertIf();
        _signerRefusal(session, verdict, schedule, msg.data[:0], true).revertIf();
        _recordRefusal(schedule).revertIf();
        _dayRefusal(session).revertIf();
        _enter(session, verdict, schedule, 0);
        _moneyRefusal(session, verdict, schedule).revertIf();
        _keep(session, schedule, verdict);
        _zones[session.zone] = session.money.exposed(session.exposed);
    }

    /// @inheritdoc IEnergyMarket
    function replace(SignedSchedule calldata row, Schedule calldata previous) external {
        Schedule calldata schedule = row.schedule;
        Session memory session;
        _open(session, schedule);
        Verdict memory verdict;
        verdict.hash = schedule.hash();
        if (session.rules.isUnknown()) revert ZoneUnknown(schedule.zone);
        _signerRefusal(session, verdict, schedule, row.signature, row.signature.length == 0).revertIf();
        _requireReplaceable(schedule, previous);
        _requireOpenSlots(session, schedule, previous);
        _leave(session, previous, verdict.green);
        _enter(session, verdict, schedule, session.from);
        _moneyRefusal(session, verdict, schedule).revertIf();
        _keep(session, schedule, verdict);
        _zones[session.zone] = session.money.exposed(session.exposed);
    }

    /// @inheritdoc IEnergyMarket
    function scheduleDigest(Schedule calldata schedule) external view returns (bytes32) {
        return _hashTypedDataV4(schedule.hash());
    }

    /// @inheritdoc IEnergyMarket
    function refusal(SignedSchedule calldata row) external view returns (bytes memory refused) {
        Session memory session;
        _open(session, row.schedule);
        BookPages.Pages memory pages;
        pages.make();
        pages.turn(_books[row.schedule.zone], DeliverySlots.firstOf(row.schedule.day));
        (refused,) = _judgeRow(session, pages, row);
    }

    function _open(Session memory session, Schedule calldata schedule) private view {
        session.zone = schedule.zone;
        session.day = schedule.day;
        session.rules = _rulesOf(schedule.zone, schedule.day).orders;
        session.money = _zones[schedule.zone];
        (session.from, session.to) = DeliverySlots.window(schedule.day, session.rules.gateLeadSlots());
        session.exposed = 0;
    }

    function _close(Session memory session, BookPages.Pages memory pages) private {
        pages.flush();
        if (session.exposed != 0) _zones[session.zone] = session.money.exposed(session.exposed);
    }

    /// @dev Judge a first version that is relayed; if nothing speaks against it, its orders are in the pages.
    /// @return refused ABI-encoded custom error, empty if accepted
    function _judgeRow(Session memory session, BookPages.Pages memory pages, SignedSchedule calldata row)
        private
        view
        returns (bytes memory refused, Verdict memory verdict)
    {
        Schedule calldata schedule = row.schedule;
        verdict.hash = schedule.hash();
        refused = _zoneRefusal(session);
        if (refused.length != 0) return (refused, verdict);
        refused = _signerRefusal(session, verdict, schedule, row.signature, false);
        if (refused.length != 0) return (refused, verdict);
        refused = _recordRefusal(schedule);
        if (refused.length != 0) return (refused, verdict);
        refused = _windowRefusal(session, schedule);
        if (refused.length != 0) return (refused, verdict);
        bool added;
        (verdict.weight, added) = pages.add(schedule.orders, session.rules, verdict.green);
        if (!added) return (_orderRefusal(session, pages, schedule, verdict.green), verdict);
        // An order weighs something wherever it costs or exposes anything; only then is it worth looking closer.
        verdict.hasEnergy = verdict.weight != 0 || schedule.orders.firstWithEnergy(0, SLOTS) != SLOTS;
        refused = _moneyRefusal(session, verdict, schedule);
        if (refused.length != 0) pages.takeBack(schedule.orders, session.rules, verdict.green);
    }

    function _orderRefusal(Session memory session, BookPages.Pages memory pages, Schedule calldata schedule, bool green)
        private
        pure
        returns (bytes memory refused)
    {
        refused = ScheduleRefusal.ofOrders(schedule.orders, session.day, session.rules);
        if (refused.length != 0) return refused;
        uint256 index = pages.overflowOf(schedule.orders, session.rules, green);
        return ScheduleRefusal.ofOverflow(schedule.orders.orderAt(index), session.day, index);
    }

    function _zoneRefusal(Session memory session) private pure returns (bytes memory) {
        if (session.rules.isUnknown()) return abi.encodeWithSelector(ZoneUnknown.selector, session.zone);
        return session.money.isPaused() ? abi.encodeWithSelector(ZoneOrdersPaused.selector, session.zone) : bytes("");
    }

    /// @dev Whether the signer may trade for the device; `own` means the caller signs by calling. Says in `verdict` whether
    /// the device is green.
    function _signerRefusal(
        Session memory session,
        Verdict memory verdict,
        Schedule calldata schedule,
        bytes calldata signature,
        bool own
    ) private view returns (bytes memory) {
        bytes32 deviceId = schedule.deviceId;
        bool authorised;
        IDeviceRegistry.Device memory device;
        if (own) {
            device = registry.device(deviceId);
            authorised = msg.sender == device.owner;
        } else {
            if (block.timestamp > schedule.deadline) {
                return abi.encodeWithSelector(SignatureExpired.selector, deviceId, schedule.deadline);
            }
            (authorised, device) = _askRegistry(deviceId, verdict.hash, signature);
        }
        if (device.status != IDeviceRegistry.Status.Active) {
            return abi.encodeWithSelector(DeviceNotActive.selector, deviceId, device.status);
        }
        if (schedule.account != device.owner && !_isPayee(schedule, device.owner)) {
            return abi.encodeWithSelector(NotAccountOwner.selector, deviceId, schedule.account, device.owner);
        }
        if (schedule.zone != device.zone) {
            return abi.encodeWithSelector(ZoneMismatch.selector, deviceId, schedule.zone, device.zone);
        }
        verdict.green = session.rules.isGreenKind(uint8(device.kind));
        return authorised ? bytes("") : abi.encodeWithSelector(NotAuthorised.selector, deviceId);
    }

    function _askRegistry(bytes32 deviceId, bytes32 hash, bytes calldata signature)
        private
        view
        returns (bool authorised, IDeviceRegistry.Device memory device)
    {
        try registry.verifySignature{gas: SIGNATURE_GAS}(
            deviceId, SCOPE_TRADE, _hashTypedDataV4(hash), signature
        ) returns (
            bool authorised_, IDeviceRegistry.Device memory device_
        ) {
            return (authorised_, device_);
        } catch {
            return (false, registry.device(deviceId));
        }
    }

    /// @dev Whether another schedule stands in the place of a first version.
    function _recordRefusal(Schedule calldata schedule) private view returns (bytes memory) {
        ScheduleRecord record = _recordOf(schedule.deviceId, schedule.day);
        uint32 current = record.day() == schedule.day ? record.version() : 0;
        if (schedule.version <= current) {
            return abi.encodeWithSelector(VersionNotHigher.selector, schedule.deviceId, schedule.version, current);
        }
        if (!record.stands()) return "";
        return abi.encodeWithSelector(ScheduleStands.selector, schedule.deviceId, record.day(), record.version());
    }

    /// @dev Whether the day has no open slot, so that not even a schedule without energy can be taken for it: it would take
    /// the place of another day's.
    function _dayRefusal(Session memory session) private view returns (bytes memory) {
        if (session.from < session.to) return "";
        uint256 index = session.to == 0 ? 0 : SLOTS - 1;
        return ScheduleRefusal.ofWindow(session.day, index, session.from, session.to, session.rules);
    }

    /// @dev Whether there are orders in slots that are not open.
    function _windowRefusal(Session memory session, Schedule calldata schedule) private view returns (bytes memory) {
        (uint256 from, uint256 to) = (session.from, session.to);
        if (from == 0 && to == SLOTS) return "";
        if (from >= to) return _dayRefusal(session);
        uint256 index = schedule.orders.firstWithEnergy(0, from);
        if (index == from) index = schedule.orders.firstWithEnergy(to, SLOTS);
        return index == SLOTS ? bytes("") : ScheduleRefusal.ofWindow(session.day, index, from, to, session.rules);
    }

    /// @dev What a schedule reserves and exposes, and whether account and backstop have enough for it.
    function _moneyRefusal(Session memory session, Verdict memory verdict, Schedule calldata schedule)
        private
        view
        returns (bytes memory)
    {
        if (!verdict.hasEnergy) return "";
        (uint256 reserve, uint256 exposure) =
            OrderReserve.ofWeight(verdict.weight, session.rules, schedule.imbalanceLimitWh);
        (verdict.reserve, verdict.exposure) = (reserve, exposure);
        AccountMoney money = _accounts[schedule.account];
        verdict.money = money;
        if (reserve > money.free()) {
            return abi.encodeWithSelector(InsufficientBalance.selector, schedule.account, reserve, money.free());
        }
        unchecked {
            uint256 unexposed = session.money.unexposed() - session.exposed;
            if (exposure <= unexposed) return "";
            return abi.encodeWithSelector(BackstopExhausted.selector, schedule.zone, exposure, unexposed);
        }
    }

    /// @dev Demand that `previous` stands open and `schedule` is a later version of it.
    function _requireReplaceable(Schedule calldata schedule, Schedule calldata previous) private view {
        ScheduleRecord record = _recordOf(schedule.deviceId, schedule.day);
        ScheduleStatus status = _statusOn(record, schedule.day);
        if (status != ScheduleStatus.Open) revert ScheduleNotOpen(schedule.deviceId, schedule.day, status);
        if (schedule.version <= record.version()) {
            revert VersionNotHigher(schedule.deviceId, schedule.version, record.version());
        }
        if (!record.matches(previous.hash()) || previous.account != schedule.account) {
            revert ScheduleMismatch(schedule.deviceId, schedule.day);
        }
    }

    /// @dev Demand that nothing changes that is closed already.
    function _requireOpenSlots(Session memory session, Schedule calldata schedule, Schedule calldata previous)
        private
        view
    {
        uint256 from = session.from;
        uint256 closedAt = from == SLOTS ? SLOTS - 1 : schedule.orders.firstDifference(previous.orders, from);
        if (closedAt < from) ScheduleRefusal.ofWindow(session.day, closedAt, from, SLOTS, session.rules).revertIf();
        bool isFixed = from != 0 && schedule.imbalanceLimitWh != previous.imbalanceLimitWh;
        if (isFixed && schedule.orders.firstWithEnergy(0, SLOTS) != SLOTS) {
            revert ImbalanceLimitFixed(schedule.deviceId, schedule.imbalanceLimitWh, previous.imbalanceLimitWh);
        }
        if (session.money.isPaused() && schedule.orders.firstWithEnergy(from, SLOTS) != SLOTS) {
            revert ZoneOrdersPaused(schedule.zone);
        }
    }

    /// @dev Keep a schedule's hash and reserve its money; one without energy stands for nothing but its version.
    function _keep(Session memory session, Schedule calldata schedule, Verdict memory verdict) private {
        ScheduleStatus status = ScheduleStatus.None;
        if (verdict.hasEnergy) {
            status = ScheduleStatus.Open;
            unchecked {
                session.exposed += verdict.exposure;
            }
            _accounts[schedule.account] = verdict.money.locked(verdict.reserve);
        }
        ScheduleRecord record = packRecord(verdict.hash, schedule.day, schedule.version, verdict.green, status);
        _keepRecord(schedule.deviceId, schedule.day, record);
        emit ScheduleSubmitted(schedule.deviceId, schedule.day, schedule.account, schedule.version, verdict.hash);
    }

    /// @dev Weigh the orders and add those from index `kept` on to the books, or revert if one cannot be.
    function _enter(Session memory session, Verdict memory verdict, Schedule calldata schedule, uint256 kept) private {
        for (uint256 word; word < ScheduleOrders.WORDS; ++word) {
            uint256 packed = schedule.orders[word];
            if (!ScheduleOrders.hasEnergy(packed)) continue;
            verdict.hasEnergy = true;
            unchecked {
                // The first of eight orders stands on top; each turn shifts it out.
                for (uint256 index = word * 8; ScheduleOrders.hasEnergy(packed); ++index) {
                    uint256 order = packed >> 224;
                    packed <<= 32;
                    uint256 energyWh = ScheduleOrders.energyWh(order);
                    if (energyWh == 0) continue;
                    verdict.weight += energyWh * OrderReserve.weightOf(order, session.rules, verdict.green);
                    if (index >= kept) _add(session, order, index, verdict.green);
                }
            }
        }
    }

    function _add(Session memory session, uint256 order, uint256 index, bool green) private {
        OrderRules rules = session.rules;
        if (index < session.from || index >= session.to) {
            ScheduleRefusal.ofWindow(session.day, index, session.from, session.to, rules).revertIf();
        }
        ScheduleRefusal.ofOrder(order, session.day, index, rules).revertIf();
        (uint256 word, uint256 lane) =
            TickBook.placeOf(ScheduleOrders.bookTick(order, rules, green), ScheduleOrders.isOffer(order));
        uint32 slot = DeliverySlots.firstOf(session.day) + uint32(index);
        if (!_books[session.zone].add(slot, word, lane, ScheduleOrders.energyWh(order))) {
            ScheduleRefusal.ofOverflow(order, session.day, index).revertIf();
        }
    }

    /// @dev Take the open orders of the version that stands out of the books, and give back what it reserved and exposed.
    function _leave(Session memory session, Schedule calldata previous, bool green) private {
        (uint256 reserve, uint256 exposure) = _moneyOf(previous, green);
        _lock(previous.account, -int256(reserve));
        session.money = session.money.released(exposure);
        uint32 firstSlot = DeliverySlots.firstOf(session.day);
        for (uint256 index = session.from; index < SLOTS; ++index) {
            uint256 order = previous.orders.orderAt(index);
            uint256 energyWh = ScheduleOrders.energyWh(order);
            if (energyWh == 0) continue;
            (uint256 word, uint256 lane) =
                TickBook.placeOf(ScheduleOrders.bookTick(order, session.rules, green), ScheduleOrders.isOffer(order));
            _books[session.zone].subtract(firstSlot + uint32(index), word, lane, energyWh);
        }
    }

    /// @dev What a schedule reserves and exposes; nothing without energy.
    function _moneyOf(Schedule calldata schedule, bool green)
        internal
        view
        returns (uint256 reserve, uint256 exposure)
    {
        OrderRules rules = _rulesOf(schedule.zone, schedule.day).orders;
        if (rules.isUnknown()) revert ZoneUnknown(schedule.zone);
        return OrderReserve.ofOrders(schedule.orders, rules, schedule.imbalanceLimitWh, green);
    }
}
