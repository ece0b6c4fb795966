// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IVersioned} from "./IVersioned.sol";

/// @title Identities of devices that sign what they measure.
/// @notice A device is named by its first public key and enters only with a signature of that key over every field of
/// its registration, so nobody can register a key they do not hold, nor change a field on the way.
/// @dev `deviceId` is `keccak256(x || y)` for P-256 and the left-padded address for secp256k1; the id of any later key
/// (`keyId`) is made the same way. Keys are not stored: callers bring them inside the signature and the id proves them.
/// Device signatures are `x || y || r || s` (128 bytes, P-256, FIPS 186-5) or `r || s || v` (65 bytes, secp256k1); `s`
/// must be low in both. Digests are EIP-712 under the domain ("Gridwitness DeviceRegistry", "1", chain id, this
/// contract). Where a call takes an {Authorization}, anyone may carry it for the account that signed it.
interface IDeviceRegistry is IVersioned {
    /// @notice Where a device is in its life. `Retired` is final; of a suspended device the owner can only rotate the
    /// key, or retire it.
    enum Status {
        Unknown,
        Active,
        Suspended,
        Retired
    }

    /// @notice Curve of a key.
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

    /// @notice Why a steward suspended a device.
    enum SuspensionReason {
        Unspecified,
        KeyCompromised,
        Tampered,
        FalseRegistration,
        NotCalibrated,
        LostOrStolen,
        AuthorityOrder
    }

    /// @notice What is known of a device; kept in one storage slot.
    /// @param owner account that governs the device and trades for it
    /// @param status stage of life
    /// @param keyType curve of the key it registered with
    /// @param kind what it measures
    /// @param zone grid zone (feeder area) it stands in; 0 for none
    /// @param registeredAt unix seconds
    /// @param nonce number that the next signed action on the device must name
    /// @param rotations number of keys after the first
    struct Device {
        address owner;
        Status status;
        KeyType keyType;
        Kind kind;
        uint24 zone;
        uint32 registeredAt;
        uint16 nonce;
        uint8 rotations;
    }

    /// @notice What a device signs to enter the registry.
    /// @dev EIP-712 `Register(bytes32 deviceId,address owner,uint8 kind,uint24 zone,uint256 deadline)`; activation from
    /// a fleet signs `Activate(bytes32 deviceId,address owner,uint8 kind,uint24 zone,bytes32 fleetId,uint256 deadline)`.
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

    /// @notice Devices that are entered together; each signs its own `Register`, as for {register}.
    /// @param owner account the devices are entered for
    /// @param kind what they measure
    /// @param zone grid zone they stand in
    /// @param deadline last second (unix) at which the signatures may be used
    /// @param deviceIds ids derived from the devices' keys, all of one curve
    struct BatchRegistration {
        address owner;
        Kind kind;
        uint24 zone;
        uint256 deadline;
        bytes32[] deviceIds;
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

    /// @notice Consent of an account to one action.
    /// @param deadline last second (unix) at which the signature may be used; not read if the account itself calls
    /// @param signature over the action's EIP-712 digest, of an externally owned account (65 bytes) or by ERC-1271;
    /// empty if the account itself calls
    struct Authorization {
        uint256 deadline;
        bytes signature;
    }

    /// @notice A change of key.
    /// @dev EIP-712 `Rotate(bytes32 deviceId,bytes32 newKeyId,uint40 validFrom,uint256 nonce,uint256 deadline)`, signed by
    /// the new key, and by the owner if the owner does not call.
    /// @param deviceId the device; its id stays
    /// @param newKeyId id of the new key
    /// @param validFrom first second (unix) that the new key speaks for; the key before speaks for all earlier ones
    /// @param deadline last second (unix) at which the new key's signature may be used
    struct Rotation {
        bytes32 deviceId;
        bytes32 newKeyId;
        uint40 validFrom;
        uint256 deadline;
    }

