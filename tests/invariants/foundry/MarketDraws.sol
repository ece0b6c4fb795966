// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";

/// @dev Rules and orders drawn at random, their limits among them more often than by chance.
library MarketDraws {
    uint256 internal constant MOST_WH = (1 << 24) - 1;

    function random(uint256 seed, uint256 salt) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }

    /// @notice Rules that a zone may have.
    function params(uint256 seed) internal pure returns (IMarketZones.ZoneParams memory drawn) {
        uint256 r = random(seed, 0);
        drawn.profileStream = "profiles";
        drawn.floorPricePerKwh = uint32(_within(r, 0, type(uint32).max));
        drawn.tickSizePerKwh = uint32(_within(r >> 16, 1, type(uint32).max));
        drawn.shortPricePerKwh = uint32(_within(r >> 32, 0, type(uint32).max));
        drawn.penaltyPerKwh = uint32(_within(r >> 48, 0, type(uint32).max));
        uint256 most = uint256(drawn.floorPricePerKwh) + drawn.penaltyPerKwh;
        if (most > drawn.shortPricePerKwh) most = drawn.shortPricePerKwh;
        drawn.longPricePerKwh = uint32(_within(r >> 64, 0, most));
        drawn.toleranceBps = uint16(_within(r >> 80, 0, 10_000));
        drawn.holdScoreBps = 9_900;
        drawn.capTick = uint8(_within(r >> 96, 0, 127));
        drawn.networkFeeTicks = uint8(_within(r >> 112, 0, drawn.capTick));
        drawn.greenPremiumTicks = uint8(_within(r >> 128, 0, 127));
        drawn.greenKinds = uint8(r >> 144);
        drawn.minOrderWh = uint16(_within(r >> 160, 1, type(uint16).max));
        drawn.gateLeadSlots = uint8(r >> 176) % 8;
        drawn.feederCapWh = uint32(_within(r >> 192, 0, type(uint32).max));
        drawn.provisionalAfterSeconds = uint32(r >> 208) % 2 days;
        drawn.finalAfterSeconds = drawn.provisionalAfterSeconds + 1 + uint32(r >> 224) % 4 days;
        drawn.disputeSeconds = 1 + uint32(r >> 224) % 5 days;
        drawn.disputeBond = uint64(r >> 232) % 1e7;
    }

    /// @notice An order, packed, that the rules admit.
    function order(uint256 seed, IMarketZones.ZoneParams memory rules) internal pure returns (uint256) {
        uint256 r = random(seed, 1);
        uint256 isOffer = r % 2;
        uint256 tick = _within(r >> 16, isOffer == 1 ? 0 : rules.networkFeeTicks, rules.capTick);
        return (isOffer << 31) | (tick << 24) | _within(r >> 32, rules.minOrderWh, MOST_WH);
    }

    /// @notice Net energies metered over a day: none, as if the orders were, of the orders' size, or any at all.
    function energies(uint256 seed, uint256[12] memory orders) internal pure returns (uint256[12] memory energyWh) {
        for (uint256 word; word < 12; ++word) {
            uint256 r = random(seed, word);
            if (seed % 4 == 1) energyWh[word] = _asOrdered(orders[word], r);
            if (seed % 4 == 2) energyWh[word] = r & (ONES * 0x00ffffff);
            if (seed % 4 == 3) energyWh[word] = r;
        }
    }

    /// @notice `packed` with field `index` of 32 bits set, of twelve words.
    function put(uint256[12] memory packed, uint256 index, uint256 field) internal pure {
        uint256 shift = 32 * (7 - index % 8);
        packed[index / 8] = (packed[index / 8] & ~(uint256(type(uint32).max) << shift)) | (field << shift);
    }

    uint256 private constant ONES = 0x0000000100000001000000010000000100000001000000010000000100000001;

    /// @dev Bids consumed and offers fed in, up to 255 Wh more or less.
    function _asOrdered(uint256 orders, uint256 r) private pure returns (uint256 energyWh) {
        for (uint256 i; i < 8; ++i) {
            uint32 packed = uint32(orders >> (32 * i));
            int32 energy = int32(packed % (1 << 24));
            if (packed >> 31 == 1) energy = -energy;
            if (r % 2 == 1) energy += int8(uint8(r >> (8 * i)));
            energyWh |= uint256(uint32(energy)) << (32 * i);
        }
    }

    /// @dev From `least` to `most`: one of them in two of four cases, of household size in one.
    function _within(uint256 r, uint256 least, uint256 most) private pure returns (uint256) {
        uint256 choice = r % 4;
        uint256 value = random(r, 2);
        if (choice == 0) return least;
        if (choice == 1) return most;
        uint256 span = most - least + 1;
        if (choice == 2 && span > 400_000) span = 400_000;
        return least + value % span;
    }
}
