// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMarketZones} from "../interfaces/IMarketZones.sol";

/// @notice What of a zone's rules an order's worth depends on, in one word, most significant first:
/// floorPricePerKwh u32 | tickSizePerKwh u32 | shortPricePerKwh u32 | longPricePerKwh u32 | penaltyPerKwh u32 |
/// toleranceBps u16 | capTick u8 | networkFeeTicks u8 | greenPremiumTicks u8 | greenKinds u8 | minOrderWh u16 |
/// gateLeadSlots u8 | fromDay u24. Zero for a zone that is not open, since no tick size is.
type OrderRules is uint256;

using {
    isUnknown,
    floorPrice,
    tickSize,
    shortPrice,
    longPrice,
    penalty,
    toleranceBps,
    capTick,
    networkFeeTicks,
    greenPremiumTicks,
    isGreenKind,
    minOrderWh,
    gateLeadSlots,
    fromDay,
    priceOf
} for OrderRules global;

function packOrderRules(IMarketZones.ZoneParams calldata params, uint24 fromDay_) pure returns (OrderRules) {
    uint256 word = uint256(params.floorPricePerKwh) << 224;
    word |= uint256(params.tickSizePerKwh) << 192;
    word |= uint256(params.shortPricePerKwh) << 160;
    word |= uint256(params.longPricePerKwh) << 128;
    word |= uint256(params.penaltyPerKwh) << 96;
    word |= uint256(params.toleranceBps) << 80;
    word |= uint256(params.capTick) << 72;
    word |= uint256(params.networkFeeTicks) << 64;
    word |= uint256(params.greenPremiumTicks) << 56;
    word |= uint256(params.greenKinds) << 48;
    word |= uint256(params.minOrderWh) << 32;
    word |= uint256(params.gateLeadSlots) << 24;
    return OrderRules.wrap(word | fromDay_);
}

function isUnknown(OrderRules rules) pure returns (bool) {
    return OrderRules.unwrap(rules) == 0;
}

function floorPrice(OrderRules rules) pure returns (uint256) {
    return OrderRules.unwrap(rules) >> 224;
}

function tickSize(OrderRules rules) pure returns (uint256) {
    return uint32(OrderRules.unwrap(rules) >> 192);
}

function shortPrice(OrderRules rules) pure returns (uint256) {
    return uint32(OrderRules.unwrap(rules) >> 160);
}

function longPrice(OrderRules rules) pure returns (uint256) {
    return uint32(OrderRules.unwrap(rules) >> 128);
}

function penalty(OrderRules rules) pure returns (uint256) {
    return uint32(OrderRules.unwrap(rules) >> 96);
}

function toleranceBps(OrderRules rules) pure returns (uint256) {
    return uint16(OrderRules.unwrap(rules) >> 80);
}

function capTick(OrderRules rules) pure returns (uint256) {
    return uint8(OrderRules.unwrap(rules) >> 72);
}

function networkFeeTicks(OrderRules rules) pure returns (uint256) {
    return uint8(OrderRules.unwrap(rules) >> 64);
}

function greenPremiumTicks(OrderRules rules) pure returns (uint256) {
    return uint8(OrderRules.unwrap(rules) >> 56);
}

/// @notice Whether devices of `kind` (IDeviceRegistry.Kind) are green.
function isGreenKind(OrderRules rules, uint256 kind) pure returns (bool) {
    return (OrderRules.unwrap(rules) >> (48 + kind)) & 1 == 1;
}

function minOrderWh(OrderRules rules) pure returns (uint256) {
    return uint16(OrderRules.unwrap(rules) >> 32);
}

function gateLeadSlots(OrderRules rules) pure returns (uint256) {
    return uint8(OrderRules.unwrap(rules) >> 24);
}

function fromDay(OrderRules rules) pure returns (uint24) {
    return uint24(OrderRules.unwrap(rules));
}

/// @notice Price of a tick.
function priceOf(OrderRules rules, uint256 tick) pure returns (uint256) {
    unchecked {
        return floorPrice(rules) + tick * tickSize(rules);
    }
}
