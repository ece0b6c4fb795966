// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergyMarket} from "../../../contracts/EnergyMarket.sol";
import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {DeliverySlots} from "../../../contracts/libraries/DeliverySlots.sol";
import {EuroToken} from "../../../contracts/mocks/EuroToken.sol";
import {VM} from "./MarketCheats.sol";

/// @dev What needs hundreds of devices or another chain id: the overflow of a tick's sum, and replay after a fork.
contract MarketLimits {
    uint24 private constant ZONE = 7;
    uint24 private constant DAY = 20_001;
    uint256 private constant DEVICES = 257;
    uint256 private constant LARGEST = (1 << 24) - 1;

    EnergyMarket private _market;
    DeviceRegistry private _registry;

    function setUp() external {
        VM.warp(20_000 days + 1 hours);
        EuroToken token = new EuroToken();
        _registry = new DeviceRegistry(address(this));
        _market = new EnergyMarket(_registry, new DataAttestation(_registry), token, address(this));
        _market.grantRole(_market.ZONE_OPERATOR_ROLE(), address(this));
        _market.openZone(
            ZONE, IEnergyMarket.ZoneParams("profiles", 50_000, 2_500, 400_000, 40_000, 30_000, 500, 9_900, 4, 2 days)
        );
        token.mint(address(this), 1e18);
        token.approve(address(_market), 1e18);
        _market.deposit(address(this), 1e18);
    }

    function _register(uint256 key) private returns (bytes32 deviceId) {
        deviceId = bytes32(uint256(uint160(VM.addr(key))));
        IDeviceRegistry.Registration memory registration = IDeviceRegistry.Registration({
            deviceId: deviceId,
            owner: address(this),
            kind: IDeviceRegistry.Kind.Prosumer,
            zone: ZONE,
            deadline: block.timestamp
        });
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, _registry.registerDigest(registration));
        _registry.register(registration, abi.encodePacked(r, s, v));
    }

    /// @dev A schedule of the largest bid there is at tick 3 of slot `index`, and 9 Wh at tick 11 of the first slot.
    function _row(uint256 key, uint256 index) private returns (IEnergyMarket.SignedSchedule memory row) {
        row.schedule.deviceId = _register(key);
        row.schedule.account = address(this);
        row.schedule.zone = ZONE;
        row.schedule.day = DAY;
        row.schedule.version = 1;
        row.schedule.orders[0] = uint256(0x0b000009) << 224;
        row.schedule.orders[index / 8] |= ((3 << 24) | LARGEST) << (224 - (index % 8) * 32);
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, _market.scheduleDigest(row.schedule));
        row.signature = abi.encodePacked(r, s, v);
    }

    /// @dev INV-M16.
    function test_submit__tick_sum_overflows__skips_the_row_whole_and_names_slot_and_tick() external {
        IEnergyMarket.SignedSchedule[] memory rows = new IEnergyMarket.SignedSchedule[](DEVICES);
        for (uint256 i; i < DEVICES; ++i) {
            rows[i] = _row(i + 1, 50);
        }
        require(_market.submit(rows) == DEVICES - 1, "256 fit");
        uint32 slot = DeliverySlots.firstOf(DAY) + 50;
        (uint256[128] memory bids,) = _market.book(ZONE, slot);
        require(bids[3] == (DEVICES - 1) * LARGEST && bids[2] == 0 && bids[4] == 0, "sum");
        (bids,) = _market.book(ZONE, slot - 50);
        require(bids[11] == 9 * (DEVICES - 1), "the refused row left energy");

        IEnergyMarket.SignedSchedule memory last = rows[DEVICES - 1];
        bytes memory expected = abi.encodeWithSelector(IEnergyMarket.TickSumOverflow.selector, slot, 3, LARGEST);
        require(keccak256(_market.refusal(last)) == keccak256(expected), "refusal");
        try _market.submitOwn(last.schedule) {
            require(false, "submitOwn");
        } catch (bytes memory reason) {
            require(keccak256(reason) == keccak256(expected), "submitOwn's reason");
        }
        (IEnergyMarket.ScheduleStatus status, uint32 version,) = _market.scheduleOf(last.schedule.deviceId, DAY);
        require(status == IEnergyMarket.ScheduleStatus.None && version == 0, "recorded");
    }

    function test_replace__tick_sum_overflows__reverts_and_keeps_what_stood() external {
        IEnergyMarket.SignedSchedule[] memory rows = new IEnergyMarket.SignedSchedule[](DEVICES);
        for (uint256 i; i < DEVICES; ++i) {
            rows[i] = _row(i + 1, i == 0 ? 51 : 50);
        }
        require(_market.submit(rows) == DEVICES, "all fit");
        IEnergyMarket.SignedSchedule memory row = rows[0];
        uint256[12] memory previous = abi.decode(abi.encode(row.schedule.orders), (uint256[12]));
        row.schedule.version = 2;
        row.schedule.orders[6] |= ((3 << 24) | LARGEST) << (224 - 2 * 32); // the day's slot 50
        row.signature = "";
        uint32 slot = DeliverySlots.firstOf(DAY) + 50;
        try _market.replace(row, previous) {
            require(false, "replaced");
        } catch (bytes memory reason) {
            bytes memory expected = abi.encodeWithSelector(IEnergyMarket.TickSumOverflow.selector, slot, 3, LARGEST);
            require(keccak256(reason) == keccak256(expected), "reason");
        }
        (uint256[128] memory bids,) = _market.book(ZONE, slot + 1);
        require(bids[3] == LARGEST, "the standing order");
    }

    /// @dev INV-M13.
    function test_submit__chain_forks_to_another_id__signature_is_worth_nothing() external {
        IEnergyMarket.SignedSchedule memory row = _row(1, 5);
        require(_market.refusal(row).length == 0, "valid at home");
        VM.chainId(block.chainid + 1);
        bytes memory expected = abi.encodeWithSelector(IEnergyMarket.NotAuthorised.selector, row.schedule.deviceId);
        require(keccak256(_market.refusal(row)) == keccak256(expected), "replayed");
    }
}
