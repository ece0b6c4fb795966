// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {DeviceTypedData} from "../libraries/DeviceTypedData.sol";
import {DeviceRecord, MAX_TRANSFERS} from "../types/DeviceRecord.sol";
import {DeviceEntry} from "./DeviceEntry.sol";

/// @dev What owners and stewards do with devices that are in DeviceRegistry.
abstract contract DeviceGovernance is DeviceEntry, AccessControl {
    struct Key {
        bytes32 keyId;
        uint40 validFrom;
        KeyType keyType;
    }

    /// @inheritdoc IDeviceRegistry
    bytes32 public constant STEWARD_ROLE = keccak256("STEWARD_ROLE");
    uint256 internal constant MAX_ROTATION_LEAD = 30 days;

    // Keys after the first, counted from 1.
    mapping(bytes32 deviceId => mapping(uint256 rotation => Key)) internal _keys;
    mapping(bytes32 deviceId => Standing) internal _standings;
    mapping(bytes32 deviceId => TransferOffer) internal _offers;
    mapping(bytes32 deviceId => address) internal _payees;
    // Keyed by the count of transfers too, so that none outlives the owner who gave it, even if that owner comes back.
    mapping(bytes32 deviceId => mapping(uint256 transfers => mapping(address delegate => Delegation))) internal
        _delegations;

    constructor(address admin) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc IDeviceRegistry
    function acceptDevices(bytes32[] calldata deviceIds) external {
        for (uint256 i; i < deviceIds.length; ++i) {
            bytes32 deviceId = deviceIds[i];
            DeviceRecord record = _records[deviceId];
            if (msg.sender != record.owner()) revert NotOwner(deviceId, msg.sender, record.owner());
            _records[deviceId] = record.withAcceptance();
            emit DeviceAccepted(deviceId, msg.sender);
        }
    }

    /// @inheritdoc IDeviceRegistry
    function rotate(Rotation calldata rotation, bytes calldata newKeySignature, Authorization calldata authorization)
        external
    {
        (bytes32 deviceId, bytes32 newKeyId) = (rotation.deviceId, rotation.newKeyId);
        DeviceRecord record = _living(deviceId);
        bytes32 structHash = DeviceTypedData.rotate(rotation, record.nonce());
        _requireInTime(rotation.deadline);
        _requireConsent(deviceId, record, structHash, authorization.signature);
        uint256 begun = _rotationsBegun(deviceId, record.rotations());
        if (begun == type(uint8).max) revert RotationsExhausted(deviceId, begun);
        if (newKeyId == _keyNumbered(deviceId, begun)) revert KeyUnchanged(deviceId, newKeyId);
        _requireRotationTime(rotation.validFrom, begun == 0 ? 0 : _keys[deviceId][begun].validFrom);
        KeyType keyType = _requirePossession(newKeyId, _hashTypedDataV4(structHash), newKeySignature);

        _keys[deviceId][begun + 1] = Key(newKeyId, rotation.validFrom, keyType);
        bool isAnother = begun == record.rotations();
        record = _withNextNonce(deviceId, record);
        _records[deviceId] = isAnother ? record.withRotation() : record;
        emit KeyRotated(deviceId, newKeyId, keyType, rotation.validFrom);
    }

    /// @inheritdoc IDeviceRegistry
    function retire(bytes32 deviceId, Authorization calldata authorization) external {
        DeviceRecord record = _living(deviceId);
        bytes32 structHash = DeviceTypedData.retire(deviceId, record.nonce(), authorization.deadline);
        _records[deviceId] = _consented(deviceId, record, structHash, authorization).withStatus(Status.Retired);
        _standings[deviceId].retiredAt = uint40(block.timestamp);
        delete _offers[deviceId];
        emit DeviceRetired(deviceId, record.owner());
    }

    /// @inheritdoc IDeviceRegistry
    function suspend(bytes32 deviceId, SuspensionReason reason) external onlyRole(STEWARD_ROLE) {
        _records[deviceId] = _active(deviceId).withSuspension();
        _standings[deviceId] = Standing(uint40(block.timestamp), 0, 0, reason);
        emit DeviceSuspended(deviceId, msg.sender, reason);
    }

    /// @inheritdoc IDeviceRegistry
    function reinstate(bytes32 deviceId) external onlyRole(STEWARD_ROLE) {
        DeviceRecord record = _records[deviceId];
        if (record.status() != Status.Suspended) revert DeviceNotSuspended(deviceId, record.status());
        _records[deviceId] = record.withStatus(Status.Active);
        _standings[deviceId].suspendedUntil = uint40(block.timestamp);
        emit DeviceReinstated(deviceId, msg.sender);
    }

    /// @inheritdoc IDeviceRegistry
    function offerTransfer(bytes32 deviceId, address to, uint40 expiresAt, Authorization calldata authorization)
        external
    {
        DeviceRecord record = _active(deviceId);
        bytes32 structHash =
            DeviceTypedData.offerTransfer(deviceId, to, expiresAt, record.nonce(), authorization.deadline);
        _records[deviceId] = _consented(deviceId, record, structHash, authorization);
        _offers[deviceId] = to == address(0) ? TransferOffer(address(0), 0) : TransferOffer(to, expiresAt);
        emit TransferOffered(deviceId, record.owner(), to, expiresAt);
    }

    /// @inheritdoc IDeviceRegistry
    function acceptTransfer(bytes32 deviceId, Authorization calldata authorization) external {
        DeviceRecord record = _active(deviceId);
        (address from, address to) = (record.owner(), _requireOffer(deviceId, authorization.signature.length != 0));
        if (msg.sender != to) {
            bytes32 structHash =
                DeviceTypedData.acceptTransfer(deviceId, from, to, record.nonce(), authorization.deadline);
            _requireInTime(authorization.deadline);
            _requireSigned(deviceId, to, record, structHash, authorization.signature);
        }
        if (record.transfers() == MAX_TRANSFERS) revert TransfersExhausted(deviceId, record.transfers());
        delete _offers[deviceId];
        _records[deviceId] = _withNextNonce(deviceId, record).withOwner(to);
        emit DeviceTransferred(deviceId, from, to);
    }

    /// @inheritdoc IDeviceRegistry
    function setDelegate(
        bytes32 deviceId,
        address delegate,
        uint32 scopes,
        uint40 expiresAt,
        Authorization calldata authorization
    ) external {
        DeviceRecord record = _active(deviceId);
        if (delegate == address(0)) revert ZeroDelegate(deviceId);
        bytes32 structHash =
            DeviceTypedData.setDelegate(deviceId, delegate, scopes, expiresAt, record.nonce(), authorization.deadline);
        _records[deviceId] = _consented(deviceId, record, structHash, authorization);
        Delegation storage kept = _delegations[deviceId][record.transfers()][delegate];
        if (scopes == 0 || expiresAt < block.timestamp) {
            kept.expiresAt = uint40(Math.min(kept.expiresAt, block.timestamp - 1));
        } else {
            // Scopes that were held till now are held on, or what a gateway vouched for would fall with each renewal.
            bool isRenewal = kept.scopes & scopes == scopes && kept.expiresAt >= block.timestamp;
            uint40 validFrom = isRenewal ? kept.validFrom : uint40(block.timestamp);
            _delegations[deviceId][record.transfers()][delegate] = Delegation(scopes, validFrom, expiresAt);
        }
        emit DelegateSet(deviceId, record.owner(), delegate, scopes, expiresAt);
    }

    /// @inheritdoc IDeviceRegistry
    function setPayee(bytes32 deviceId, address payee, Authorization calldata authorization) external {
        DeviceRecord record = _active(deviceId);
        bytes32 structHash = DeviceTypedData.setPayee(deviceId, payee, record.nonce(), authorization.deadline);
        record = _consented(deviceId, record, structHash, authorization);
        _records[deviceId] = record.withPayee(payee != address(0));
        _payees[deviceId] = payee;
        emit PayeeSet(deviceId, record.owner(), payee);
    }

    /// @inheritdoc IDeviceRegistry
    function invalidateNonce(bytes32 deviceId) external {
        DeviceRecord record = _records[deviceId];
        if (msg.sender != record.owner()) revert NotOwner(deviceId, msg.sender, record.owner());
        _records[deviceId] = _withNextNonce(deviceId, record);
        emit NonceInvalidated(deviceId, record.nonce());
    }

    /// @inheritdoc IDeviceRegistry
    function rotateDigest(Rotation calldata rotation) external view returns (bytes32) {
        return _hashTypedDataV4(DeviceTypedData.rotate(rotation, _records[rotation.deviceId].nonce()));
    }

    /// @dev Key of a device after so many rotations.
    function _keyNumbered(bytes32 deviceId, uint256 rotation) internal view returns (bytes32) {
        return rotation == 0 ? deviceId : _keys[deviceId][rotation].keyId;
    }

    /// @dev Number of rotations that have begun: all, save perhaps the last.
    function _rotationsBegun(bytes32 deviceId, uint256 rotations) private view returns (uint256) {
        bool isLastAhead = rotations != 0 && _keys[deviceId][rotations].validFrom > block.timestamp;
        return isLastAhead ? rotations - 1 : rotations;
    }

    function _active(bytes32 deviceId) private view returns (DeviceRecord record) {
        record = _records[deviceId];
        if (record.status() != Status.Active) revert DeviceNotActive(deviceId, record.status());
    }

    /// @dev Record of a device that is active or suspended.
    function _living(bytes32 deviceId) private view returns (DeviceRecord record) {
        record = _records[deviceId];
        if (record.status() != Status.Active && record.status() != Status.Suspended) {
            revert DeviceNotActive(deviceId, record.status());
        }
    }

    /// @dev The record once its owner has consented, by calling or, which takes a nonce, by signing.
    function _consented(bytes32 deviceId, DeviceRecord record, bytes32 structHash, Authorization calldata authorization)
        private
        view
        returns (DeviceRecord)
    {
        _requireConsent(deviceId, record, structHash, authorization.signature);
        if (msg.sender == record.owner()) return record;
        _requireInTime(authorization.deadline);
        return _withNextNonce(deviceId, record);
    }

    /// @dev Revert unless the owner calls, or signed the struct.
    function _requireConsent(bytes32 deviceId, DeviceRecord record, bytes32 structHash, bytes calldata signature)
        private
        view
    {
        address owner = record.owner();
        if (msg.sender == owner) return;
        if (signature.length == 0) revert NotOwner(deviceId, msg.sender, owner);
        _requireSigned(deviceId, owner, record, structHash, signature);
    }

    function _requireSigned(
        bytes32 deviceId,
        address signer,
        DeviceRecord record,
        bytes32 structHash,
        bytes calldata signature
    ) private view {
        bytes32 digest = _hashTypedDataV4(structHash);
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature)) {
            revert AuthorizationInvalid(deviceId, signer, record.nonce());
        }
    }

    /// @dev Who may accept the device now; a call without a signature must be theirs.
    function _requireOffer(bytes32 deviceId, bool signed) private view returns (address to) {
        TransferOffer memory offer = _offers[deviceId];
        to = offer.to;
        if (to == address(0) || (!signed && msg.sender != to)) revert TransferNotOffered(deviceId, msg.sender, to);
        if (block.timestamp > offer.expiresAt) {
            revert TransferOfferExpired(deviceId, offer.expiresAt, block.timestamp);
        }
    }

    function _requireRotationTime(uint40 validFrom, uint256 last) private view {
        uint256 earliest = Math.max(block.timestamp, last + 1);
        uint256 latest = block.timestamp + MAX_ROTATION_LEAD;
        if (validFrom < earliest || validFrom > latest) revert RotationTimeInvalid(validFrom, earliest, latest);
    }

    function _withNextNonce(bytes32 deviceId, DeviceRecord record) private pure returns (DeviceRecord) {
        if (record.nonce() == type(uint16).max) revert NonceExhausted(deviceId, record.nonce());
        return record.withNextNonce();
    }
}
