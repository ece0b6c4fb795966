// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMarketSettlement} from "../interfaces/IMarketSettlement.sol";

/// @notice All that is kept of a schedule, in one word, most significant first:
/// first 192 bits of a hash | day u24 | version u32 | green 1 bit | unmetered 1 bit | status u6.
/// The hash is the schedule's EIP-712 struct hash, or the hash of its run while it is provisional or disputed.
/// A cancelled schedule keeps its version under the status None, so that no older version can come back.
type ScheduleRecord is uint256;

using {
    truncatedHash,
    day,
    version,
    isGreen,
    isUnmetered,
    status,
    stands,
    matches,
    withStatus,
    withHash,
    unmetered
} for ScheduleRecord global;

uint256 constant GREEN_BIT = 1 << 7;
uint256 constant UNMETERED_BIT = 1 << 6;
uint256 constant STATUS_MASK = UNMETERED_BIT - 1;

function packRecord(bytes32 hash, uint24 day_, uint32 version_, bool green, IMarketSettlement.ScheduleStatus status_)
    pure
    returns (ScheduleRecord)
{
    uint256 word = (uint256(hash) >> 64) << 64;
    word |= (uint256(day_) << 40) | (uint256(version_) << 8) | uint8(status_);
    return ScheduleRecord.wrap(green ? word | GREEN_BIT : word);
}

function truncatedHash(ScheduleRecord record) pure returns (bytes32) {
    return bytes32((ScheduleRecord.unwrap(record) >> 64) << 64);
}

function day(ScheduleRecord record) pure returns (uint24) {
    return uint24(ScheduleRecord.unwrap(record) >> 40);
}

function version(ScheduleRecord record) pure returns (uint32) {
    return uint32(ScheduleRecord.unwrap(record) >> 8);
}

/// @notice Whether the device is of a kind that was green under the rules of the day.
function isGreen(ScheduleRecord record) pure returns (bool) {
    return ScheduleRecord.unwrap(record) & GREEN_BIT != 0;
}

/// @notice Whether it ended without a profile, as if nothing had been delivered.
function isUnmetered(ScheduleRecord record) pure returns (bool) {
    return ScheduleRecord.unwrap(record) & UNMETERED_BIT != 0;
}

function status(ScheduleRecord record) pure returns (IMarketSettlement.ScheduleStatus) {
    return IMarketSettlement.ScheduleStatus(ScheduleRecord.unwrap(record) & STATUS_MASK);
}

/// @notice Whether money is still reserved for it.
function stands(ScheduleRecord record) pure returns (bool) {
    IMarketSettlement.ScheduleStatus is_ = status(record);
    return is_ != IMarketSettlement.ScheduleStatus.None && is_ != IMarketSettlement.ScheduleStatus.Final;
}

/// @notice Whether `hash` is the record's, as far as it was kept.
function matches(ScheduleRecord record, bytes32 hash) pure returns (bool) {
    return (ScheduleRecord.unwrap(record) ^ uint256(hash)) >> 64 == 0;
}

function withStatus(ScheduleRecord record, IMarketSettlement.ScheduleStatus status_) pure returns (ScheduleRecord) {
    return ScheduleRecord.wrap((ScheduleRecord.unwrap(record) & ~STATUS_MASK) | uint8(status_));
}

function withHash(ScheduleRecord record, bytes32 hash) pure returns (ScheduleRecord) {
    return ScheduleRecord.wrap(uint64(ScheduleRecord.unwrap(record)) | ((uint256(hash) >> 64) << 64));
}

function unmetered(ScheduleRecord record) pure returns (ScheduleRecord) {
    return ScheduleRecord.wrap(ScheduleRecord.unwrap(record) | UNMETERED_BIT);
}
