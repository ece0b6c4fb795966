// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice Money of an account in one word: free u128 | reserved u128. Both together fit 128 bits.
type AccountMoney is uint256;

/// @notice Money of a zone in one word, most significant first: 8 bits unused | balance u80 | exposure u80 | inTransit i80 |
/// paused u8. See IMarketZones.Backstop. The exposure never exceeds the balance.
type ZoneMoney is uint256;

using {free, reserved, locked} for AccountMoney global;
using {balance, exposure, unexposed, inTransit, isPaused, withPaused, exposed, released} for ZoneMoney global;

function packAccountMoney(uint256 free_, uint256 reserved_) pure returns (AccountMoney) {
    // The sum must fit, so each does.
    SafeCast.toUint128(free_ + reserved_);
    return AccountMoney.wrap((free_ << 128) | reserved_);
}

function free(AccountMoney money) pure returns (uint256) {
    return AccountMoney.unwrap(money) >> 128;
}

function reserved(AccountMoney money) pure returns (uint256) {
    return uint128(AccountMoney.unwrap(money));
}

/// @notice The money with `amount` of what is free reserved; it must be free.
function locked(AccountMoney money, uint256 amount) pure returns (AccountMoney) {
    unchecked {
        return AccountMoney.wrap(AccountMoney.unwrap(money) - (amount << 128) + amount);
    }
}

function packZoneMoney(uint256 balance_, uint256 exposure_, int256 inTransit_, bool paused) pure returns (ZoneMoney) {
    uint256 word = (uint256(SafeCast.toUint80(balance_)) << 168) | (uint256(SafeCast.toUint80(exposure_)) << 88);
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
    unchecked {
        return balance(money) - exposure(money);
    }
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

/// @notice The money with `more` of what is unexposed exposed; it must be unexposed.
function exposed(ZoneMoney money, uint256 more) pure returns (ZoneMoney) {
    unchecked {
        return ZoneMoney.wrap(ZoneMoney.unwrap(money) + (more << 88));
    }
}

/// @notice The money with `less` of what is exposed no longer so.
function released(ZoneMoney money, uint256 less) pure returns (ZoneMoney) {
    return ZoneMoney.wrap(ZoneMoney.unwrap(money) - (less << 88));
}
