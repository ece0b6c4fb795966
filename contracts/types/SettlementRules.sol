// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMarketZones} from "../interfaces/IMarketZones.sol";

/// @notice What of a zone's rules only clearing and settlement ask, in one word, most significant first:
/// 48 bits unused | feederCapWh u32 | holdScoreBps u16 | provisionalAfterSeconds u32 | finalAfterSeconds u32 |
/// disputeSeconds u32 | disputeBond u64.
type SettlementRules is uint256;

using {
    feederCapWh,
    holdScoreBps,
    provisionalAfterSeconds,
    finalAfterSeconds,
    disputeSeconds,
    disputeBond
} for SettlementRules global;

function packSettlementRules(IMarketZones.ZoneParams calldata params) pure returns (SettlementRules) {
    uint256 word = uint256(params.feederCapWh) << 176;
    word |= uint256(params.holdScoreBps) << 160;
    word |= uint256(params.provisionalAfterSeconds) << 128;
    word |= uint256(params.finalAfterSeconds) << 96;
    word |= uint256(params.disputeSeconds) << 64;
    return SettlementRules.wrap(word | params.disputeBond);
}

function feederCapWh(SettlementRules rules) pure returns (uint256) {
    return uint32(SettlementRules.unwrap(rules) >> 176);
}

function holdScoreBps(SettlementRules rules) pure returns (uint16) {
    return uint16(SettlementRules.unwrap(rules) >> 160);
}

function provisionalAfterSeconds(SettlementRules rules) pure returns (uint256) {
    return uint32(SettlementRules.unwrap(rules) >> 128);
}

function finalAfterSeconds(SettlementRules rules) pure returns (uint256) {
    return uint32(SettlementRules.unwrap(rules) >> 96);
}

function disputeSeconds(SettlementRules rules) pure returns (uint256) {
    return uint32(SettlementRules.unwrap(rules) >> 64);
}

function disputeBond(SettlementRules rules) pure returns (uint256) {
    return uint64(SettlementRules.unwrap(rules));
}
