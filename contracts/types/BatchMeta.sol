// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice Summary of a batch in one word, most significant first:
/// count u32 | flaggedCount u32 | maxScoreBps u16 | timeFrom u40 | timeTo u40 | modelHash 96 bits.
/// Times are unix seconds of the first and the end of the last reading covered; modelHash is the first 12 bytes of the
/// scoring model's hash.
type BatchMeta is uint256;

using {count, flaggedCount, maxScoreBps, timeFrom, timeTo, modelHash} for BatchMeta global;

function count(BatchMeta meta) pure returns (uint32) {
    return uint32(BatchMeta.unwrap(meta) >> 224);
}

function flaggedCount(BatchMeta meta) pure returns (uint32) {
    return uint32(BatchMeta.unwrap(meta) >> 192);
}

function maxScoreBps(BatchMeta meta) pure returns (uint16) {
    return uint16(BatchMeta.unwrap(meta) >> 176);
}

function timeFrom(BatchMeta meta) pure returns (uint40) {
    return uint40(BatchMeta.unwrap(meta) >> 136);
}

function timeTo(BatchMeta meta) pure returns (uint40) {
    return uint40(BatchMeta.unwrap(meta) >> 96);
}

function modelHash(BatchMeta meta) pure returns (bytes12) {
    return bytes12(bytes32(BatchMeta.unwrap(meta) << 160));
}
