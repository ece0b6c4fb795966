// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice A holder in one word, most significant first:
/// balance u64 | owed u56 | index u88 | okUntil u32 | epoch u8 | flags u8.
/// `owed` is cash due up to `index`, the dividends of one share (in 2^-40 units of cash) that the account has been paid for.
/// `okUntil` and `epoch` say how long, and under which rules, its passport was found good.
type ShareAccount is uint256;

using {
    balance,
    owed,
    isOk,
    hasFrozen,
    isShared,
    due,
    settled,
    plus,
    minus,
    paid,
    withOwed,
    withVerdict,
    withFrozen,
    withShared
} for ShareAccount global;

uint256 constant INDEX_FRACTION_BITS = 40;
uint256 constant BALANCE_SHIFT = 192;
uint256 constant OWED_SHIFT = 136;
uint256 constant INDEX_SHIFT = 48;
uint256 constant OK_UNTIL_SHIFT = 16;
uint256 constant EPOCH_SHIFT = 8;
/// @dev Some of its shares are frozen: another slot says how many.
uint256 constant FROZEN_BIT = 1;
/// @dev Another wallet of its investor has had shares: sums go over all of them.
uint256 constant SHARED_BIT = 2;

function balance(ShareAccount account) pure returns (uint256) {
    return ShareAccount.unwrap(account) >> BALANCE_SHIFT;
}

function owed(ShareAccount account) pure returns (uint256) {
    return uint56(ShareAccount.unwrap(account) >> OWED_SHIFT);
}

/// @notice Whether a verdict of before still holds.
function isOk(ShareAccount account, uint256 epoch, uint256 timestamp) pure returns (bool) {
    uint256 word = ShareAccount.unwrap(account);
    return uint8(word >> EPOCH_SHIFT) == epoch && timestamp <= uint32(word >> OK_UNTIL_SHIFT);
}

function hasFrozen(ShareAccount account) pure returns (bool) {
    return ShareAccount.unwrap(account) & FROZEN_BIT != 0;
}

function isShared(ShareAccount account) pure returns (bool) {
    return ShareAccount.unwrap(account) & SHARED_BIT != 0;
}

/// @notice Cash due to the account in all when one share has earned `index`. Rounds down.
function due(ShareAccount account, uint256 index) pure returns (uint256) {
    unchecked {
        uint256 since = index - uint88(ShareAccount.unwrap(account) >> INDEX_SHIFT);
        return owed(account) + ((balance(account) * since) >> INDEX_FRACTION_BITS);
    }
}

/// @notice The account with everything up to `index` in `owed`. Reverts if that is more than 56 bits hold.
function settled(ShareAccount account, uint256 index) pure returns (ShareAccount) {
    uint256 cash = SafeCast.toUint56(due(account, index));
    uint256 rest = ShareAccount.unwrap(account) & ~(((1 << 144) - 1) << INDEX_SHIFT);
    return ShareAccount.wrap(rest | (cash << OWED_SHIFT) | (index << INDEX_SHIFT));
}

/// @notice The account with `amount` more, which together must fit 64 bits.
function plus(ShareAccount account, uint256 amount) pure returns (ShareAccount) {
    unchecked {
        return ShareAccount.wrap(ShareAccount.unwrap(account) + (amount << BALANCE_SHIFT));
    }
}

/// @notice The account with `amount` less, which it must have.
function minus(ShareAccount account, uint256 amount) pure returns (ShareAccount) {
    unchecked {
        return ShareAccount.wrap(ShareAccount.unwrap(account) - (amount << BALANCE_SHIFT));
    }
}

/// @notice The account with nothing owed.
function paid(ShareAccount account) pure returns (ShareAccount) {
    return ShareAccount.wrap(ShareAccount.unwrap(account) & ~(uint256(type(uint56).max) << OWED_SHIFT));
}

function withOwed(ShareAccount account, uint256 cash) pure returns (ShareAccount) {
    return ShareAccount.wrap(ShareAccount.unwrap(paid(account)) | (uint256(SafeCast.toUint56(cash)) << OWED_SHIFT));
}

/// @notice The account found good until a second, under the rules of `epoch`.
function withVerdict(ShareAccount account, uint256 okUntil, uint256 epoch) pure returns (ShareAccount) {
    uint256 rest = ShareAccount.unwrap(account) & ~(uint256(type(uint40).max) << EPOCH_SHIFT);
    return ShareAccount.wrap(rest | (uint256(SafeCast.toUint32(okUntil)) << OK_UNTIL_SHIFT) | (epoch << EPOCH_SHIFT));
}

function withFrozen(ShareAccount account, bool any) pure returns (ShareAccount) {
    uint256 rest = ShareAccount.unwrap(account) & ~FROZEN_BIT;
    return ShareAccount.wrap(any ? rest | FROZEN_BIT : rest);
}

function withShared(ShareAccount account) pure returns (ShareAccount) {
    return ShareAccount.wrap(ShareAccount.unwrap(account) | SHARED_BIT);
}
