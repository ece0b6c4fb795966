// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";

/// @notice All that is kept of a schedule, in one word, most significant first:
/// hash (the first 192 bits of its EIP-712 struct hash) | day u24 | version u32 | status u8.
/// A cancelled schedule keeps its version under the status None, so that no older version can come back.
type ScheduleRecord is uint256;

using {truncatedHash, day, version, status, matches, withStatus} for ScheduleRecord global;

function packRecord(bytes32 scheduleHash, uint24 day_, uint32 version_, IEnergyMarket.ScheduleStatus status_)
    pure
    returns (ScheduleRecord)
{
    uint256 word = (uint256(scheduleHash) >> 64) << 64;
    return ScheduleRecord.wrap(word | (uint256(day_) << 40) | (uint256(version_) << 8) | uint8(status_));
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

function status(ScheduleRecord record) pure returns (IEnergyMarket.ScheduleStatus) {
    return IEnergyMarket.ScheduleStatus(uint8(ScheduleRecord.unwrap(record)));
}

/// @notice Whether `scheduleHash` is the record's, as far as it was kept.
function matches(ScheduleRecord record, bytes32 scheduleHash) pure returns (bool) {
    return (ScheduleRecord.unwrap(record) ^ uint256(scheduleHash)) >> 64 == 0;
}

function withStatus(ScheduleRecord record, IEnergyMarket.ScheduleStatus status_) pure returns (ScheduleRecord) {
    return ScheduleRecord.wrap((ScheduleRecord.unwrap(record) & ~uint256(0xff)) | uint8(status_));
}
