// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeviceRegistry} from "../../contracts/DeviceRegistry.sol";
import {IDeviceRegistry} from "../../contracts/interfaces/IDeviceRegistry.sol";
import {AnyP256} from "./AnyP256.sol";
import {SVM, VM} from "./SymbolicCheats.sol";

/// @dev Who may do what to a device: for any caller, arguments and time, in any state of the registry's storage, whatever
/// the P-256 precompile answers: a stub stands at 0x100. Owners' signatures have 0 or 65 bytes, that of rotate's new key
/// 65 or 128. That retired stays retired holds for signatures of 0 or 65 bytes, one id in a batch and empty fleet proofs.
contract RegistryAccessProofs {
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant RETIRE = keccak256("Retire(bytes32 deviceId,uint256 nonce,uint256 deadline)");
    bytes32 private constant OFFER_TRANSFER =
        keccak256("OfferTransfer(bytes32 deviceId,address to,uint40 expiresAt,uint256 nonce,uint256 deadline)");
    bytes32 private constant ACCEPT_TRANSFER =
        keccak256("AcceptTransfer(bytes32 deviceId,address from,address to,uint256 nonce,uint256 deadline)");
    bytes32 private constant SET_DELEGATE = keccak256(
        "SetDelegate(bytes32 deviceId,address delegate,uint32 scopes,uint40 expiresAt,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant SET_PAYEE =
        keccak256("SetPayee(bytes32 deviceId,address payee,uint256 nonce,uint256 deadline)");
    bytes32 private constant ROTATE =
        keccak256("Rotate(bytes32 deviceId,bytes32 newKeyId,uint40 validFrom,uint256 nonce,uint256 deadline)");

    DeviceRegistry private registry;
    bytes32 private domain;

    function setUp() external {
        VM.etch(address(0x100), type(AnyP256).runtimeCode);
        registry = new DeviceRegistry(address(0xAD));
        assert(registry.hasP256Precompile());
        SVM.enableSymbolicStorage(address(registry));
        VM.warp(SVM.createUint(40, "now"));
        domain = keccak256(
            abi.encode(
                DOMAIN_TYPE, keccak256("Gridwitness DeviceRegistry"), keccak256("1"), block.chainid, address(registry)
            )
        );
    }

    /// @dev INV-R9.
    /// @custom:halmos --array-lengths consent.signature={0,65}
    function check_retire__any_caller__has_the_owners_consent(
        address caller,
        bytes32 id,
        IDeviceRegistry.Authorization calldata consent
    ) external {
        IDeviceRegistry.Device memory device = registry.device(id);
        VM.prank(caller);
        registry.retire(id, consent);
        bytes32 structHash = keccak256(abi.encode(RETIRE, id, device.nonce, consent.deadline));
        assert(_consents(device.owner, caller, structHash, consent.deadline, consent.signature));
        assert(registry.device(id).status == IDeviceRegistry.Status.Retired);
    }

    /// @dev INV-R9.
    /// @custom:halmos --array-lengths consent.signature={0,65}
    function check_setDelegate__any_caller__has_the_owners_consent(
        address caller,
        bytes32 id,
        address delegate,
        uint32 scopes,
        uint40 expiresAt,
        IDeviceRegistry.Authorization calldata consent
    ) external {
        IDeviceRegistry.Device memory device = registry.device(id);
        VM.prank(caller);
        registry.setDelegate(id, delegate, scopes, expiresAt, consent);
        bytes32 structHash =
            keccak256(abi.encode(SET_DELEGATE, id, delegate, scopes, expiresAt, device.nonce, consent.deadline));
        assert(_consents(device.owner, caller, structHash, consent.deadline, consent.signature));
    }

    /// @dev INV-R9.
    /// @custom:halmos --array-lengths consent.signature={0,65}
    function check_offerTransfer__any_caller__has_the_owners_consent(
        address caller,
        bytes32 id,
        address to,
        uint40 expiresAt,
        IDeviceRegistry.Authorization calldata consent
    ) external {
        IDeviceRegistry.Device memory device = registry.device(id);
        VM.prank(caller);
        registry.offerTransfer(id, to, expiresAt, consent);
        bytes32 structHash = keccak256(abi.encode(OFFER_TRANSFER, id, to, expiresAt, device.nonce, consent.deadline));
        assert(_consents(device.owner, caller, structHash, consent.deadline, consent.signature));
    }

    /// @dev INV-R2, INV-R16.
    /// @custom:halmos --array-lengths consent.signature={0,65}
    function check_acceptTransfer__any_caller__has_the_consent_of_who_it_was_offered_to(
        address caller,
        bytes32 id,
        IDeviceRegistry.Authorization calldata consent
    ) external {
        IDeviceRegistry.Device memory device = registry.device(id);
        IDeviceRegistry.TransferOffer memory offer = registry.transferOffer(id);
        VM.prank(caller);
        registry.acceptTransfer(id, consent);
        bytes32 structHash =
            keccak256(abi.encode(ACCEPT_TRANSFER, id, device.owner, offer.to, device.nonce, consent.deadline));
        assert(_consents(offer.to, caller, structHash, consent.deadline, consent.signature));
        assert(registry.device(id).owner == offer.to && offer.to != address(0) && block.timestamp <= offer.expiresAt);
    }

    /// @dev INV-R9.
    /// @custom:halmos --array-lengths consent.signature={0,65}
    function check_setPayee__any_caller__has_the_owners_consent(
        address caller,
        bytes32 id,
        address payee,
        IDeviceRegistry.Authorization calldata consent
    ) external {
        IDeviceRegistry.Device memory device = registry.device(id);
        VM.prank(caller);
        registry.setPayee(id, payee, consent);
        bytes32 structHash = keccak256(abi.encode(SET_PAYEE, id, payee, device.nonce, consent.deadline));
        assert(_consents(device.owner, caller, structHash, consent.deadline, consent.signature));
    }

    /// @dev INV-R9.
    /// @custom:halmos --array-lengths newKeySignature={65,128},consent.signature={0,65}
    function check_rotate__any_caller__has_the_owners_consent(
        address caller,
        IDeviceRegistry.Rotation calldata rotation,
        bytes calldata newKeySignature,
        IDeviceRegistry.Authorization calldata consent
    ) external {
        IDeviceRegistry.Device memory device = registry.device(rotation.deviceId);
        VM.prank(caller);
        registry.rotate(rotation, newKeySignature, consent);
        bytes32 structHash = keccak256(
            abi.encode(
                ROTATE, rotation.deviceId, rotation.newKeyId, rotation.validFrom, device.nonce, rotation.deadline
            )
        );
        assert(_consents(device.owner, caller, structHash, rotation.deadline, consent.signature));
    }

    /// @dev INV-R13.
    function check_suspend__any_caller__is_a_steward(address caller, bytes32 id, uint8 reason) external {
        bool isSteward = registry.hasRole(keccak256("STEWARD_ROLE"), caller);
        VM.assume(reason < 7);
        VM.prank(caller);
        registry.suspend(id, IDeviceRegistry.SuspensionReason(reason));
        assert(isSteward);
    }

    /// @dev INV-R13.
    function check_reinstate__any_caller__is_a_steward(address caller, bytes32 id) external {
        bool isSteward = registry.hasRole(keccak256("STEWARD_ROLE"), caller);
        VM.prank(caller);
        registry.reinstate(id);
        assert(isSteward);
    }

    /// @dev INV-R4.
    /// @custom:halmos --array-lengths proof=0 --default-array-lengths 1 --default-bytes-lengths 0,65
    function check_call__any_function__leaves_a_retired_device_retired(address caller, bytes32 id) external {
        IDeviceRegistry.Device memory before = registry.device(id);
        VM.assume(before.status == IDeviceRegistry.Status.Retired);
        bytes memory data = SVM.createCalldata("DeviceRegistry");
        VM.prank(caller);
        (bool done,) = address(registry).call(data);
        VM.assume(done);
        IDeviceRegistry.Device memory then = registry.device(id);
        assert(then.status == before.status && then.owner == before.owner && then.rotations == before.rotations);
    }

    /// @dev Whether the account calls, or signed: an externally owned account, as contracts have no code here.
    function _consents(address account, address caller, bytes32 structHash, uint256 deadline, bytes calldata signature)
        private
        view
        returns (bool)
    {
        if (signature.length != 65) return account == caller;
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        address signer = ecrecover(_digest(structHash), uint8(signature[64]), r, s);
        return account == caller || (account == signer && signer != address(0) && block.timestamp <= deadline);
    }

    function _digest(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
