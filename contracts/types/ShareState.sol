// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {INDEX_FRACTION_BITS} from "./ShareAccount.sol";

/// @notice An asset's shares in one word, most significant first:
/// supply u56 | index u88 | remainder u56 | holders u24 | maxHoldingBps u16 | epoch u8 | flags u8.
/// `index` is what one share has earned so far, in 2^-40 units of cash; `remainder` what the last division left, in
/// 2^-40 units of cash for all shares together: less than the supply, and carried into the next.
type ShareState is uint256;

using {
    supply,
    index,
    holders,
    maxHoldingBps,
    epoch,
    isPaused,
    isLocked,
    earned,
    withSupply,
    withHolders,
    withMaxHolding,
    withNextEpoch,
    withPaused,
    withLocked
} for ShareState global;

uint256 constant SUPPLY_SHIFT = 200;
uint256 constant STATE_INDEX_SHIFT = 112;
uint256 constant REMAINDER_SHIFT = 56;
uint256 constant HOLDERS_SHIFT = 32;
uint256 constant MAX_HOLDING_SHIFT = 16;
uint256 constant STATE_EPOCH_SHIFT = 8;
uint256 constant PAUSED_BIT = 1;
/// @dev A lock-up may be in force: another slot says until when.
uint256 constant LOCKED_BIT = 2;

function supply(ShareState state) pure returns (uint256) {
    return ShareState.unwrap(state) >> SUPPLY_SHIFT;
}

function index(ShareState state) pure returns (uint256) {
    return uint88(ShareState.unwrap(state) >> STATE_INDEX_SHIFT);
}

function holders(ShareState state) pure returns (uint256) {
    return uint24(ShareState.unwrap(state) >> HOLDERS_SHIFT);
}

function maxHoldingBps(ShareState state) pure returns (uint256) {
    return uint16(ShareState.unwrap(state) >> MAX_HOLDING_SHIFT);
}

function epoch(ShareState state) pure returns (uint256) {
    return uint8(ShareState.unwrap(state) >> STATE_EPOCH_SHIFT);
}

function isPaused(ShareState state) pure returns (bool) {
    return ShareState.unwrap(state) & PAUSED_BIT != 0;
}

function isLocked(ShareState state) pure returns (bool) {
    return ShareState.unwrap(state) & LOCKED_BIT != 0;
}

/// @notice The state after `cash` was earned by all shares; there must be some. Reverts if the index outgrows 88 bits.
function earned(ShareState state, uint256 cash) pure returns (ShareState) {
    uint256 shares = supply(state);
    uint256 parts = (cash << INDEX_FRACTION_BITS) + uint56(ShareState.unwrap(state) >> REMAINDER_SHIFT);
    uint256 next = SafeCast.toUint88(index(state) + parts / shares);
    uint256 rest = ShareState.unwrap(state) & ~(((1 << 144) - 1) << REMAINDER_SHIFT);
    return ShareState.wrap(rest | (next << STATE_INDEX_SHIFT) | ((parts % shares) << REMAINDER_SHIFT));
}

/// @notice The state with another supply. A remainder that no longer is less than it stays: it counts for the next division.
function withSupply(ShareState state, uint256 shares) pure returns (ShareState) {
    uint256 rest = ShareState.unwrap(state) & ((1 << SUPPLY_SHIFT) - 1);
    return ShareState.wrap(rest | (uint256(SafeCast.toUint56(shares)) << SUPPLY_SHIFT));
}

function withHolders(ShareState state, uint256 count) pure returns (ShareState) {
    uint256 rest = ShareState.unwrap(state) & ~(uint256(type(uint24).max) << HOLDERS_SHIFT);
    return ShareState.wrap(rest | (uint256(SafeCast.toUint24(count)) << HOLDERS_SHIFT));
}

function withMaxHolding(ShareState state, uint256 bps) pure returns (ShareState) {
    uint256 rest = ShareState.unwrap(state) & ~(uint256(type(uint16).max) << MAX_HOLDING_SHIFT);
    return ShareState.wrap(rest | (uint256(SafeCast.toUint16(bps)) << MAX_HOLDING_SHIFT));
}

/// @notice The state under other rules: every verdict of before has ended.
function withNextEpoch(ShareState state) pure returns (ShareState) {
    uint256 rest = ShareState.unwrap(state) & ~(uint256(type(uint8).max) << STATE_EPOCH_SHIFT);
    unchecked {
        return ShareState.wrap(rest | (uint256(uint8(epoch(state) + 1)) << STATE_EPOCH_SHIFT));
    }
}

function withPaused(ShareState state, bool paused) pure returns (ShareState) {
    uint256 rest = ShareState.unwrap(state) & ~PAUSED_BIT;
    return ShareState.wrap(paused ? rest | PAUSED_BIT : rest);
}

function withLocked(ShareState state, bool locked) pure returns (ShareState) {
    uint256 rest = ShareState.unwrap(state) & ~LOCKED_BIT;
    return ShareState.wrap(locked ? rest | LOCKED_BIT : rest);
}
