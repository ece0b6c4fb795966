// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Identities of devices that sign what they measure.
/// @notice A device is named by its public key and enters only with a signature of that key over every field of its
/// registration, so nobody can register a key they do not hold, nor change a field on the way.
/// @dev `deviceId` is `keccak256(x || y)` for P-256 and the left-padded address for secp256k1. Keys are not stored:
/// callers bring them inside the signature and the id proves them. Device signatures are
/// `x || y || r || s` (128 bytes, P-256, FIPS 186-5) or `r || s || v` (65 bytes, secp256k1); `s` must be low in both.
/// Digests are EIP-712 under the domain ("Gridwitness DeviceRegistry", "1", chain id, this contract).
interface IDeviceRegistry {
    /// @notice Where a device is in its life. `Retired` is final.
    enum Status {
        Unknown,
        Active,
        Retired
    }

    /// @notice Curve of the device's key.
    enum KeyType {
        None,
        P256,
        Secp256k1
    }

    /// @notice What the device measures; decides how its readings are judged, never whether they are accepted.
    enum Kind {
        Unspecified,
        Consumption,
        Prosumer,
        Generation,
        Storage,
        Charger,
        Feeder,
        Sensor
    }

    /// @notice Everything kept of a device: one storage slot.
    /// @param owner account that governs the device and trades for it
    /// @param status stage of life
    /// @param keyType curve of the key
    /// @param kind what it measures
    /// @param zone grid zone (feeder area) it stands in; 0 for none
    /// @param registeredAt unix seconds
    /// @param nonce number of signed owner actions taken on it so far
    struct Device {
        address owner;
        Status status;
        KeyType keyType;
        Kind kind;
        uint24 zone;
        uint32 registeredAt;
        uint16 nonce;
    }

    /// @notice What a device signs to enter the registry.
    /// @dev EIP-712 `Register(bytes32 deviceId,address owner,uint8 kind,uint24 zone,uint256 deadline)`; activation from
    /// a fleet signs `Activate(bytes32 deviceId,address owner,uint8 kind,uint24 zone,bytes32 fleetRoot,uint256 deadline)`.
    /// @param deviceId id derived from the device's key
    /// @param owner account the device is entered for
    /// @param kind what it measures
    /// @param zone grid zone it stands in
    /// @param deadline last second (unix) at which the signature may be used
    struct Registration {
        bytes32 deviceId;
        address owner;
        Kind kind;
        uint24 zone;
        uint256 deadline;
    }

    /// @notice A manufacturer's enrolment of many devices at once.
    /// @param manufacturer account that enrolled them
    /// @param count number of devices under the root
    /// @param enrolledAt unix seconds
    struct Fleet {
        address manufacturer;
        uint32 count;
        uint32 enrolledAt;
    }

    event DeviceRegistered(
        bytes32 indexed deviceId,
        address indexed owner,
        KeyType keyType,
        Kind kind,
        uint24 indexed zone,
        bytes32 fleetRoot
    );
    event DeviceRetired(bytes32 indexed deviceId, address indexed owner);
    event FleetEnrolled(bytes32 indexed fleetRoot, address indexed manufacturer, uint32 count);
    event DelegateSet(bytes32 indexed deviceId, address indexed owner, address indexed delegate, uint40 expiresAt);

    error DeviceAlreadyRegistered(bytes32 deviceId, Status status);
    error DeviceNotActive(bytes32 deviceId, Status status);
    error ZeroOwner(bytes32 deviceId);
    error DeadlinePassed(uint256 deadline, uint256 timestamp);
    error SignatureLengthInvalid(uint256 length);
    /// @notice The signature is not one of `deviceId`'s key over the fields given.
    error PossessionNotProven(bytes32 deviceId);
    error NotOwner(bytes32 deviceId, address caller, address owner);
    error FleetAlreadyEnrolled(bytes32 fleetRoot, address manufacturer);
    error FleetEmpty(bytes32 fleetRoot, uint32 count);
    error NotInFleet(bytes32 deviceId, bytes32 fleetRoot);

    /// @notice Enter a device for `registration.owner`; anyone may carry the device's signature.
    /// @param registration the fields the device signed
    /// @param signature the device's signature over `Register`
    function register(Registration calldata registration, bytes calldata signature) external;

