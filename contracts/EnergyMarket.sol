// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IDataAttestation} from "./interfaces/IDataAttestation.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {IEnergyMarket} from "./interfaces/IEnergyMarket.sol";
import {DeliverySlots} from "./libraries/DeliverySlots.sol";
import {OrderReserve} from "./libraries/OrderReserve.sol";
import {ScheduleOrders} from "./libraries/ScheduleOrders.sol";
import {SettlementMath} from "./libraries/SettlementMath.sol";
import {TickBook} from "./libraries/TickBook.sol";
import {MarketLedger} from "./market/MarketLedger.sol";
import {MarketOrders} from "./market/MarketOrders.sol";
import {ScheduleRecord} from "./types/ScheduleRecord.sol";
import {SlotHeader} from "./types/SlotHeader.sol";

contract EnergyMarket is MarketOrders {
    using OrderReserve for uint256[12];
    using ScheduleOrders for uint256[12];
    using TickBook for TickBook.Ring;

    /// @dev Rules of a zone and results of its slots on a day, loaded as they are needed; `marks` has a mark, as of
    /// {ScheduleOrders-energyMarks}, for every slot already looked up.
    struct Results {
        uint24 zone;
        uint24 day;
        ZoneParams params;
        uint256[12] marks;
        SlotHeader[96] headers;
    }

    /// @inheritdoc IEnergyMarket
    IDataAttestation public immutable attestation;

    constructor(IDeviceRegistry registry_, IDataAttestation attestation_, IERC20 token_, address admin)
        MarketLedger(token_, admin)
        MarketOrders(registry_)
    {
        attestation = attestation_;
    }

    /// @inheritdoc IEnergyMarket
    function clear(uint24 zone, uint32[] calldata slots) external {
        ZoneParams memory params = _zones[zone];
        if (params.profileStream == 0) revert ZoneUnknown(zone);
        TickBook.Ring storage ring = _books[zone];
        uint32 oldest = DeliverySlots.oldestKept();
        for (uint256 i; i < slots.length; ++i) {
            uint32 slot = slots[i];
            if (slot < oldest) revert SlotExpired(zone, slot, oldest);
            uint256 closesAt = DeliverySlots.gateClosesAt(slot, params.gateLeadSlots);
            if (block.timestamp < closesAt) revert GateStillOpen(slot, closesAt);
            SlotHeader header = ring.load(slot);
            if (header.isCleared()) continue;
            header = ring.clear(header);
            ring.store(header);
            uint256 price = ScheduleOrders.priceOf(params, header.tick());
            emit SlotCleared(zone, slot, header.tick(), price, header.volumeWh(), bytes32(SlotHeader.unwrap(header)));
        }
    }

    /// @inheritdoc IEnergyMarket
    function settle(Schedule[] calldata schedules, Metered[] calldata metered) external {
        if (schedules.length != metered.length) revert LengthMismatch(schedules.length, metered.length);
        Results memory results;
        for (uint256 row; row < schedules.length; ++row) {
            Schedule calldata schedule = schedules[row];
            ScheduleRecord record = _unsettled(schedule);
            uint256 endsAt = DeliverySlots.endOf(schedule.day);
            if (block.timestamp < endsAt) revert DayNotOver(schedule.day, endsAt);
            _select(results, schedule);
            _requireProven(results.params, schedule, metered[row]);
            if (metered[row].scoreBps > results.params.holdScoreBps) {
                _hold(schedule, record, metered[row].scoreBps, results.params.holdScoreBps);
                continue;
            }
            _loadResults(results, schedule.orders, false);
            Settlement memory settlement =
                SettlementMath.onProof(schedule.orders, metered[row].energyWh, results.headers, results.params);
            _settle(schedule, record, results.params, settlement, true);
        }
    }

    /// @inheritdoc IEnergyMarket
    function settleMissing(Schedule calldata schedule) external {
        ScheduleRecord record = _unsettled(schedule);
        Results memory results;
        _select(results, schedule);
        uint256 finalAt = DeliverySlots.endOf(schedule.day) + results.params.finalAfterSeconds;
        if (block.timestamp < finalAt) revert NotYetFinal(schedule.day, finalAt);
        _loadResults(results, schedule.orders, true);
        Settlement memory settlement = SettlementMath.onEstimate(schedule.orders, results.headers, results.params);
        _settle(schedule, record, results.params, settlement, false);
    }

    /// @inheritdoc IEnergyMarket
    function clearing(uint24 zone, uint32 slot) external view returns (Clearing memory result) {
        SlotHeader header = _books[zone].load(slot);
        if (!header.isCleared()) return result;
        result.cleared = true;
        result.tick = header.tick();
        result.pricePerKwh = ScheduleOrders.priceOf(_zones[zone], header.tick());
        result.volumeWh = header.volumeWh();
        result.marginalBidFilledWh = header.marginalBidFilledWh();
        result.marginalBidWh = header.marginalBidWh();
        result.marginalOfferFilledWh = header.marginalOfferFilledWh();
        result.marginalOfferWh = header.marginalOfferWh();
    }

    /// @inheritdoc IEnergyMarket
    function priceOf(uint24 zone, uint8 tick) external view returns (uint256 pricePerKwh) {
        return ScheduleOrders.priceOf(_zones[zone], tick);
    }

    /// @dev Record of a schedule that may be settled, with all its fields proven by its hash.
    function _unsettled(Schedule calldata schedule) private view returns (ScheduleRecord record) {
        record = _standing(schedule);
        _requireMatch(record, schedule.orders.hash(schedule, schedule.version), schedule);
    }

    /// @dev Turn to the zone and day of `schedule`.
    function _select(Results memory results, Schedule calldata schedule) private view {
        if (results.zone == schedule.zone && results.day == schedule.day) return;
        results.zone = schedule.zone;
        results.day = schedule.day;
        results.params = _zones[schedule.zone];
        delete results.marks;
        delete results.headers;
    }

    /// @dev Load the results of all slots with an order; with `lenient`, one that is lost stays zero.
    function _loadResults(Results memory results, uint256[12] calldata orders, bool lenient) private view {
        for (uint256 word; word < ScheduleOrders.WORDS; ++word) {
            uint256 missing = ScheduleOrders.energyMarks(orders[word]) & ~results.marks[word];
            if (missing == 0) continue;
            results.marks[word] |= missing;
            for (uint256 index = word * 8; missing != 0; ++index) {
                if (missing >> 224 != 0) results.headers[index] = _result(results, index, lenient);
                missing <<= 32;
            }
        }
    }

    function _result(Results memory results, uint256 index, bool lenient) private view returns (SlotHeader header) {
        uint32 slot = DeliverySlots.firstOf(results.day) + uint32(index);
        uint32 oldest = DeliverySlots.oldestKept();
        header = _books[results.zone].load(slot);
        if (header.isCleared()) return header;
        if (slot >= oldest) revert SlotNotCleared(results.zone, slot);
        if (!lenient) revert SlotExpired(results.zone, slot, oldest);
        return SlotHeader.wrap(0);
    }

    function _requireProven(ZoneParams memory params, Schedule calldata schedule, Metered calldata metered)
        private
        view
    {
        IDataAttestation.ProfileLeaf memory leaf = IDataAttestation.ProfileLeaf({
            deviceId: schedule.deviceId,
            firstSlot: DeliverySlots.firstOf(schedule.day),
            count: uint16(SLOTS),
            energyHash: keccak256(abi.encodePacked(metered.energyWh)),
            scoreBps: metered.scoreBps
        });
        if (metered.proof.streamId != params.profileStream || !attestation.verifyProfile(leaf, metered.proof)) {
            revert ProofInvalid(schedule.deviceId, schedule.day);
        }
    }

    function _hold(Schedule calldata schedule, ScheduleRecord record, uint16 scoreBps, uint16 holdScoreBps) private {
        _setStatus(schedule, record, ScheduleStatus.Held);
        emit SettlementHeld(schedule.deviceId, schedule.day, scoreBps, holdScoreBps);
    }

    function _settle(
        Schedule calldata schedule,
        ScheduleRecord record,
        ZoneParams memory params,
        Settlement memory settlement,
        bool onProof
    ) private {
        int256 cash = settlement.tradedCash + settlement.imbalanceCash + settlement.penaltyCash;
        uint256 released = schedule.orders.reserve(params);
        _setStatus(schedule, record, ScheduleStatus.Settled);
        settlement.uncollected = _settleCash(schedule.zone, schedule.account, released, cash);
        emit ScheduleSettled(schedule.deviceId, schedule.day, schedule.account, settlement, onProof);
    }
}
