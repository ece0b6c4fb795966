// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title Test token with the least that ERC-7943 asks: an allowlist, and a frozen amount of each account.
/// @dev OpenZeppelin's uRWA, which no registry of packages has, is made in this way. For `make bench-anchors`.
contract AllowlistToken is ERC20 {
    mapping(address account => bool) public canTransact;
    mapping(address account => uint256) public getFrozenTokens;

    error CannotTransact(address account);
    error InsufficientUnfrozenBalance(address account, uint256 needed, uint256 available);

    constructor() ERC20("Allowlist", "ALW") {}

    /// @notice Let an account have tokens.
    function allow(address account) external {
        canTransact[account] = true;
    }

    /// @notice Give `amount` to `to`.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0)) {
            uint256 balance = balanceOf(from);
            uint256 frozen = getFrozenTokens[from];
            uint256 available = frozen < balance ? balance - frozen : 0;
            if (value > available) revert InsufficientUnfrozenBalance(from, value, available);
            _requireAllowed(from);
        }
        if (to != address(0)) _requireAllowed(to);
        super._update(from, to, value);
    }

    function _requireAllowed(address account) private view {
        if (!canTransact[account]) revert CannotTransact(account);
    }
}
