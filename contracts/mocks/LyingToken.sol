// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title Test token that says of every transfer that it moved all, whatever it moved: at first nothing.
contract LyingToken is ERC20 {
    uint256 private _movedPercent;

    constructor() ERC20("Lying Euro", "lEUR") {}

    /// @notice Give `amount` to `to`.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice From now on, move `percent` of what a transfer is asked for: 100 is the truth.
    function setMovedPercent(uint256 percent) external {
        _movedPercent = percent;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, from == address(0) ? value : value * _movedPercent / 100);
    }
}
