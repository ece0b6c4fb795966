// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OrderRules} from "../types/OrderRules.sol";

/// @title What follows from side and limit of an order, looked up by the upper byte of its 32 bits.
/// @notice An entry is weight << 64 | byte of its word in a page of the book << 8 | position of its lane in bits. See
/// {OrderReserve-weightOf}, {ScheduleOrders-bookTick} and {TickBook-placeOf}, against which it is fuzzed.
library OrderTable {
    uint256 internal constant BYTES = 256 * 32;
    /// @dev Weight of an order that the rules do not admit: beyond what the weights of 96 orders can add up to.
    uint256 internal constant INADMISSIBLE_SHIFT = 186;

    /// @notice Fill a table for devices green or not.
    /// @param table memory address of the first entry
    function fill(uint256 table, OrderRules rules, bool green) internal pure {
        unchecked {
            uint256 tickSize = rules.tickSize();
            uint256 premium = rules.greenPremiumTicks();
            uint256 failure = rules.shortPrice() + rules.penalty();
            _fillBids(table, rules, (rules.floorPrice() + rules.penalty()) << 96 | rules.longPrice());
            _fillOffers(table + 128 * 32, rules, failure, premium * tickSize, green);
        }
    }

    /// @param weight what a bid at tick 0 weighs
    function _fillBids(uint256 table, OrderRules rules, uint256 weight) private pure {
        uint256 fee = rules.networkFeeTicks();
        uint256 cap = rules.capTick();
        uint256 step = rules.tickSize() << 96;
        assembly ("memory-safe") {
            for { let tick := 0 } lt(tick, 128) { tick := add(tick, 1) } {
                let bookTick := sub(tick, fee)
                let place := or(shl(13, div(bookTick, 10)), mul(24, mod(bookTick, 10)))
                let entry := or(shl(64, weight), place)
                if or(lt(tick, fee), gt(tick, cap)) { entry := shl(250, 1) }
                mstore(add(table, shl(5, tick)), entry)
                weight := add(weight, step)
            }
        }
    }

    /// @param failure what a seller pays per kWh that it sold and did not deliver
    /// @param premiumPrice green premium per kWh
    function _fillOffers(uint256 table, OrderRules rules, uint256 failure, uint256 premiumPrice, bool green)
        private
        pure
    {
        uint256 premium = green ? rules.greenPremiumTicks() : 0;
        uint256 exposed = green ? premiumPrice : 0;
        uint256 limit = rules.floorPrice();
        uint256 step = rules.tickSize();
        uint256 cap = rules.capTick();
        assembly ("memory-safe") {
            for { let tick := 0 } lt(tick, 128) { tick := add(tick, 1) } {
                let bookTick := mul(sub(tick, premium), gt(tick, premium))
                let place := or(shl(13, add(13, div(bookTick, 10))), mul(24, mod(bookTick, 10)))
                let reserve := premiumPrice
                if gt(failure, add(limit, premiumPrice)) { reserve := sub(failure, limit) }
                let weight := or(shl(96, reserve), exposed)
                let entry := or(shl(64, weight), place)
                if gt(tick, cap) { entry := shl(250, 1) }
                mstore(add(table, shl(5, tick)), entry)
                limit := add(limit, step)
            }
        }
    }
}
