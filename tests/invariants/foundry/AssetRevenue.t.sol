// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAssetRevenue} from "../../../contracts/interfaces/IAssetRevenue.sol";
import {AssetRevenueHandler} from "./AssetRevenueHandler.sol";

/// forge-config: default.invariant.runs = 256
/// forge-config: default.invariant.depth = 96
/// forge-config: default.invariant.fail-on-revert = true
contract AssetRevenueInvariants {
    AssetRevenueHandler private _handler;

    function setUp() external {
        _handler = new AssetRevenueHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @dev INV-S11: shares are paid what the plants' days earned, each once, and never more than attested energy at its prices.
    function invariant_revenue__after_any_call__is_what_attested_energy_earned() external view {
        require(bytes(_handler.surprise()).length == 0, _handler.surprise());
        (int256 soldWh, int256 attestedWh, int256 revenue, int256 ceiling) = _handler.totals();
        IAssetRevenue.AssetProof memory proof = _handler.asset().proofOfAsset();
        require(
            int256(uint256(proof.revenue)) == revenue && revenue <= ceiling, "revenue above attested energy x price"
        );
        require(int256(uint256(proof.soldWh)) == soldWh && soldWh <= attestedWh, "more was sold than attested");
        require(int256(uint256(proof.attestedWh)) == attestedWh, "attested energy is not the book's");
        require(_handler.token().balanceOf(address(_handler.asset())) == proof.revenue, "other cash came to the shares");
    }

    /// @dev The walk must get everywhere, or the invariant would hold for want of events.
    function test_walk__a_thousand_calls__reaches_every_event() external {
        for (uint256 i = 0; i < 1_000; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            if (i % 3 == 0) _handler.advance(seed);
            if (i % 3 == 1) _handler.fundRevenue(seed, seed >> 128);
            if (i % 3 == 2) _handler.movePlant(seed);
        }
        bytes32[5] memory events = [bytes32("paid for one"), "paid for several", "oversold", "refused", "moved"];
        for (uint256 i = 0; i < events.length; ++i) {
            require(_handler.reached(events[i]) != 0, string.concat("never: ", string(abi.encodePacked(events[i]))));
        }
    }
}
