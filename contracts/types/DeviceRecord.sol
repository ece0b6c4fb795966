// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";

/// @notice A device in one word, most significant first:
/// owner u160 | registeredAt u32 | zone u24 | nonce u16 | rotations u8 | isAccepted 1 bit | transfers u7 | kind u3 |
/// status u2 | key type 1 bit (set for secp256k1) | wasSuspended 1 bit | hasPayee 1 bit.
/// Counters and flags say which other slots are worth reading, so an ordinary device costs one slot to check.
/// Nonce, rotations and transfers must be checked against their maximum before they are counted up.
type DeviceRecord is uint256;

using {
    isUnknown,
    owner,
    registeredAt,
    zone,
    nonce,
    rotations,
    isAccepted,
    transfers,
    kind,
    status,
    keyType,
    wasSuspended,
    hasPayee,
    toDevice,
    withStatus,
    withSuspension,
    withNextNonce,
    withRotation,
    withPayee,
    withAcceptance,
    withOwner
} for DeviceRecord global;

uint256 constant NONCE_ONE = 1 << 24;
uint256 constant ROTATION_ONE = 1 << 16;
uint256 constant ACCEPTED_BIT = 1 << 15;
uint256 constant TRANSFER_ONE = 1 << 8;
uint8 constant MAX_TRANSFERS = (1 << 7) - 1;
uint256 constant STATUS_SHIFT = 3;
uint256 constant SECP256K1_BIT = 1 << 2;
uint256 constant SUSPENDED_BIT = 1 << 1;
uint256 constant PAYEE_BIT = 1;

/// @notice Record of an active device, just registered.
function packDevice(
    address owner_,
    IDeviceRegistry.KeyType keyType_,
    IDeviceRegistry.Kind kind_,
    uint24 zone_,
    uint256 registeredAt_
) pure returns (DeviceRecord) {
    uint256 word =
        (uint256(uint160(owner_)) << 96) | (uint256(uint32(registeredAt_)) << 64) | (uint256(zone_) << 40);
    word |= (uint256(kind_) << 5) | (uint256(IDeviceRegistry.Status.Active) << STATUS_SHIFT);
    if (keyType_ == IDeviceRegistry.KeyType.Secp256k1) word |= SECP256K1_BIT;
    return DeviceRecord.wrap(word);
}

/// @notice Whether the device was never registered: every other record has an owner.
function isUnknown(DeviceRecord record) pure returns (bool) {
    return DeviceRecord.unwrap(record) == 0;
}

function owner(DeviceRecord record) pure returns (address) {
    return address(uint160(DeviceRecord.unwrap(record) >> 96));
}

function registeredAt(DeviceRecord record) pure returns (uint32) {
    return uint32(DeviceRecord.unwrap(record) >> 64);
}

function zone(DeviceRecord record) pure returns (uint24) {
    return uint24(DeviceRecord.unwrap(record) >> 40);
}

function nonce(DeviceRecord record) pure returns (uint16) {
    return uint16(DeviceRecord.unwrap(record) / NONCE_ONE);
}

function rotations(DeviceRecord record) pure returns (uint8) {
    return uint8(DeviceRecord.unwrap(record) / ROTATION_ONE);
}

/// @notice Whether the owner has said that the device is theirs.
function isAccepted(DeviceRecord record) pure returns (bool) {
    return DeviceRecord.unwrap(record) & ACCEPTED_BIT != 0;
}

function transfers(DeviceRecord record) pure returns (uint8) {
    return uint8(DeviceRecord.unwrap(record) / TRANSFER_ONE) & MAX_TRANSFERS;
}

function kind(DeviceRecord record) pure returns (IDeviceRegistry.Kind) {
    return IDeviceRegistry.Kind((DeviceRecord.unwrap(record) >> 5) & 7);
}

function status(DeviceRecord record) pure returns (IDeviceRegistry.Status) {
    return IDeviceRegistry.Status((DeviceRecord.unwrap(record) >> STATUS_SHIFT) & 3);
}

/// @notice Curve of the first key; None if the device is unknown.
function keyType(DeviceRecord record) pure returns (IDeviceRegistry.KeyType) {
    if (isUnknown(record)) return IDeviceRegistry.KeyType.None;
    bool isSecp256k1 = DeviceRecord.unwrap(record) & SECP256K1_BIT != 0;
    return isSecp256k1 ? IDeviceRegistry.KeyType.Secp256k1 : IDeviceRegistry.KeyType.P256;
}

function wasSuspended(DeviceRecord record) pure returns (bool) {
    return DeviceRecord.unwrap(record) & SUSPENDED_BIT != 0;
}

function hasPayee(DeviceRecord record) pure returns (bool) {
    return DeviceRecord.unwrap(record) & PAYEE_BIT != 0;
}

function toDevice(DeviceRecord record) pure returns (IDeviceRegistry.Device memory) {
    return IDeviceRegistry.Device({
        owner: owner(record),
        status: status(record),
        keyType: keyType(record),
        kind: kind(record),
        zone: zone(record),
        registeredAt: registeredAt(record),
        nonce: nonce(record),
        rotations: rotations(record)
    });
}

function withStatus(DeviceRecord record, IDeviceRegistry.Status status_) pure returns (DeviceRecord) {
    uint256 rest = DeviceRecord.unwrap(record) & ~(uint256(3) << STATUS_SHIFT);
    return DeviceRecord.wrap(rest | (uint256(status_) << STATUS_SHIFT));
}

function withSuspension(DeviceRecord record) pure returns (DeviceRecord) {
    DeviceRecord suspended = withStatus(record, IDeviceRegistry.Status.Suspended);
    return DeviceRecord.wrap(DeviceRecord.unwrap(suspended) | SUSPENDED_BIT);
}

function withNextNonce(DeviceRecord record) pure returns (DeviceRecord) {
    return DeviceRecord.wrap(DeviceRecord.unwrap(record) + NONCE_ONE);
}

function withRotation(DeviceRecord record) pure returns (DeviceRecord) {
    return DeviceRecord.wrap(DeviceRecord.unwrap(record) + ROTATION_ONE);
}

function withPayee(DeviceRecord record, bool named) pure returns (DeviceRecord) {
    uint256 rest = DeviceRecord.unwrap(record) & ~PAYEE_BIT;
    return DeviceRecord.wrap(named ? rest | PAYEE_BIT : rest);
}

function withAcceptance(DeviceRecord record) pure returns (DeviceRecord) {
    return DeviceRecord.wrap(DeviceRecord.unwrap(record) | ACCEPTED_BIT);
}

/// @notice The record under its next owner, who accepted it and has no payee and, by the count of transfers, no delegates.
function withOwner(DeviceRecord record, address owner_) pure returns (DeviceRecord) {
    uint256 rest = (uint256(uint96(DeviceRecord.unwrap(record))) + TRANSFER_ONE) & ~PAYEE_BIT;
    return DeviceRecord.wrap((uint256(uint160(owner_)) << 96) | rest | ACCEPTED_BIT);
}
