// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergyMarket} from "../../../contracts/EnergyMarket.sol";
import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../../../contracts/interfaces/IMarketSettlement.sol";
import {EuroToken} from "../../../contracts/mocks/EuroToken.sol";
import {CHEATS} from "./Cheats.sol";
import {RangeTwin} from "./RangeTwin.sol";
import {DeviceKeys} from "./RegistryModel.sol";

/// @dev Where the market's walk takes place: the contracts, four households with two devices each, three in zone 1 and
/// one in zone 2, and an oracle that attests what it is told.
abstract contract MarketSetting {
    uint256 internal constant DEVICES = 8;
    uint256 public constant OWNERS = 4;
    uint24 public constant ZONES = 2;
    uint256 private constant OWNER_KEY = 0xACC0;
    uint256 private constant ORACLE_KEY = 0x0A;
    uint256 private constant STRANGER_KEY = 0xBAD;

    EnergyMarket public immutable market;
    EuroToken public immutable token;
    DataAttestation internal immutable _attestation;
    bytes32 internal immutable _streamId;
    bytes32[DEVICES] private _deviceIds;
    address[OWNERS] private _owners;
    bytes32[] private _batchLeaves;
    uint256[] private _metas;

    constructor() {
        CHEATS.warp(20_000 days + 3 hours);
        token = new EuroToken();
        DeviceRegistry registry = new DeviceRegistry(address(this));
        _attestation = new DataAttestation(registry);
        address[] memory members = new address[](1);
        members[0] = CHEATS.addr(ORACLE_KEY);
        _streamId = _attestation.openStream("profiles", "profile", IDataAttestation.Committee(1, members));
        market = new EnergyMarket(registry, _attestation, token, address(this));
        market.grantRole(market.ZONE_OPERATOR_ROLE(), address(this));
        token.approve(address(market), type(uint256).max);
        for (uint256 i; i < OWNERS; ++i) {
            _owners[i] = CHEATS.addr(OWNER_KEY + i);
        }
        for (uint256 i; i < DEVICES; ++i) {
            _register(registry, i);
        }
    }

    function owner(uint256 seed) public view returns (address) {
        return _owners[seed % OWNERS];
    }

    function _register(DeviceRegistry registry, uint256 device) private {
        _deviceIds[device] = DeviceKeys.idOf(device + 1);
        IDeviceRegistry.Registration memory registration = IDeviceRegistry.Registration({
            deviceId: _deviceIds[device],
            owner: owner(device / 2),
            kind: _kind(device),
            zone: _zone(device),
            deadline: block.timestamp
        });
        bytes memory signature = DeviceKeys.sign(device + 1, registry.registerDigest(registration));
        CHEATS.prank(registration.owner);
        registry.register(registration, signature);
    }

    function _deviceId(uint256 device) internal view returns (bytes32) {
        return _deviceIds[device % DEVICES];
    }

    function _deviceOf(bytes32 deviceId) internal view returns (uint256 device) {
        while (_deviceIds[device] != deviceId) ++device;
    }

    /// @dev Consumption, prosumer, generation or storage.
    function _kind(uint256 device) internal pure returns (IDeviceRegistry.Kind) {
        return IDeviceRegistry.Kind(1 + device % 4);
    }

    function _zone(uint256 device) internal pure returns (uint24) {
        return device < 6 ? 1 : 2;
    }

    /// @dev Signed by the device, its owner, or somebody else.
    function _signed(IMarketSettlement.Schedule memory schedule, uint256 signer)
        internal
        view
        returns (IEnergyMarket.SignedSchedule memory)
    {
        bytes32 digest = market.scheduleDigest(schedule);
        uint256 device = _deviceOf(schedule.deviceId);
        if (signer == 0) return IEnergyMarket.SignedSchedule(schedule, DeviceKeys.sign(device + 1, digest));
        uint256 key = signer == 1 ? OWNER_KEY + device / 2 : STRANGER_KEY;
        bytes memory signature = DeviceKeys.signAsAccount(key, digest);
        return IEnergyMarket.SignedSchedule(schedule, abi.encodePacked(CHEATS.addr(key), signature));
    }

    /// @dev Attest a profile, alone in its batch, in place of batch `supersedes` if that is not zero.
    function _attestProfile(IDataAttestation.ProfileLeaf memory leaf, uint32 supersedes) internal returns (uint32 seq) {
        IDataAttestation.Stream memory stream = _attestation.stream(_streamId);
        seq = stream.seq + 1;
        uint256 time = block.timestamp;
        IDataAttestation.Batch memory batch = IDataAttestation.Batch({
            streamId: _streamId,
            seq: seq,
            root: keccak256(bytes.concat(keccak256(abi.encode(leaf)))),
            previous: stream.head,
            meta: (uint256(1) << 224) | (time << 136) | (time << 96),
            supersedes: supersedes,
            validFrom: uint40(time),
            validUntil: uint40(time)
        });
        bytes memory signature = DeviceKeys.signAsAccount(ORACLE_KEY, _attestation.batchDigest(batch, stream.config));
        _attestation.attest(batch, IDataAttestation.Quorum(1, 1, signature, new address[](0)));
        _metas.push(batch.meta);
        _batchLeaves.push(keccak256(abi.encode(seq, batch.root, batch.meta)));
    }

    function _proofOf(uint32 seq) internal view returns (IDataAttestation.Proof memory) {
        return IDataAttestation.Proof({
            streamId: _streamId,
            seq: seq,
            meta: _metas[seq - 1],
            treeProof: new bytes32[](0),
            rangeProof: RangeTwin.proof(_batchLeaves, seq - 1)
        });
    }

    function _isStanding(uint32 seq) internal view returns (bool) {
        (IDataAttestation.BatchStatus status,) = _attestation.batchStatus(_streamId, seq);
        return status == IDataAttestation.BatchStatus.Standing;
    }

    /// @dev The market must refuse this call of `sender`, for this reason.
    function _mustRefuse(address sender, bytes memory call, bytes4 reason) internal {
        CHEATS.prank(sender);
        (bool success, bytes memory refusal) = address(market).call(call);
        require(!success && bytes4(refusal) == reason, "not refused, or for another reason");
    }
}
