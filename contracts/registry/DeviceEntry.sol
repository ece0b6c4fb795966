// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {DeviceSignature} from "../libraries/DeviceSignature.sol";
import {DeviceTypedData} from "../libraries/DeviceTypedData.sol";
import {MerklePath} from "../libraries/MerklePath.sol";
import {P256Precompile} from "../libraries/P256Precompile.sol";
import {StandardLeaf} from "../libraries/StandardLeaf.sol";
import {DeviceRecord, packDevice} from "../types/DeviceRecord.sol";

/// @dev The ways into DeviceRegistry: one device, a batch, a fleet and its activation.
abstract contract DeviceEntry is IDeviceRegistry, EIP712 {
    /// @inheritdoc IDeviceRegistry
    bool public immutable hasP256Precompile = P256Precompile.passesSelfTest();

    mapping(bytes32 deviceId => DeviceRecord) internal _records;
    mapping(bytes32 fleetId => Fleet) private _fleets;

    /// @inheritdoc IDeviceRegistry
    function register(Registration calldata registration, bytes calldata signature) external {
        _enter(registration, DeviceTypedData.register(registration), signature, bytes32(0));
    }

    /// @inheritdoc IDeviceRegistry
    function registerBatch(BatchRegistration calldata registration, bytes calldata signatures) external {
        bytes32[] calldata deviceIds = registration.deviceIds;
        uint256 length = deviceIds.length == 0 ? 0 : signatures.length / deviceIds.length;
        KeyType keyType = DeviceSignature.keyTypeOf(length);
        if (keyType == KeyType.None || signatures.length != length * deviceIds.length) {
            revert SignaturesLengthInvalid(signatures.length, deviceIds.length);
        }
        _requireEnterable(deviceIds[0], registration.owner, registration.deadline);

        DeviceRecord entry =
            packDevice(registration.owner, keyType, registration.kind, registration.zone, block.timestamp);
        bytes32[] memory entered = new bytes32[](deviceIds.length);
        uint256 count;
        for (uint256 i; i < deviceIds.length; ++i) {
            bytes32 deviceId = deviceIds[i];
            DeviceRecord standing = _records[deviceId];
            if (standing.status() != Status.Unknown) {
                bool isOwners = standing.owner() == registration.owner && standing.status() != Status.Retired;
                if (!isOwners) revert DeviceAlreadyRegistered(deviceId, standing.status());
                continue;
            }
            Registration memory fields =
                Registration(deviceId, registration.owner, registration.kind, registration.zone, registration.deadline);
            bytes32 structHash = keccak256(abi.encode(DeviceTypedData.REGISTER, fields));
            _requirePossession(deviceId, structHash, signatures[i * length:(i + 1) * length]);
            _records[deviceId] = entry;
            entered[count++] = deviceId;
        }
        assembly ("memory-safe") {
            mstore(entered, count)
        }
        emit DevicesRegistered(registration.owner, keyType, registration.kind, registration.zone, entered);
    }

    /// @inheritdoc IDeviceRegistry
    function enrolFleet(bytes32 root, uint32 count) external returns (bytes32 fleetId) {
        fleetId = _fleetId(msg.sender, root);
        if (_fleets[fleetId].count != 0) revert FleetAlreadyEnrolled(fleetId);
        if (count == 0) revert FleetEmpty(root);
        _fleets[fleetId] = Fleet({manufacturer: msg.sender, count: count, enrolledAt: uint32(block.timestamp)});
        emit FleetEnrolled(fleetId, msg.sender, root, count);
    }

    /// @inheritdoc IDeviceRegistry
    function activate(
        Registration calldata registration,
        address manufacturer,
        bytes32[] calldata proof,
        bytes calldata signature
    ) external {
        bytes32 leaf = StandardLeaf.hash(abi.encode(registration.deviceId, registration.kind));
        bytes32 fleetId = _fleetId(manufacturer, MerklePath.foldSorted(leaf, proof));
        // Whether the fleet exists, which nobody can bend.
        // slither-disable-next-line incorrect-equality
        if (_fleets[fleetId].count == 0) revert NotInFleet(registration.deviceId, fleetId);
        _enter(registration, DeviceTypedData.activate(registration, fleetId), signature, fleetId);
    }

    /// @inheritdoc IDeviceRegistry
    function device(bytes32 deviceId) external view returns (Device memory) {
        return _records[deviceId].toDevice();
    }

    /// @inheritdoc IDeviceRegistry
    function fleet(bytes32 fleetId) external view returns (Fleet memory) {
        return _fleets[fleetId];
    }

    /// @inheritdoc IDeviceRegistry
    function registerDigest(Registration calldata registration) external view returns (bytes32) {
        return _hashTypedDataV4(DeviceTypedData.register(registration));
    }

    /// @inheritdoc IDeviceRegistry
    function activateDigest(Registration calldata registration, bytes32 fleetId) external view returns (bytes32) {
        return _hashTypedDataV4(DeviceTypedData.activate(registration, fleetId));
    }

    /// @inheritdoc IDeviceRegistry
    function readingDigest(bytes32 deviceId, uint64 counter, uint64 time, bytes32 metric, int256 value)
        external
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(DeviceTypedData.reading(deviceId, counter, time, metric, value));
    }

    /// @dev Revert unless the signature over the struct is of the key that `keyId` names.
    function _requirePossession(bytes32 keyId, bytes32 structHash, bytes calldata signature) internal view {
        if (!DeviceSignature.isBy(keyId, _hashTypedDataV4(structHash), signature, hasP256Precompile)) {
            if (DeviceSignature.keyTypeOf(signature.length) == KeyType.None) {
                revert SignatureLengthInvalid(signature.length);
            }
            revert PossessionNotProven(keyId);
        }
    }

    function _requireInTime(uint256 deadline) internal view {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline, block.timestamp);
    }

    /// @dev The one way in for a single device: fresh, owned, in time, and proven to hold its key.
    function _enter(Registration calldata registration, bytes32 structHash, bytes calldata signature, bytes32 fleetId)
        private
    {
        (bytes32 deviceId, address owner) = (registration.deviceId, registration.owner);
        Status status = _records[deviceId].status();
        if (status != Status.Unknown) revert DeviceAlreadyRegistered(deviceId, status);
        _requireEnterable(deviceId, owner, registration.deadline);
        _requirePossession(deviceId, structHash, signature);

        KeyType keyType = DeviceSignature.keyTypeOf(signature.length);
        _records[deviceId] = packDevice(owner, keyType, registration.kind, registration.zone, block.timestamp);
        emit DeviceRegistered(deviceId, owner, keyType, registration.kind, registration.zone, fleetId);
    }

    function _requireEnterable(bytes32 deviceId, address owner, uint256 deadline) private view {
        if (owner == address(0)) revert ZeroOwner(deviceId);
        _requireInTime(deadline);
    }

    function _fleetId(address manufacturer, bytes32 root) private pure returns (bytes32) {
        return keccak256(abi.encode(manufacturer, root));
    }
}
