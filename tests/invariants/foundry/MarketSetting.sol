// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergyMarket} from "../../../contracts/EnergyMarket.sol";
import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {DeliverySlots} from "../../../contracts/libraries/DeliverySlots.sol";
import {ScheduleOrders} from "../../../contracts/libraries/ScheduleOrders.sol";
import {EuroToken} from "../../../contracts/mocks/EuroToken.sol";
import {VM} from "./MarketCheats.sol";

/// @dev Attests whatever the handler meters; proofs are tested with the real contract in tests/functional/market.
contract AttestsEverything {
    function verifyProfile(IDataAttestation.ProfileLeaf calldata, IDataAttestation.Proof calldata)
        external
        pure
        returns (bool)
    {
        return true;
    }
}

/// @dev Orders unpacked through the market's own library need calldata: this gives it.
contract OrderReader {
    function order(uint256[12] calldata orders, uint256 index) external pure returns (uint256) {
        return ScheduleOrders.orderAt(orders, index);
    }
}

/// @dev Where the market's walk takes place: the contracts, two zones, and four households with two devices each, who get
/// the money they need and draw their orders at random.
abstract contract MarketSetting {
    uint256 internal constant DEVICES = 8;
    uint256 internal constant OWNERS = 4;
    bytes32 internal constant STREAM = "profiles";

    EnergyMarket public immutable market;
    EuroToken public immutable token;
    OrderReader internal immutable _reader = new OrderReader();

    constructor() {
        VM.warp(20_000 days + 3 hours);
        token = new EuroToken();
        DeviceRegistry registry = new DeviceRegistry(address(this));
        AttestsEverything attestation = new AttestsEverything();
        market = new EnergyMarket(registry, IDataAttestation(address(attestation)), token, address(this));
        market.grantRole(market.ZONE_OPERATOR_ROLE(), address(this));
        for (uint24 zone = 1; zone <= 2; ++zone) {
            market.openZone(zone, _params(zone));
            _mint(address(this), 5e9);
            token.approve(address(market), type(uint256).max);
            market.fundBackstop(zone, 5e9);
        }
        for (uint256 index; index < DEVICES; ++index) {
            _register(registry, index);
        }
    }

    function _params(uint24 zone) internal pure returns (IEnergyMarket.ZoneParams memory) {
        return IEnergyMarket.ZoneParams({
            profileStream: STREAM,
            floorPricePerKwh: 50_000,
            tickSizePerKwh: 2_501,
            shortPricePerKwh: 400_000,
            longPricePerKwh: 40_000,
            penaltyPerKwh: 30_000,
            toleranceBps: 500,
            holdScoreBps: 9_900,
            gateLeadSlots: zone == 1 ? 4 : 0,
            finalAfterSeconds: 2 days
        });
    }

    /// @dev Some orders in slots that may be ordered in, around the middle ticks and in the same few slots of a day for
    /// all devices, so that many cross.
    function _randomOrders(uint256 seed, uint24 zone, uint24 day, uint256 density)
        internal
        view
        returns (uint256[12] memory orders)
    {
        uint32 first = DeliverySlots.firstOf(day);
        uint32 open = _firstOpen(zone);
        density = 1 + density % 8;
        for (uint256 index; index < 96; ++index) {
            uint256 random = uint256(keccak256(abi.encode(seed, index)));
            if (first + index < open || first + index > DeliverySlots.lastInHorizon()) continue;
            if (uint256(keccak256(abi.encode(day, index))) % 8 != 0 || random % 8 >= density) continue;
            uint256 order =
                (((random >> 8) & 1) << 31) | ((56 + (random >> 16) % 16) << 24) | ((random >> 32) & 0xfffff);
            orders[index / 8] |= order << (224 - (index % 8) * 32);
        }
    }

    function _afford(IEnergyMarket.Schedule memory schedule, uint256 released) internal {
        (uint256 free,) = market.balanceOf(schedule.account);
        uint256 needed = market.reserveOf(schedule);
        if (needed > free + released) _deposit(schedule.account, needed - free - released);
    }

    function _deposit(address account, uint256 amount) internal {
        _mint(address(this), amount);
        market.deposit(account, amount);
    }

    function _fund(uint24 zone) internal {
        _mint(address(this), 5e9);
        market.fundBackstop(zone, 5e9);
    }

    function _mint(address to, uint256 amount) internal {
        token.mint(to, amount);
    }

    function _register(DeviceRegistry registry, uint256 index) internal {
        IDeviceRegistry.Registration memory registration = IDeviceRegistry.Registration({
            deviceId: _deviceId(index),
            owner: _owner(index / 2),
            kind: IDeviceRegistry.Kind.Prosumer,
            zone: _zone(index),
            deadline: block.timestamp
        });
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(index + 1, registry.registerDigest(registration));
        registry.register(registration, abi.encodePacked(r, s, v));
    }

    function _isEmpty(uint256[12] memory orders) internal view returns (bool) {
        for (uint256 index; index < 96; ++index) {
            if (_reader.order(orders, index) & 0xffffff != 0) return false;
        }
        return true;
    }

    function _firstOpen(uint24 zone) internal view returns (uint32) {
        return DeliverySlots.firstOpen(zone == 1 ? 4 : 0);
    }

    function _owner(uint256 seed) internal pure returns (address) {
        return address(uint160(0xA11CE0 + seed % OWNERS));
    }

    function _deviceId(uint256 index) internal returns (bytes32) {
        return bytes32(uint256(uint160(VM.addr(index + 1))));
    }

    function _zone(uint256 index) internal pure returns (uint24) {
        return index < 6 ? 1 : 2;
    }
}
