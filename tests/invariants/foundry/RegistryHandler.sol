// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {CHEATS} from "./Cheats.sol";

/// @dev Device keys 1 to 6: odd ones on P-256, even ones on secp256k1.
library DeviceKeys {
    uint256 internal constant P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;

    function isP256(uint256 key) internal pure returns (bool) {
        return key % 2 == 1;
    }

    function idOf(uint256 key) internal pure returns (bytes32) {
        if (!isP256(key)) return bytes32(uint256(uint160(CHEATS.addr(key))));
        (uint256 x, uint256 y) = CHEATS.publicKeyP256(key);
        return keccak256(abi.encode(x, y));
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        if (!isP256(key)) {
            (uint8 v, bytes32 rK, bytes32 sK) = CHEATS.sign(key, digest);
            return abi.encodePacked(rK, sK, v);
        }
        (uint256 x, uint256 y) = CHEATS.publicKeyP256(key);
        (bytes32 r, bytes32 s) = CHEATS.signP256(key, digest);
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
        return abi.encode(x, y, r, s);
    }
}

/// @dev Registers, activates, retires and delegates at random, rightly and wrongly, and keeps what must be true.
contract RegistryHandler {
    uint256 public constant DEVICES = 6;
    uint256 private constant ACCOUNTS = 4;
    bytes32 private constant OTHER_FLEET = keccak256("another fleet");

    DeviceRegistry public immutable registry;
    mapping(uint256 key => bytes32) public deviceIds;
    mapping(uint256 key => IDeviceRegistry.Device) private _expected;
    mapping(uint256 key => mapping(address delegate => uint40)) private _expiry;
    /// @dev Calls that went through against expectation, or failed against it.
    uint256 public surprises;
    uint256 public entered;

    constructor(DeviceRegistry registry_) {
        registry = registry_;
        for (uint256 key = 1; key <= DEVICES; ++key) {
            deviceIds[key] = DeviceKeys.idOf(key);
            registry_.enrolFleet(fleetRootOf(key), 1);
        }
    }

    function expected(uint256 key) external view returns (IDeviceRegistry.Device memory) {
        return _expected[key];
    }

    function expiry(uint256 key, address delegate) external view returns (uint40) {
        return _expiry[key][delegate];
    }

    function account(uint256 seed) public pure returns (address) {
        return address(uint160(0x1000 + seed % ACCOUNTS));
    }

    /// @dev Each device is a fleet of its own, as a prosumer: the leaf is the root.
    function fleetRootOf(uint256 key) public view returns (bytes32) {
        bytes32 inner = keccak256(abi.encode(deviceIds[key], IDeviceRegistry.Kind.Prosumer));
        return keccak256(bytes.concat(inner));
    }

    function register(uint256 seed, uint256 signerSeed, uint8 kind, uint24 zone) external {
        uint256 key = _key(seed);
        uint256 signer = signerSeed % 4 == 0 ? _key(signerSeed / 4) : key;
        IDeviceRegistry.Registration memory fields = IDeviceRegistry.Registration(
            deviceIds[key], account(seed), IDeviceRegistry.Kind(kind % 8), zone, block.timestamp
        );
        bytes memory signature = DeviceKeys.sign(signer, registry.registerDigest(fields));
        try registry.register(fields, signature) {
            _enter(key, signer == key, fields);
        } catch {
            _refuse(_isNew(key) && signer == key);
        }
    }

    function activate(uint256 seed, uint256 faultSeed, uint24 zone) external {
        uint256 key = _key(seed);
        bytes32 root = fleetRootOf(faultSeed % 5 == 0 ? _key(faultSeed / 5) : key);
        bytes32 signedRoot = faultSeed % 7 == 0 ? OTHER_FLEET : root;
        IDeviceRegistry.Registration memory fields = IDeviceRegistry.Registration(
            deviceIds[key], account(seed), IDeviceRegistry.Kind.Prosumer, zone, block.timestamp
        );
        bytes memory signature = DeviceKeys.sign(key, registry.activateDigest(fields, signedRoot));
        bool right = root == fleetRootOf(key) && signedRoot == root;
        try registry.activate(fields, root, new bytes32[](0), signature) {
            _enter(key, right, fields);
        } catch {
            _refuse(_isNew(key) && right);
        }
    }

    function retire(uint256 seed, uint256 callerSeed) external {
        // once in eight calls only, so that runs are not all about retired devices
        if (callerSeed % 8 != 0) return;
        uint256 key = _key(seed);
        address caller = account(callerSeed / 8);
        CHEATS.prank(caller);
        try registry.retire(deviceIds[key]) {
            if (!_governs(key, caller)) ++surprises;
            _expected[key].status = IDeviceRegistry.Status.Retired;
        } catch {
            _refuse(_governs(key, caller));
        }
    }

    function setDelegate(uint256 seed, uint256 callerSeed, uint256 delegateSeed, uint40 expiresAt) external {
        uint256 key = _key(seed);
        address caller = account(callerSeed);
        address delegate = account(delegateSeed);
        CHEATS.prank(caller);
        try registry.setDelegate(deviceIds[key], delegate, expiresAt) {
            if (!_governs(key, caller)) ++surprises;
            _expiry[key][delegate] = expiresAt;
        } catch {
            _refuse(_governs(key, caller));
        }
    }

    function warp(uint16 ahead) external {
        CHEATS.warp(block.timestamp + ahead);
    }

    function _key(uint256 seed) private pure returns (uint256) {
        return 1 + seed % DEVICES;
    }

    function _isNew(uint256 key) private view returns (bool) {
        return _expected[key].status == IDeviceRegistry.Status.Unknown;
    }

    function _governs(uint256 key, address caller) private view returns (bool) {
        return _expected[key].status == IDeviceRegistry.Status.Active && _expected[key].owner == caller;
    }

    function _enter(uint256 key, bool right, IDeviceRegistry.Registration memory fields) private {
        if (!right || !_isNew(key)) ++surprises;
        ++entered;
        _expected[key] = IDeviceRegistry.Device({
            owner: fields.owner,
            status: IDeviceRegistry.Status.Active,
            keyType: DeviceKeys.isP256(key) ? IDeviceRegistry.KeyType.P256 : IDeviceRegistry.KeyType.Secp256k1,
            kind: fields.kind,
            zone: fields.zone,
            registeredAt: uint32(block.timestamp),
            nonce: 0
        });
    }

    function _refuse(bool wasRight) private {
        if (wasRight) ++surprises;
    }
}
