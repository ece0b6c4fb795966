// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {DeliverySlots} from "./DeliverySlots.sol";

/// @title Packed orders of a schedule: their fields, hash and reserve.
/// @notice An order is side (1 bit, 1 = offer) | tick (7 bits) | energyWh (24 bits); 96 of them fill 12 words, the first
/// in the most significant bits.
library ScheduleOrders {
    bytes32 private constant SCHEDULE_TYPEHASH = keccak256(
        "Schedule(bytes32 deviceId,address account,uint24 zone,uint24 day,uint32 version,uint256[12] orders)"
    );
    uint256 private constant ENERGY_BITS = 24;
    uint256 private constant ENERGY_MASK = (1 << ENERGY_BITS) - 1;
    uint256 private constant ALL_ENERGIES = 0x00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff;
    uint256 private constant MILLI = 1000;

    /// @notice Order `index` of a schedule, 0 to 95; also the 32-bit energy at that place of a packed profile.
    function orderAt(uint256[12] calldata words, uint256 index) internal pure returns (uint256) {
        return uint32(words[index >> 3] >> (224 - ((index & 7) << 5)));
    }

    function energyWh(uint256 order) internal pure returns (uint256) {
        return order & ENERGY_MASK;
    }

    function tickOf(uint256 order) internal pure returns (uint256) {
        return (order >> ENERGY_BITS) & 0x7f;
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
        for (uint256 word; word < 12; ++word) {
            any |= orders[word];
        }
        return any & ALL_ENERGIES == 0;
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

    /// @notice Money that orders reserve, see {IEnergyMarket-reserveOf}.
    function reserve(uint256[12] calldata orders, IEnergyMarket.ZoneParams memory params)
        internal
        pure
        returns (uint256)
    {
        uint256 milli;
        uint256 floorPrice = params.floorPricePerKwh;
        uint256 tickSize = params.tickSizePerKwh;
        uint256 failurePrice = uint256(params.shortPricePerKwh) + params.penaltyPerKwh;
        unchecked {
            // Below 96 * 2^24 * 2^40.
            for (uint256 index; index < DeliverySlots.SLOTS_PER_DAY; ++index) {
                uint256 order = orderAt(orders, index);
                uint256 energy = energyWh(order);
                if (energy == 0) continue;
                uint256 limit = floorPrice + tickOf(order) * tickSize;
                if (!isOffer(order)) milli += energy * limit;
                else if (failurePrice > limit) milli += energy * (failurePrice - limit);
            }
            return (milli + MILLI - 1) / MILLI;
        }
    }
}
