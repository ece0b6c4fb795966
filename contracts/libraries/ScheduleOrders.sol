// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMarketSettlement} from "../interfaces/IMarketSettlement.sol";
import {OrderRules} from "../types/OrderRules.sol";

/// @title Packed orders of a schedule: their fields, their place in the book, and the schedule's hash.
/// @notice An order is side (1 bit, 1 = offer) | tick (7 bits) | energyWh (24 bits); 96 of them fill 12 words, the first
/// in the most significant bits.
library ScheduleOrders {
    bytes32 private constant SCHEDULE_TYPEHASH = keccak256(
        "Schedule(bytes32 deviceId,address account,uint24 zone,uint24 day,uint32 version,uint40 deadline,uint32 imbalanceLimitWh,uint256[12] orders)"
    );
    uint256 internal constant WORDS = 12;
    uint256 private constant ENERGY_BITS = 24;
    uint256 internal constant ENERGY_MASK = (1 << ENERGY_BITS) - 1;
    uint256 private constant ALL_ENERGIES = 0x00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff;
    uint256 private constant MAX_TICK = 0x7f;
    /// @dev Marks of eight orders that all have energy.
    uint256 internal constant ALL_MARKS = 0x0100000001000000010000000100000001000000010000000100000001000000;

    /// @notice Order `index` of a schedule, 0 to 95.
    function orderAt(uint256[12] calldata words, uint256 index) internal pure returns (uint256) {
        unchecked {
            return uint32(words[index >> 3] >> (224 - ((index & 7) << 5)));
        }
    }

    /// @notice Mark of the orders of a word that have energy: the bit above each one's energy.
    /// @dev Energy + (2^24 − 1) reaches 2^24 exactly if it is not zero, and never beyond its own 32 bits.
    function energyMarks(uint256 packed) internal pure returns (uint256) {
        unchecked {
            return ((packed & ALL_ENERGIES) + ALL_ENERGIES) & ~ALL_ENERGIES;
        }
    }

    /// @notice Whether one of a word's eight orders has energy.
    function hasEnergy(uint256 packed) internal pure returns (bool) {
        return packed & ALL_ENERGIES != 0;
    }

    function energyWh(uint256 order) internal pure returns (uint256) {
        return order & ENERGY_MASK;
    }

    function tickOf(uint256 order) internal pure returns (uint256) {
        return (order >> ENERGY_BITS) & MAX_TICK;
    }

    function isOffer(uint256 order) internal pure returns (bool) {
        return order >> 31 == 1;
    }

    /// @notice Tick at which an order stands in the book: see {IMarketZones-ZoneParams}.
    /// @dev A bid must reach the network fee.
    function bookTick(uint256 order, OrderRules rules, bool green) internal pure returns (uint256) {
        unchecked {
            uint256 tick = tickOf(order);
            if (!isOffer(order)) return tick - rules.networkFeeTicks();
            if (!green) return tick;
            uint256 premium = rules.greenPremiumTicks();
            return tick > premium ? tick - premium : 0;
        }
    }

    /// @notice Index of the first order with energy from `from` to `to` − 1; `to` if there is none.
    function firstWithEnergy(uint256[12] calldata orders, uint256 from, uint256 to) internal pure returns (uint256) {
        while (from < to && energyWh(orderAt(orders, from)) == 0) ++from;
        return from;
    }

    /// @notice Index of the first order before `to` in which the schedules differ; `to` if there is none.
    function firstDifference(uint256[12] calldata orders, uint256[12] calldata others, uint256 to)
        internal
        pure
        returns (uint256 index)
    {
        while (index < to && orderAt(orders, index) == orderAt(others, index)) ++index;
    }

    /// @notice EIP-712 struct hash of a schedule, its words taken as they came: one too wide for its type makes another hash.
    function hash(IMarketSettlement.Schedule calldata schedule) internal pure returns (bytes32 structHash) {
        bytes32 typeHash = SCHEDULE_TYPEHASH;
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, add(schedule, 224), 384)
            let ordersHash := keccak256(start, 384)
            mstore(start, typeHash)
            calldatacopy(add(start, 32), schedule, 224)
            mstore(add(start, 256), ordersHash)
            structHash := keccak256(start, 288)
        }
    }
}
