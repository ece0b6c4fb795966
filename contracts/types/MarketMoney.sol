// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice Money of an account in one word: free u128 | reserved u128.
type AccountMoney is uint256;

/// @notice Money of a zone in one word, most significant first: balance u88 | exposure u80 | inTransit i80 | paused u8.
/// See IMarketZones.Backstop. The exposure never exceeds the balance.
type ZoneMoney is uint256;

using {free, reserved} for AccountMoney global;
using {balance, exposure, unexposed, inTransit, isPaused, withPaused} for ZoneMoney global;

function packAccountMoney(uint256 free_, uint256 reserved_) pure returns (AccountMoney) {
    return AccountMoney.wrap((uint256(SafeCast.toUint128(free_)) << 128) | SafeCast.toUint128(reserved_));
}

function free(AccountMoney money) pure returns (uint256) {
    return AccountMoney.unwrap(money) >> 128;
}

function reserved(AccountMoney money) pure returns (uint256) {
    return uint128(AccountMoney.unwrap(money));
}

function packZoneMoney(uint256 balance_, uint256 exposure_, int256 inTransit_, bool paused) pure returns (ZoneMoney) {
    uint256 word = (uint256(SafeCast.toUint88(balance_)) << 168) | (uint256(SafeCast.toUint80(exposure_)) << 88);
    word |= uint256(uint80(SafeCast.toInt80(inTransit_))) << 8;
    return ZoneMoney.wrap(paused ? word | 1 : word);
}

function balance(ZoneMoney money) pure returns (uint256) {
    return ZoneMoney.unwrap(money) >> 168;
}

function exposure(ZoneMoney money) pure returns (uint256) {
    return uint80(ZoneMoney.unwrap(money) >> 88);
}

/// @notice Part of the balance that no schedule can claim.
function unexposed(ZoneMoney money) pure returns (uint256) {
    return balance(money) - exposure(money);
}

function inTransit(ZoneMoney money) pure returns (int256) {
    return int80(uint80(ZoneMoney.unwrap(money) >> 8));
}

function isPaused(ZoneMoney money) pure returns (bool) {
    return ZoneMoney.unwrap(money) & 1 == 1;
}

function withPaused(ZoneMoney money, bool paused) pure returns (ZoneMoney) {
    return ZoneMoney.wrap((ZoneMoney.unwrap(money) & ~uint256(0xff)) | (paused ? 1 : 0));
}
