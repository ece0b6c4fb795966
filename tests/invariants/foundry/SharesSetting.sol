// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetFactory} from "../../../contracts/AssetFactory.sol";
import {Passports} from "../../../contracts/Passports.sol";
import {ShareMarket} from "../../../contracts/ShareMarket.sol";
import {IAssetGovernance} from "../../../contracts/interfaces/IAssetGovernance.sol";
import {IAssetShares} from "../../../contracts/interfaces/IAssetShares.sol";
import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IFeedAdapter} from "../../../contracts/interfaces/IFeedAdapter.sol";
import {IPassportReader, IPassports} from "../../../contracts/interfaces/IPassports.sol";
import {EuroToken} from "../../../contracts/mocks/EuroToken.sol";
import {CHEATS} from "./Cheats.sol";

/// @dev An asset, and investors of up to three wallets each, with a plain book of what their passports and the asset's rules say.
abstract contract SharesSetting {
    struct Investor {
        uint40 expiresAt;
        uint16 country;
        uint8 wallets;
    }

    /// @dev The rules that change; countries and classes stay.
    struct Limits {
        uint24 holderCap;
        uint16 maxHoldingBps;
        uint32 verdictSeconds;
        uint40 lockUntil;
    }

    uint256 public constant INVESTORS = 6;
    uint256 public constant WALLETS = 3;
    uint256 internal constant SEATS = INVESTORS * WALLETS;
    uint256 private constant FIRST_KEY = 0x5A4E;
    uint16 private constant ACCEPTED = 276;
    uint16 private constant BARRED = 840;
    uint64 internal constant REDEMPTION = 7;

    IAssetShares public immutable shares;
    IAssetGovernance public immutable governance;
    Passports public immutable passports;
    ShareMarket public immutable market;
    EuroToken public immutable euro;

    mapping(uint256 number => Investor) internal _investors;
    mapping(address wallet => bool) internal _retired;
    /// @dev Kept, for deriving an address from its key takes long.
    address[SEATS] private _wallets;
    mapping(address wallet => uint256) private _seats;
    Limits internal _limits = Limits(4, 10_000, 1 days, 0);
    // Kept in storage: the optimizer takes block.timestamp for constant in a transaction and would not see a warp.
    uint256 private _clock;

    constructor() {
        for (uint256 seat = 0; seat < SEATS; ++seat) {
            _wallets[seat] = CHEATS.addr(_keyOf(seat));
            _seats[_wallets[seat]] = seat;
        }
        (passports, market, euro) = (new Passports(address(this)), new ShareMarket(), new EuroToken());
        passports.grantRole(passports.REGISTRAR_ROLE(), address(this));
        IAssetShares.Terms memory terms = IAssetShares.Terms(
            "Solar",
            "SUN",
            0,
            passports,
            euro,
            IFeedAdapter(address(0)),
            0,
            false,
            0,
            1,
            REDEMPTION,
            IEnergyMarket(address(0))
        );
        address asset = new AssetFactory().create(terms, _rules(_limits), address(this));
        (shares, governance) = (IAssetShares(asset), IAssetGovernance(asset));
        euro.mint(address(this), 1e30);
        euro.approve(asset, type(uint256).max);
        for (uint256 number = 0; number < INVESTORS; ++number) {
            Investor memory investor = Investor(uint40(_now() + 300 days), number == 5 ? BARRED : ACCEPTED, 1);
            _investors[number] = investor;
            IPassports.InvestorRegistration[] memory rows = new IPassports.InvestorRegistration[](1);
            rows[0] = IPassports.InvestorRegistration(walletOf(number, 0), _passport(investor));
            passports.register(rows);
        }
        for (uint256 seat = 0; seat < SEATS; ++seat) {
            address wallet = _seat(seat);
            euro.mint(wallet, 1e30);
            CHEATS.prank(wallet);
            euro.approve(address(market), type(uint256).max);
            CHEATS.prank(wallet);
            shares.approve(address(market), type(uint256).max);
        }
    }

    function walletOf(uint256 number, uint256 wallet) public view returns (address) {
        return _wallets[number * WALLETS + wallet];
    }

    /// @dev The investor a wallet is, or will be, of.
    function numberOf(address wallet) public view returns (uint256 number) {
        return _seats[wallet] / WALLETS;
    }

    /// @dev Whether a wallet was registered, by the book.
    function isRegistered(address wallet) public view returns (bool) {
        return wallet != address(0) && _seats[wallet] % WALLETS < _investors[numberOf(wallet)].wallets;
    }

    /// @dev Whether a wallet has a passport now that the rules take, by the book.
    function hasGoodPassport(address wallet) public view returns (bool) {
        if (_retired[wallet] || !isRegistered(wallet)) return false;
        Investor memory investor = _investors[numberOf(wallet)];
        return investor.country == ACCEPTED && investor.expiresAt >= _now();
    }

    function _seat(uint256 seed) internal view returns (address) {
        return _wallets[seed % SEATS];
    }

    function _keyOf(uint256 seat) internal pure returns (uint256) {
        return FIRST_KEY + seat;
    }

    function _givePassport(uint256 number, bool isBarred, uint256 duration, bool isAssetTold) internal {
        Investor storage investor = _investors[number];
        (investor.expiresAt, investor.country) = (uint40(_now() + duration), isBarred ? BARRED : ACCEPTED);
        passports.renew(walletOf(number, 0), _passport(investor), _readers(isAssetTold));
    }

    /// @dev Whom the registrar tells of a change: the asset, or nobody.
    function _readers(bool isAssetTold) internal view returns (IPassportReader[] memory readers) {
        readers = new IPassportReader[](isAssetTold ? 1 : 0);
        if (isAssetTold) readers[0] = governance;
    }

    function _rules(Limits memory limits) internal pure returns (IAssetShares.Rules memory rules) {
        rules.countries[ACCEPTED >> 8] = 1 << (ACCEPTED & 0xff);
        (rules.classes, rules.verdictSeconds, rules.lockUntil) = (1, limits.verdictSeconds, limits.lockUntil);
        (rules.holderCap, rules.maxHoldingBps) = (limits.holderCap, limits.maxHoldingBps);
    }

    function _now() internal view returns (uint256) {
        return _clock == 0 ? block.timestamp : _clock;
    }

    function _pass(uint256 duration) internal {
        _clock = _now() + duration;
        CHEATS.warp(_clock);
    }

    function _passport(Investor memory investor) private pure returns (IPassports.Passport memory) {
        return IPassports.Passport(investor.expiresAt, investor.country, 0);
    }
}
