// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";

/// @title ERC-7943 for fungible tokens: what a token of a real-world asset must let others see and an authority do.
/// @dev ABI and ERC-165 id (0x3edbb4c4) as in the standard.
interface IERC7943Fungible is IERC165 {
    event ForcedTransfer(address indexed from, address indexed to, uint256 amount);
    event Frozen(address indexed account, uint256 amount);

    error ERC7943CannotSend(address account);
    error ERC7943CannotReceive(address account);
    error ERC7943CannotTransfer(address from, address to, uint256 amount);
    error ERC7943InsufficientUnfrozenBalance(address account, uint256 amount, uint256 unfrozen);

    /// @notice Move tokens without their holder's consent, frozen ones included.
    /// @param from who loses them
    /// @param to who gets them, and may hold them
    /// @param amount number of tokens
    /// @return result true
    function forcedTransfer(address from, address to, uint256 amount) external returns (bool result);

    /// @notice Set how many of an account's tokens are frozen, whatever was frozen before.
    /// @param account the account
    /// @param amount number of tokens; may be more than it has, so that what comes is frozen too
    /// @return result true
    function setFrozenTokens(address account, uint256 amount) external returns (bool result);

    /// @notice Whether the rules let an account send.
    function canSend(address account) external view returns (bool allowed);

    /// @notice Whether the rules let an account receive.
    function canReceive(address account) external view returns (bool allowed);

    /// @notice How many of an account's tokens are frozen; may be more than it has.
    function getFrozenTokens(address account) external view returns (uint256 amount);

    /// @notice Whether a transfer would go through, allowances aside.
    function canTransfer(address from, address to, uint256 amount) external view returns (bool allowed);
}