    /// @notice Enrol a fleet of any size: a StandardMerkleTree root over (bytes32 deviceId, uint8 kind) leaves.
    /// @dev Enrolment says who published the root, not who made the devices: a copied root may be enrolled first by
    /// anyone. Devices still enter only by their own keys; who relies on a manufacturer must compare the recorded one.
    /// @param fleetRoot root of the tree; also the fleet's id
    /// @param count number of leaves
    function enrolFleet(bytes32 fleetRoot, uint32 count) external;

    /// @notice Enter a device that a manufacturer enrolled; anyone may carry the device's signature.
    /// @param registration the fields the device signed
    /// @param fleetRoot fleet it belongs to
    /// @param proof StandardMerkleTree proof of (deviceId, kind)
    /// @param signature the device's signature over `Activate`
    function activate(
        Registration calldata registration,
        bytes32 fleetRoot,
        bytes32[] calldata proof,
        bytes calldata signature
    ) external;

    /// @notice End a device's life; owner only, for good. Readings it signed before stay provable.
    /// @param deviceId the device
    function retire(bytes32 deviceId) external;

    /// @notice Let `delegate` sign for the device (a trading agent, a gateway) until `expiresAt`; 0 withdraws it.
    /// @param deviceId the device
    /// @param delegate account that may sign
    /// @param expiresAt last second (unix) of the delegation
    function setDelegate(bytes32 deviceId, address delegate, uint40 expiresAt) external;

    /// @notice The record of a device; all zero if it was never registered.
    /// @param deviceId the device
    function device(bytes32 deviceId) external view returns (Device memory);

    /// @notice The record of a fleet; all zero if it was never enrolled.
    /// @param fleetRoot the fleet
    function fleet(bytes32 fleetRoot) external view returns (Fleet memory);

    /// @notice Last second (unix) until which `delegate` may sign for the device under its current owner; 0 if never.
    /// @param deviceId the device
    /// @param delegate the account
    function delegateExpiry(bytes32 deviceId, address delegate) external view returns (uint40);

    /// @notice Whether `signature` over `digest` is the device's own.
    /// @param deviceId the device (need not be registered: the id alone proves the key)
    /// @param digest 32-byte message digest
    /// @param signature 128 bytes (P-256) or 65 bytes (secp256k1)
    function isDeviceSignature(bytes32 deviceId, bytes32 digest, bytes calldata signature) external view returns (bool);

    /// @notice Who answers for `signature` over `digest` on behalf of an active device: its own key, its owner (EOA or
    /// ERC-1271), or a delegate that has not expired.
    /// @dev A signature of owner or delegate is `signer (20 bytes) || signature`, told apart by its length: 85 bytes
    /// for an externally owned account; ERC-1271 signatures of 45 or 108 bytes would be ambiguous and are refused.
    /// @param deviceId the device
    /// @param digest 32-byte message digest
    /// @param signature see above
    /// @return authorised whether the signature counts; false for a device that is not active
    /// @return record the device's record, so that the caller need not ask twice
    function isAuthorised(bytes32 deviceId, bytes32 digest, bytes calldata signature)
        external
        view
        returns (bool authorised, Device memory record);

    /// @notice EIP-712 digest a device signs for {register}.
    /// @param registration the fields
    function registerDigest(Registration calldata registration) external view returns (bytes32);

    /// @notice EIP-712 digest a device signs for {activate}.
    /// @param registration the fields
    /// @param fleetRoot the fleet
    function activateDigest(Registration calldata registration, bytes32 fleetRoot) external view returns (bytes32);

    /// @notice EIP-712 digest a device signs for a reading:
    /// `Reading(bytes32 deviceId,uint64 counter,uint64 time,bytes32 metric,int256 value)`.
    /// @param deviceId the device
    /// @param counter the device's own counter, strictly increasing
    /// @param time unix seconds: start of the interval for interval metrics, else the instant
    /// @param metric name of what was measured, left-aligned ASCII (an OBIS code for energy)
    /// @param value the value, in the metric's unit
    function readingDigest(bytes32 deviceId, uint64 counter, uint64 time, bytes32 metric, int256 value)
        external
        view
        returns (bytes32);
}
