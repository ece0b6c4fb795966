// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetFactory} from "../../../contracts/AssetFactory.sol";
import {Passports} from "../../../contracts/Passports.sol";
import {IAssetGovernance} from "../../../contracts/interfaces/IAssetGovernance.sol";
import {IAssetRevenue} from "../../../contracts/interfaces/IAssetRevenue.sol";
import {IAssetShares} from "../../../contracts/interfaces/IAssetShares.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IFeedAdapter} from "../../../contracts/interfaces/IFeedAdapter.sol";
import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";
import {IPassports} from "../../../contracts/interfaces/IPassports.sol";
import {CHEATS} from "./Cheats.sol";
import {MarketModel} from "./MarketModel.sol";

/// @dev A zone, and an asset that earns in it by two plants of one owner; one investor has all shares.
abstract contract AssetRevenueSetting is MarketModel {
    uint24 internal constant ZONE = 1;
    uint256 internal constant PLANTS = 2;
    uint256 internal constant FIRST_PLANT = 2;
    uint256 internal constant BUYER = 0;
    uint256 private constant INVESTOR = 3;
    uint16 private constant COUNTRY = 276;

    IAssetRevenue public immutable asset;

    constructor() {
        market.openZone(ZONE, _params());
        _rules[ZONE].push(Rules(0, _params()));
        token.mint(address(this), 1e24);
        market.fundBackstop(ZONE, 1e12);
        asset = IAssetRevenue(_newAsset());
        _deposit(address(asset));
        _deposit(owner(BUYER));
        for (uint256 plant = 0; plant < PLANTS; ++plant) {
            IDeviceRegistry registry = market.registry();
            CHEATS.prank(owner(FIRST_PLANT / 2));
            registry.setPayee(_plantId(plant), address(asset), IDeviceRegistry.Authorization(0, ""));
            asset.addPlant(_plantId(plant));
        }
    }

    function _plantId(uint256 plant) internal view returns (bytes32) {
        return _deviceId(FIRST_PLANT + plant);
    }

    function _params() internal view returns (IMarketZones.ZoneParams memory params) {
        params.profileStream = _streamId;
        (params.floorPricePerKwh, params.tickSizePerKwh, params.capTick) = (50_000, 2_501, 90);
        (params.shortPricePerKwh, params.longPricePerKwh, params.penaltyPerKwh) = (400_000, 40_000, 30_000);
        (params.toleranceBps, params.holdScoreBps, params.minOrderWh) = (500, 9_900, 10);
        (params.gateLeadSlots, params.feederCapWh) = (4, type(uint32).max);
        (params.provisionalAfterSeconds, params.finalAfterSeconds) = (1 days, 2 days);
        (params.disputeSeconds, params.disputeBond) = (12 hours, 1e6);
    }

    function _newAsset() private returns (address) {
        Passports passports = new Passports(address(this));
        passports.grantRole(passports.REGISTRAR_ROLE(), address(this));
        IPassports.InvestorRegistration[] memory rows = new IPassports.InvestorRegistration[](1);
        rows[0] = IPassports.InvestorRegistration(owner(INVESTOR), IPassports.Passport(type(uint40).max, COUNTRY, 0));
        passports.register(rows);
        IAssetShares.Rules memory rules;
        rules.countries[COUNTRY >> 8] = 1 << (COUNTRY & 0xff);
        (rules.classes, rules.holderCap, rules.maxHoldingBps) = (1, 1, 10_000);
        IFeedAdapter none = IFeedAdapter(address(0));
        IAssetShares.Terms memory terms =
            IAssetShares.Terms("Roofs", "ROOF", 0, passports, token, none, 0, false, 0, 0, 0, market);
        address created = new AssetFactory().create(terms, rules, address(this));
        IAssetGovernance(created).mint(owner(INVESTOR), 10_000);
        return created;
    }

    function _deposit(address account) private {
        market.deposit(account, 1e12);
        _free[account] += 1e12;
    }
}
