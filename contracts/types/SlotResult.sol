// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice Result of a delivery slot in one word, most significant first:
/// slot u32 | flags u8 (bit 0 cleared, bit 1 has a cap of its own) | tick u8 | bidTick u8 | offerTick u8 | volumeWh u32 |
/// capWh u32 | marginalBidFilledWh u32 | marginalBidWh u32 | marginalOfferFilledWh u32 | marginalOfferWh u32.
/// Zero is a slot of which nothing is known.
type SlotResult is uint256;

using {
    slot,
    isCleared,
    hasOwnCap,
    tick,
    bidTick,
    offerTick,
    volumeWh,
    capWh,
    marginalBidFilledWh,
    marginalBidWh,
    marginalOfferFilledWh,
    marginalOfferWh
} for SlotResult global;

uint256 constant CLEARED_BIT = 1 << 216;
uint256 constant OWN_CAP_BIT = 1 << 217;

/// @notice A slot that is not cleared, with a cap of its own.
function cappedSlot(uint32 slot_, uint32 capWh_) pure returns (SlotResult) {
    return SlotResult.wrap((uint256(slot_) << 224) | OWN_CAP_BIT | (uint256(capWh_) << 128));
}

/// @notice The orders of one side that are served: those better than `tick` whole, those at it `filledWh` of `totalWh`.
struct Margin {
    uint256 tick;
    uint256 filledWh;
    uint256 totalWh;
}

/// @notice A cleared slot; `before` is what was known of it, quantities must fit their fields.
function clearedSlot(
    SlotResult before,
    uint32 slot_,
    uint256 tick_,
    uint256 volumeWh_,
    uint256 capWh_,
    Margin memory bids,
    Margin memory offers
) pure returns (SlotResult) {
    uint256 word = (uint256(slot_) << 224) | (SlotResult.unwrap(before) & OWN_CAP_BIT) | CLEARED_BIT;
    word |= (tick_ << 208) | (bids.tick << 200) | (offers.tick << 192) | (volumeWh_ << 160) | (capWh_ << 128);
    word |= (bids.filledWh << 96) | (bids.totalWh << 64) | (offers.filledWh << 32) | offers.totalWh;
    return SlotResult.wrap(word);
}

function slot(SlotResult result) pure returns (uint32) {
    return uint32(SlotResult.unwrap(result) >> 224);
}

function isCleared(SlotResult result) pure returns (bool) {
    return SlotResult.unwrap(result) & CLEARED_BIT != 0;
}

function hasOwnCap(SlotResult result) pure returns (bool) {
    return SlotResult.unwrap(result) & OWN_CAP_BIT != 0;
}

function tick(SlotResult result) pure returns (uint256) {
    return uint8(SlotResult.unwrap(result) >> 208);
}

function bidTick(SlotResult result) pure returns (uint256) {
    return uint8(SlotResult.unwrap(result) >> 200);
}

function offerTick(SlotResult result) pure returns (uint256) {
    return uint8(SlotResult.unwrap(result) >> 192);
}

function volumeWh(SlotResult result) pure returns (uint256) {
    return uint32(SlotResult.unwrap(result) >> 160);
}

function capWh(SlotResult result) pure returns (uint256) {
    return uint32(SlotResult.unwrap(result) >> 128);
}

function marginalBidFilledWh(SlotResult result) pure returns (uint256) {
    return uint32(SlotResult.unwrap(result) >> 96);
}

function marginalBidWh(SlotResult result) pure returns (uint256) {
    return uint32(SlotResult.unwrap(result) >> 64);
}

function marginalOfferFilledWh(SlotResult result) pure returns (uint256) {
    return uint32(SlotResult.unwrap(result) >> 32);
}

function marginalOfferWh(SlotResult result) pure returns (uint256) {
    return uint32(SlotResult.unwrap(result));
}
