// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {CHEATS} from "./Cheats.sol";
import {DeviceKeys, RegistryHandler} from "./RegistryHandler.sol";

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
        registry = new DeviceRegistry();
        homeChain = block.chainid;
    }

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

    function test_register__signed_for_another_registry__is_refused(uint8 keySeed) external {
        uint256 key = 1 + keySeed % 6;
        DeviceRegistry other = new DeviceRegistry();
        IDeviceRegistry.Registration memory fields = _fields(key, address(this));
        bytes memory signature = DeviceKeys.sign(key, other.registerDigest(fields));
        CHEATS.expectRevert(abi.encodeWithSelector(IDeviceRegistry.PossessionNotProven.selector, fields.deviceId));
        registry.register(fields, signature);
    }

    function test_authorise__owner_is_a_contract__asks_it() external {
        address wallet = address(new HouseholdWallet(CHEATS.addr(MEMBER_KEY)));
        bytes32 deviceId = _register(1, wallet);
        assert(_isAuthorised(deviceId, abi.encodePacked(wallet, _walletSignature(MEMBER_KEY))));
        assert(!_isAuthorised(deviceId, abi.encodePacked(wallet, _walletSignature(MEMBER_KEY + 1))));
        assert(!_isAuthorised(deviceId, _walletSignature(MEMBER_KEY)));
    }

    function test_authorise__wallet_of_another_owner__does_not_count() external {
        address wallet = address(new HouseholdWallet(CHEATS.addr(MEMBER_KEY)));
        bytes32 deviceId = _register(1, address(this));
        assert(!_isAuthorised(deviceId, abi.encodePacked(wallet, _walletSignature(MEMBER_KEY))));
    }

    function test_authorise__any_bytes__never_revert_nor_count(uint8 keySeed, bytes calldata garbage) external {
        assert(!_isAuthorised(_register(1 + keySeed % 6, address(this)), garbage));
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
    function _walletSignature(uint256 key) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(key, DIGEST);
        return abi.encode(r, s, v);
    }

    function _isAuthorised(bytes32 deviceId, bytes memory signature) private view returns (bool authorised) {
        (authorised,) = registry.isAuthorised(deviceId, DIGEST, signature);
    }
}

contract RegistryInvariants {
    DeviceRegistry private registry;
    RegistryHandler private handler;

    function setUp() external {
        registry = new DeviceRegistry();
        handler = new RegistryHandler(registry);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev Owner, key, kind, zone and time stand as first entered; Retired is final; no device from nowhere.
    function invariant_record__of_every_device__is_as_entered() external view {
        for (uint256 key = 1; key <= handler.DEVICES(); ++key) {
            IDeviceRegistry.Device memory record = registry.device(handler.deviceIds(key));
            assert(keccak256(abi.encode(record)) == keccak256(abi.encode(handler.expected(key))));
        }
    }

    function invariant_delegation__of_every_device__is_its_owners() external view {
        for (uint256 key = 1; key <= handler.DEVICES(); ++key) {
            for (uint256 i = 0; i < 4; ++i) {
                address delegate = handler.account(i);
                assert(registry.delegateExpiry(handler.deviceIds(key), delegate) == handler.expiry(key, delegate));
            }
        }
    }

    function invariant_call__right_or_wrong__goes_as_it_must() external view {
        assert(handler.surprises() == 0);
        assert(handler.entered() <= handler.DEVICES());
    }
}
