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
import {ZoneMoney} from "../types/MarketMoney.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {ScheduleRecord, packRecord} from "../types/ScheduleRecord.sol";
import {SCOPE_TRADE} from "../types/Scopes.sol";
import {MarketAccounts} from "./MarketAccounts.sol";

/// @dev The schedules of EnergyMarket: who may submit them, what refuses them, and how they enter the books.
abstract contract MarketOrders is MarketAccounts, EIP712 {
    using BookPages for BookPages.Pages;
    using OrderReserve for uint256[12];
    using OrderReserve for Schedule;
    using ScheduleOrders for Schedule;
    using ScheduleOrders for uint256[12];
    using ScheduleRefusal for Schedule;
    using TickBook for TickBook.Ring;

    /// @dev The zone and day that a call takes orders for.
    /// @param unexposed what the backstop can still be exposed to
    /// @param exposed what accepted schedules expose it to
    struct Session {
        uint24 zone;
        uint24 day;
        bool paused;
        OrderRules rules;
        uint256 unexposed;
        uint256 exposed;
    }

    /// @dev What is known of a schedule that nothing speaks against.
    struct Verdict {
        bytes32 hash;
        bool green;
        uint256 reserve;
        uint256 exposure;
    }

    /// @dev Gas for asking the registry about a signature. A contract's own check (ERC-1271) can burn no more than this of
    /// a relayer's transaction, and P-256 in Solidity, where the precompile is missing, fits in.
    uint256 private constant SIGNATURE_GAS = 500_000;

    /// @inheritdoc IEnergyMarket
    IDeviceRegistry public immutable registry;

    constructor(IDeviceRegistry registry_) EIP712("Gridwitness EnergyMarket", "1") {
        registry = registry_;
    }

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
                pages.forgetRules();
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
        _revertIf(_zoneRefusal(session));
        _revertIf(_signerRefusal(session, verdict, schedule, msg.data[:0], true));
        _revertIf(_recordRefusal(schedule));
        _revertIf(_windowRefusal(session, schedule));
        _revertIf(schedule.ofOrders(session.rules));
        uint256 weight = schedule.orders.weigh(session.rules, verdict.green);
        (verdict.reserve, verdict.exposure) = schedule.ofWeight(session.rules, weight);
        _revertIf(_moneyRefusal(session, schedule, verdict.reserve, verdict.exposure));
        _enter(session.rules, schedule, 0, verdict.green);
        _keep(session, schedule, verdict);
        _expose(session.zone, session.exposed, 0);
    }

    /// @inheritdoc IEnergyMarket
    function replace(SignedSchedule calldata row, Schedule calldata previous) external {
        Schedule calldata schedule = row.schedule;
        Session memory session;
        _open(session, schedule);
        Verdict memory verdict;
        verdict.hash = schedule.hash();
        if (session.rules.isUnknown()) revert ZoneUnknown(schedule.zone);
        bool own = row.signature.length == 0 && msg.sender == schedule.account;
        _revertIf(_signerRefusal(session, verdict, schedule, row.signature, own));
        _requireReplaceable(schedule, previous);
        uint256 from = _requireOpenSlots(session, schedule, previous);
        _revertIf(schedule.ofOrders(session.rules));

        uint256 weight = previous.orders.weigh(session.rules, verdict.green);
        (uint256 released, uint256 unexposed) = previous.ofWeight(session.rules, weight);
        _lock(schedule.account, -int256(released));
        session.unexposed += unexposed;
        weight = schedule.orders.weigh(session.rules, verdict.green);
        (verdict.reserve, verdict.exposure) = schedule.ofWeight(session.rules, weight);
        _revertIf(_moneyRefusal(session, schedule, verdict.reserve, verdict.exposure));
        _leave(session.rules, previous, from, verdict.green);
        _enter(session.rules, schedule, from, verdict.green);
        _keep(session, schedule, verdict);
        _expose(session.zone, session.exposed, unexposed);
    }

    /// @inheritdoc IEnergyMarket
    function reserveOf(Schedule calldata schedule) external view returns (uint256 reserve) {
        (reserve,) = _moneyOf(schedule, false);
    }

    /// @inheritdoc IEnergyMarket
    function exposureOf(Schedule calldata schedule, bool green) external view returns (uint256 exposure) {
        (, exposure) = _moneyOf(schedule, green);
    }

    /// @inheritdoc IEnergyMarket
    function scheduleOf(bytes32 deviceId, uint24 day)
        external
        view
        returns (ScheduleStatus status, uint32 version, bytes32 truncatedHash)
    {
        ScheduleRecord record = _recordOf(deviceId, day);
        if (record.day() == day) return (record.status(), record.version(), record.truncatedHash());
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
        (refused,) = _judgeRow(session, pages, row);
    }

    function _open(Session memory session, Schedule calldata schedule) private view {
        session.zone = schedule.zone;
        session.day = schedule.day;
        session.rules = _rulesOf(schedule.zone, schedule.day).orders;
        ZoneMoney money = _zones[schedule.zone];
        session.paused = money.isPaused();
        session.unexposed = money.unexposed();
        session.exposed = 0;
    }

    function _close(Session memory session, BookPages.Pages memory pages) private {
        pages.flush(_books[session.zone], DeliverySlots.firstOf(session.day));
        _expose(session.zone, session.exposed, 0);
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
        (uint256 weight, uint256 stoppedAt) = pages.add(
            _books[schedule.zone], DeliverySlots.firstOf(schedule.day), schedule.orders, session.rules, verdict.green
        );
        if (stoppedAt < SLOTS) {
            refused = schedule.ofOrders(session.rules);
            return (refused.length == 0 ? schedule.ofOverflow(stoppedAt) : refused, verdict);
        }
        (verdict.reserve, verdict.exposure) = schedule.ofWeight(session.rules, weight);
        refused = _moneyRefusal(session, schedule, verdict.reserve, verdict.exposure);
        if (refused.length != 0) pages.takeBack(schedule.orders, verdict.green);
    }

    function _zoneRefusal(Session memory session) private pure returns (bytes memory) {
        if (session.rules.isUnknown()) return abi.encodeWithSelector(ZoneUnknown.selector, session.zone);
        return session.paused ? abi.encodeWithSelector(ZoneOrdersPaused.selector, session.zone) : bytes("");
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
            authorised = msg.sender == schedule.account;
        } else {
            if (block.timestamp > schedule.deadline) {
                return abi.encodeWithSelector(SignatureExpired.selector, deviceId, schedule.deadline);
            }
            (authorised, device) = _askRegistry(deviceId, verdict.hash, signature);
        }
        if (device.status != IDeviceRegistry.Status.Active) {
            return abi.encodeWithSelector(DeviceNotActive.selector, deviceId, device.status);
        }
        if (schedule.account != device.owner) {
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

    function _windowRefusal(Session memory session, Schedule calldata schedule) private view returns (bytes memory) {
        (uint256 from, uint256 to) = DeliverySlots.window(schedule.day, session.rules.gateLeadSlots());
        if (from == 0 && to == SLOTS) return "";
        uint256 closedAt = from == SLOTS ? SLOTS - 1 : schedule.orders.firstWithEnergy(0, from);
        return schedule.ofSlots(session.rules, from, to, closedAt);
    }

    /// @dev Whether account and backstop have enough for a schedule.
    function _moneyRefusal(Session memory session, Schedule calldata schedule, uint256 reserve, uint256 exposure)
        private
        view
        returns (bytes memory)
    {
        uint256 free = _accounts[schedule.account].free();
        if (reserve > free) {
            return abi.encodeWithSelector(InsufficientBalance.selector, schedule.account, reserve, free);
        }
        uint256 unexposed = session.unexposed - session.exposed;
        if (exposure <= unexposed) return "";
        return abi.encodeWithSelector(BackstopExhausted.selector, schedule.zone, exposure, unexposed);
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
    /// @return from index of the first slot whose gate is open
    function _requireOpenSlots(Session memory session, Schedule calldata schedule, Schedule calldata previous)
        private
        view
        returns (uint256 from)
    {
        uint256 to;
        (from, to) = DeliverySlots.window(schedule.day, session.rules.gateLeadSlots());
        uint256 closedAt = from == SLOTS ? SLOTS - 1 : schedule.orders.firstDifference(previous.orders, from);
        _revertIf(schedule.ofSlots(session.rules, from, to, closedAt));
        bool limitFixed = from != 0 && !schedule.orders.isEmpty();
        if (limitFixed && schedule.imbalanceLimitWh != previous.imbalanceLimitWh) {
            revert ImbalanceLimitFixed(schedule.deviceId, schedule.imbalanceLimitWh, previous.imbalanceLimitWh);
        }
        if (session.paused && schedule.orders.firstWithEnergy(from, SLOTS) != SLOTS) {
            revert ZoneOrdersPaused(schedule.zone);
        }
    }

    /// @dev Keep a schedule's hash and reserve its money; one without energy stands for nothing but its version.
    function _keep(Session memory session, Schedule calldata schedule, Verdict memory verdict) private {
        session.exposed += verdict.exposure;
        ScheduleStatus status = verdict.reserve == 0 ? ScheduleStatus.None : ScheduleStatus.Open;
        if (verdict.reserve != 0) _lock(schedule.account, int256(verdict.reserve));
        _keepRecord(
            schedule.deviceId,
            schedule.day,
            packRecord(verdict.hash, schedule.day, schedule.version, verdict.green, status)
        );
        emit ScheduleSubmitted(schedule.deviceId, schedule.day, schedule.account, schedule.version, verdict.hash);
    }

    /// @dev Add the orders from index `from` on to the books, or revert if a tick's sum overflows.
    function _enter(OrderRules rules, Schedule calldata schedule, uint256 from, bool green) private {
        TickBook.Ring storage ring = _books[schedule.zone];
        uint32 slot = DeliverySlots.firstOf(schedule.day);
        for (uint256 index = from; index < SLOTS; ++index) {
            if (index & 7 == 0 && !ScheduleOrders.hasEnergy(schedule.orders[index >> 3])) {
                index += 7;
                continue;
            }
            uint256 order = schedule.orders.orderAt(index);
            uint256 energyWh = ScheduleOrders.energyWh(order);
            if (energyWh == 0) continue;
            (uint256 word, uint256 lane) = _placeOf(order, rules, green);
            if (TickBook.laneOf(ring.read(slot + uint32(index), word), lane) + energyWh > TickBook.LANE_MAX) {
                _revertIf(schedule.ofOverflow(index));
            }
            ring.add(slot + uint32(index), word, lane, energyWh);
        }
    }

    /// @dev Take the orders from index `from` on out of the books.
    function _leave(OrderRules rules, Schedule calldata schedule, uint256 from, bool green) private {
        TickBook.Ring storage ring = _books[schedule.zone];
        uint32 slot = DeliverySlots.firstOf(schedule.day);
        for (uint256 index = from; index < SLOTS; ++index) {
            uint256 order = schedule.orders.orderAt(index);
            uint256 energyWh = ScheduleOrders.energyWh(order);
            if (energyWh == 0) continue;
            (uint256 word, uint256 lane) = _placeOf(order, rules, green);
            ring.subtract(slot + uint32(index), word, lane, energyWh);
        }
    }

    function _placeOf(uint256 order, OrderRules rules, bool green) private pure returns (uint256 word, uint256 lane) {
        uint256 tick = ScheduleOrders.bookTick(order, rules, green);
        word = tick / TickBook.LANES + (ScheduleOrders.isOffer(order) ? TickBook.SIDE : 0);
        lane = tick % TickBook.LANES;
    }

    function _moneyOf(Schedule calldata schedule, bool green) private view returns (uint256 reserve, uint256 exposure) {
        OrderRules rules = _rulesOf(schedule.zone, schedule.day).orders;
        if (rules.isUnknown()) revert ZoneUnknown(schedule.zone);
        return schedule.ofWeight(rules, schedule.orders.weigh(rules, green));
    }

    function _revertIf(bytes memory refused) private pure {
        if (refused.length == 0) return;
        assembly ("memory-safe") {
            revert(add(refused, 32), mload(refused))
        }
    }
}
