// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAttestation} from "../interfaces/IDataAttestation.sol";
import {IMarketSettlement} from "../interfaces/IMarketSettlement.sol";
import {ScheduleOrders} from "../libraries/ScheduleOrders.sol";
import {ScheduleRecord} from "../types/ScheduleRecord.sol";
import {MarketSettlement} from "./MarketSettlement.sol";
import {MarketZones} from "./MarketZones.sol";

/// @dev The part of EnergyMarket's code that does not fit into one contract (EIP-170). EnergyMarket makes it and runs it on
/// its own storage by delegatecall; called directly it has storage without a zone or a schedule, and no money.
contract MarketExtension is MarketZones, MarketSettlement {
    using ScheduleOrders for Schedule;

    constructor(IDataAttestation attestation_) MarketSettlement(attestation_) {}

    /// @inheritdoc IMarketSettlement
    function settlementOf(Schedule calldata schedule, Metered calldata metered)
        external
        view
        returns (Settlement memory settlement)
    {
        (bytes32 deviceId, uint24 on) = (schedule.deviceId, schedule.day);
        ScheduleRecord record = _recordOf(deviceId, on);
        ScheduleStatus status = _statusOn(record, on);
        if (status != ScheduleStatus.Final) revert ScheduleNotFinal(deviceId, on, status);
        bytes32 hash = schedule.hash();
        if (!record.matches(hash)) revert ScheduleMismatch(deviceId, on);
        if (record.isUnmetered()) revert ScheduleUnmetered(deviceId, on);
        Day memory day;
        _select(day, schedule);
        _requireProven(day, schedule, metered);
        _requireNotHeld(day, schedule, metered);
        (, settlement) = _runOf(day, schedule, _tally(day, schedule, record), hash, record, 0);
    }
}
