// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {IMarketZones} from "../interfaces/IMarketZones.sol";
import {DeliverySlots} from "../libraries/DeliverySlots.sol";
import {ZoneParamsCheck} from "../libraries/ZoneParamsCheck.sol";
import {packOrderRules} from "../types/OrderRules.sol";
import {packSettlementRules} from "../types/SettlementRules.sol";
import {cappedSlot} from "../types/SlotResult.sol";
import {MarketState} from "./MarketState.sol";

/// @dev Rules of EnergyMarket's zones. Who may set them is checked by EnergyMarket, before it runs this code.
abstract contract MarketZones is MarketState {
    using ZoneParamsCheck for IMarketZones.ZoneParams;

    /// @notice See {IMarketZones-openZone}.
    function openZone(uint24 zone, IMarketZones.ZoneParams calldata params) external {
        if (zone == 0) revert IMarketZones.ZoneParamInvalid("zone", 0, 1);
        if (!_newestRules[zone].orders.isUnknown()) revert IMarketZones.ZoneAlreadyOpen(zone);
        _setRules(zone, 0, params);
        emit IMarketZones.ZoneOpened(zone, params);
    }

    /// @notice See {IMarketZones-announceParams}.
    function announceParams(uint24 zone, uint24 fromDay, IMarketZones.ZoneParams calldata params) external {
        _requireOpen(zone);
        ZoneRules memory newest = _newestRules[zone];
        uint24 pendingFrom = newest.orders.fromDay();
        if (pendingFrom > block.timestamp / DeliverySlots.DAY_SECONDS) {
            revert IMarketZones.ParamsPending(zone, pendingFrom);
        }
        uint24 earliest = DeliverySlots.earliestNotice();
        if (fromDay < earliest) revert IMarketZones.NoticeTooShort(fromDay, earliest);
        _earlierRules[zone].push(newest);
        _setRules(zone, fromDay, params);
        emit IMarketZones.ZoneParamsAnnounced(zone, fromDay, params);
    }

    /// @notice See {IMarketZones-pauseOrders}.
    function pauseOrders(uint24 zone, bool paused) external {
        _requireOpen(zone);
        _zones[zone] = _zones[zone].withPaused(paused);
        emit IMarketZones.ZonePaused(zone, paused);
    }

    /// @notice See {IMarketZones-setFeederCap}.
    function setFeederCap(uint24 zone, uint32[] calldata slots, uint32 capWh) external {
        _requireOpen(zone);
        uint32 last = DeliverySlots.lastInHorizon();
        for (uint256 i; i < slots.length; ++i) {
            uint32 slot = slots[i];
            uint256 lead = _rulesOf(zone, DeliverySlots.dayOf(slot)).orders.gateLeadSlots();
            if (slot < DeliverySlots.firstOpen(lead)) {
                revert IEnergyMarket.GateClosed(slot, DeliverySlots.gateClosesAt(slot, lead));
            }
            if (slot > last) revert IEnergyMarket.BeyondHorizon(slot, last);
            _keepResult(zone, cappedSlot(slot, capWh));
            emit IMarketZones.FeederCapSet(zone, slot, capWh);
        }
    }

    function _requireOpen(uint24 zone) private view {
        if (_newestRules[zone].orders.isUnknown()) revert IMarketZones.ZoneUnknown(zone);
    }

    function _setRules(uint24 zone, uint24 fromDay, IMarketZones.ZoneParams calldata params) private {
        params.requireValid();
        _newestRules[zone] =
            ZoneRules(packOrderRules(params, fromDay), packSettlementRules(params), params.profileStream);
    }
}
