// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IEnergyMarket} from "./IEnergyMarket.sol";
import {IFeedAdapter} from "./IFeedAdapter.sol";
import {IPassports} from "./IPassports.sol";
import {IVersioned} from "./IVersioned.sol";

/// @title Shares of one real asset: owned by whom its rules allow, paid what it earned.
/// @notice An ERC-20 whose holders have a passport that its rules accept. What the asset earns is paid to it in cash and
/// claimed by holders: a payment costs the same for ten holders as for ten thousand, and nobody is paid by a push.
/// Holders whom the rules do not accept any more, or whose shares are all frozen, go on earning, and wait for it.
/// @dev Dividends by an index of cash per share (B. Batog, L. Boca and N. Johnson, "Scalable Reward Distribution on the
/// Ethereum Blockchain", 2018), with the remainder of each division carried into the next. Each rounding is down, so what
/// can be claimed together never exceeds the cash. A verdict on a passport is kept in the holder's word for at most
/// `verdictSeconds`, under the rules of one epoch; amounts are looked at each time.
/// What a contract says of itself and what its issuer and agent do is in {IAssetGovernance}, code of its own that runs on
/// this contract's storage and at its address: cast to either.
interface IAssetShares is IERC20Metadata, IVersioned {
    /// @notice A rule that keeps shares from moving. `value` and `limit` in {RuleBroken} are, in this order:
    /// Registration (0, 0) · Passport (its last second, now) · Country (code, 0) · InvestorClass (class, accepted classes, a
    /// bit each) · Pause (0, 0) · LockUp (now, its end) · HolderCap (holders, most) · MaxHolding (shares, most).
    enum Rule {
        None,
        Registration,
        Passport,
        Country,
        InvestorClass,
        Pause,
        LockUp,
        HolderCap,
        MaxHolding
    }

    /// @notice What never changes about an asset.
    /// @param name name of the shares
    /// @param symbol symbol of the shares
    /// @param decimals decimals of the shares, 0 to 6
    /// @param passports who its holders are
    /// @param cash token that it earns and pays; the market's, with one
    /// @param reserve feed of what stands behind the shares; zero if minting asks for no proof
    /// @param reservePerShare units of the feed that must stand behind one share; above 0 with a reserve
    /// @param reserveIsCumulative whether the feed only grows, as what a plant has ever produced does: then it must cover all
    /// shares ever minted, so that units retired or redeemed are not issued again; else those that are there
    /// @param maxReserveAgeSeconds oldest reading of the feed that minting takes
    /// @param maturesAt second from which shares can be redeemed; 0 if they never can
    /// @param redemptionPerShare cash that a share is redeemed for
    /// @param market where its plants earn what it pays, see {IAssetRevenue}; zero if its issuer pays in
    struct Terms {
        string name;
        string symbol;
        uint8 decimals;
        IPassports passports;
        IERC20 cash;
        IFeedAdapter reserve;
        uint64 reservePerShare;
        bool reserveIsCumulative;
        uint32 maxReserveAgeSeconds;
        uint40 maturesAt;
        uint64 redemptionPerShare;
        IEnergyMarket market;
    }

    /// @notice Who may hold how much.
    /// @param countries accepted countries: code `c` (ISO 3166-1 numeric) is bit `c % 256` of word `c / 256`
    /// @param classes accepted investor classes, a bit each
    /// @param verdictSeconds how long a passport found good is not asked for again, 0 to one day
    /// @param holderCap most investors at a time
    /// @param maxHoldingBps most that one investor may have of all shares, by minting too; 10,000 is no limit. Shares are
    /// placed without one, under a lock-up, and the limit set before that ends
    /// @param lockUntil second until which holders may not transfer
    struct Rules {
        uint256[4] countries;
        uint16 classes;
        uint32 verdictSeconds;
        uint24 holderCap;
        uint16 maxHoldingBps;
        uint40 lockUntil;
    }

    event Funded(address indexed payer, uint256 cash, uint256 index);
    event Claimed(address indexed account, uint256 cash);

    error TermInvalid(bytes32 name, uint256 value, uint256 limit);
    error RuleInvalid(bytes32 name, uint256 value, uint256 limit);
    error RuleBroken(Rule rule, address account, uint256 value, uint256 limit);
    error RevenueMustBeAttested(address market);
    /// @notice There are no shares to pay, or nothing of the cash arrived.
    error NothingToFund(uint256 cash, uint256 supply);
    error CashHeldAboveLimit(uint256 held, uint256 limit);
    error NothingToClaim(address account);
    error SharesAllFrozen(address account, uint256 balance, uint256 frozen);

    /// @notice Pay in what the asset earned, for all shares alike. Not for one that earns in a market.
    /// @param cash amount; what arrives counts. An asset holds at most 2^56 - 1 units of cash: 72 thousand million of a token
    /// with six decimals
    function fund(uint256 cash) external;

    /// @notice Take what the caller is due. The token is believed that it moves what it says.
    /// @return cash what was paid
    function claim() external returns (uint256 cash);

    /// @notice Pay an account what it is due. Anyone may call it.
    /// @param account who is paid
    /// @return cash what was paid
    function claimFor(address account) external returns (uint256 cash);

    /// @notice Cash due to an account, whether or not it may claim it now.
    /// @param account the account
    function claimable(address account) external view returns (uint256 cash);

    /// @notice What never changes.
    function terms() external view returns (Terms memory);
}
