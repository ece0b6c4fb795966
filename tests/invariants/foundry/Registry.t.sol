// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {SCOPE_TRADE} from "../../../contracts/types/Scopes.sol";
import {CHEATS} from "./Cheats.sol";
import {RegistryHandler} from "./RegistryHandler.sol";
import {DeviceKeys, RegistryModel} from "./RegistryModel.sol";

/// @dev A wallet contract that accepts the signatures of one key.
contract HouseholdWallet is IERC1271 {
    address private immutable _member;

    constructor(address member) {
        _member = member;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s, uint8 v) = abi.decode(signature, (bytes32, bytes32, uint8));
        return ecrecover(hash, v, r, s) == _member ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @dev What unit tests through Ape cannot show: other chains, and owners that are contracts.
contract RegistryTest {
    uint256 private constant MEMBER_KEY = 0x11;
    bytes32 private constant DIGEST = keccak256("a schedule");

    DeviceRegistry private registry;
    // Kept in storage: the optimizer takes block.chainid for constant in a transaction and would read it again.
    uint256 private homeChain;

    function setUp() external {
        registry = new DeviceRegistry(address(this));
        homeChain = block.chainid;
    }

    /// @dev INV-R6.
    function test_register__replayed_after_a_chain_split__is_refused(uint8 keySeed, uint64 chain) external {
        uint256 key = 1 + keySeed % 6;
        if (chain == 0 || chain == homeChain) return;
        IDeviceRegistry.Registration memory fields = _fields(key, address(this));
        bytes memory signature = DeviceKeys.sign(key, registry.registerDigest(fields));

        CHEATS.chainId(chain);
        CHEATS.expectRevert(abi.encodeWithSelector(IDeviceRegistry.PossessionNotProven.selector, fields.deviceId));
        registry.register(fields, signature);

        CHEATS.chainId(homeChain);
        registry.register(fields, signature);
        assert(registry.device(fields.deviceId).owner == address(this));
    }

    /// @dev INV-R6, of an owner's signature.
    function test_rotate__replayed_after_a_chain_split__is_refused(uint64 chain) external {
        if (chain == 0 || chain == homeChain) return;
        bytes32 deviceId = _register(1, CHEATS.addr(MEMBER_KEY));
        uint256 newKey = 3;
        IDeviceRegistry.Rotation memory fields =
            IDeviceRegistry.Rotation(deviceId, DeviceKeys.idOf(newKey), uint40(block.timestamp), block.timestamp);
        bytes32 digest = registry.rotateDigest(fields);
        bytes memory proof = DeviceKeys.sign(newKey, digest);
        IDeviceRegistry.Authorization memory consent =
            IDeviceRegistry.Authorization(0, DeviceKeys.signAsAccount(MEMBER_KEY, digest));

        CHEATS.chainId(chain);
        CHEATS.expectRevert(
            abi.encodeWithSelector(IDeviceRegistry.AuthorizationInvalid.selector, deviceId, CHEATS.addr(MEMBER_KEY), 0)
        );
        registry.rotate(fields, proof, consent);

        CHEATS.chainId(homeChain);
        registry.rotate(fields, proof, consent);
        assert(registry.keyAt(deviceId, uint40(block.timestamp)) == fields.newKeyId);
    }

    /// @dev INV-R6.
    function test_register__signed_for_another_registry__is_refused(uint8 keySeed) external {
        uint256 key = 1 + keySeed % 6;
        DeviceRegistry other = new DeviceRegistry(address(this));
        IDeviceRegistry.Registration memory fields = _fields(key, address(this));
        bytes memory signature = DeviceKeys.sign(key, other.registerDigest(fields));
        CHEATS.expectRevert(abi.encodeWithSelector(IDeviceRegistry.PossessionNotProven.selector, fields.deviceId));
        registry.register(fields, signature);
    }

    function test_verify_signature__owner_is_a_contract__asks_it() external {
        address wallet = address(new HouseholdWallet(CHEATS.addr(MEMBER_KEY)));
        bytes32 deviceId = _register(1, wallet);
        assert(_counts(deviceId, abi.encodePacked(wallet, _walletSignature(MEMBER_KEY, DIGEST))));
        assert(!_counts(deviceId, abi.encodePacked(wallet, _walletSignature(MEMBER_KEY + 1, DIGEST))));
        assert(!_counts(deviceId, _walletSignature(MEMBER_KEY, DIGEST)));
    }

    function test_verify_signature__wallet_of_another_owner__does_not_count() external {
        address wallet = address(new HouseholdWallet(CHEATS.addr(MEMBER_KEY)));
        bytes32 deviceId = _register(1, address(this));
        assert(!_counts(deviceId, abi.encodePacked(wallet, _walletSignature(MEMBER_KEY, DIGEST))));
    }

    function test_verify_signature__any_bytes__never_revert_nor_count(uint8 keySeed, bytes calldata garbage) external {
        assert(!_counts(_register(1 + keySeed % 6, address(this)), garbage));
    }

    /// @dev A wallet contract consents by ERC-1271 wherever an account does; a stranger's signature moves nothing.
    function test_rotate__owner_is_a_contract__asks_it() external {
        address wallet = address(new HouseholdWallet(CHEATS.addr(MEMBER_KEY)));
        bytes32 deviceId = _register(1, wallet);
        IDeviceRegistry.Rotation memory fields =
            IDeviceRegistry.Rotation(deviceId, DeviceKeys.idOf(4), uint40(block.timestamp), block.timestamp);
        bytes32 digest = registry.rotateDigest(fields);
        bytes memory proof = DeviceKeys.sign(4, digest);

        CHEATS.expectRevert(abi.encodeWithSelector(IDeviceRegistry.AuthorizationInvalid.selector, deviceId, wallet, 0));
        registry.rotate(fields, proof, IDeviceRegistry.Authorization(0, _walletSignature(MEMBER_KEY + 1, digest)));
        registry.rotate(fields, proof, IDeviceRegistry.Authorization(0, _walletSignature(MEMBER_KEY, digest)));
        assert(registry.device(deviceId).rotations == 1);
    }

    /// @dev The library's way to the precompile against OpenZeppelin's arithmetic, its plain twin.
    function testFuzz_verify_p256__precompile_and_solidity__agree(
        uint8 keySeed,
        bytes32 digest,
        uint8 flippedByte,
        uint8 flippedBit
    ) external view {
        bytes memory signature = DeviceKeys.sign(1 + 2 * uint256(keySeed), digest);
        if (flippedByte > 200) signature = _withHighS(signature);
        if (flippedByte < 128) signature[flippedByte] ^= bytes1(uint8(1) << (flippedBit % 8));
        (bytes32 x, bytes32 y, bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32, bytes32, bytes32));
        bool valid = P256.verifySolidity(digest, r, s, x, y);
        assert(valid == (flippedByte >= 128 && flippedByte <= 200));
        assert(registry.isDeviceSignature(keccak256(abi.encode(x, y)), digest, signature, 0) == valid);
    }

    function _withHighS(bytes memory signature) private pure returns (bytes memory) {
        (bytes32 x, bytes32 y, bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32, bytes32, bytes32));
        return abi.encode(x, y, r, DeviceKeys.P256_ORDER - uint256(s));
    }

    function _fields(uint256 key, address owner) private view returns (IDeviceRegistry.Registration memory) {
        return
            IDeviceRegistry.Registration(DeviceKeys.idOf(key), owner, IDeviceRegistry.Kind.Prosumer, 7, block.timestamp);
    }

    function _register(uint256 key, address owner) private returns (bytes32) {
        IDeviceRegistry.Registration memory fields = _fields(key, owner);
        registry.register(fields, DeviceKeys.sign(key, registry.registerDigest(fields)));
        return fields.deviceId;
    }

    /// @dev 96 bytes, so that with the wallet's address it has the length of no device signature.
    function _walletSignature(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(key, digest);
        return abi.encode(r, s, v);
    }

    function _counts(bytes32 deviceId, bytes memory signature) private view returns (bool authorized) {
        (authorized,) = registry.verifySignature(deviceId, SCOPE_TRADE, DIGEST, signature);
    }
}

