// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CHEATS} from "./Cheats.sol";
import {SharesHandler} from "./SharesHandler.sol";

/// forge-config: default.invariant.runs = 1280
/// forge-config: default.invariant.depth = 160
/// forge-config: default.invariant.fail-on-revert = true
/// forge-config: default.invariant.check-interval = 16
/// forge-config: default.invariant.include-storage = false
/// @dev All in one invariant: forge walks anew for each, and from one seed on the same ways. What breaks any of it does not mend
/// by itself, so that each sixteenth call and the end of a walk show it. The handler reduces its arguments to what
/// there is, so words found in storage would tell it nothing.
contract SharesInvariants {
    SharesHandler private handler;

    function setUp() external {
        CHEATS.warp(1_700_000_000);
        handler = new SharesHandler();
        for (uint256 seat = 0; seat < 3; ++seat) {
            handler.mint(seat * handler.WALLETS(), 999);
            handler.addWallet(seat);
        }
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev INV-S1: shares are all somebody's.
    /// INV-S2: what can be claimed is there, and so is what redemptions were paid in for.
    /// INV-S4: investors with shares are counted, each once, and the caps count them so.
    /// INV-S3, INV-S5, INV-S6, INV-S7: no way leads around the rules, no frozen share leaves but by force, nothing due is lost,
    /// and what is asked beforehand is what happens.
    function invariant_shares__after_any_call__are_what_the_book_says() external view {
        require(bytes(handler.surprise()).length == 0, handler.surprise());
        (uint256 held, uint256 due, bool isBooked) = handler.audit();
        require(handler.shares().totalSupply() == held, "supply is not the sum of balances");
        require(isBooked, "supply, shares or frozen shares are not the book's");
        (uint256 dividends, uint256 redemptions) = handler.governance().cashHeld();
        require(due <= dividends, "more can be claimed than is there");
        require(redemptions == handler.redemptionCash(), "cash for redemptions is not the book's");
        require(handler.governance().holders() == handler.holders(), "holders are not the investors with shares");
    }
}
