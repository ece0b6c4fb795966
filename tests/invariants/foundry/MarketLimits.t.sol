// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergyMarket} from "../../../contracts/EnergyMarket.sol";
import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../../../contracts/interfaces/IMarketSettlement.sol";
import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";
import {DeliverySlots} from "../../../contracts/libraries/DeliverySlots.sol";
import {EuroToken} from "../../../contracts/mocks/EuroToken.sol";
import {CHEATS} from "./Cheats.sol";
import {MarketDraws} from "./MarketDraws.sol";
import {DeviceKeys} from "./RegistryModel.sol";

/// @dev The market at its limits: a tick's sum full, a chain that forks, results that are lost, the largest
/// transactions.
contract MarketLimits {
    uint24 private constant ZONE = 7;
    uint24 private constant DAY = 20_001;
    /// @dev Of one transaction (EIP-7825), less what it costs before it runs.
    uint256 private constant GAS = 16_777_216 - 200_000;
    uint256 private constant LARGEST_BID = (3 << 24) | MarketDraws.MOST_WH;

    EnergyMarket private _market;
    DeviceRegistry private _registry;

    function setUp() external {
        CHEATS.warp(20_000 days + 1 hours);
        EuroToken token = new EuroToken();
        _registry = new DeviceRegistry(address(this));
        _market = new EnergyMarket(_registry, new DataAttestation(_registry), token, address(this));
        _market.grantRole(_market.ZONE_OPERATOR_ROLE(), address(this));
        IMarketZones.ZoneParams memory params;
        (params.profileStream, params.holdScoreBps) = ("profiles", 9_900);
        (params.floorPricePerKwh, params.tickSizePerKwh) = (50_000, 2_500);
        (params.shortPricePerKwh, params.longPricePerKwh, params.penaltyPerKwh) = (400_000, 40_000, 30_000);
        (params.capTick, params.minOrderWh, params.feederCapWh) = (127, 1, type(uint32).max);
        (params.provisionalAfterSeconds, params.finalAfterSeconds, params.disputeSeconds) = (1 days, 2 days, 1 days);
        _market.openZone(ZONE, params);
        token.mint(address(this), 1e18);
        token.approve(address(_market), 1e18);
        _market.deposit(address(this), 5e17);
        _market.fundBackstop(ZONE, 5e17);
    }

    /// @dev INV-M16.
    function test_submit__tick_sum_overflows__skips_the_row_whole_and_names_slot_and_tick() external {
        IEnergyMarket.SignedSchedule[] memory rows = new IEnergyMarket.SignedSchedule[](2);
        (rows[0], rows[1]) = (_row(1, 50, LARGEST_BID), _row(2, 50, LARGEST_BID));
        require(_market.submit(rows) == 1, "one fits");
        uint32 slot = DeliverySlots.firstOf(DAY) + 50;
        (uint256[128] memory bids,) = _market.book(ZONE, slot);
        require(bids[3] == MarketDraws.MOST_WH && bids[2] == 0 && bids[4] == 0, "sum");
        (bids,) = _market.book(ZONE, slot - 50);
        require(bids[11] == 9, "the refused row left energy");

        bytes memory expected =
            abi.encodeWithSelector(IEnergyMarket.TickSumOverflow.selector, slot, 3, MarketDraws.MOST_WH);
        require(keccak256(_market.refusal(rows[1])) == keccak256(expected), "refusal");
        _requireRefused(abi.encodeCall(IEnergyMarket.submitOwn, (rows[1].schedule)), expected);
        (IMarketSettlement.ScheduleStatus status, uint32 version,) = _market.scheduleOf(rows[1].schedule.deviceId, DAY);
        require(status == IMarketSettlement.ScheduleStatus.None && version == 0, "recorded");
    }

    function test_replace__tick_sum_overflows__reverts_and_keeps_what_stood() external {
        IMarketSettlement.Schedule memory schedule = _row(1, 51, LARGEST_BID).schedule;
        _market.submitOwn(schedule);
        _market.submitOwn(_row(2, 50, LARGEST_BID).schedule);
        IEnergyMarket.SignedSchedule memory row =
            abi.decode(abi.encode(IEnergyMarket.SignedSchedule(schedule, "")), (IEnergyMarket.SignedSchedule));
        row.schedule.version = 2;
        MarketDraws.put(row.schedule.orders, 50, (3 << 24) | 1);
        uint32 slot = DeliverySlots.firstOf(DAY) + 50;
        _requireRefused(
            abi.encodeCall(IEnergyMarket.replace, (row, schedule)),
            abi.encodeWithSelector(IEnergyMarket.TickSumOverflow.selector, slot, 3, 1)
        );
        (uint256[128] memory bids,) = _market.book(ZONE, slot + 1);
        require(bids[3] == MarketDraws.MOST_WH, "the standing order");
    }

    /// @dev INV-M13.
    function test_submit__chain_forks_to_another_id__signature_is_worth_nothing() external {
        IEnergyMarket.SignedSchedule memory row = _row(1, 5, LARGEST_BID);
        require(_market.refusal(row).length == 0, "valid at home");
        CHEATS.chainId(block.chainid + 1);
        bytes memory expected = abi.encodeWithSelector(IEnergyMarket.NotAuthorised.selector, row.schedule.deviceId);
        require(keccak256(_market.refusal(row)) == keccak256(expected), "replayed");
    }

    /// @dev INV-M15: whatever was ordered, at the lowest tick of all or at the highest.
    function testFuzz_settle_missing__results_lost__ends_and_forfeits_the_reserve(uint256 seed) external {
        IMarketSettlement.Schedule memory schedule = _row(1, 50, LARGEST_BID).schedule;
        for (uint256 i; i < 96; ++i) {
            uint256 r = MarketDraws.random(seed, i);
            uint256 tick = r % 3 == 0 ? 0 : r % 3 == 1 ? 127 : (r >> 8) % 128;
            MarketDraws.put(schedule.orders, i, ((r >> 16) % 2 << 31) | (tick << 24) | (1 + (r >> 24) % 1000));
        }
        _market.submitOwn(schedule);
        (uint256 free, uint256 reserved) = _market.balanceOf(address(this));
        CHEATS.warp(DeliverySlots.endOf(DAY) + 30 days);
        IMarketSettlement.SettlementRun memory none;
        _market.settleMissing(schedule, none);
        (uint256 freeAfter, uint256 reservedAfter) = _market.balanceOf(address(this));
        require(freeAfter == free && reservedAfter == 0, "not forfeit");
        IMarketZones.Backstop memory money = _market.backstop(ZONE);
        require(money.balance == 5e17 + reserved && money.inTransit == 0 && money.exposure == 0, "not the backstop's");
    }

    /// @dev Whatever one schedule of 96 orders needs, with books and results never written before, fits one
    /// transaction.
    function test_every_step__of_96_orders__fits_one_transaction() external {
        IMarketSettlement.Schedule memory schedule = _fullRow(1, 0);
        _requireFits(abi.encodeCall(IEnergyMarket.submitOwn, (schedule)));
        IMarketSettlement.Schedule memory next = _fullRow(1, 64);
        next.version = 2;
        IEnergyMarket.SignedSchedule memory row = IEnergyMarket.SignedSchedule(next, "");
        _requireFits(abi.encodeCall(IEnergyMarket.replace, (row, schedule)));
        IEnergyMarket.SignedSchedule[] memory rows = new IEnergyMarket.SignedSchedule[](1);
        rows[0].schedule = _fullRow(2, 32);
        rows[0].signature = DeviceKeys.sign(2, _market.scheduleDigest(rows[0].schedule));
        _requireFits(abi.encodeCall(IEnergyMarket.submit, (rows)));

        CHEATS.warp(DeliverySlots.endOf(DAY) + 1 days);
        uint32[] memory slots = new uint32[](96);
        for (uint32 i; i < 96; ++i) {
            slots[i] = DeliverySlots.firstOf(DAY) + i;
        }
        _requireFits(abi.encodeCall(IEnergyMarket.clear, (ZONE, slots)));
        IMarketSettlement.SettlementRun memory none;
        _requireFits(abi.encodeCall(IMarketSettlement.settleMissing, (next, none)));
    }

    function _requireFits(bytes memory call) private {
        (bool success,) = address(_market).call{gas: GAS}(call);
        require(success, "does not fit");
    }

    function _requireRefused(bytes memory call, bytes memory expected) private {
        (bool success, bytes memory reason) = address(_market).call(call);
        require(!success && keccak256(reason) == keccak256(expected), "not refused, or for another reason");
    }

    /// @dev A schedule of one order, and of a bid for 9 Wh at tick 11 in the first slot, signed by its device.
    function _row(uint256 key, uint256 index, uint256 order) private returns (IEnergyMarket.SignedSchedule memory row) {
        row.schedule.deviceId = _register(key);
        (row.schedule.account, row.schedule.zone, row.schedule.day) = (address(this), ZONE, DAY);
        (row.schedule.version, row.schedule.deadline) = (1, type(uint40).max);
        MarketDraws.put(row.schedule.orders, 0, (11 << 24) | 9);
        MarketDraws.put(row.schedule.orders, index, order);
        row.signature = DeviceKeys.sign(key, _market.scheduleDigest(row.schedule));
    }

    /// @dev Bids and offers in turn, at other ticks in every slot from `tick` on.
    function _fullRow(uint256 key, uint256 tick) private returns (IMarketSettlement.Schedule memory schedule) {
        schedule = _row(key, 0, 0).schedule;
        for (uint256 i; i < 96; ++i) {
            MarketDraws.put(schedule.orders, i, (i % 2 << 31) | ((tick + i) % 128 << 24) | (1000 + i));
        }
    }

    function _register(uint256 key) private returns (bytes32 deviceId) {
        deviceId = DeviceKeys.idOf(key);
        if (_registry.device(deviceId).status != IDeviceRegistry.Status.Unknown) return deviceId;
        IDeviceRegistry.Registration memory registration = IDeviceRegistry.Registration({
            deviceId: deviceId,
            owner: address(this),
            kind: IDeviceRegistry.Kind.Prosumer,
            zone: ZONE,
            deadline: block.timestamp
        });
        _registry.register(registration, DeviceKeys.sign(key, _registry.registerDigest(registration)));
    }
}
