// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RING_SLOTS} from "./DeliverySlots.sol";

/// @title Order books of sums per price tick, in a ring of delivery slots.
/// @notice 128 ticks a side. A slot has 32 storage words of which 26 are used: 13 of bids (ticks 0–9, 10–19, …) and 13 of
/// offers. A word is lap u16 | ten uint24 sums in Wh, the lowest tick in the least significant bits. The lap, slot / 1024,
/// says which slot of the ring the word was written for: one of an earlier lap reads as zero, so nothing is ever cleared
/// away and no header has to be written when an order comes.
library TickBook {
    uint256 internal constant WORDS = 26;
    /// @dev Words per side, and index of the first word of offers.
    uint256 internal constant SIDE = 13;
    uint256 internal constant LANES = 10;
    uint256 internal constant LANE_BITS = 24;
    uint256 internal constant LANE_MAX = type(uint24).max;
    uint256 internal constant MAX_TICK = 127;
    uint256 internal constant LAP_SHIFT = 240;
    uint256 private constant SUMS = (1 << LAP_SHIFT) - 1;
    uint256 private constant EVEN_LANES = 0x000000ffffff000000ffffff000000ffffff000000ffffff000000ffffff;
    uint256 private constant PAIR_ONES = 0x000000000001000000000001000000000001000000000001000000000001;

    struct Ring {
        // RING_SLOTS * 32, written out because Slither cannot fold a constant of the file.
        uint256[32_768] words;
    }

    /// @notice Sums of word `index` of the book of `slot`.
    function read(Ring storage ring, uint32 slot, uint256 index) internal view returns (uint256) {
        uint256 word = ring.words[_place(slot) + index];
        return word >> LAP_SHIFT == lapOf(slot) ? word & SUMS : 0;
    }

    /// @notice Word and lane of a tick on one side.
    function placeOf(uint256 tick, bool isOffer) internal pure returns (uint256 index, uint256 lane) {
        unchecked {
            return (tick / LANES + (isOffer ? SIDE : 0), tick % LANES);
        }
    }

    /// @notice Add energy to the sum of a place.
    /// @return fits whether the sum can hold it; if not, nothing was added
    function add(Ring storage ring, uint32 slot, uint256 index, uint256 lane, uint256 energyWh)
        internal
        returns (bool fits)
    {
        unchecked {
            uint256 sums = read(ring, slot, index);
            fits = laneOf(sums, lane) + energyWh <= LANE_MAX;
            if (!fits) return false;
            sums += energyWh << (lane * LANE_BITS);
            ring.words[_place(slot) + index] = (lapOf(slot) << LAP_SHIFT) | sums;
        }
    }

    /// @notice Take energy that was added back from the sum of a place.
    function subtract(Ring storage ring, uint32 slot, uint256 index, uint256 lane, uint256 energyWh) internal {
        ring.words[_place(slot) + index] -= energyWh << (lane * LANE_BITS);
    }

    /// @notice Sum of lane `lane` of a word.
    function laneOf(uint256 sums, uint256 lane) internal pure returns (uint256) {
        return (sums >> (lane * LANE_BITS)) & LANE_MAX;
    }

    /// @notice Sum of all ten lanes of a word without its lap.
    /// @dev Neighbours are added in fields of 48 bits; multiplied by ones, the topmost field is the sum of all five.
    function sumOf(uint256 sums) internal pure returns (uint256) {
        unchecked {
            uint256 pairs = (sums & EVEN_LANES) + ((sums >> LANE_BITS) & EVEN_LANES);
            return uint48((pairs * PAIR_ONES) >> 192);
        }
    }

    /// @notice Lap of the ring that `slot` belongs to. It comes again after 1,900 years.
    function lapOf(uint32 slot) internal pure returns (uint256) {
        return uint16(slot / RING_SLOTS);
    }

    function _place(uint32 slot) private pure returns (uint256) {
        return uint256(slot % RING_SLOTS) << 5;
    }
}
