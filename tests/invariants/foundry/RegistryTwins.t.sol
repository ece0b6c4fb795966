// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {DeviceSignature} from "../../../contracts/libraries/DeviceSignature.sol";
import {DeviceTypedData} from "../../../contracts/libraries/DeviceTypedData.sol";
import {StandardLeaf} from "../../../contracts/libraries/StandardLeaf.sol";
import {DeviceRecord, packDevice} from "../../../contracts/types/DeviceRecord.sol";

/// @dev The registry's assembly and packing against plain twins. (That of P-256 has its twin in Registry.t.sol.)
contract RegistryTwins {
    bytes32 private constant REGISTER =
        keccak256("Register(bytes32 deviceId,address owner,uint8 kind,uint24 zone,uint256 deadline)");
    bytes32 private constant ACTIVATE =
        keccak256("Activate(bytes32 deviceId,address owner,uint8 kind,uint24 zone,bytes32 fleetId,uint256 deadline)");

    function testFuzz_hash_register__any_fields__as_by_abi_encode(
        bytes32 deviceId,
        address owner,
        uint8 kind,
        uint24 zone,
        uint256 deadline
    ) external view {
        IDeviceRegistry.Registration memory fields =
            IDeviceRegistry.Registration(deviceId, owner, IDeviceRegistry.Kind(kind % 8), zone, deadline);
        assert(this.registerHash(fields) == keccak256(abi.encode(REGISTER, deviceId, owner, kind % 8, zone, deadline)));
    }

    function testFuzz_hash_activate__any_fields__as_by_abi_encode(
        bytes32 deviceId,
        address owner,
        uint8 kind,
        uint24 zone,
        bytes32 fleetId,
        uint256 deadline
    ) external view {
        IDeviceRegistry.Registration memory fields =
            IDeviceRegistry.Registration(deviceId, owner, IDeviceRegistry.Kind(kind % 8), zone, deadline);
        bytes32 plain = keccak256(abi.encode(ACTIVATE, deviceId, owner, kind % 8, zone, fleetId, deadline));
        assert(this.activateHash(fields, fleetId) == plain);
    }

    function testFuzz_hash_batch__any_devices__as_one_by_one(
        bytes32[] calldata deviceIds,
        address owner,
        uint8 kind,
        uint24 zone,
        uint256 deadline
    ) external view {
        IDeviceRegistry.BatchRegistration memory fields = IDeviceRegistry.BatchRegistration(
            owner, IDeviceRegistry.Kind(kind % 8), zone, deadline, deviceIds
        );
        bytes32[] memory hashes = this.batchHashes(fields);
        for (uint256 i; i < deviceIds.length; ++i) {
            bytes32 plain = keccak256(abi.encode(REGISTER, deviceIds[i], owner, kind % 8, zone, deadline));
            assert(hashes[i] == plain);
        }
    }

    function testFuzz_slice_signatures__any_number__as_by_bounds_checked_slices(uint8 count, bool isP256, bytes32 seed)
        external
        view
    {
        uint256 length = isP256 ? 128 : 65;
        bytes memory signatures = new bytes(uint256(count % 8) * length);
        for (uint256 i; i < signatures.length; ++i) {
            signatures[i] = keccak256(abi.encode(seed, i))[0];
        }
        for (uint256 i; i < count % 8; ++i) {
            (bytes memory one, bytes memory plain) = this.slices(signatures, i, length);
            assert(keccak256(one) == keccak256(plain));
        }
    }

    function testFuzz_name_curve__of_many_signatures__divides_without_rest(uint16 length, uint8 count) external pure {
        if (length % 3 != 0) length = uint16(uint256(count) * (length % 3 == 1 ? 128 : 65) + (length >> 14));
        IDeviceRegistry.KeyType keyType = DeviceSignature.keyTypeOfMany(length, count);
        bool isP256 = count != 0 && uint256(length) == uint256(count) * 128;
        bool isSecp256k1 = count != 0 && uint256(length) == uint256(count) * 65;
        assert((keyType == IDeviceRegistry.KeyType.P256) == isP256);
        assert((keyType == IDeviceRegistry.KeyType.Secp256k1) == isSecp256k1);
    }

    function testFuzz_hash_leaf__of_a_fleet__as_by_abi_encode(bytes32 deviceId, uint8 kind) external pure {
        assert(StandardLeaf.hash(deviceId, kind) == StandardLeaf.hash(abi.encode(deviceId, kind)));
    }

    /// @dev INV-R12: a device's record is one word; every change touches its own field alone.
    function testFuzz_pack_device__any_changes__leave_other_fields_alone(
        address owner,
        bool isP256,
        uint8 kind,
        uint24 zone,
        uint32 registeredAt,
        uint256 changes
    ) external pure {
        IDeviceRegistry.Device memory plain = IDeviceRegistry.Device({
            owner: owner,
            status: IDeviceRegistry.Status.Active,
            keyType: isP256 ? IDeviceRegistry.KeyType.P256 : IDeviceRegistry.KeyType.Secp256k1,
            kind: IDeviceRegistry.Kind(kind % 8),
            zone: zone,
            registeredAt: registeredAt,
            nonce: 0,
            rotations: 0
        });
        DeviceRecord record = packDevice(owner, plain.keyType, plain.kind, zone, registeredAt);
        bool hasPayee;
        bool isAccepted;
        bool wasSuspended;
        uint256 transfers;
        for (; changes != 0; changes >>= 8) {
            uint256 change = changes % 7;
            if (change == 0) (record, plain.nonce) = (record.withNextNonce(), plain.nonce + 1);
            if (change == 1) (record, plain.rotations) = (record.withRotation(), plain.rotations + 1);
            if (change == 2) {
                (record, plain.status) = (record.withSuspension(), IDeviceRegistry.Status.Suspended);
                wasSuspended = true;
            }
            if (change == 3) {
                plain.status = IDeviceRegistry.Status((changes >> 3) % 3 + 1);
                record = record.withStatus(plain.status);
            }
            if (change == 4) (hasPayee, record) = (changes & 64 == 0, record.withPayee(changes & 64 == 0));
            if (change == 5) {
                plain.owner = address(uint160(uint256(keccak256(abi.encode(changes)))));
                (record, transfers, hasPayee) = (record.withOwner(plain.owner), transfers + 1, false);
                isAccepted = true;
            }
            if (change == 6) (isAccepted, record) = (true, record.withAcceptance());
        }
        assert(keccak256(abi.encode(record.toDevice())) == keccak256(abi.encode(plain)));
        assert(record.hasPayee() == hasPayee && record.wasSuspended() == wasSuspended);
        assert(record.transfers() == transfers && record.isAccepted() == isAccepted);
    }

    function registerHash(IDeviceRegistry.Registration calldata fields) external pure returns (bytes32) {
        return DeviceTypedData.register(fields);
    }

    function activateHash(IDeviceRegistry.Registration calldata fields, bytes32 fleetId)
        external
        pure
        returns (bytes32)
    {
        return DeviceTypedData.activate(fields, fleetId);
    }

    function batchHashes(IDeviceRegistry.BatchRegistration calldata fields)
        external
        pure
        returns (bytes32[] memory hashes)
    {
        bytes memory buffer = DeviceTypedData.registerFields(fields);
        hashes = new bytes32[](fields.deviceIds.length);
        for (uint256 i; i < hashes.length; ++i) {
            hashes[i] = DeviceTypedData.registerNext(buffer, fields.deviceIds[i]);
        }
    }

    function slices(bytes calldata signatures, uint256 index, uint256 length)
        external
        pure
        returns (bytes memory one, bytes memory plain)
    {
        one = DeviceSignature.at(signatures, index, DeviceSignature.keyTypeOf(length));
        plain = signatures[index * length:(index + 1) * length];
    }
}
