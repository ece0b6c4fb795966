// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAttestation} from "../interfaces/IDataAttestation.sol";
import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../interfaces/IMarketSettlement.sol";
import {DayFill} from "../libraries/DayFill.sol";
import {DayTally} from "../libraries/DayTally.sol";
import {DayTerms} from "../libraries/DayTerms.sol";
import {DeliverySlots, RESULT_SLOTS} from "../libraries/DeliverySlots.sol";
import {OrderReserve} from "../libraries/OrderReserve.sol";
import {ScheduleOrders} from "../libraries/ScheduleOrders.sol";
import {SettlementMath} from "../libraries/SettlementMath.sol";
import {StandardLeaf} from "../libraries/StandardLeaf.sol";
import {AccountMoney, packAccountMoney} from "../types/MarketMoney.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {ScheduleRecord} from "../types/ScheduleRecord.sol";
import {SettlementRules} from "../types/SettlementRules.sol";
import {SlotResult} from "../types/SlotResult.sol";
import {MarketState} from "./MarketState.sol";

/// @dev Settlement of EnergyMarket: runs, disputes and how a schedule ends.
abstract contract MarketSettlement is MarketState, IMarketSettlement {
    using DayFill for DayTerms.Terms;
    using DayTerms for DayTerms.Terms;
    using ScheduleOrders for Schedule;
    using SettlementMath for DayTally.Sums;

    /// @dev Rules of a zone and results of its slots on a day, loaded as they are needed, and the schedule at hand.
    /// @param marks a mark, as of {ScheduleOrders-energyMarks}, for every slot already looked up
    /// @param isComplete whether all slots were
    struct Day {
        uint24 zone;
        uint24 day;
        OrderRules orders;
        SettlementRules rules;
        bytes32 profileStream;
        uint256[12] marks;
        bool isComplete;
        DayTerms.Terms terms;
        uint256[12] energyWh;
    }

    /// @inheritdoc IMarketSettlement
    IDataAttestation public immutable attestation;

    constructor(IDataAttestation attestation_) {
        attestation = attestation_;
    }

    /// @inheritdoc IMarketSettlement
    function settle(Schedule[] calldata schedules, Metered[] calldata metered) external {
        if (schedules.length != metered.length) revert LengthMismatch(schedules.length, metered.length);
        Day memory day;
        for (uint256 row; row < schedules.length; ++row) {
            uint256 mark = _markMemory();
            Schedule calldata schedule = schedules[row];
            bytes32 hash = schedule.hash();
            ScheduleRecord record = _recordOf(schedule.deviceId, schedule.day);
            _requireUnsettled(record, schedule, hash);
            uint256 endsAt = DeliverySlots.endOf(schedule.day);
            if (block.timestamp < endsAt) revert DayNotOver(schedule.day, endsAt);
            _select(day, schedule);
            _requireProven(day, schedule, metered[row]);
            uint16 limitBps = day.rules.holdScoreBps();
            if (metered[row].scoreBps > limitBps) _hold(record, schedule, metered[row].scoreBps, limitBps);
            else _runOnProof(day, schedule, uint32(metered[row].proof.seq), hash, record);
            _releaseMemory(mark);
        }
    }

    /// @inheritdoc IMarketSettlement
    function settleMissing(Schedule calldata schedule, SettlementRun calldata previous) external {
        ScheduleRecord record = _recordOf(schedule.deviceId, schedule.day);
        Day memory day;
        _select(day, schedule);
        uint256 endsAt = DeliverySlots.endOf(schedule.day);
        bool isFinal = block.timestamp >= endsAt + day.rules.finalAfterSeconds();
        bytes32 hash = schedule.hash();
        if (isFinal && _statusOn(record, schedule.day) == ScheduleStatus.Provisional) {
            _undoEstimate(record, previous, hash);
        } else {
            ScheduleStatus status = _requireUnsettled(record, schedule, hash);
            uint256 provisionalAt = endsAt + day.rules.provisionalAfterSeconds();
            if (block.timestamp < provisionalAt) revert NotYetProvisional(schedule.day, provisionalAt);
            if (!isFinal && status == ScheduleStatus.Held) {
                revert ScheduleNotOpen(schedule.deviceId, schedule.day, status);
            }
        }
        // What lost results said about who owes whom cannot be known: then the reserve is forfeit.
        bool isLost = _mayBeLost(DeliverySlots.firstOf(schedule.day));
        if (!isLost) _loadTerms(day, schedule.orders);
        DayTally.Sums memory sums =
            SettlementMath.estimate(day.terms, _copy(schedule.orders), day.orders, _premiumOf(day, record), !isFinal);
        (SettlementRun memory run, Settlement memory settlement) = _runOf(day, schedule, sums, hash, record, 0);
        if (isLost) {
            // Through the transit, since it may have paid for what this schedule bought.
            (run.fromCounterparties, run.fromBackstop) = (-int64(run.reserve), 0);
            delete settlement;
            settlement.penaltyCash = run.fromCounterparties;
        }
        _make(run, settlement, record);
        // No run is kept of it, and what is attested later must not pass for what the account was paid for.
        if (isFinal) _end(run, record.unmetered());
    }

    /// @inheritdoc IMarketSettlement
    function correct(Schedule calldata schedule, Metered calldata metered, SettlementRun calldata previous_) external {
        SettlementRun memory previous = previous_;
        ScheduleRecord record = _recordOf(schedule.deviceId, schedule.day);
        bytes32 hash = schedule.hash();
        _requireRun(record, previous);
        if (previous.scheduleHash != hash) revert ScheduleMismatch(schedule.deviceId, schedule.day);
        if (metered.proof.seq <= previous.profileSeq) {
            revert ProfileNotLater(schedule.deviceId, schedule.day, uint32(metered.proof.seq), previous.profileSeq);
        }
        Day memory day;
        _select(day, schedule);
        _requireProven(day, schedule, metered);
        _requireNotHeld(day, schedule, metered);
        _undo(previous);
        int256 cash = _runOnProof(day, schedule, uint32(metered.proof.seq), hash, record);
        bool changed = cash != _cashOf(previous);
        if (previous.disputer != address(0)) _endDispute(previous, day.rules.disputeBond(), changed);
    }

    /// @inheritdoc IMarketSettlement
    function dispute(SettlementRun calldata run_) external {
        SettlementRun memory run = run_;
        ScheduleRecord record = _recordOf(run.deviceId, run.day);
        _requireRun(record, run);
        if (run.disputer != address(0)) revert RunMismatch(run.deviceId, run.day, ScheduleStatus.Disputed);
        if (run.profileSeq == 0) revert RunEstimated(run.deviceId, run.day);
        SettlementRules rules = _rulesOf(run.zone, run.day).settlement;
        uint256 endedAt = run.ranAt + rules.disputeSeconds();
        if (block.timestamp >= endedAt) revert DisputeOver(run.deviceId, run.day, endedAt);
        uint256 free = _accounts[msg.sender].free();
        if (rules.disputeBond() > free) {
            revert IEnergyMarket.InsufficientBalance(msg.sender, rules.disputeBond(), free);
        }
        _lock(msg.sender, int256(rules.disputeBond()));
        run.disputer = msg.sender;
        run.disputedAt = uint40(block.timestamp);
        _keepRecord(run.deviceId, run.day, record.withHash(_hashOf(run)).withStatus(ScheduleStatus.Disputed));
        emit RunDisputed(run.deviceId, run.day, msg.sender, run);
    }

    /// @inheritdoc IMarketSettlement
    function revoke(SettlementRun calldata run_) external {
        SettlementRun memory run = run_;
        ScheduleRecord record = _recordOf(run.deviceId, run.day);
        _requireRun(record, run);
        ZoneRules storage rules = _rulesOf(run.zone, run.day);
        if (run.profileSeq == 0 || _stands(rules.profileStream, run.profileSeq)) {
            revert ProfileStands(run.deviceId, run.day, run.profileSeq);
        }
        _undo(run);
        _keepRecord(run.deviceId, run.day, record.withHash(run.scheduleHash).withStatus(ScheduleStatus.Open));
        emit RunRevoked(run.deviceId, run.day, run.profileSeq);
        if (run.disputer != address(0)) _endDispute(run, rules.settlement.disputeBond(), true);
    }

    /// @inheritdoc IMarketSettlement
    function finalize(SettlementRun[] calldata runs) external {
        for (uint256 i; i < runs.length; ++i) {
            uint256 mark = _markMemory();
            SettlementRun memory run = runs[i];
            ScheduleRecord record = _recordOf(run.deviceId, run.day);
            _requireRun(record, run);
            SettlementRules rules = _rulesOf(run.zone, run.day).settlement;
            uint256 finalAt = rules.disputeSeconds() + (run.disputer == address(0) ? run.ranAt : run.disputedAt);
            // An estimate is not for good: {settleMissing} ends it.
            if (run.profileSeq == 0) finalAt = DeliverySlots.endOf(run.day) + rules.finalAfterSeconds();
            if (run.profileSeq == 0 || block.timestamp < finalAt) {
                revert NotYetFinal(run.deviceId, run.day, finalAt);
            }
            _end(run, record);
            if (run.disputer != address(0)) _endDispute(run, rules.disputeBond(), false);
            _releaseMemory(mark);
        }
    }

    /// @dev Turn to the zone and day of `schedule`.
    function _select(Day memory day, Schedule calldata schedule) internal view {
        if (day.zone == schedule.zone && day.day == schedule.day) return;
        ZoneRules storage rules = _rulesOf(schedule.zone, schedule.day);
        day.zone = schedule.zone;
        day.day = schedule.day;
        day.orders = rules.orders;
        day.rules = rules.settlement;
        day.profileStream = rules.profileStream;
        day.terms.forget();
        for (uint256 word; word < ScheduleOrders.WORDS; ++word) {
            day.marks[word] = 0;
        }
        day.isComplete = false;
    }

    /// @dev Load the terms of all slots with an order.
    function _loadTerms(Day memory day, uint256[12] calldata orders) private view {
        if (day.isComplete) return;
        uint256 loaded = ScheduleOrders.ALL_MARKS;
        for (uint256 word; word < ScheduleOrders.WORDS; ++word) {
            uint256 missing = ScheduleOrders.energyMarks(orders[word]) & ~day.marks[word];
            if (missing != 0) {
                day.marks[word] |= missing;
                for (uint256 index = word * 8; missing != 0; ++index) {
                    if (missing >> 224 != 0) day.terms.note(index, _resultIn(day, index), day.orders);
                    missing <<= 32;
                }
            }
            loaded &= day.marks[word];
        }
        day.isComplete = loaded == ScheduleOrders.ALL_MARKS;
    }

    /// @dev Result of a slot of the day; zero if it was not cleared in time, so that nothing was traded in it.
    function _resultIn(Day memory day, uint256 index) private view returns (SlotResult result) {
        uint32 slot = DeliverySlots.firstOf(day.day) + uint32(index);
        result = _resultOf(day.zone, slot);
        if (result.isCleared()) return result;
        uint32 oldest = DeliverySlots.oldestKept();
        if (slot >= oldest) revert SlotNotCleared(day.zone, slot);
        if (_mayBeLost(slot)) revert SlotExpired(day.zone, slot, oldest);
        return SlotResult.wrap(0);
    }

    /// @dev Whether a slot a lap later may have taken the place of this slot's result.
    function _mayBeLost(uint32 slot) private view returns (bool) {
        return slot + RESULT_SLOTS <= DeliverySlots.lastInHorizon();
    }

    function _requireUnsettled(ScheduleRecord record, Schedule calldata schedule, bytes32 hash)
        private
        pure
        returns (ScheduleStatus status)
    {
        status = _statusOn(record, schedule.day);
        if (status != ScheduleStatus.Open && status != ScheduleStatus.Held) {
            revert ScheduleNotOpen(schedule.deviceId, schedule.day, status);
        }
        if (!record.matches(hash)) revert ScheduleMismatch(schedule.deviceId, schedule.day);
    }

    function _requireRun(ScheduleRecord record, SettlementRun memory run) private pure {
        ScheduleStatus status = _statusOn(record, run.day);
        bool pending = status == ScheduleStatus.Provisional || status == ScheduleStatus.Disputed;
        if (!pending || !record.matches(_hashOf(run))) revert RunMismatch(run.deviceId, run.day, status);
    }

    /// @dev Demand the proof of a profile, and copy its energies to the schedule at hand.
    function _requireProven(Day memory day, Schedule calldata schedule, Metered calldata metered) internal view {
        uint256[12] memory energyWh = _copy(metered.energyWh);
        day.energyWh = energyWh;
        bytes32 energyHash;
        assembly ("memory-safe") {
            energyHash := keccak256(energyWh, 384)
        }
        IDataAttestation.ProfileLeaf memory leaf = IDataAttestation.ProfileLeaf({
            deviceId: schedule.deviceId,
            firstSlot: DeliverySlots.firstOf(schedule.day),
            count: uint16(SLOTS),
            energyHash: energyHash,
            scoreBps: metered.scoreBps
        });
        if (metered.proof.streamId != day.profileStream || !attestation.verifyProfile(leaf, metered.proof)) {
            revert ProofInvalid(schedule.deviceId, schedule.day);
        }
    }

    function _stands(bytes32 streamId, uint32 seq) private view returns (bool) {
        // Which batch took its place makes no difference.
        // slither-disable-next-line unused-return
        (IDataAttestation.BatchStatus status,) = attestation.batchStatus(streamId, seq);
        return status == IDataAttestation.BatchStatus.Standing;
    }

    function _hold(ScheduleRecord record, Schedule calldata schedule, uint16 scoreBps, uint16 limitBps) private {
        _keepRecord(schedule.deviceId, schedule.day, record.withStatus(ScheduleStatus.Held));
        emit SettlementHeld(schedule.deviceId, schedule.day, scoreBps, limitBps);
    }

    /// @return cash what the account is due by the run
    function _runOnProof(
        Day memory day,
        Schedule calldata schedule,
        uint32 profileSeq,
        bytes32 hash,
        ScheduleRecord record
    ) private returns (int256 cash) {
        DayTally.Sums memory sums = _tally(day, schedule, record);
        (SettlementRun memory run, Settlement memory settlement) = _runOf(day, schedule, sums, hash, record, profileSeq);
        _make(run, settlement, record);
        return _cashOf(run);
    }

    /// @dev Sums of a day under the terms of its slots.
    function _tally(Day memory day, Schedule calldata schedule, ScheduleRecord record)
        internal
        view
        returns (DayTally.Sums memory)
    {
        _loadTerms(day, schedule.orders);
        return day.terms.tally(_copy(schedule.orders), day.energyWh, day.orders, _premiumOf(day, record));
    }

    function _runOf(
        Day memory day,
        Schedule calldata schedule,
        DayTally.Sums memory sums,
        bytes32 hash,
        ScheduleRecord record,
        uint32 profileSeq
    ) internal view returns (SettlementRun memory run, Settlement memory settlement) {
        bool green = record.isGreen();
        uint256 limitWh = schedule.imbalanceLimitWh;
        (uint256 reserve, uint256 exposure) = OrderReserve.ofSums(sums, day.orders, limitWh, green);
        run.deviceId = schedule.deviceId;
        run.account = schedule.account;
        run.zone = schedule.zone;
        run.day = schedule.day;
        run.scheduleHash = hash;
        run.profileSeq = profileSeq;
        run.ranAt = uint40(block.timestamp);
        (run.reserve, run.exposure) = (uint64(reserve), uint64(exposure));
        (settlement, run.fromCounterparties, run.fromBackstop) = sums.value(day.orders, limitWh, green);
    }

    function _requireNotHeld(Day memory day, Schedule calldata schedule, Metered calldata metered) internal pure {
        uint16 limitBps = day.rules.holdScoreBps();
        if (metered.scoreBps > limitBps) {
            revert ProfileHeld(schedule.deviceId, schedule.day, metered.scoreBps, limitBps);
        }
    }

    /// @dev Book a run and keep its hash.
    function _make(SettlementRun memory run, Settlement memory settlement, ScheduleRecord record) private {
        _book(run.account, run.zone, run.fromCounterparties, run.fromBackstop);
        _keepRecord(run.deviceId, run.day, record.withHash(_hashOf(run)).withStatus(ScheduleStatus.Provisional));
        emit RunMade(run.deviceId, run.day, run.account, run, settlement);
    }

    function _undo(SettlementRun memory run) private {
        _book(run.account, run.zone, -int256(run.fromCounterparties), -int256(run.fromBackstop));
    }

    /// @dev Take back an estimated run, for the final one.
    function _undoEstimate(ScheduleRecord record, SettlementRun memory run, bytes32 hash) private {
        _requireRun(record, run);
        if (run.scheduleHash != hash) revert ScheduleMismatch(run.deviceId, run.day);
        if (run.profileSeq != 0) revert ScheduleNotOpen(run.deviceId, run.day, ScheduleStatus.Provisional);
        _undo(run);
    }

    /// @dev End a schedule: what its account is due becomes free with the reserve, and exposes the backstop no more.
    function _end(SettlementRun memory run, ScheduleRecord record) private {
        int256 cash = _cashOf(run);
        _lock(run.account, -(int256(uint256(run.reserve)) + cash));
        _unexpose(run.zone, uint256(int256(uint256(run.exposure)) - run.fromBackstop));
        _keepRecord(run.deviceId, run.day, record.withHash(run.scheduleHash).withStatus(ScheduleStatus.Final));
        emit ScheduleFinal(run.deviceId, run.day, run.account, cash);
    }

    /// @dev Give a bond back, or to the account that waited.
    function _endDispute(SettlementRun memory run, uint256 bond, bool upheld) private {
        _lock(run.disputer, -int256(bond));
        if (!upheld) {
            AccountMoney money = _accounts[run.disputer];
            _accounts[run.disputer] = packAccountMoney(money.free() - bond, money.reserved());
            money = _accounts[run.account];
            _accounts[run.account] = packAccountMoney(money.free() + bond, money.reserved());
        }
        emit DisputeEnded(run.deviceId, run.day, run.disputer, bond, upheld);
    }

    function _cashOf(SettlementRun memory run) private pure returns (int256) {
        return int256(run.fromCounterparties) + run.fromBackstop;
    }

    /// @dev keccak256(abi.encode(run)): the 13 words of a run stand in memory as they are encoded.
    function _hashOf(SettlementRun memory run) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(run, 416)
        }
    }

    /// @dev The 12 words in memory, copied at once.
    function _copy(uint256[12] calldata words) private pure returns (uint256[12] memory copy) {
        assembly ("memory-safe") {
            calldatacopy(copy, words, 384)
        }
    }

    function _premiumOf(Day memory day, ScheduleRecord record) private pure returns (uint256) {
        return record.isGreen() ? day.orders.greenPremiumTicks() : 0;
    }
}