contract RegistryInvariants {
    DeviceRegistry private registry;
    RegistryHandler private handler;

    function setUp() external {
        CHEATS.warp(1_700_000_000);
        registry = new DeviceRegistry(address(this));
        handler = new RegistryHandler(registry);
        registry.grantRole(registry.STEWARD_ROLE(), handler.STEWARD());
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev All in one: forge would walk anew for each, and from one seed on the same ways.
    function invariant_devices__after_any_call__are_as_modelled() external view {
        _requireRecords();
        _requireDelegations();
        _requireKeys();
        _requireNoSurprise();
    }

    /// @dev INV-R1, INV-R2, INV-R3, INV-R4, INV-R5, INV-R9, INV-R13, INV-R16, INV-R19: what a device is follows from its entry and
    /// its owner's and stewards' calls alone.
    function _requireRecords() private view {
        for (uint256 key = 1; key <= handler.DEVICES(); ++key) {
            bytes32 deviceId = handler.deviceIds(key);
            IDeviceRegistry.Device memory record = registry.device(deviceId);
            assert(keccak256(abi.encode(record)) == keccak256(abi.encode(handler.expected(key))));
            bytes32 standing = keccak256(abi.encode(registry.standing(deviceId)));
            assert(standing == keccak256(abi.encode(handler.expectedStanding(key))));
            bytes32 offer = keccak256(abi.encode(registry.transferOffer(deviceId)));
            assert(offer == keccak256(abi.encode(handler.expectedOffer(key))));
            assert(registry.isAccepted(deviceId) == handler.isAccepted(key));
        }
    }

    /// @dev INV-R8, INV-R17: delegates and payee are the present owner's.
    function _requireDelegations() private view {
        for (uint256 key = 1; key <= handler.DEVICES(); ++key) {
            bytes32 deviceId = handler.deviceIds(key);
            assert(registry.payeeOf(deviceId) == handler.expectedPayee(key));
            for (uint256 i; i < handler.ACCOUNTS(); ++i) {
                address delegate = handler.account(i);
                bytes32 given = keccak256(abi.encode(registry.delegation(deviceId, delegate)));
                assert(given == keccak256(abi.encode(handler.expectedDelegation(key, delegate))));
            }
        }
    }

    /// @dev INV-R14: the key of a time is the last that began by then; times of keys only grow.
    function _requireKeys() private view {
        for (uint256 key = 1; key <= handler.DEVICES(); ++key) {
            bytes32 deviceId = handler.deviceIds(key);
            RegistryModel.KeyPeriod[] memory periods = handler.periods(key);
            for (uint256 i; i < periods.length; ++i) {
                assert(i == 0 || periods[i].validFrom > periods[i - 1].validFrom);
                for (uint40 time = periods[i].validFrom - 1; time <= periods[i].validFrom + 1; ++time) {
                    assert(registry.keyAt(deviceId, time) == handler.keyIdAt(key, time));
                }
            }
            IDeviceRegistry.VerificationMethod[] memory methods = registry.verificationMethods(deviceId);
            for (uint256 i; i < methods.length; ++i) {
                assert(registry.keyAt(deviceId, methods[i].validFrom) == methods[i].keyId);
                assert(registry.keyAt(deviceId, methods[i].validUntil - 1) == methods[i].keyId);
            }
        }
    }

    /// @dev INV-R9, INV-R10, INV-R13, INV-R14, INV-R15, INV-R16, INV-R18: every call, and every answer on who may act,
    /// against the model's plain word.
    function _requireNoSurprise() private view {
        assert(handler.surprises() == 0);
    }
}
