// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketZones} from "../interfaces/IMarketZones.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {SettlementRules} from "../types/SettlementRules.sol";
import {DeliverySlots} from "./DeliverySlots.sol";
import {TickBook} from "./TickBook.sol";

/// @title What a zone's rules must be, and how they read once they are packed.
library ZoneParamsCheck {
    uint256 private constant FULL_BPS = 10_000;
    /// @dev A disputed run, made at the last moment, is final before results are forgotten: twice this after
    /// DeliverySlots.MAX_FINAL_AFTER is 16 days, and results stay for 18 after their slot.
    uint256 private constant MAX_DISPUTE = 5 days;

    /// @notice Revert with ZoneParamInvalid for the first rule that breaks its limit, see {IMarketZones-ZoneParams}.
    function requireValid(IMarketZones.ZoneParams calldata params) internal pure {
        _atLeast("profileStream", uint256(params.profileStream), 1);
        _atLeast("tickSizePerKwh", params.tickSizePerKwh, 1);
        _atLeast("minOrderWh", params.minOrderWh, 1);
        _atLeast("disputeSeconds", params.disputeSeconds, 1);
        _atMost("longPricePerKwh", params.longPricePerKwh, params.shortPricePerKwh);
        _atMost("longPricePerKwh", params.longPricePerKwh, uint256(params.floorPricePerKwh) + params.penaltyPerKwh);
        _atMost("toleranceBps", params.toleranceBps, FULL_BPS);
        _atMost("holdScoreBps", params.holdScoreBps, FULL_BPS);
        _atMost("capTick", params.capTick, TickBook.MAX_TICK);
        _atMost("networkFeeTicks", params.networkFeeTicks, params.capTick);
        _atMost("greenPremiumTicks", params.greenPremiumTicks, TickBook.MAX_TICK);
        _atMost("gateLeadSlots", params.gateLeadSlots, DeliverySlots.MAX_GATE_LEAD);
        _atLeast("finalAfterSeconds", params.finalAfterSeconds, uint256(params.provisionalAfterSeconds) + 1);
        _atMost("finalAfterSeconds", params.finalAfterSeconds, DeliverySlots.MAX_FINAL_AFTER);
        _atMost("disputeSeconds", params.disputeSeconds, MAX_DISPUTE);
    }

    /// @notice The rules in fields again.
    function unpack(bytes32 profileStream, OrderRules orders, SettlementRules settlement)
        internal
        pure
        returns (IMarketZones.ZoneParams memory params)
    {
        uint256 word = OrderRules.unwrap(orders);
        params.profileStream = profileStream;
        params.floorPricePerKwh = uint32(word >> 224);
        params.tickSizePerKwh = uint32(word >> 192);
        params.shortPricePerKwh = uint32(word >> 160);
        params.longPricePerKwh = uint32(word >> 128);
        params.penaltyPerKwh = uint32(word >> 96);
        params.toleranceBps = uint16(word >> 80);
        params.capTick = uint8(word >> 72);
        params.networkFeeTicks = uint8(word >> 64);
        params.greenPremiumTicks = uint8(word >> 56);
        params.greenKinds = uint8(word >> 48);
        params.minOrderWh = uint16(word >> 32);
        params.gateLeadSlots = uint8(word >> 24);
        params.holdScoreBps = settlement.holdScoreBps();
        params.feederCapWh = uint32(settlement.feederCapWh());
        params.provisionalAfterSeconds = uint32(settlement.provisionalAfterSeconds());
        params.finalAfterSeconds = uint32(settlement.finalAfterSeconds());
        params.disputeSeconds = uint32(settlement.disputeSeconds());
        params.disputeBond = uint64(settlement.disputeBond());
    }

    function _atLeast(bytes32 name, uint256 value, uint256 limit) private pure {
        if (value < limit) revert IMarketZones.ZoneParamInvalid(name, value, limit);
    }

    function _atMost(bytes32 name, uint256 value, uint256 limit) private pure {
        if (value > limit) revert IMarketZones.ZoneParamInvalid(name, value, limit);
    }
}
