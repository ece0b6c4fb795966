// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IPassportReader, IPassports} from "./interfaces/IPassports.sol";
import {IVersioned} from "./interfaces/IVersioned.sol";
import {PassportRecord, packWallet} from "./types/PassportRecord.sol";

contract Passports is IPassports, AccessControl {
    uint16 private constant MAX_COUNTRY = 999;
    uint8 private constant MAX_CLASS = 15;
    uint256 private constant MAX_WALLETS = 16;

    /// @inheritdoc IPassports
    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");

    mapping(address wallet => PassportRecord) private _records;
    /// @dev Wallets beside the first, from 0.
    mapping(address investor => mapping(uint256 number => address)) private _moreWallets;

    constructor(address admin) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc IPassports
    function register(InvestorRegistration[] calldata registrations) external onlyRole(REGISTRAR_ROLE) {
        for (uint256 i = 0; i < registrations.length; ++i) {
            (address wallet, Passport calldata passport) = (registrations[i].wallet, registrations[i].passport);
            _requireFree(wallet);
            _requireValid(passport);
            _records[wallet] = packWallet(wallet).withPassport(passport);
            emit PassportGiven(wallet, passport);
        }
    }

    /// @inheritdoc IPassports
    function renew(address investor, Passport calldata passport, IPassportReader[] calldata readers)
        external
        onlyRole(REGISTRAR_ROLE)
    {
        PassportRecord record = _recordOfInvestor(investor);
        _requireValid(passport);
        _records[investor] = record.withPassport(passport);
        emit PassportGiven(investor, passport);
        _tell(readers, walletsOf(investor));
    }

    /// @inheritdoc IPassports
    function revoke(address investor, IPassportReader[] calldata readers) external onlyRole(REGISTRAR_ROLE) {
        PassportRecord record = _recordOfInvestor(investor);
        Passport memory passport = record.passport();
        passport.expiresAt = 0;
        _records[investor] = record.withPassport(passport);
        emit PassportRevoked(investor);
        _tell(readers, walletsOf(investor));
    }

    /// @inheritdoc IPassports
    function addWallet(address investor, address wallet) external onlyRole(REGISTRAR_ROLE) {
        PassportRecord record = _recordOfInvestor(investor);
        _requireFree(wallet);
        uint256 more = record.moreWallets();
        if (more + 1 >= MAX_WALLETS) revert TooManyWallets(investor, MAX_WALLETS);
        _records[investor] = record.withOneMore();
        _records[wallet] = packWallet(investor);
        _moreWallets[investor][more] = wallet;
        emit WalletAdded(investor, wallet);
    }

    /// @inheritdoc IPassports
    function retireWallet(address wallet, IPassportReader[] calldata readers) external onlyRole(REGISTRAR_ROLE) {
        PassportRecord record = _records[wallet];
        if (record.isUnknown()) revert WalletUnknown(wallet);
        if (record.isRetired()) revert WalletAlreadyRetired(wallet);
        _records[wallet] = record.retired();
        emit WalletRetired(record.investor(), wallet);
        address[] memory wallets = new address[](1);
        wallets[0] = wallet;
        _tell(readers, wallets);
    }

    /// @inheritdoc IPassports
    function passportOf(address wallet)
        external
        view
        returns (address investor, Passport memory passport, uint256 wallets)
    {
        PassportRecord record = _records[wallet];
        if (record.isUnknown()) return (investor, passport, wallets);
        investor = record.investor();
        PassportRecord first = investor == wallet ? record : _records[investor];
        (passport, wallets) = (first.passport(), 1 + first.moreWallets());
        if (record.isRetired()) passport.expiresAt = 0;
    }

    /// @inheritdoc IVersioned
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @inheritdoc IPassports
    function walletsOf(address investor) public view returns (address[] memory wallets) {
        uint256 more = _recordOfInvestor(investor).moreWallets();
        wallets = new address[](1 + more);
        wallets[0] = investor;
        for (uint256 i = 0; i < more; ++i) {
            wallets[1 + i] = _moreWallets[investor][i];
        }
    }

    /// @dev The registrar names the readers; a hostile one can spend its gas and nothing else, as state is written before.
    function _tell(IPassportReader[] calldata readers, address[] memory wallets) private {
        for (uint256 i = 0; i < readers.length; ++i) {
            for (uint256 j = 0; j < wallets.length; ++j) {
                readers[i].refresh(wallets[j]);
            }
        }
    }

    function _recordOfInvestor(address investor) private view returns (PassportRecord record) {
        record = _records[investor];
        if (record.isUnknown() || record.investor() != investor) revert InvestorUnknown(investor);
    }

    function _requireFree(address wallet) private view {
        if (wallet == address(0)) revert WalletInvalid(wallet);
        PassportRecord record = _records[wallet];
        if (!record.isUnknown()) revert WalletTaken(wallet, record.investor());
    }

    function _requireValid(Passport calldata passport) private view {
        if (passport.expiresAt <= block.timestamp) revert PassportExpired(passport.expiresAt, block.timestamp);
        if (passport.country == 0 || passport.country > MAX_COUNTRY) {
            revert CountryInvalid(passport.country, MAX_COUNTRY);
        }
        if (passport.investorClass > MAX_CLASS) revert InvestorClassInvalid(passport.investorClass, MAX_CLASS);
    }
}
