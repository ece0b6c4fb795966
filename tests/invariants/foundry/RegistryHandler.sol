// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {CHEATS} from "./Cheats.sol";
import {DeviceKeys, RegistryModel} from "./RegistryModel.sol";

/// @dev Enters, governs and polices devices at random, rightly and wrongly. One call in eight is made wrong on purpose.
contract RegistryHandler is RegistryModel {
    bytes32 private constant OTHER_FLEET = keccak256("another fleet");
    uint256 private constant NEW_KEY = 100;

    uint256 private _newKeys;

    constructor(DeviceRegistry registry_) RegistryModel(registry_) {
        for (uint256 key = 1; key <= DEVICES; ++key) {
            registry_.enrolFleet(fleetRootOf(key), 1);
        }
    }

    /// @dev Each device is a fleet of its own, as a prosumer: the leaf is the root.
    function fleetRootOf(uint256 key) public view returns (bytes32) {
        bytes32 inner = keccak256(abi.encode(deviceIds[key], IDeviceRegistry.Kind.Prosumer));
        return keccak256(bytes.concat(inner));
    }

    function register(uint256 seed, uint256 fault, uint8 kind, uint24 zone) external {
        uint256 key = _key(seed);
        uint256 signer = fault % 8 == 0 ? _key(fault / 8) : key;
        IDeviceRegistry.Registration memory fields = IDeviceRegistry.Registration(
            deviceIds[key], account(seed), IDeviceRegistry.Kind(kind % 8), zone, block.timestamp
        );
        bytes memory signature = DeviceKeys.sign(signer, registry.registerDigest(fields));
        bool right = _isNew(key) && signer == key;
        bool byOwner = _carriedByOwner(fault, fields.owner);
        try registry.register(fields, signature) {
            _judge(right, true);
            _enter(key, fields.owner, fields.kind, zone, byOwner);
        } catch {
            _judge(right, false);
        }
    }

    /// @dev A batch of the two devices on one curve that `seed` chooses.
    function registerBatch(uint256 seed, uint256 fault, uint24 zone) external {
        uint256[2] memory keys = [_key(seed), _key(seed % DEVICES + 2)];
        address owner = account(seed);
        IDeviceRegistry.BatchRegistration memory fields = IDeviceRegistry.BatchRegistration(
            owner, IDeviceRegistry.Kind.Storage, zone, block.timestamp, new bytes32[](2)
        );
        bytes memory signatures;
        bool right = true;
        for (uint256 i; i < 2; ++i) {
            fields.deviceIds[i] = deviceIds[keys[i]];
            uint256 signer = fault % 8 == i ? _key(fault / 8) : keys[i];
            signatures = bytes.concat(
                signatures,
                DeviceKeys.sign(
                    DeviceKeys.isP256(signer) == DeviceKeys.isP256(keys[i]) ? signer : keys[i],
                    registry.registerDigest(
                        IDeviceRegistry.Registration(
                            deviceIds[keys[i]], owner, fields.kind, zone, fault % 8 == 2 ? 1 : fields.deadline
                        )
                    )
                )
            );
            bool mustProve = _isNew(keys[i]);
            bool proven =
                fault % 8 != 2 && (signer == keys[i] || DeviceKeys.isP256(signer) != DeviceKeys.isP256(keys[i]));
            right = right && (mustProve ? proven : _isLiving(keys[i]) && _expected[keys[i]].owner == owner);
        }
        bool byOwner = _carriedByOwner(fault, owner);
        try registry.registerBatch(fields, signatures) {
            _judge(right, true);
            for (uint256 i; i < 2; ++i) {
                if (_isNew(keys[i])) _enter(keys[i], owner, fields.kind, zone, byOwner);
            }
        } catch {
            _judge(right, false);
        }
    }

    function activate(uint256 seed, uint256 fault, uint24 zone) external {
        uint256 key = _key(seed);
        address manufacturer = fault % 9 == 0 ? account(fault) : address(this);
        bytes32 root = fleetRootOf(key);
        bytes32 fleetId = keccak256(abi.encode(manufacturer, root));
        IDeviceRegistry.Registration memory fields = IDeviceRegistry.Registration(
            deviceIds[key], account(seed), IDeviceRegistry.Kind.Prosumer, zone, block.timestamp
        );
        bytes32 digest = registry.activateDigest(fields, fault % 7 == 0 ? OTHER_FLEET : fleetId);
        bool right = _isNew(key) && fault % 9 != 0 && fault % 7 != 0;
        bytes memory signature = DeviceKeys.sign(key, digest);
        bool byOwner = _carriedByOwner(fault, fields.owner);
        try registry.activate(fields, manufacturer, new bytes32[](0), signature) {
            _judge(right, true);
            _enter(key, fields.owner, fields.kind, zone, byOwner);
        } catch {
            _judge(right, false);
        }
    }

    function acceptDevice(uint256 seed, uint256 callerSeed) external {
        uint256 key = _key(seed);
        address caller = _party(callerSeed, _expected[key].owner);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = deviceIds[key];
        bool right = caller == _expected[key].owner;
        CHEATS.prank(caller);
        try registry.acceptDevices(ids) {
            _judge(right, true);
            isAccepted[key] = true;
        } catch {
            _judge(right, false);
        }
    }

    function rotate(uint256 seed, uint256 callerSeed, uint256 fault, uint32 lead) external {
        uint256 key = _key(seed);
        address caller = _party(callerSeed, _expected[key].owner);
        uint256 newKey = NEW_KEY + ++_newKeys;
        uint40 validFrom = uint40(fault % 8 == 0 ? block.timestamp - 1 : block.timestamp + lead % 35 days);
        IDeviceRegistry.Rotation memory fields =
            IDeviceRegistry.Rotation(deviceIds[key], DeviceKeys.idOf(newKey), validFrom, block.timestamp);
        bytes memory proof = DeviceKeys.sign(newKey + (fault % 8 == 1 ? 2 : 0), registry.rotateDigest(fields));
        bytes memory signature = DeviceKeys.signAsAccount(_keyOfAccount[caller], registry.rotateDigest(fields));
        bool right = _isLiving(key) && caller == _expected[key].owner && fault % 8 != 1 && validFrom >= block.timestamp
            && validFrom <= block.timestamp + 30 days && validFrom > _lastStart(key);
        if (fault % 2 == 0) {
            signature = "";
            CHEATS.prank(caller);
        }
        try registry.rotate(fields, proof, IDeviceRegistry.Authorization(block.timestamp, signature)) {
            _judge(right, true);
            if (_begun(key) < _periods[key].length) _periods[key].pop();
            _periods[key].push(KeyPeriod(fields.newKeyId, validFrom));
            ++_expected[key].nonce;
            _expected[key].rotations = uint8(_periods[key].length);
        } catch {
            _judge(right, false);
        }
    }

    function retire(uint256 seed, uint256 callerSeed) external {
        // once in eight calls only, so that runs are not all about retired devices
        if (callerSeed % 8 != 0) return;
        uint256 key = _key(seed);
        address caller = _party(callerSeed / 8, _expected[key].owner);
        bool right = _isLiving(key) && caller == _expected[key].owner;
        CHEATS.prank(caller);
        try registry.retire(deviceIds[key], _unsigned()) {
            _judge(right, true);
            _expected[key].status = IDeviceRegistry.Status.Retired;
            _standings[key].retiredAt = uint40(block.timestamp);
            delete _offers[key];
        } catch {
            _judge(right, false);
        }
    }

    function suspend(uint256 seed, uint256 callerSeed, uint8 reason) external {
        uint256 key = _key(seed);
        address caller = callerSeed % 2 == 0 ? STEWARD : account(callerSeed);
        bool right = caller == STEWARD && _isActive(key);
        CHEATS.prank(caller);
        try registry.suspend(deviceIds[key], IDeviceRegistry.SuspensionReason(reason % 7)) {
            _judge(right, true);
            _expected[key].status = IDeviceRegistry.Status.Suspended;
            _standings[key] =
                IDeviceRegistry.Standing(uint40(block.timestamp), 0, 0, IDeviceRegistry.SuspensionReason(reason % 7));
        } catch {
            _judge(right, false);
        }
    }

    function reinstate(uint256 seed, uint256 callerSeed) external {
        uint256 key = _key(seed);
        address caller = callerSeed % 8 != 0 ? STEWARD : account(callerSeed);
        bool right = caller == STEWARD && _expected[key].status == IDeviceRegistry.Status.Suspended;
        CHEATS.prank(caller);
        try registry.reinstate(deviceIds[key]) {
            _judge(right, true);
            _expected[key].status = IDeviceRegistry.Status.Active;
            _standings[key].suspendedUntil = uint40(block.timestamp);
        } catch {
            _judge(right, false);
        }
    }

    function offerTransfer(uint256 seed, uint256 callerSeed, uint256 toSeed, uint32 ahead) external {
        uint256 key = _key(seed);
        address caller = _party(callerSeed, _expected[key].owner);
        address to = toSeed % 8 == 0 ? address(0) : account(toSeed);
        uint40 expiresAt = uint40(block.timestamp + ahead % 30 days);
        bool right = _isActive(key) && caller == _expected[key].owner;
        CHEATS.prank(caller);
        try registry.offerTransfer(deviceIds[key], to, expiresAt, _unsigned()) {
            _judge(right, true);
            _offers[key] = IDeviceRegistry.TransferOffer(to, to == address(0) ? 0 : expiresAt);
        } catch {
            _judge(right, false);
        }
    }

    /// @dev By call or, on odd faults, by signature; a signature over the nonce before counts nothing.
    function acceptTransfer(uint256 seed, uint256 callerSeed, uint256 fault) external {
        uint256 key = _key(seed);
        address to = _party(callerSeed, _offers[key].to);
        address from = _expected[key].owner;
        bool stale = fault % 8 == 1;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("AcceptTransfer(bytes32 deviceId,address from,address to,uint256 nonce,uint256 deadline)"),
                deviceIds[key],
                from,
                to,
                uint256(_expected[key].nonce) + (stale ? 1 : 0),
                block.timestamp
            )
        );
        bytes memory signature = DeviceKeys.signAsAccount(_keyOfAccount[to], _domainDigest(structHash));
        bool right = _isActive(key) && _offers[key].to == to && block.timestamp <= _offers[key].expiresAt && !stale;
        if (fault % 2 == 0) {
            signature = "";
            CHEATS.prank(to);
        }
        try registry.acceptTransfer(deviceIds[key], IDeviceRegistry.Authorization(block.timestamp, signature)) {
            _judge(right, true);
            _endOwnership(key, to);
        } catch {
            _judge(right, false);
        }
    }

    function setDelegate(uint256 seed, uint256 callerSeed, uint256 delegateSeed, uint32 scopes, uint32 ahead) external {
        uint256 key = _key(seed);
        address caller = _party(callerSeed, _expected[key].owner);
        address delegate = account(delegateSeed);
        scopes %= 16;
        uint40 expiresAt = uint40(block.timestamp + ahead % 30 days) - (ahead % 8 == 0 ? 31 days : 0);
        bool right = _isActive(key) && caller == _expected[key].owner;
        CHEATS.prank(caller);
        try registry.setDelegate(deviceIds[key], delegate, scopes, expiresAt, _unsigned()) {
            _judge(right, true);
            _delegate(_delegations[key][delegate], scopes, expiresAt);
        } catch {
            _judge(right, false);
        }
    }

    function setPayee(uint256 seed, uint256 callerSeed, uint256 payeeSeed) external {
        uint256 key = _key(seed);
        address caller = _party(callerSeed, _expected[key].owner);
        address payee = payeeSeed % 4 == 0 ? address(0) : account(payeeSeed);
        bool right = _isActive(key) && caller == _expected[key].owner;
        CHEATS.prank(caller);
        try registry.setPayee(deviceIds[key], payee, _unsigned()) {
            _judge(right, true);
            _payees[key] = payee;
        } catch {
            _judge(right, false);
        }
    }

    function invalidateNonce(uint256 seed, uint256 callerSeed) external {
        uint256 key = _key(seed);
        address caller = _party(callerSeed, _expected[key].owner);
        bool right = caller == _expected[key].owner;
        CHEATS.prank(caller);
        try registry.invalidateNonce(deviceIds[key]) {
            _judge(right, true);
            ++_expected[key].nonce;
        } catch {
            _judge(right, false);
        }
    }

    /// @dev INV-R8, INV-R10, INV-R15: ask about accounts and keys, in any scope, at moments on either side of now.
    function ask(uint256 seed, uint32 scope, uint32 distance) external {
        uint256 key = _key(seed);
        uint40 now_ = uint40(block.timestamp);
        IDeviceRegistry.Standing storage known = _standings[key];
        uint40[7] memory times = [
            now_ + distance % 10 days,
            now_,
            now_ - distance % 10 days,
            known.suspendedFrom,
            (known.suspendedFrom + known.suspendedUntil) / 2,
            known.suspendedUntil,
            known.retiredAt
        ];
        for (uint256 i; i < times.length; ++i) {
            _compare(key, bytes32(uint256(uint160(account(seed / DEVICES + i)))), scope % 16, times[i]);
            _compare(key, keyIdAt(key, times[i]), scope % 16, times[i]);
            _compare(key, deviceIds[key], scope % 16, times[i]);
        }
    }

    function warp(uint32 ahead) external {
        CHEATS.warp(block.timestamp + ahead % 10 days);
    }

    function _compare(uint256 key, bytes32 signer, uint32 scope, uint40 time) private {
        _judge(mayAct(key, signer, scope, time), registry.isAuthorized(deviceIds[key], signer, scope, time));
    }

    function _unsigned() private pure returns (IDeviceRegistry.Authorization memory) {
        return IDeviceRegistry.Authorization(0, "");
    }

    function _isNew(uint256 key) private view returns (bool) {
        return _expected[key].status == IDeviceRegistry.Status.Unknown;
    }

    /// @dev Number of later keys that have begun by now.
    function _begun(uint256 key) private view returns (uint256 count) {
        while (count < _periods[key].length && _periods[key][count].validFrom <= block.timestamp) ++count;
    }

    function _lastStart(uint256 key) private view returns (uint40) {
        uint256 begun = _begun(key);
        return begun == 0 ? 0 : _periods[key][begun - 1].validFrom;
    }

    /// @dev Whether the owner makes the next call: one entry in two.
    function _carriedByOwner(uint256 fault, address owner) private returns (bool byOwner) {
        byOwner = (fault >> 8) % 2 == 0;
        if (byOwner) CHEATS.prank(owner);
    }

    function _enter(uint256 key, address owner, IDeviceRegistry.Kind kind, uint24 zone, bool byOwner) private {
        isAccepted[key] = byOwner;
        _expected[key] = IDeviceRegistry.Device({
            owner: owner,
            status: IDeviceRegistry.Status.Active,
            keyType: DeviceKeys.keyType(key),
            kind: kind,
            zone: zone,
            registeredAt: uint32(block.timestamp),
            nonce: 0,
            rotations: 0
        });
    }

    function _endOwnership(uint256 key, address to) private {
        _expected[key].owner = to;
        isAccepted[key] = true;
        ++_expected[key].nonce;
        delete _offers[key];
        delete _payees[key];
        for (uint256 i; i < ACCOUNTS; ++i) {
            delete _delegations[key][account(i)];
        }
    }

    function _delegate(IDeviceRegistry.Delegation storage given, uint32 scopes, uint40 expiresAt) private {
        if (scopes == 0 || expiresAt < block.timestamp) {
            if (given.expiresAt >= block.timestamp) given.expiresAt = uint40(block.timestamp - 1);
            return;
        }
        bool heldTillNow = given.expiresAt >= block.timestamp && given.scopes | scopes == given.scopes;
        if (!heldTillNow) given.validFrom = uint40(block.timestamp);
        (given.scopes, given.expiresAt) = (scopes, expiresAt);
    }
}
