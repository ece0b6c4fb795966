// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {BookPages} from "../libraries/BookPages.sol";
import {DeliverySlots} from "../libraries/DeliverySlots.sol";
import {OrderReserve} from "../libraries/OrderReserve.sol";
import {PageMemory} from "../libraries/PageMemory.sol";
import {ScheduleOrders} from "../libraries/ScheduleOrders.sol";
import {TickBook} from "../libraries/TickBook.sol";
import {ScheduleRecord, packRecord} from "../types/ScheduleRecord.sol";
import {SCOPE_TRADE} from "../types/Scopes.sol";
import {SlotHeader} from "../types/SlotHeader.sol";
import {MarketLedger} from "./MarketLedger.sol";

/// @dev The schedules of EnergyMarket: who may submit them, what refuses them, and how they enter the books.
abstract contract MarketOrders is MarketLedger, EIP712 {
    using BookPages for PageMemory.Pages;
    using OrderReserve for uint256[12];
    using ScheduleOrders for uint256[12];
    using TickBook for TickBook.Ring;

    /// @dev The zone and day that a call takes orders for: rules, book pages, schedules opened but not yet counted.
    struct Session {
        uint24 zone;
        uint24 day;
        uint256 opened;
        ZoneParams params;
        PageMemory.Pages pages;
    }

    uint256 internal constant SLOTS = DeliverySlots.SLOTS_PER_DAY;
    uint256 private constant DAYS_KEPT = 16;

    /// @inheritdoc IEnergyMarket
    IDeviceRegistry public immutable registry;

    mapping(uint24 zone => TickBook.Ring) internal _books;
    mapping(bytes32 deviceId => ScheduleRecord[DAYS_KEPT]) internal _records;

    constructor(IDeviceRegistry registry_) EIP712("Gridwitness EnergyMarket", "1") {
        registry = registry_;
    }

    /// @inheritdoc IEnergyMarket
    function submit(SignedSchedule[] calldata rows) external returns (uint256 accepted) {
        Session memory session;
        for (uint256 row; row < rows.length; ++row) {
            Schedule calldata schedule = rows[row].schedule;
            if (schedule.zone != session.zone || schedule.day != session.day) {
                _close(session);
                _open(session, schedule);
            }
            (bytes memory refused, bytes32 hash, uint256 reserve) =
                _judge(session, schedule, rows[row].signature, false);
            if (refused.length == 0) {
                _accept(session, schedule, hash, reserve);
                ++accepted;
            } else {
                emit ScheduleSkipped(schedule.deviceId, schedule.day, row, refused);
            }
        }
        _close(session);
    }

    /// @inheritdoc IEnergyMarket
    function submitOwn(Schedule calldata schedule) external {
        Session memory session;
        _open(session, schedule);
        (bytes memory refused, bytes32 hash, uint256 reserve) = _judge(session, schedule, msg.data[:0], true);
        _revertIf(refused);
        _accept(session, schedule, hash, reserve);
        _close(session);
    }

    /// @inheritdoc IEnergyMarket
    function replace(SignedSchedule calldata row, uint256[12] calldata previousOrders) external {
        Schedule calldata schedule = row.schedule;
        Session memory session;
        _open(session, schedule);
        bytes32 hash = schedule.orders.hash(schedule, schedule.version);
        bool own = row.signature.length == 0 && msg.sender == schedule.account;
        _revertIf(_signerRefusal(session, schedule, hash, row.signature, own));

        ScheduleRecord record = _standing(schedule);
        if (schedule.version <= record.version()) {
            revert VersionNotHigher(schedule.deviceId, schedule.version, record.version());
        }
        _requireMatch(record, previousOrders.hash(schedule, record.version()), schedule);

        (uint256 from, uint256 to) = DeliverySlots.window(schedule.day, session.params.gateLeadSlots);
        uint256 closedAt = from == SLOTS ? SLOTS - 1 : schedule.orders.firstDifference(previousOrders, from);
        _revertIf(_slotRefusal(session, schedule, from, to, closedAt));
        _exchange(session, schedule, previousOrders, from);
        // The standing one no longer counts; closing the session counts what takes its place.
        _countOutstanding(schedule.zone, 0, 1);
        _keep(session, schedule, hash);
        _close(session);
    }

    /// @inheritdoc IEnergyMarket
    function reserveOf(Schedule calldata schedule) external view returns (uint256) {
        ZoneParams memory params = _zones[schedule.zone];
        if (params.profileStream == 0) revert ZoneUnknown(schedule.zone);
        return schedule.orders.reserve(params);
    }

    /// @inheritdoc IEnergyMarket
    function scheduleOf(bytes32 deviceId, uint24 day)
        external
        view
        returns (ScheduleStatus status, uint32 version, bytes32 truncatedHash)
    {
        ScheduleRecord record = _records[deviceId][day % DAYS_KEPT];
        if (record.day() == day) return (record.status(), record.version(), record.truncatedHash());
    }

    /// @inheritdoc IEnergyMarket
    function book(uint24 zone, uint32 slot)
        external
        view
        returns (uint256[128] memory bidsWh, uint256[128] memory offersWh)
    {
        TickBook.Ring storage ring = _books[zone];
        SlotHeader header = ring.load(slot);
        for (uint256 tick; tick <= TickBook.MAX_TICK; ++tick) {
            (uint256 word, uint256 lane) = (tick / TickBook.LANES, tick % TickBook.LANES);
            bidsWh[tick] = TickBook.laneOf(ring.read(header, word), lane);
            offersWh[tick] = TickBook.laneOf(ring.read(header, TickBook.SIDE + word), lane);
        }
    }

    /// @inheritdoc IEnergyMarket
    function scheduleDigest(Schedule calldata schedule) external view returns (bytes32) {
        return _hashTypedDataV4(schedule.orders.hash(schedule, schedule.version));
    }

    /// @inheritdoc IEnergyMarket
    function refusal(SignedSchedule calldata row) external view returns (bytes memory refused) {
        Session memory session;
        _open(session, row.schedule);
        (refused,,) = _judge(session, row.schedule, row.signature, false);
    }

    /// @dev Record of a schedule that stands unsettled.
    function _standing(Schedule calldata schedule) internal view returns (ScheduleRecord record) {
        record = _recordOf(schedule);
        ScheduleStatus status = record.day() == schedule.day ? record.status() : ScheduleStatus.None;
        if (status != ScheduleStatus.Open && status != ScheduleStatus.Held) {
            revert ScheduleNotOpen(schedule.deviceId, schedule.day, status);
        }
    }

    function _requireMatch(ScheduleRecord record, bytes32 hash, Schedule calldata schedule) internal pure {
        if (!record.matches(hash)) revert ScheduleMismatch(schedule.deviceId, schedule.day);
    }

    function _setStatus(Schedule calldata schedule, ScheduleRecord record, ScheduleStatus status) internal {
        _records[schedule.deviceId][schedule.day % DAYS_KEPT] = record.withStatus(status);
    }

    function _open(Session memory session, Schedule calldata schedule) private view {
        session.zone = schedule.zone;
        session.day = schedule.day;
        session.opened = 0;
        session.params = _zones[schedule.zone];
    }

    function _close(Session memory session) private {
        if (session.zone == 0) return;
        session.pages.flush(_books[session.zone]);
        _countOutstanding(session.zone, session.opened, 0);
    }

    /// @dev Judge a first version; if nothing speaks against it, its orders are in the session's pages.
    /// @return refused ABI-encoded custom error, empty if accepted
    function _judge(Session memory session, Schedule calldata schedule, bytes calldata signature, bool own)
        private
        view
        returns (bytes memory refused, bytes32 hash, uint256 reserve)
    {
        hash = schedule.orders.hash(schedule, schedule.version);
        refused = _signerRefusal(session, schedule, hash, signature, own);
        if (refused.length != 0) return (refused, hash, reserve);
        refused = _recordRefusal(schedule);
        if (refused.length != 0) return (refused, hash, reserve);
        (uint256 from, uint256 to) = DeliverySlots.window(schedule.day, session.params.gateLeadSlots);
        uint256 closedAt = from == SLOTS ? SLOTS - 1 : schedule.orders.firstWithEnergy(0, from);
        refused = _slotRefusal(session, schedule, from, to, closedAt);
        if (refused.length != 0) return (refused, hash, reserve);
        reserve = schedule.orders.reserve(session.params);
        refused = _balanceRefusal(schedule.account, reserve, 0);
        if (refused.length != 0) return (refused, hash, reserve);
        TickBook.Ring storage ring = _books[schedule.zone];
        uint256 stoppedAt = session.pages.add(ring, DeliverySlots.firstOf(schedule.day), schedule.orders);
        if (stoppedAt < SLOTS) refused = _overflow(schedule, stoppedAt);
    }

    /// @dev Whether the zone is open and the signer may trade for the device; `own` means the caller signs by calling.
    function _signerRefusal(
        Session memory session,
        Schedule calldata schedule,
        bytes32 hash,
        bytes calldata signature,
        bool own
    ) private view returns (bytes memory) {
        if (session.params.profileStream == 0) {
            return abi.encodeWithSelector(ZoneUnknown.selector, schedule.zone);
        }
        bytes32 deviceId = schedule.deviceId;
        bool authorised;
        IDeviceRegistry.Device memory device;
        if (own) {
            device = registry.device(deviceId);
            authorised = msg.sender == schedule.account && device.status == IDeviceRegistry.Status.Active;
        } else {
            (authorised, device) = registry.verifySignature(deviceId, SCOPE_TRADE, _hashTypedDataV4(hash), signature);
        }
        if (schedule.account != device.owner) {
            return abi.encodeWithSelector(NotAccountOwner.selector, deviceId, schedule.account, device.owner);
        }
        if (schedule.zone != device.zone) {
            return abi.encodeWithSelector(ZoneMismatch.selector, deviceId, schedule.zone, device.zone);
        }
        return authorised ? bytes("") : abi.encodeWithSelector(NotAuthorised.selector, deviceId);
    }

    /// @dev Whether another schedule stands in the place of a first version.
    function _recordRefusal(Schedule calldata schedule) private view returns (bytes memory) {
        ScheduleRecord record = _recordOf(schedule);
        uint32 current = record.day() == schedule.day ? record.version() : 0;
        if (schedule.version <= current) {
            return abi.encodeWithSelector(VersionNotHigher.selector, schedule.deviceId, schedule.version, current);
        }
        if (record.status() == ScheduleStatus.Open || record.status() == ScheduleStatus.Held) {
            return abi.encodeWithSelector(ScheduleStands.selector, schedule.deviceId, record.day(), record.version());
        }
        return "";
    }

    /// @dev Whether a slot before `from`, namely `closedAt`, or from `to` on is ordered in.
    function _slotRefusal(
        Session memory session,
        Schedule calldata schedule,
        uint256 from,
        uint256 to,
        uint256 closedAt
    ) private view returns (bytes memory) {
        uint32 firstSlot = DeliverySlots.firstOf(schedule.day);
        if (closedAt < from) {
            uint32 slot = firstSlot + uint32(closedAt);
            uint256 closesAt = DeliverySlots.gateClosesAt(slot, session.params.gateLeadSlots);
            return abi.encodeWithSelector(GateClosed.selector, slot, closesAt);
        }
        uint256 beyond = to == 0 ? 0 : schedule.orders.firstWithEnergy(to, SLOTS);
        if (beyond == SLOTS) return "";
        return abi.encodeWithSelector(BeyondHorizon.selector, firstSlot + uint32(beyond), DeliverySlots.lastInHorizon());
    }

    function _balanceRefusal(address account, uint256 reserve, uint256 released) private view returns (bytes memory) {
        (uint256 free,) = balanceOf(account);
        if (reserve <= free + released) return "";
        return abi.encodeWithSelector(InsufficientBalance.selector, account, reserve, free + released);
    }

    function _overflow(Schedule calldata schedule, uint256 index) private pure returns (bytes memory) {
        uint256 order = schedule.orders.orderAt(index);
        uint256 slot = DeliverySlots.firstOf(schedule.day) + index;
        return abi.encodeWithSelector(
            TickSumOverflow.selector, slot, ScheduleOrders.tickOf(order), ScheduleOrders.energyWh(order)
        );
    }

    function _accept(Session memory session, Schedule calldata schedule, bytes32 hash, uint256 reserve) private {
        _reserve(schedule.account, 0, reserve);
        _keep(session, schedule, hash);
    }

    /// @dev Keep a schedule's hash; one without energy stands for nothing but its version.
    function _keep(Session memory session, Schedule calldata schedule, bytes32 hash) private {
        bool empty = schedule.orders.isEmpty();
        if (!empty) ++session.opened;
        _records[schedule.deviceId][schedule.day % DAYS_KEPT] =
            packRecord(hash, schedule.day, schedule.version, empty ? ScheduleStatus.None : ScheduleStatus.Open);
        emit ScheduleSubmitted(schedule.deviceId, schedule.day, schedule.account, schedule.version, hash);
    }

    /// @dev Put the orders from index `from` on in the place of `previous`, in the book and in the account's reserve.
    function _exchange(Session memory session, Schedule calldata schedule, uint256[12] calldata previous, uint256 from)
        private
    {
        uint256 released = previous.reserve(session.params);
        uint256 reserve = schedule.orders.reserve(session.params);
        _revertIf(_balanceRefusal(schedule.account, reserve, released));
        uint256 stoppedAt = session.pages
            .exchange(_books[schedule.zone], DeliverySlots.firstOf(schedule.day), previous, schedule.orders, from);
        if (stoppedAt < SLOTS) _revertIf(_overflow(schedule, stoppedAt));
        _reserve(schedule.account, released, reserve);
    }

    function _recordOf(Schedule calldata schedule) private view returns (ScheduleRecord) {
        return _records[schedule.deviceId][schedule.day % DAYS_KEPT];
    }

    function _revertIf(bytes memory refused) private pure {
        if (refused.length == 0) return;
        assembly ("memory-safe") {
            revert(add(refused, 32), mload(refused))
        }
    }
}
