// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IVersioned} from "./IVersioned.sol";

/// @title Shares sold at any hour: signed asks, each fill delivery versus payment.
/// @notice A seller signs an ask and keeps shares and cash in its wallet. Whoever fills it, in whole or in part, pays the
/// seller and gets the shares in one transaction, or nothing happens. What the rules of the shares forbid, a fill cannot do:
/// shares move by their own `transferFrom`, under the allowance that the seller gave this contract.
/// @dev EIP-712 domain ("Gridwitness ShareMarket", "1", chain id, this contract).
/// An ask is named by its seller and a number, which may be used once. Four numbers share a storage word, so sellers who
/// count up make their buyers pay least.
interface IShareMarket is IVersioned {
    /// @notice Shares on offer.
    /// @dev EIP-712 `Ask(address shares,address seller,address buyer,address cash,uint64 amount,uint64 pricePerShare,
    /// uint64 number,uint40 expiresAt)`, without the line break.
    /// @param shares what is sold: a buyer makes sure that it is the asset that it seems
    /// @param seller whose they are, and who is paid
    /// @param buyer who alone may fill it; zero for anybody
    /// @param cash what is paid with
    /// @param amount number of shares, above 0
    /// @param pricePerShare cash for one share
    /// @param number the seller's number of the ask; two asks of one number share what is left of either
    /// @param expiresAt last second at which it can be filled
    struct Ask {
        IERC20 shares;
        address seller;
        address buyer;
        IERC20 cash;
        uint64 amount;
        uint64 pricePerShare;
        uint64 number;
        uint40 expiresAt;
    }

    event AskFilled(
        address indexed seller,
        address indexed buyer,
        IERC20 indexed shares,
        uint64 number,
        uint256 amount,
        uint256 cash
    );
    event AskCancelled(address indexed seller, uint64 number);

    error AskExpired(uint40 expiresAt, uint256 timestamp);
    error AskNotForCaller(address buyer, address caller);
    error AskSignatureInvalid(address seller);
    error AskExhausted(address seller, uint64 number, uint256 wanted, uint256 left);
    error AskAmountInvalid(uint256 amount);
    error CashAboveLimit(uint256 cash, uint256 limit);
    error CashNotReceived(address seller, uint256 received, uint256 expected);

    /// @notice Buy shares of an ask; the caller pays and receives.
    /// @param ask the ask
    /// @param signature the seller's, by its key or ERC-1271
    /// @param amount shares to buy, 1 up to what is left
    /// @param cashLimit most the caller pays
    /// @return cash what was paid
    function fill(Ask calldata ask, bytes calldata signature, uint64 amount, uint256 cashLimit)
        external
        returns (uint256 cash);

    /// @notice Take back the caller's asks of these numbers, for good.
    /// @param numbers numbers of asks, signed or not
    function cancel(uint64[] calldata numbers) external;

    /// @notice Shares filled of a seller's number; the largest uint64 if it was cancelled.
    function filledOf(address seller, uint64 number) external view returns (uint64 amount);

    /// @notice EIP-712 digest of an ask.
    function askDigest(Ask calldata ask) external view returns (bytes32);
}