    /// @notice A key and the time it speaks for: a verification method of the device's DID document (W3C DID Core 1.0).
    /// @param keyId `keccak256(x || y)` or left-padded address; proves a public key that is brought
    /// @param keyType its curve
    /// @param validFrom first second (unix) it speaks for; 0 for the first key
    /// @param validUntil first second (unix) it no longer speaks for; the maximum of uint40 if none is known
    struct VerificationMethod {
        bytes32 keyId;
        KeyType keyType;
        uint40 validFrom;
        uint40 validUntil;
    }

    /// @notice What an account may do for a device.
    /// @param scopes sum of the `SCOPE_` bits granted
    /// @param validFrom unix second from which all of `scopes` have been granted without a break
    /// @param expiresAt last second (unix) of the grant
    struct Delegation {
        uint32 scopes;
        uint40 validFrom;
        uint40 expiresAt;
    }

    /// @notice A device on its way to another owner.
    /// @param to who may accept it
    /// @param expiresAt last second (unix) to accept it
    struct TransferOffer {
        address to;
        uint40 expiresAt;
    }

    /// @notice What a device's status was, as far as it ended or limits its authority.
    /// @param suspendedFrom unix second of the last suspension, 0 if there was none
    /// @param suspendedUntil unix second at which it was lifted, 0 if it was not
    /// @param retiredAt unix second of retirement, 0 if it is not retired
    /// @param reason why it was last suspended
    struct Standing {
        uint40 suspendedFrom;
        uint40 suspendedUntil;
        uint40 retiredAt;
        SuspensionReason reason;
    }

    event DeviceRegistered(
        bytes32 indexed deviceId,
        address indexed owner,
        KeyType keyType,
        Kind kind,
        uint24 indexed zone,
        bytes32 fleetId
    );
    /// @notice Devices entered together; stands for one {DeviceRegistered} each, at a tenth of its gas. A batch that passes
    /// devices over comes in several of these.
    event DevicesRegistered(
        address indexed owner, KeyType keyType, Kind kind, uint24 indexed zone, bytes32[] deviceIds
    );
    event DeviceRetired(bytes32 indexed deviceId, address indexed owner);
    event DeviceSuspended(bytes32 indexed deviceId, address indexed steward, SuspensionReason reason);
    event DeviceReinstated(bytes32 indexed deviceId, address indexed steward);
    /// @notice Takes the place of an earlier rotation that has not begun by this block.
    event KeyRotated(bytes32 indexed deviceId, bytes32 indexed newKeyId, KeyType keyType, uint40 validFrom);
    event TransferOffered(bytes32 indexed deviceId, address indexed from, address indexed to, uint40 expiresAt);
    event DeviceTransferred(bytes32 indexed deviceId, address indexed from, address indexed to);
    event FleetEnrolled(bytes32 indexed fleetId, address indexed manufacturer, bytes32 root, uint32 count);
    event DelegateSet(
        bytes32 indexed deviceId, address indexed owner, address indexed delegate, uint32 scopes, uint40 expiresAt
    );
    event PayeeSet(bytes32 indexed deviceId, address indexed owner, address indexed payee);
    event NonceInvalidated(bytes32 indexed deviceId, uint16 nonce);
    /// @notice By {acceptDevices} only: who enters a device of their own, or takes one over, has accepted it by that.
    event DeviceAccepted(bytes32 indexed deviceId, address indexed owner);

