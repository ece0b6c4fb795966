// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";

/// @title EIP-712 struct hashes of everything that is signed for DeviceRegistry.
library DeviceTypedData {
    bytes32 private constant REGISTER =
        keccak256("Register(bytes32 deviceId,address owner,uint8 kind,uint24 zone,uint256 deadline)");
    bytes32 private constant ACTIVATE =
        keccak256("Activate(bytes32 deviceId,address owner,uint8 kind,uint24 zone,bytes32 fleetId,uint256 deadline)");
    bytes32 private constant READING =
        keccak256("Reading(bytes32 deviceId,uint64 counter,uint64 time,bytes32 metric,int256 value)");
    bytes32 private constant ROTATE =
        keccak256("Rotate(bytes32 deviceId,bytes32 newKeyId,uint40 validFrom,uint256 nonce,uint256 deadline)");
    bytes32 private constant RETIRE = keccak256("Retire(bytes32 deviceId,uint256 nonce,uint256 deadline)");
    bytes32 private constant OFFER_TRANSFER =
        keccak256("OfferTransfer(bytes32 deviceId,address to,uint40 expiresAt,uint256 nonce,uint256 deadline)");
    bytes32 private constant ACCEPT_TRANSFER =
        keccak256("AcceptTransfer(bytes32 deviceId,address from,address to,uint256 nonce,uint256 deadline)");
    bytes32 private constant SET_DELEGATE = keccak256(
        "SetDelegate(bytes32 deviceId,address delegate,uint32 scopes,uint40 expiresAt,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant SET_PAYEE =
        keccak256("SetPayee(bytes32 deviceId,address payee,uint256 nonce,uint256 deadline)");

    /// @dev Assembly, as in {activate}: the fields are copied as they came, since whoever enters a device reads, and so
    /// checks, each of them anyhow.
    function register(IDeviceRegistry.Registration calldata registration) internal pure returns (bytes32 structHash) {
        bytes32 typeHash = REGISTER;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            calldatacopy(add(start, 0x20), registration, 0xa0)
            structHash := keccak256(start, 0xc0)
        }
    }

    /// @notice Fields of `Register` for {registerNext}, which fills in the device.
    function registerFields(IDeviceRegistry.BatchRegistration calldata registration)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encode(
            REGISTER, bytes32(0), registration.owner, registration.kind, registration.zone, registration.deadline
        );
    }

    /// @notice Struct hash of `Register` for one device of a batch.
    /// @dev Assembly, to write the device into the one buffer instead of encoding all fields anew.
    function registerNext(bytes memory fields, bytes32 deviceId) internal pure returns (bytes32 structHash) {
        assembly ("memory-safe") {
            mstore(add(fields, 0x40), deviceId)
            structHash := keccak256(add(fields, 0x20), mload(fields))
        }
    }

    function activate(IDeviceRegistry.Registration calldata registration, bytes32 fleetId)
        internal
        pure
        returns (bytes32 structHash)
    {
        bytes32 typeHash = ACTIVATE;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            calldatacopy(add(start, 0x20), registration, 0x80)
            mstore(add(start, 0xa0), fleetId)
            mstore(add(start, 0xc0), calldataload(add(registration, 0x80)))
            structHash := keccak256(start, 0xe0)
        }
    }

    function reading(bytes32 deviceId, uint64 counter, uint64 time, bytes32 metric, int256 value)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(READING, deviceId, counter, time, metric, value));
    }

    function rotate(IDeviceRegistry.Rotation calldata rotation, uint256 nonce) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(ROTATE, rotation.deviceId, rotation.newKeyId, rotation.validFrom, nonce, rotation.deadline)
        );
    }

    function retire(bytes32 deviceId, uint256 nonce, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(RETIRE, deviceId, nonce, deadline));
    }

    function offerTransfer(bytes32 deviceId, address to, uint40 expiresAt, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(OFFER_TRANSFER, deviceId, to, expiresAt, nonce, deadline));
    }

    function acceptTransfer(bytes32 deviceId, address from, address to, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(ACCEPT_TRANSFER, deviceId, from, to, nonce, deadline));
    }

    function setDelegate(
        bytes32 deviceId,
        address delegate,
        uint32 scopes,
        uint40 expiresAt,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(SET_DELEGATE, deviceId, delegate, scopes, expiresAt, nonce, deadline));
    }

    function setPayee(bytes32 deviceId, address payee, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(SET_PAYEE, deviceId, payee, nonce, deadline));
    }
}
