// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IPassports} from "../interfaces/IPassports.sol";

/// @notice A wallet in one word, most significant first:
/// investor u160 | expiresAt u40 | country u16 | investorClass u8 | more wallets u8 | 23 bits unused | retired 1 bit.
/// An investor is its first wallet. Its other wallets have no passport of their own, only the name of the first.
type PassportRecord is uint256;

using {
    isUnknown,
    investor,
    passport,
    moreWallets,
    isRetired,
    withPassport,
    withOneMore,
    retired
} for PassportRecord global;

uint256 constant RETIRED_BIT = 1;
uint256 constant MORE_ONE = 1 << 24;

/// @notice Record of a wallet without a passport of its own.
function packWallet(address investor_) pure returns (PassportRecord) {
    return PassportRecord.wrap(uint256(uint160(investor_)) << 96);
}

function isUnknown(PassportRecord record) pure returns (bool) {
    return PassportRecord.unwrap(record) == 0;
}

function investor(PassportRecord record) pure returns (address) {
    return address(uint160(PassportRecord.unwrap(record) >> 96));
}

function passport(PassportRecord record) pure returns (IPassports.Passport memory) {
    uint256 word = PassportRecord.unwrap(record);
    return IPassports.Passport(uint40(word >> 56), uint16(word >> 40), uint8(word >> 32));
}

/// @notice Number of wallets beside the first.
function moreWallets(PassportRecord record) pure returns (uint256) {
    return uint8(PassportRecord.unwrap(record) >> 24);
}

function isRetired(PassportRecord record) pure returns (bool) {
    return PassportRecord.unwrap(record) & RETIRED_BIT != 0;
}

/// @notice The record with another passport; wallets stay.
function withPassport(PassportRecord record, IPassports.Passport memory given) pure returns (PassportRecord) {
    uint256 facts = (uint256(given.expiresAt) << 24) | (uint256(given.country) << 8) | given.investorClass;
    uint256 rest = PassportRecord.unwrap(record) & ~(uint256(type(uint64).max) << 32);
    return PassportRecord.wrap(rest | (facts << 32));
}

/// @notice The record with one wallet more; their number must be below 255.
function withOneMore(PassportRecord record) pure returns (PassportRecord) {
    return PassportRecord.wrap(PassportRecord.unwrap(record) + MORE_ONE);
}

function retired(PassportRecord record) pure returns (PassportRecord) {
    return PassportRecord.wrap(PassportRecord.unwrap(record) | RETIRED_BIT);
}