    error DeviceAlreadyRegistered(bytes32 deviceId, Status status);
    error DeviceNotActive(bytes32 deviceId, Status status);
    error DeviceNotSuspended(bytes32 deviceId, Status status);
    error ZeroOwner(bytes32 deviceId);
    error ZeroDelegate(bytes32 deviceId);
    error DeadlinePassed(uint256 deadline, uint256 timestamp);
    error SignatureLengthInvalid(uint256 length);
    /// @notice The signatures of a batch are not `count` of one curve.
    error SignaturesLengthInvalid(uint256 length, uint256 count);
    /// @notice The signature is not one of the key that `keyId` (for a first key: the device id) names over the fields given.
    error PossessionNotProven(bytes32 keyId);
    error NotOwner(bytes32 deviceId, address caller, address owner);
    /// @notice The signature is not `signer`'s over this action, these fields and the device's nonce.
    error AuthorizationInvalid(bytes32 deviceId, address signer, uint256 nonce);
    error FleetAlreadyEnrolled(bytes32 fleetId);
    error FleetEmpty(bytes32 root);
    error NotInFleet(bytes32 deviceId, bytes32 fleetId);
    error RotationTimeInvalid(uint40 validFrom, uint256 earliest, uint256 latest);
    error KeyUnchanged(bytes32 deviceId, bytes32 keyId);
    error RotationsExhausted(bytes32 deviceId, uint256 rotations);
    error TransfersExhausted(bytes32 deviceId, uint256 transfers);
    error NonceExhausted(bytes32 deviceId, uint256 nonce);
    error TransferNotOffered(bytes32 deviceId, address caller, address to);
    error TransferOfferExpired(bytes32 deviceId, uint40 expiresAt, uint256 timestamp);

    /// @notice Enter a device for `registration.owner`; anyone may carry the device's signature. An owner who carries it
    /// has accepted the device, another must {acceptDevices} before its key can act for them.
    /// @param registration the fields the device signed
    /// @param signature the device's signature over `Register`
    function register(Registration calldata registration, bytes calldata signature) external;

    /// @notice Enter many devices of one owner, kind and zone. All or none, save that a device which that owner already
    /// has is passed over, so that nobody can spoil a batch by carrying one of its signatures first.
    /// @param registration the fields the devices signed
    /// @param signatures each device's signature over `Register`, in the order of `deviceIds`, of one length, concatenated
    function registerBatch(BatchRegistration calldata registration, bytes calldata signatures) external;

    /// @notice Enrol a fleet of any size: a StandardMerkleTree root over (bytes32 deviceId, uint8 kind) leaves. The
    /// fleet's id binds root and manufacturer, so a copied root makes another fleet.
    /// @param root root of the tree
    /// @param count number of leaves
    /// @return fleetId `keccak256(abi.encode(manufacturer, root))`
    function enrolFleet(bytes32 root, uint32 count) external returns (bytes32 fleetId);

    /// @notice Enter a device that a manufacturer enrolled; its owner, or anyone else, may carry the device's signature.
    /// @param registration the fields the device signed
    /// @param manufacturer account that enrolled the fleet
    /// @param proof StandardMerkleTree proof of (deviceId, kind)
    /// @param signature the device's signature over `Activate`
    function activate(
        Registration calldata registration,
        address manufacturer,
        bytes32[] calldata proof,
        bytes calldata signature
    ) external;

    /// @notice Give the device a new key from a coming second on; its id stays. What the key before signed for earlier
    /// times stays provable, what it signs for later ones counts no more. Not retroactive, so that nobody can take back
    /// what a device has said: `validFrom` is at or after this block, at most 30 days ahead and after the last rotation's.
    /// A rotation that has not begun gives way to the next one, so that none announced hinders one in an emergency.
    /// @param rotation the fields
    /// @param newKeySignature the new key's signature over `Rotate`
    /// @param authorization the owner's consent, over the same `Rotate` and so under its deadline
    function rotate(Rotation calldata rotation, bytes calldata newKeySignature, Authorization calldata authorization)
        external;

    /// @notice Let the keys of devices that others entered act for their owner, who calls: trade on the owner's account,
    /// above all. Without it anybody could make a key, name a rich owner, and spend their money.
    /// @param deviceIds the devices, all of the caller
    function acceptDevices(bytes32[] calldata deviceIds) external;

    /// @notice End a device's life, for good. Readings it signed before stay provable.
    /// @dev EIP-712 `Retire(bytes32 deviceId,uint256 nonce,uint256 deadline)`.
    /// @param deviceId the device
    /// @param authorization the owner's consent
    function retire(bytes32 deviceId, Authorization calldata authorization) external;

    /// @notice Take a device's authority away; `STEWARD_ROLE` only. Not retroactive.
    /// @param deviceId the device, active
    /// @param reason why
    function suspend(bytes32 deviceId, SuspensionReason reason) external;

