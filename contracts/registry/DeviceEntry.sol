// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
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
        KeyType keyType = DeviceSignature.keyTypeOfMany(signatures.length, deviceIds.length);
        if (keyType == KeyType.None) revert SignaturesLengthInvalid(signatures.length, deviceIds.length);
        _requireEnterable(deviceIds[0], registration.owner, registration.deadline);
        _enterAll(registration, keyType, signatures);
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
        bytes32 leaf = StandardLeaf.hash(registration.deviceId, uint8(registration.kind));
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

    /// @dev Revert unless the signature is of the key that `keyId` names; returns the key's curve.
    function _requirePossession(bytes32 keyId, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (KeyType keyType)
    {
        keyType = DeviceSignature.keyTypeOf(signature.length);
        if (keyType == KeyType.None) revert SignatureLengthInvalid(signature.length);
        if (!DeviceSignature.isBy(keyId, digest, signature, hasP256Precompile)) revert PossessionNotProven(keyId);
    }

    function _requireInTime(uint256 deadline) internal view {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline, block.timestamp);
    }

    /// @dev The one way in for a single device: fresh, owned, in time, and proven to hold its key.
    function _enter(Registration calldata registration, bytes32 structHash, bytes calldata signature, bytes32 fleetId)
        private
    {
        (bytes32 deviceId, address owner) = (registration.deviceId, registration.owner);
        DeviceRecord standing = _records[deviceId];
        if (!standing.isUnknown()) revert DeviceAlreadyRegistered(deviceId, standing.status());
        _requireEnterable(deviceId, owner, registration.deadline);
        KeyType keyType = _requirePossession(deviceId, _hashTypedDataV4(structHash), signature);

        _records[deviceId] = _newRecord(owner, keyType, registration.kind, registration.zone);
        emit DeviceRegistered(deviceId, owner, keyType, registration.kind, registration.zone, fleetId);
    }

    /// @dev Enter each device that is not its owner's already, and announce them run by run.
    function _enterAll(BatchRegistration calldata registration, KeyType keyType, bytes calldata signatures) private {
        (bytes32[] calldata deviceIds, address owner) = (registration.deviceIds, registration.owner);
        DeviceRecord record = _newRecord(owner, keyType, registration.kind, registration.zone);
        bytes32 domainSeparator = _domainSeparatorV4();
        bytes memory fields = DeviceTypedData.registerFields(registration);
        uint256 firstOfRun;
        for (uint256 i; i < deviceIds.length; ++i) {
            bytes32 deviceId = deviceIds[i];
            if (_isPassedOver(deviceId, owner)) {
                _announce(registration, keyType, firstOfRun, i);
                firstOfRun = i + 1;
                continue;
            }
            bytes32 structHash = DeviceTypedData.registerNext(fields, deviceId);
            bytes32 digest = MessageHashUtils.toTypedDataHash(domainSeparator, structHash);
            bytes calldata signature = DeviceSignature.at(signatures, i, keyType);
            if (!DeviceSignature.isBy(deviceId, digest, signature, hasP256Precompile)) {
                revert PossessionNotProven(deviceId);
            }
            _records[deviceId] = record;
        }
        _announce(registration, keyType, firstOfRun, deviceIds.length);
    }

    /// @dev Record of a device that enters now. Anybody may carry a registration and name anybody as owner, so only an
    /// owner who carries it has accepted the device.
    function _newRecord(address owner, KeyType keyType, Kind kind, uint24 zone) private view returns (DeviceRecord) {
        DeviceRecord record = packDevice(owner, keyType, kind, zone, block.timestamp);
        return msg.sender == owner ? record.withAcceptance() : record;
    }

    /// @dev Whether a device is the owner's already; revert if it is another's, or was retired.
    function _isPassedOver(bytes32 deviceId, address owner) private view returns (bool) {
        DeviceRecord record = _records[deviceId];
        if (record.isUnknown()) return false;
        Status status = record.status();
        if (status == Status.Retired || record.owner() != owner) revert DeviceAlreadyRegistered(deviceId, status);
        return true;
    }

    /// @dev Announce the batch's devices from index `from` to before `to`.
    function _announce(BatchRegistration calldata registration, KeyType keyType, uint256 from, uint256 to) private {
        if (from == to) return;
        emit DevicesRegistered(
            registration.owner, keyType, registration.kind, registration.zone, registration.deviceIds[from:to]
        );
    }

    function _requireEnterable(bytes32 deviceId, address owner, uint256 deadline) private view {
        if (owner == address(0)) revert ZeroOwner(deviceId);
        _requireInTime(deadline);
    }

    function _fleetId(address manufacturer, bytes32 root) private pure returns (bytes32) {
        return Hashes.efficientKeccak256(bytes32(uint256(uint160(manufacturer))), root);
    }
}
