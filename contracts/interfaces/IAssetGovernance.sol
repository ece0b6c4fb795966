// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC7943Fungible} from "./IERC7943Fungible.sol";
import {IAssetShares} from "./IAssetShares.sol";
import {IPassportReader} from "./IPassports.sol";

/// @title What the issuer and the agent of {IAssetShares} do, and what the shares say of their rules.
/// @notice The issuer mints, pays in, and sets rules and documents. The agent acts for law and holders: it pauses, freezes,
/// forces a transfer, moves the shares of a lost wallet. Receivers must be accepted by the rules whoever acts.
interface IAssetGovernance is IERC20Permit, IERC7943Fungible, IPassportReader {
    event RulesSet(IAssetShares.Rules rules);
    event EpochBegun(uint8 epoch);
    event Recovered(address indexed from, address indexed to, uint256 shares, uint256 cash);
    event Retired(address indexed account, uint256 shares, bytes32 indexed purpose);
    event Redeemed(address indexed account, uint256 shares, uint256 cash);
    event RedemptionFunded(address indexed payer, uint256 cash);
    event PauseSet(bool paused);
    event DocumentSet(bytes32 indexed name, string uri, bytes32 documentHash);

    error EpochTooSoon(uint256 nextAt, uint256 timestamp);
    error ReserveTooSmall(uint256 reserve, uint256 needed);
    error NotSameInvestor(address from, address to);
    error NotMatured(uint40 maturesAt, uint256 timestamp);
    /// @notice The token said that it paid, but what the asset holds of it did not fall by just that.
    error RedemptionUnpaid(address account, uint256 cash, uint256 heldBefore, uint256 heldAfter);
    error RedemptionUnfunded(uint256 cash, uint256 available);
    error PermitExpired(uint256 deadline, uint256 timestamp);
    error PermitSignerInvalid(address owner);

    /// @notice Role that mints, pays in what was earned, and sets the rules and documents.
    function ISSUER_ROLE() external view returns (bytes32);

    /// @notice Role that freezes, forces, recovers and pauses.
    function AGENT_ROLE() external view returns (bytes32);

    /// @notice The rules in force.
    function rules() external view returns (IAssetShares.Rules memory);

    /// @notice Set the rules. Begins a new epoch, so no verdict of before counts.
    /// @param rules_ all of them
    function setRules(IAssetShares.Rules calldata rules_) external;

    /// @notice End every verdict kept, so that each holder's passport is asked for anew. Once in ten minutes at most.
    function beginEpoch() external;

    /// @notice Rule that an account breaks by what it is, `None` if none; its passport is asked.
    /// @param account the account
    /// @return rule the rule
    /// @return value see {IAssetShares.Rule}
    /// @return limit see {IAssetShares.Rule}
    function verdictOf(address account) external view returns (IAssetShares.Rule rule, uint256 value, uint256 limit);

    /// @notice Issue shares. With a reserve, a fresh reading of it must cover all shares together, or all ever minted if it
    /// is cumulative.
    /// @param to who gets them
    /// @param shares how many
    function mint(address to, uint256 shares) external;

    /// @notice Use up own shares, as a certificate is on use.
    /// @param shares how many
    /// @param purpose what for
    function retire(uint256 shares, bytes32 purpose) external;

    /// @notice Give own shares back for their redemption value, from maturity on.
    /// @param shares how many
    /// @return cash what was paid
    function redeem(uint256 shares) external returns (uint256 cash);

    /// @notice Pay in cash that redemptions are paid from; of an asset that redeems, for there is no other way out.
    /// @param cash amount; what arrives counts
    function fundRedemption(uint256 cash) external;

    /// @notice Move all that a lost wallet has, dividends and freezing included, to another wallet of its investor. Caps do not
    /// stand in the way: the investor has no more than before.
    /// @param from the lost wallet
    /// @param to the other
    function recover(address from, address to) external;

    /// @notice Stop and resume transfers, retirements and redemptions; claims go on.
    /// @param paused whether they are stopped
    function setPaused(bool paused) external;

    /// @notice Whether transfers are stopped.
    function isPaused() external view returns (bool);

    /// @notice Name a document of the asset by its hash.
    /// @param name short name
    /// @param uri where it is
    /// @param documentHash its hash
    function setDocument(bytes32 name, string calldata uri, bytes32 documentHash) external;

    /// @notice A document by its name.
    /// @param name short name
    /// @return uri where it is
    /// @return documentHash its hash; 0 if there is none
    /// @return setAt when it was set
    function document(bytes32 name) external view returns (string memory uri, bytes32 documentHash, uint40 setAt);

    /// @notice Number of investors with shares, each counted once however many wallets it has.
    function holders() external view returns (uint256);

    /// @notice What one share has earned so far, in 2^-40 units of cash.
    function dividendIndex() external view returns (uint256);

    /// @notice Cash held for claims and for redemptions.
    /// @return dividends paid in and not claimed
    /// @return redemptions paid in for redemptions and not paid out
    function cashHeld() external view returns (uint256 dividends, uint256 redemptions);
}