    /// @notice Lift a suspension; `STEWARD_ROLE` only.
    /// @param deviceId the device, suspended
    function reinstate(bytes32 deviceId) external;

    /// @notice Offer a device to another owner, in place of any earlier offer; the zero address withdraws it.
    /// @dev EIP-712 `OfferTransfer(bytes32 deviceId,address to,uint40 expiresAt,uint256 nonce,uint256 deadline)`.
    /// @param deviceId the device, active
    /// @param to who may accept it
    /// @param expiresAt last second (unix) to accept it
    /// @param authorization the owner's consent
    function offerTransfer(bytes32 deviceId, address to, uint40 expiresAt, Authorization calldata authorization)
        external;

    /// @notice Take over a device on offer. Its delegates and payee end with the owner who named them.
    /// @dev EIP-712 `AcceptTransfer(bytes32 deviceId,address from,address to,uint256 nonce,uint256 deadline)`.
    /// @param deviceId the device, active
    /// @param authorization consent of the account it was offered to
    function acceptTransfer(bytes32 deviceId, Authorization calldata authorization) external;

    /// @notice Let `delegate` act for the device in `scopes` until `expiresAt`, in place of what it was allowed before;
    /// no scope, or an expiry that has passed, withdraws it at once.
    /// @dev EIP-712 `SetDelegate(bytes32 deviceId,address delegate,uint32 scopes,uint40 expiresAt,uint256 nonce,uint256 deadline)`.
    /// @param deviceId the device, active
    /// @param delegate account that may act
    /// @param scopes sum of `SCOPE_` bits
    /// @param expiresAt last second (unix) of the delegation
    /// @param authorization the owner's consent
    function setDelegate(
        bytes32 deviceId,
        address delegate,
        uint32 scopes,
        uint40 expiresAt,
        Authorization calldata authorization
    ) external;

    /// @notice Name who is paid for the device, until it has another owner; the zero address names the owner.
    /// @dev EIP-712 `SetPayee(bytes32 deviceId,address payee,uint256 nonce,uint256 deadline)`.
    /// @param deviceId the device, active
    /// @param payee account or contract
    /// @param authorization the owner's consent
    function setPayee(bytes32 deviceId, address payee, Authorization calldata authorization) external;

    /// @notice Void every signature made for the device's present nonce; owner only, whatever the status.
    /// @param deviceId the device
    function invalidateNonce(bytes32 deviceId) external;

    /// @notice Role that suspends devices and lifts suspensions.
    function STEWARD_ROLE() external view returns (bytes32);

    /// @notice Scope of signing schedules: a trading agent.
    function SCOPE_TRADE() external view returns (uint32);

    /// @notice Scope of vouching for readings of the device: a gateway.
    function SCOPE_DATA() external view returns (uint32);

    /// @notice Scope of granting and withdrawing consent to use the device's data.
    function SCOPE_CONSENT() external view returns (uint32);

    /// @notice Scope of paying and charging on the device's behalf.
    function SCOPE_PAYMENT() external view returns (uint32);

    /// @notice Whether the chain's P-256 precompile (EIP-7951, address 0x100) passed its test when this was deployed.
    /// Where it did not, P-256 signatures are checked in Solidity, at some 250,000 gas each.
    function hasP256Precompile() external view returns (bool);

    /// @notice The record of a device; all zero if it was never registered.
    /// @param deviceId the device
    function device(bytes32 deviceId) external view returns (Device memory);

    /// @notice The record of a fleet; all zero if it was never enrolled.
    /// @param fleetId the fleet
    function fleet(bytes32 fleetId) external view returns (Fleet memory);

    /// @notice Suspension and retirement of a device.
    /// @param deviceId the device
    function standing(bytes32 deviceId) external view returns (Standing memory);

    /// @notice The offer to take a device over; all zero if there is none. It may have expired.
    /// @param deviceId the device
    function transferOffer(bytes32 deviceId) external view returns (TransferOffer memory);

