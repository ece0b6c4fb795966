// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {CHEATS} from "./Cheats.sol";

/// @dev Keys of devices: odd ones on P-256, even ones on secp256k1.
library DeviceKeys {
    uint256 internal constant P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;

    function isP256(uint256 key) internal pure returns (bool) {
        return key % 2 == 1;
    }

    function keyType(uint256 key) internal pure returns (IDeviceRegistry.KeyType) {
        return isP256(key) ? IDeviceRegistry.KeyType.P256 : IDeviceRegistry.KeyType.Secp256k1;
    }

    function idOf(uint256 key) internal pure returns (bytes32) {
        if (!isP256(key)) return bytes32(uint256(uint160(CHEATS.addr(key))));
        (uint256 x, uint256 y) = CHEATS.publicKeyP256(key);
        return keccak256(abi.encode(x, y));
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        if (!isP256(key)) return signAsAccount(key, digest);
        (uint256 x, uint256 y) = CHEATS.publicKeyP256(key);
        (bytes32 r, bytes32 s) = CHEATS.signP256(key, digest);
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
        return abi.encode(x, y, r, s);
    }

    /// @dev `r || s || v` of the externally owned account of `key`.
    function signAsAccount(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}

/// @dev What must be true of the devices of keys 1 to 6, and the parties that act on them. Accounts own keys too, so that
/// owners sign as well as call.
abstract contract RegistryModel {
    struct KeyPeriod {
        bytes32 keyId;
        uint40 validFrom;
    }

    uint256 public constant DEVICES = 6;
    uint256 public constant ACCOUNTS = 4;
    uint256 private constant ACCOUNT_KEY = 0xACC0;
    address public constant STEWARD = address(0x57E3A4D);

    DeviceRegistry public immutable registry;
    mapping(uint256 key => bytes32) public deviceIds;
    mapping(uint256 account => address) private _accounts;
    mapping(address account => uint256) internal _keyOfAccount;
    mapping(uint256 key => IDeviceRegistry.Device) internal _expected;
    mapping(uint256 key => mapping(address delegate => IDeviceRegistry.Delegation)) internal _delegations;
    mapping(uint256 key => IDeviceRegistry.TransferOffer) internal _offers;
    mapping(uint256 key => IDeviceRegistry.Standing) internal _standings;
    mapping(uint256 key => address) internal _payees;
    mapping(uint256 key => bool) public isAccepted;
    mapping(uint256 key => KeyPeriod[]) internal _periods;
    /// @dev Calls that went through against expectation, or failed against it.
    uint256 public surprises;

    constructor(DeviceRegistry registry_) {
        registry = registry_;
        for (uint256 key = 1; key <= DEVICES; ++key) {
            deviceIds[key] = DeviceKeys.idOf(key);
        }
        for (uint256 i; i < ACCOUNTS; ++i) {
            _accounts[i] = CHEATS.addr(ACCOUNT_KEY + i);
            _keyOfAccount[_accounts[i]] = ACCOUNT_KEY + i;
        }
    }

    function expected(uint256 key) external view returns (IDeviceRegistry.Device memory) {
        return _expected[key];
    }

    function expectedDelegation(uint256 key, address delegate)
        external
        view
        returns (IDeviceRegistry.Delegation memory)
    {
        return _delegations[key][delegate];
    }

    function expectedOffer(uint256 key) external view returns (IDeviceRegistry.TransferOffer memory) {
        return _offers[key];
    }

    function expectedStanding(uint256 key) external view returns (IDeviceRegistry.Standing memory) {
        return _standings[key];
    }

    function expectedPayee(uint256 key) external view returns (address) {
        return _payees[key] == address(0) ? _expected[key].owner : _payees[key];
    }

    function periods(uint256 key) external view returns (KeyPeriod[] memory) {
        return _periods[key];
    }

    /// @dev The model's own word on who may act, by plain search.
    function mayAct(uint256 key, bytes32 signer, uint32 scope, uint40 time) public view returns (bool) {
        IDeviceRegistry.Standing memory known = _standings[key];
        if (_expected[key].status == IDeviceRegistry.Status.Unknown) return false;
        if (known.retiredAt != 0 && time >= known.retiredAt) return false;
        bool lifted = known.suspendedUntil != 0 && time >= known.suspendedUntil;
        if (known.suspendedFrom != 0 && time >= known.suspendedFrom && !lifted) return false;
        if (signer == keyIdAt(key, time)) return isAccepted[key] || scope == 0 || scope == registry.SCOPE_DATA();
        if (time < _expected[key].registeredAt || bytes12(signer) != 0) return false;
        address account_ = address(uint160(uint256(signer)));
        if (account_ == _expected[key].owner) return true;
        IDeviceRegistry.Delegation memory given = _delegations[key][account_];
        return scope != 0 && given.scopes & scope == scope && given.validFrom <= time && time <= given.expiresAt;
    }

    function account(uint256 seed) public view returns (address) {
        return _accounts[seed % ACCOUNTS];
    }

    function keyIdAt(uint256 key, uint40 time) public view returns (bytes32 keyId) {
        keyId = deviceIds[key];
        for (uint256 i; i < _periods[key].length; ++i) {
            if (_periods[key][i].validFrom <= time) keyId = _periods[key][i].keyId;
        }
    }

    function _key(uint256 seed) internal pure returns (uint256) {
        return 1 + seed % DEVICES;
    }

    /// @dev Mostly the one account that may, sometimes any.
    function _party(uint256 seed, address rightful) internal view returns (address) {
        return seed % 4 == 0 || rightful == address(0) ? account(seed / 4) : rightful;
    }

    function _domainDigest(bytes32 structHash) internal view returns (bytes32) {
        (, string memory name, string memory version, uint256 chain, address at,,) = registry.eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chain,
                at
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, structHash));
    }

    function _isActive(uint256 key) internal view returns (bool) {
        return _expected[key].status == IDeviceRegistry.Status.Active;
    }

    function _isLiving(uint256 key) internal view returns (bool) {
        return _isActive(key) || _expected[key].status == IDeviceRegistry.Status.Suspended;
    }

    /// @dev Count a call that ended otherwise than it had to.
    function _judge(bool right, bool wentThrough) internal {
        if (right != wentThrough) ++surprises;
    }
}

