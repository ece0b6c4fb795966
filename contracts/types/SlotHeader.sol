// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice State of one delivery slot's order book in one word, most significant first:
/// slot u32 | live words u32 | cleared 1 bit | clearing tick u7 | volumeWh u48 | zero u8 |
/// marginalBidFilledWh u32 | marginalBidWh u32 | marginalOfferFilledWh u32 | marginalOfferWh u32.
/// Bit w of `live words` says that word w of the book was written for this slot and not for one a lap before.
type SlotHeader is uint256;

using {
    slot,
    isLive,
    isCleared,
    tick,
    volumeWh,
    marginalBidFilledWh,
    marginalBidWh,
    marginalOfferFilledWh,
    marginalOfferWh,
    withLive,
    withResult
} for SlotHeader global;

/// @notice Header of a slot nobody ordered in yet.
function freshHeader(uint32 slot_) pure returns (SlotHeader) {
    return SlotHeader.wrap(uint256(slot_) << 224);
}

function slot(SlotHeader header) pure returns (uint32) {
    return uint32(SlotHeader.unwrap(header) >> 224);
}

function isLive(SlotHeader header, uint256 word) pure returns (bool) {
    return (SlotHeader.unwrap(header) >> (192 + word)) & 1 == 1;
}

function isCleared(SlotHeader header) pure returns (bool) {
    return (SlotHeader.unwrap(header) >> 191) & 1 == 1;
}

function tick(SlotHeader header) pure returns (uint8) {
    return uint8(SlotHeader.unwrap(header) >> 184) & 0x7f;
}

function volumeWh(SlotHeader header) pure returns (uint48) {
    return uint48(SlotHeader.unwrap(header) >> 136);
}

function marginalBidFilledWh(SlotHeader header) pure returns (uint32) {
    return uint32(SlotHeader.unwrap(header) >> 96);
}

function marginalBidWh(SlotHeader header) pure returns (uint32) {
    return uint32(SlotHeader.unwrap(header) >> 64);
}

function marginalOfferFilledWh(SlotHeader header) pure returns (uint32) {
    return uint32(SlotHeader.unwrap(header) >> 32);
}

function marginalOfferWh(SlotHeader header) pure returns (uint32) {
    return uint32(SlotHeader.unwrap(header));
}

/// @notice The header with the words of bitmap `words` marked live.
function withLive(SlotHeader header, uint256 words) pure returns (SlotHeader) {
    return SlotHeader.wrap(SlotHeader.unwrap(header) | (words << 192));
}

/// @notice The header of an uncleared slot with its result; quantities must fit their fields.
function withResult(
    SlotHeader header,
    uint256 tick_,
    uint256 volumeWh_,
    uint256 bidFilledWh,
    uint256 bidWh,
    uint256 offerFilledWh,
    uint256 offerWh
) pure returns (SlotHeader) {
    uint256 result = (1 << 191) | (tick_ << 184) | (volumeWh_ << 136);
    result |= (bidFilledWh << 96) | (bidWh << 64) | (offerFilledWh << 32) | offerWh;
    return SlotHeader.wrap(SlotHeader.unwrap(header) | result);
}