    /// @notice What the device's present owner let `delegate` do; all zero if nothing. It may have ended.
    /// @param deviceId the device
    /// @param delegate the account
    function delegation(bytes32 deviceId, address delegate) external view returns (Delegation memory);

    /// @notice Whether the device's present owner has accepted it, see {acceptDevices}.
    /// @param deviceId the device
    function isAccepted(bytes32 deviceId) external view returns (bool);

    /// @notice Who is paid for the device: the payee named, or else the owner.
    /// @param deviceId the device
    function payeeOf(bytes32 deviceId) external view returns (address);

    /// @notice The device's DID: `did:gridwitness:<chain id>:0x<device id>`.
    /// @param deviceId the device
    function did(bytes32 deviceId) external view returns (string memory);

    /// @notice All keys of a registered device, oldest first: the `verificationMethod` of its DID document. Empty if it
    /// was never registered.
    /// @param deviceId the device
    function verificationMethods(bytes32 deviceId) external view returns (VerificationMethod[] memory);

    /// @notice Id of the key that speaks for the device at `time`; of a device never registered, its own id.
    /// @param deviceId the device
    /// @param time unix seconds
    function keyAt(bytes32 deviceId, uint40 time) external view returns (bytes32 keyId);

    /// @notice Whether `signature` over `digest` is by the key that speaks for the device at `time`, whatever its status.
    /// @param deviceId the device (need not be registered: the id alone proves the first key)
    /// @param digest 32-byte message digest
    /// @param signature 128 bytes (P-256) or 65 bytes (secp256k1)
    /// @param time unix seconds: for a reading, the reading's
    function isDeviceSignature(bytes32 deviceId, bytes32 digest, bytes calldata signature, uint40 time)
        external
        view
        returns (bool);

    /// @notice Whether `signer` may act for the device in `scope` at `time`: its key of that time (in `SCOPE_DATA`, and in
    /// every scope if its owner has accepted it by now, see {acceptDevices}), its present owner (in every scope), or a
    /// delegate that the present owner gave all of `scope`. False before its registration's block for owner and delegates,
    /// and for everybody from its retirement on, while it is suspended (of several suspensions the last is known), and if
    /// it was never registered.
    /// @param deviceId the device
    /// @param signer key id, or left-padded address of an account
    /// @param scope one `SCOPE_` bit, or several that are all needed
    /// @param time unix seconds
    function isAuthorized(bytes32 deviceId, bytes32 signer, uint32 scope, uint40 time) external view returns (bool);

    /// @notice Whether `signature` over `digest` counts for an active device in `scope`, now: by its own key (beyond
    /// `SCOPE_DATA` only if its owner has accepted it, see {acceptDevices}), its owner (externally owned or ERC-1271), or a
    /// delegate.
    /// @dev A signature of owner or delegate is `signer (20 bytes) || signature`, told apart by its length: 85 bytes
    /// for an externally owned account; ERC-1271 signatures of 45 or 108 bytes would be ambiguous and are refused.
    /// @param deviceId the device
    /// @param scope one `SCOPE_` bit, or several that are all needed
    /// @param digest 32-byte message digest
    /// @param signature see above
    /// @return authorized whether the signature counts; false for a device that is not active
    /// @return record the device's record, so that the caller need not ask twice
    function verifySignature(bytes32 deviceId, uint32 scope, bytes32 digest, bytes calldata signature)
        external
        view
        returns (bool authorized, Device memory record);

    /// @notice EIP-712 digest a device signs for {register}.
    /// @param registration the fields
    function registerDigest(Registration calldata registration) external view returns (bytes32);

    /// @notice EIP-712 digest a device signs for {activate}.
    /// @param registration the fields
    /// @param fleetId the fleet
    function activateDigest(Registration calldata registration, bytes32 fleetId) external view returns (bytes32);

    /// @notice EIP-712 digest that the new key, and an owner who does not call, sign for {rotate} at the present nonce.
    /// @param rotation the fields
    function rotateDigest(Rotation calldata rotation) external view returns (bytes32);

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
