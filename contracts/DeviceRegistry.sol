// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {DeviceSignature} from "./libraries/DeviceSignature.sol";
import {MerklePath} from "./libraries/MerklePath.sol";
import {StandardLeaf} from "./libraries/StandardLeaf.sol";

contract DeviceRegistry is IDeviceRegistry, EIP712, ERC165 {
    bytes32 private constant REGISTER_TYPEHASH =
        keccak256("Register(bytes32 deviceId,address owner,uint8 kind,uint24 zone,uint256 deadline)");
    bytes32 private constant ACTIVATE_TYPEHASH =
        keccak256("Activate(bytes32 deviceId,address owner,uint8 kind,uint24 zone,bytes32 fleetRoot,uint256 deadline)");
    bytes32 private constant READING_TYPEHASH =
        keccak256("Reading(bytes32 deviceId,uint64 counter,uint64 time,bytes32 metric,int256 value)");

    uint256 private constant SIGNER_LENGTH = 20;

    mapping(bytes32 deviceId => Device) private _devices;
    mapping(bytes32 fleetRoot => Fleet) private _fleets;
    // Keyed by owner as well, so that no delegation outlives the owner who gave it.
    mapping(bytes32 deviceId => mapping(address owner => mapping(address delegate => uint40))) private _delegates;

    constructor() EIP712("Gridwitness DeviceRegistry", "1") {}

    /// @inheritdoc IDeviceRegistry
    function register(Registration calldata registration, bytes calldata signature) external {
        _enter(registration, registerDigest(registration), signature, bytes32(0));
    }

    /// @inheritdoc IDeviceRegistry
    function enrolFleet(bytes32 fleetRoot, uint32 count) external {
        Fleet storage record = _fleets[fleetRoot];
        if (record.count != 0) revert FleetAlreadyEnrolled(fleetRoot, record.manufacturer);
        if (count == 0) revert FleetEmpty(fleetRoot, count);
        _fleets[fleetRoot] = Fleet({manufacturer: msg.sender, count: count, enrolledAt: uint32(block.timestamp)});
        emit FleetEnrolled(fleetRoot, msg.sender, count);
    }

    /// @inheritdoc IDeviceRegistry
    function activate(
        Registration calldata registration,
        bytes32 fleetRoot,
        bytes32[] calldata proof,
        bytes calldata signature
    ) external {
        bytes32 leaf = StandardLeaf.hash(abi.encode(registration.deviceId, registration.kind));
        // Whether the fleet exists, which nobody can bend.
        // slither-disable-next-line incorrect-equality
        if (_fleets[fleetRoot].count == 0 || MerklePath.foldSorted(leaf, proof) != fleetRoot) {
            revert NotInFleet(registration.deviceId, fleetRoot);
        }
        _enter(registration, activateDigest(registration, fleetRoot), signature, fleetRoot);
    }

    /// @inheritdoc IDeviceRegistry
    function retire(bytes32 deviceId) external {
        Device storage record = _governed(deviceId);
        record.status = Status.Retired;
        emit DeviceRetired(deviceId, msg.sender);
    }

    /// @inheritdoc IDeviceRegistry
    function setDelegate(bytes32 deviceId, address delegate, uint40 expiresAt) external {
        _governed(deviceId);
        _delegates[deviceId][msg.sender][delegate] = expiresAt;
        emit DelegateSet(deviceId, msg.sender, delegate, expiresAt);
    }

    /// @inheritdoc IDeviceRegistry
    function device(bytes32 deviceId) external view returns (Device memory) {
        return _devices[deviceId];
    }

    /// @inheritdoc IDeviceRegistry
    function fleet(bytes32 fleetRoot) external view returns (Fleet memory) {
        return _fleets[fleetRoot];
    }

    /// @inheritdoc IDeviceRegistry
    function delegateExpiry(bytes32 deviceId, address delegate) external view returns (uint40) {
        return _delegates[deviceId][_devices[deviceId].owner][delegate];
    }

    /// @inheritdoc IDeviceRegistry
    function isDeviceSignature(bytes32 deviceId, bytes32 digest, bytes calldata signature)
        external
        view
        returns (bool)
    {
        return DeviceSignature.isValid(deviceId, digest, signature);
    }

    /// @inheritdoc IDeviceRegistry
    function isAuthorised(bytes32 deviceId, bytes32 digest, bytes calldata signature)
        external
        view
        returns (bool authorised, Device memory record)
    {
        record = _devices[deviceId];
        if (record.status != Status.Active) return (false, record);
        if (DeviceSignature.keyTypeOf(signature.length) != KeyType.None) {
            return (DeviceSignature.isValid(deviceId, digest, signature), record);
        }
        if (signature.length < SIGNER_LENGTH) return (false, record);
        address signer = address(bytes20(signature[:SIGNER_LENGTH]));
        if (signer != record.owner && _delegates[deviceId][record.owner][signer] < block.timestamp) {
            return (false, record);
        }
        authorised = SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature[SIGNER_LENGTH:]);
    }

    /// @inheritdoc IDeviceRegistry
    function readingDigest(bytes32 deviceId, uint64 counter, uint64 time, bytes32 metric, int256 value)
        external
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(keccak256(abi.encode(READING_TYPEHASH, deviceId, counter, time, metric, value)));
    }

    /// @inheritdoc IDeviceRegistry
    function registerDigest(Registration calldata registration) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(REGISTER_TYPEHASH, registration)));
    }

    /// @inheritdoc IDeviceRegistry
    function activateDigest(Registration calldata registration, bytes32 fleetRoot) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    ACTIVATE_TYPEHASH,
                    registration.deviceId,
                    registration.owner,
                    registration.kind,
                    registration.zone,
                    fleetRoot,
                    registration.deadline
                )
            )
        );
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IDeviceRegistry).interfaceId || interfaceId == type(IERC5267).interfaceId
            || super.supportsInterface(interfaceId);
    }

    /// @dev The one way in, for single devices and fleets alike: fresh, owned, in time, and proven to hold its key.
    function _enter(Registration calldata registration, bytes32 digest, bytes calldata signature, bytes32 fleetRoot)
        private
    {
        bytes32 deviceId = registration.deviceId;
        Device storage record = _devices[deviceId];
        if (record.status != Status.Unknown) revert DeviceAlreadyRegistered(deviceId, record.status);
        if (registration.owner == address(0)) revert ZeroOwner(deviceId);
        if (block.timestamp > registration.deadline) revert DeadlinePassed(registration.deadline, block.timestamp);
        KeyType keyType = DeviceSignature.keyTypeOf(signature.length);
        if (keyType == KeyType.None) revert SignatureLengthInvalid(signature.length);
        if (!DeviceSignature.isValid(deviceId, digest, signature)) revert PossessionNotProven(deviceId);

        // Field by field: a struct literal would be copied to storage in three writes instead of two.
        record.owner = registration.owner;
        record.status = Status.Active;
        record.keyType = keyType;
        record.kind = registration.kind;
        record.zone = registration.zone;
        record.registeredAt = uint32(block.timestamp);
        emit DeviceRegistered(deviceId, registration.owner, keyType, registration.kind, registration.zone, fleetRoot);
    }

    /// @dev The record of an active device that the caller owns.
    function _governed(bytes32 deviceId) private view returns (Device storage record) {
        record = _devices[deviceId];
        if (record.status != Status.Active) revert DeviceNotActive(deviceId, record.status);
        if (record.owner != msg.sender) revert NotOwner(deviceId, msg.sender, record.owner);
    }
}
