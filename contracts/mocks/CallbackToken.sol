// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Test token that calls out before every transfer once it is armed, and fails when that call fails.
contract CallbackToken is ERC20 {
    using Address for address;

    address private _target;
    bytes private _call;

    constructor() ERC20("Callback Euro", "cEUR") {}

    /// @notice Give `amount` to `to`.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice From now on, make `call` to `target` before every transfer.
    function arm(address target, bytes calldata call) external {
        _target = target;
        _call = call;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (_target != address(0)) _target.functionCall(_call);
        super._update(from, to, value);
    }
}
