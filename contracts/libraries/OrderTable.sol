// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OrderRules} from "../types/OrderRules.sol";
import {OrderReserve} from "./OrderReserve.sol";
import {ScheduleOrders} from "./ScheduleOrders.sol";
import {TickBook} from "./TickBook.sol";

/// @title What follows from side and limit of an order, looked up by the upper byte of its 32 bits.
/// @notice An entry is weight << 64 | rank << 32 | byte of its word in a page of the book << 8 | position of its lane in bits.
/// The weight is {OrderReserve-weightOf}. The rank is the bid's book tick, or 127 less the offer's: the higher, the sooner
/// served. See {ScheduleOrders-bookTick} and {TickBook-placeOf}.
library OrderTable {
    uint256 internal constant BYTES = 256 * 32;
    uint256 internal constant WEIGHT_SHIFT = 64;
    uint256 internal constant RANK_SHIFT = 32;
    /// @dev Weight of an order that the rules do not admit: beyond what the weights of 96 orders can add up to.
    uint256 internal constant INADMISSIBLE_SHIFT = 186;

    /// @notice Fill a table for devices of one kind.
    /// @param table memory address of 256 words
    function fill(uint256 table, OrderRules rules, bool green) internal pure {
        unchecked {
            for (uint256 upper; upper < 256; ++upper) {
                uint256 entry = _entryOf(upper << 24, rules, green);
                assembly ("memory-safe") {
                    mstore(add(table, shl(5, upper)), entry)
                }
            }
        }
    }

    function _entryOf(uint256 order, OrderRules rules, bool green) private pure returns (uint256) {
        unchecked {
            uint256 tick = ScheduleOrders.tickOf(order);
            bool isOffer = ScheduleOrders.isOffer(order);
            if (tick > rules.capTick()) return 1 << (INADMISSIBLE_SHIFT + WEIGHT_SHIFT);
            if (!isOffer && tick < rules.networkFeeTicks()) return 1 << (INADMISSIBLE_SHIFT + WEIGHT_SHIFT);
            uint256 bookTick = ScheduleOrders.bookTick(order, rules, green);
            (uint256 word, uint256 lane) = TickBook.placeOf(bookTick, isOffer);
            uint256 rank = isOffer ? TickBook.MAX_TICK - bookTick : bookTick;
            uint256 place = (word * 32) << 8 | lane * TickBook.LANE_BITS;
            return OrderReserve.weightOf(order, rules, green) << WEIGHT_SHIFT | rank << RANK_SHIFT | place;
        }
    }
}
