// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {IVersioned} from "./interfaces/IVersioned.sol";
import {DeviceSignature} from "./libraries/DeviceSignature.sol";
import {DeviceGovernance} from "./registry/DeviceGovernance.sol";
import {DeviceRecord} from "./types/DeviceRecord.sol";
import {
    SCOPE_CONSENT as CONSENT,
    SCOPE_DATA as DATA,
    SCOPE_PAYMENT as PAYMENT,
    SCOPE_TRADE as TRADE
} from "./types/Scopes.sol";

contract DeviceRegistry is DeviceGovernance {
    uint256 private constant SIGNER_LENGTH = 20;

    /// @inheritdoc IDeviceRegistry
    uint32 public constant SCOPE_TRADE = TRADE;
    /// @inheritdoc IDeviceRegistry
    uint32 public constant SCOPE_DATA = DATA;
    /// @inheritdoc IDeviceRegistry
    uint32 public constant SCOPE_CONSENT = CONSENT;
    /// @inheritdoc IDeviceRegistry
    uint32 public constant SCOPE_PAYMENT = PAYMENT;

    constructor(address admin) EIP712("Gridwitness DeviceRegistry", "1") DeviceGovernance(admin) {}

    /// @inheritdoc IDeviceRegistry
    function standing(bytes32 deviceId) external view returns (Standing memory) {
        return _standings[deviceId];
    }

    /// @inheritdoc IDeviceRegistry
    function transferOffer(bytes32 deviceId) external view returns (TransferOffer memory) {
        return _offers[deviceId];
    }

    /// @inheritdoc IDeviceRegistry
    function delegation(bytes32 deviceId, address delegate) external view returns (Delegation memory) {
        return _delegations[deviceId][_records[deviceId].transfers()][delegate];
    }

    /// @inheritdoc IDeviceRegistry
    function isAccepted(bytes32 deviceId) external view returns (bool) {
        return _records[deviceId].isAccepted();
    }

    /// @inheritdoc IDeviceRegistry
    function payeeOf(bytes32 deviceId) external view returns (address) {
        DeviceRecord record = _records[deviceId];
        return record.hasPayee() ? _payees[deviceId] : record.owner();
    }

    /// @inheritdoc IDeviceRegistry
    function did(bytes32 deviceId) external view returns (string memory) {
        string memory chain = Strings.toString(block.chainid);
        return string.concat("did:gridwitness:", chain, ":", Strings.toHexString(uint256(deviceId), 32));
    }

    /// @inheritdoc IDeviceRegistry
    function verificationMethods(bytes32 deviceId) external view returns (VerificationMethod[] memory methods) {
        DeviceRecord record = _records[deviceId];
        if (record.isUnknown()) return methods;
        uint256 rotations = record.rotations();
        methods = new VerificationMethod[](rotations + 1);
        methods[0] = VerificationMethod(deviceId, record.keyType(), 0, type(uint40).max);
        for (uint256 i = 1; i <= rotations; ++i) {
            Key memory key = _keys[deviceId][i];
            methods[i - 1].validUntil = key.validFrom;
            methods[i] = VerificationMethod(key.keyId, key.keyType, key.validFrom, type(uint40).max);
        }
    }

    /// @inheritdoc IDeviceRegistry
    function keyAt(bytes32 deviceId, uint40 time) external view returns (bytes32 keyId) {
        return _keyAt(deviceId, _records[deviceId], time);
    }

    /// @inheritdoc IDeviceRegistry
    function isDeviceSignature(bytes32 deviceId, bytes32 digest, bytes calldata signature, uint40 time)
        external
        view
        returns (bool)
    {
        bytes32 keyId = _keyAt(deviceId, _records[deviceId], time);
        return DeviceSignature.isBy(keyId, digest, signature, hasP256Precompile);
    }

    /// @inheritdoc IDeviceRegistry
    function isAuthorized(bytes32 deviceId, bytes32 signer, uint32 scope, uint40 time) external view returns (bool) {
        DeviceRecord record = _records[deviceId];
        if (record.isUnknown() || _isBarred(deviceId, record, time)) return false;
        if (signer == _keyAt(deviceId, record, time)) return _keyMayAct(record, scope);
        if (time < record.registeredAt() || uint256(signer) > type(uint160).max) return false;
        return _mayAct(deviceId, record, address(uint160(uint256(signer))), scope, time);
    }

    /// @inheritdoc IDeviceRegistry
    function verifySignature(bytes32 deviceId, uint32 scope, bytes32 digest, bytes calldata signature)
        external
        view
        returns (bool authorized, Device memory)
    {
        DeviceRecord record = _records[deviceId];
        authorized = record.status() == Status.Active && _counts(deviceId, record, scope, digest, signature);
        return (authorized, record.toDevice());
    }

    /// @inheritdoc IVersioned
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @inheritdoc AccessControl
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IDeviceRegistry).interfaceId || interfaceId == type(IVersioned).interfaceId
            || interfaceId == type(IERC5267).interfaceId || super.supportsInterface(interfaceId);
    }

    /// @dev Whether a signature counts now, for a device that is active.
    function _counts(bytes32 deviceId, DeviceRecord record, uint32 scope, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool)
    {
        if (DeviceSignature.keyTypeOf(signature.length) != KeyType.None) {
            bytes32 keyId = _keyAt(deviceId, record, block.timestamp);
            return _keyMayAct(record, scope) && DeviceSignature.isBy(keyId, digest, signature, hasP256Precompile);
        }
        if (signature.length < SIGNER_LENGTH) return false;
        address signer = address(bytes20(signature[:SIGNER_LENGTH]));
        return _mayAct(deviceId, record, signer, scope, block.timestamp)
            && SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature[SIGNER_LENGTH:]);
    }

    /// @dev Whether the device's own key may act in all of `scope`: for its data always, else once its owner accepted it.
    function _keyMayAct(DeviceRecord record, uint32 scope) private pure returns (bool) {
        return scope & ~DATA == 0 || record.isAccepted();
    }

    /// @dev Whether an account is the owner, or a delegate in all of `scope` at `time`.
    function _mayAct(bytes32 deviceId, DeviceRecord record, address account, uint32 scope, uint256 time)
        private
        view
        returns (bool)
    {
        if (account == record.owner()) return true;
        Delegation memory granted = _delegations[deviceId][record.transfers()][account];
        bool inTime = granted.validFrom <= time && time <= granted.expiresAt;
        return inTime && scope != 0 && granted.scopes & scope == scope;
    }

    /// @dev Whether the device was retired or suspended at `time`.
    function _isBarred(bytes32 deviceId, DeviceRecord record, uint256 time) private view returns (bool) {
        if (record.status() != Status.Retired && !record.wasSuspended()) return false;
        Standing memory known = _standings[deviceId];
        if (known.retiredAt != 0 && time >= known.retiredAt) return true;
        if (known.suspendedFrom == 0 || time < known.suspendedFrom) return false;
        return known.suspendedUntil == 0 || time < known.suspendedUntil;
    }

    /// @dev Id of the key that speaks at `time`: the last that is valid by then. By halving, so that no owner can make
    /// looking costly.
    function _keyAt(bytes32 deviceId, DeviceRecord record, uint256 time) private view returns (bytes32) {
        (uint256 low, uint256 high) = (0, record.rotations());
        while (low < high) {
            uint256 middle = (low + high + 1) / 2;
            if (_keys[deviceId][middle].validFrom <= time) low = middle;
            else high = middle - 1;
        }
        return _keyNumbered(deviceId, low);
    }
}
