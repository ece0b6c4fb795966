// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";

/// @title Packed orders of a schedule: their fields and hash.
/// @notice An order is side (1 bit, 1 = offer) | tick (7 bits) | energyWh (24 bits); 96 of them fill 12 words, the first
/// in the most significant bits.
library ScheduleOrders {
    bytes32 private constant SCHEDULE_TYPEHASH = keccak256(
        "Schedule(bytes32 deviceId,address account,uint24 zone,uint24 day,uint32 version,uint256[12] orders)"
    );
    uint256 internal constant WORDS = 12;
    uint256 private constant ENERGY_BITS = 24;
    uint256 internal constant ENERGY_MASK = (1 << ENERGY_BITS) - 1;
    uint256 private constant ALL_ENERGIES = 0x00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff;
    uint256 internal constant MAX_TICK = 0x7f;

    /// @notice Order `index` of a schedule, 0 to 95; also the 32-bit energy at that place of a packed profile.
    function orderAt(uint256[12] calldata words, uint256 index) internal pure returns (uint256) {
        return orderIn(words[index >> 3], index);
    }

    /// @notice Order `index` of a schedule, of whose word `index` / 8 it stands in.
    function orderIn(uint256 packed, uint256 index) internal pure returns (uint256) {
        unchecked {
            return uint32(packed >> (224 - ((index & 7) << 5)));
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

    /// @notice Word of the book that holds the order's tick: side and upper four bits of the tick.
    function wordIndex(uint256 order) internal pure returns (uint256) {
        return order >> 27;
    }

    /// @notice Position of the order's tick in that word, in bits: the lower three bits of the tick, times 32.
    function laneShift(uint256 order) internal pure returns (uint256) {
        return (order >> 19) & 0xe0;
    }

    /// @notice Whether no order has energy.
    function isEmpty(uint256[12] calldata orders) internal pure returns (bool) {
        uint256 any;
        for (uint256 word; word < WORDS; ++word) {
            any |= orders[word];
        }
        return !hasEnergy(any);
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

    /// @notice EIP-712 struct hash of `schedule` with `version` and `orders` in place of its own.
    function hash(uint256[12] calldata orders, IEnergyMarket.Schedule calldata schedule, uint32 version)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                SCHEDULE_TYPEHASH,
                schedule.deviceId,
                schedule.account,
                schedule.zone,
                schedule.day,
                version,
                keccak256(abi.encodePacked(orders))
            )
        );
    }

    /// @notice Price of a tick.
    function priceOf(IEnergyMarket.ZoneParams memory params, uint256 tick) internal pure returns (uint256) {
        return params.floorPricePerKwh + tick * params.tickSizePerKwh;
    }
}
