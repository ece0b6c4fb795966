// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IDataAttestation} from "./interfaces/IDataAttestation.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {IEnergyMarket} from "./interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "./interfaces/IMarketSettlement.sol";
import {IMarketZones} from "./interfaces/IMarketZones.sol";
import {IVersioned} from "./interfaces/IVersioned.sol";
import {BookClearing} from "./libraries/BookClearing.sol";
import {DeliverySlots} from "./libraries/DeliverySlots.sol";
import {SharedCode} from "./libraries/SharedCode.sol";
import {TickBook} from "./libraries/TickBook.sol";
import {ZoneParamsCheck} from "./libraries/ZoneParamsCheck.sol";
import {MarketAccounts} from "./market/MarketAccounts.sol";
import {MarketExtension} from "./market/MarketExtension.sol";
import {MarketOrders} from "./market/MarketOrders.sol";
import {OrderRules} from "./types/OrderRules.sol";
import {ScheduleRecord} from "./types/ScheduleRecord.sol";
import {Margin, SlotResult, clearedSlot} from "./types/SlotResult.sol";

/// @dev Money is in MarketAccounts, schedules in MarketOrders, clearing here. The rest would not fit one contract (EIP-170):
/// rules of zones and settlement are code of their own, MarketExtension, made by the constructor and run on this storage.
contract EnergyMarket is MarketOrders {
    using BookClearing for TickBook.Ring;
    using TickBook for TickBook.Ring;

    /// @inheritdoc IMarketSettlement
    IDataAttestation public immutable attestation;

    /// @inheritdoc IEnergyMarket
    address public immutable extension;

    constructor(IDeviceRegistry registry_, IDataAttestation attestation_, IERC20 token_, address admin)
        MarketAccounts(registry_, token_, admin)
    {
        attestation = attestation_;
        extension = address(new MarketExtension(attestation_));
    }

    /// @inheritdoc IEnergyMarket
    function clear(uint24 zone, uint32[] calldata slots) external {
        if (_newestRules[zone].orders.isUnknown()) revert ZoneUnknown(zone);
        uint32 oldest = DeliverySlots.oldestKept();
        for (uint256 i; i < slots.length; ++i) {
            uint32 slot = slots[i];
            if (slot < oldest) revert SlotExpired(zone, slot, oldest);
            ZoneRules storage rules = _rulesOf(zone, DeliverySlots.dayOf(slot));
            OrderRules orderRules = rules.orders;
            uint256 closesAt = DeliverySlots.gateClosesAt(slot, orderRules.gateLeadSlots());
            if (block.timestamp < closesAt) revert GateStillOpen(slot, closesAt);
            SlotResult result = _resultOf(zone, slot);
            if (result.isCleared()) continue;
            uint256 capWh = result.hasOwnCap() ? result.capWh() : rules.settlement.feederCapWh();
            result = _clear(zone, slot, capWh, result);
            _keepResult(zone, result);
            uint256 price = orderRules.priceOf(result.tick());
            emit SlotCleared(
                zone, slot, uint8(result.tick()), price, result.volumeWh(), bytes32(SlotResult.unwrap(result))
            );
        }
    }

    /// @inheritdoc IMarketSettlement
    function settle(Schedule[] calldata, Metered[] calldata) external {
        _runExtension();
    }

    /// @inheritdoc IMarketSettlement
    function settleMissing(Schedule calldata, SettlementRun calldata) external {
        _runExtension();
    }

    /// @inheritdoc IMarketSettlement
    function correct(Schedule calldata, Metered calldata, SettlementRun calldata) external {
        _runExtension();
    }

    /// @inheritdoc IMarketSettlement
    function dispute(SettlementRun calldata) external {
        _runExtension();
    }

    /// @inheritdoc IMarketSettlement
    function revoke(SettlementRun calldata) external {
        _runExtension();
    }

    /// @inheritdoc IMarketSettlement
    function finalize(SettlementRun[] calldata) external {
        _runExtension();
    }

    /// @inheritdoc IMarketSettlement
    function settlementOf(Schedule calldata, Metered calldata) external returns (Settlement memory) {
        _runExtension();
    }

    /// @inheritdoc IMarketZones
    function openZone(uint24, ZoneParams calldata) external onlyRole(ZONE_OPERATOR_ROLE) {
        _runExtension();
    }

    /// @inheritdoc IMarketZones
    function announceParams(uint24, uint24, ZoneParams calldata) external onlyRole(ZONE_OPERATOR_ROLE) {
        _runExtension();
    }

    /// @inheritdoc IMarketZones
    function pauseOrders(uint24, bool) external onlyRole(ZONE_OPERATOR_ROLE) {
        _runExtension();
    }

    /// @inheritdoc IMarketZones
    function setFeederCap(uint24, uint32[] calldata, uint32) external onlyRole(ZONE_OPERATOR_ROLE) {
        _runExtension();
    }

    /// @inheritdoc IVersioned
    function version() external pure returns (string memory) {
        return "1.1.0";
    }

    /// @inheritdoc IMarketZones
    function zoneParams(uint24 zone, uint24 day) external view returns (ZoneParams memory) {
        ZoneRules memory rules = _rulesOf(zone, day);
        return ZoneParamsCheck.unpack(rules.profileStream, rules.orders, rules.settlement);
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
        returns (ScheduleStatus status, uint32 scheduleVersion, bytes32 truncatedHash)
    {
        ScheduleRecord record = _recordOf(deviceId, day);
        if (record.day() == day) return (record.status(), record.version(), record.truncatedHash());
    }

    /// @inheritdoc IEnergyMarket
    function clearing(uint24 zone, uint32 slot) external view returns (Clearing memory) {
        SlotResult result = _resultOf(zone, slot);
        if (!result.isCleared()) return _notCleared(result);
        return Clearing({
            cleared: true,
            tick: uint8(result.tick()),
            pricePerKwh: _rulesOf(zone, DeliverySlots.dayOf(slot)).orders.priceOf(result.tick()),
            volumeWh: result.volumeWh(),
            capWh: result.capWh(),
            bidTick: uint8(result.bidTick()),
            offerTick: uint8(result.offerTick()),
            marginalBidFilledWh: result.marginalBidFilledWh(),
            marginalBidWh: result.marginalBidWh(),
            marginalOfferFilledWh: result.marginalOfferFilledWh(),
            marginalOfferWh: result.marginalOfferWh()
        });
    }

    /// @inheritdoc IEnergyMarket
    function book(uint24 zone, uint32 slot)
        external
        view
        returns (uint256[128] memory bidsWh, uint256[128] memory offersWh)
    {
        TickBook.Ring storage ring = _books[zone];
        for (uint256 tick; tick <= TickBook.MAX_TICK; ++tick) {
            (uint256 word, uint256 lane) = (tick / TickBook.LANES, tick % TickBook.LANES);
            bidsWh[tick] = TickBook.laneOf(ring.read(slot, word), lane);
            offersWh[tick] = TickBook.laneOf(ring.read(slot, TickBook.SIDE + word), lane);
        }
    }

    function _clear(uint24 zone, uint32 slot, uint256 capWh, SlotResult before) private view returns (SlotResult) {
        (uint256 tick, uint256 volume, Margin memory bids, Margin memory offers) = _books[zone].clear(slot, capWh);
        return clearedSlot(before, slot, tick, volume, capWh, bids, offers);
    }

    function _notCleared(SlotResult result) private pure returns (Clearing memory clearing_) {
        clearing_.capWh = result.capWh();
    }

    function _runExtension() private {
        SharedCode.run(extension);
    }
}
