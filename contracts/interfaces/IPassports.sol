// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IVersioned} from "./IVersioned.sol";

/// @title A contract that keeps verdicts of {IPassports} for a while, so that revoking can end them at once.
interface IPassportReader {
    /// @notice Judge an account anew. Anyone may call it; it must not revert for an account that it does not know.
    /// @param account the account
    function refresh(address account) external;
}

/// @title Who a wallet is, without personal data: where its investor lives, of which class, and how long that is known.
/// @notice A passport is given once and read by every asset. An investor is named by the first wallet registered for it, and
/// may have several: they share one passport, and count as one holder. Who stands behind it, only the registrar knows.
/// @dev Assets keep a verdict for some time (see IAssetShares) and so do not ask for every transfer. A change for the worse
/// therefore takes the assets to tell at once; an asset that was left out learns of it when its verdict ends, or as soon as
/// anyone calls its {IPassportReader.refresh}.
interface IPassports is IVersioned {
    /// @notice What is known of an investor.
    /// @param expiresAt last second at which it holds; 0 if it was revoked
    /// @param country ISO 3166-1 numeric code, 1 to 999
    /// @param investorClass class of the investor, 0 to 15, as the registrar's rule book numbers them
    struct Passport {
        uint40 expiresAt;
        uint16 country;
        uint8 investorClass;
    }

    /// @notice A new investor: its first wallet and its passport.
    struct InvestorRegistration {
        address wallet;
        Passport passport;
    }

    event PassportGiven(address indexed investor, Passport passport);
    event PassportRevoked(address indexed investor);
    event WalletAdded(address indexed investor, address indexed wallet);
    event WalletRetired(address indexed investor, address indexed wallet);

    error WalletInvalid(address wallet);
    error WalletTaken(address wallet, address investor);
    error WalletUnknown(address wallet);
    error WalletAlreadyRetired(address wallet);
    error InvestorUnknown(address investor);
    error TooManyWallets(address investor, uint256 limit);
    error PassportExpired(uint40 expiresAt, uint256 timestamp);
    error CountryInvalid(uint16 country, uint16 limit);
    error InvestorClassInvalid(uint8 investorClass, uint8 limit);

    /// @notice Role that gives, changes and revokes passports.
    function REGISTRAR_ROLE() external view returns (bytes32);

    /// @notice Register investors by their first wallets.
    /// @param registrations one for each investor
    function register(InvestorRegistration[] calldata registrations) external;

    /// @notice Give an investor another passport in place of the one it has, or had.
    /// @param investor first wallet of the investor
    /// @param passport the new one
    /// @param readers assets where one of its wallets may have shares; to be told if the new one allows less
    function renew(address investor, Passport calldata passport, IPassportReader[] calldata readers) external;

    /// @notice Revoke an investor's passport: its wallets send, receive and claim nothing until it is renewed.
    /// @param investor first wallet of the investor
    /// @param readers assets where one of its wallets may have shares; each is told at once
    function revoke(address investor, IPassportReader[] calldata readers) external;

    /// @notice Add a wallet of an investor that has one already.
    /// @param investor first wallet of the investor
    /// @param wallet the new one, never registered before
    function addWallet(address investor, address wallet) external;

    /// @notice Retire a wallet, because its key is lost or stolen: it has no passport any more, for good. Assets move what it
    /// holds to another wallet of the investor by recovery.
    /// @param wallet the wallet, the first one included
    /// @param readers assets where it may have shares
    function retireWallet(address wallet, IPassportReader[] calldata readers) external;

    /// @notice The passport of a wallet's investor, and who that is. Both zero for a wallet never registered; a retired wallet
    /// has its investor and no passport (`expiresAt` 0).
    /// @param wallet any of the investor's wallets
    /// @return investor first wallet of the investor
    /// @return passport the investor's passport
    /// @return wallets how many wallets the investor has, retired ones included
    function passportOf(address wallet)
        external
        view
        returns (address investor, Passport memory passport, uint256 wallets);

    /// @notice Every wallet of an investor, the first and the retired included.
    /// @param investor first wallet of the investor
    /// @return wallets in the order they were registered; at most 16
    function walletsOf(address investor) external view returns (address[] memory wallets);
}
