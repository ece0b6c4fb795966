// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OrderRules} from "../types/OrderRules.sol";
import {SlotResult} from "../types/SlotResult.sol";
import {DayTally} from "./DayTally.sol";
import {DayTerms} from "./DayTerms.sol";
import {Lanes} from "./Lanes.sol";

/// @title What a schedule's orders are filled with in a day whose slots are cleared.
/// @dev See {DayTally} for the lanes.
library DayFill {
    using DayTally for DayTally.Sums;
    using Lanes for uint256;

    uint256 private constant SIGNS = Lanes.ONES_32 << 31;

    /// @notice Sum a day. See {IMarketSettlement-settle}.
    /// @param orders 96 packed orders
    /// @param energyWh 96 packed net energies
    /// @param premiumTicks green premium of the device
    function tally(
        DayTerms.Terms memory terms,
        uint256[12] memory orders,
        uint256[12] memory energyWh,
        OrderRules rules,
        uint256 premiumTicks
    ) internal pure returns (DayTally.Sums memory sums) {
        uint256 factor = _toleranceFactor(rules.toleranceBps());
        uint256 bondedTicks = _bondedTicks(rules);
        DayTally.Eight memory eight;
        (eight.ones, eight.ones32) = (Lanes.ONES, Lanes.ONES_32);
        unchecked {
            uint256[24] memory ticks = terms.clearing;
            for (uint256 word; word < 12; ++word) {
                (uint256 marginal, uint256 bonded) = _fill(
                    eight,
                    _word(orders, word),
                    _word(terms.bids, word),
                    _word(terms.offers, word),
                    premiumTicks,
                    bondedTicks
                );
                if (marginal != 0) _share(terms, sums, eight, marginal, word * 8);
                uint256 clearing;
                assembly ("memory-safe") {
                    clearing := add(ticks, shl(6, word))
                }
                sums.add(eight, _word(energyWh, word) ^ SIGNS, clearing, bonded, factor);
            }
        }
        sums.total();
    }

    /// @notice Fill eight orders, but for those at a margin.
    /// @dev Of two lanes below 2^8, bit 8 of left + 2^8 − right says that left is at least right.
    /// @param bidMargins lowest limits of bids that are served
    /// @param offerMargins one more than the highest book ticks of offers that are served
    /// @return marginal energies of the orders at a margin, per lane
    /// @return bonded energies of offers with a limit below `bondedTicks`
    function _fill(
        DayTally.Eight memory eight,
        uint256 packed,
        uint256 bidMargins,
        uint256 offerMargins,
        uint256 premiumTicks,
        uint256 bondedTicks
    ) private pure returns (uint256 marginal, uint256 bonded) {
        uint256 ones = eight.ones32;
        assembly ("memory-safe") {
            function spread(flags) -> bits {
                bits := sub(shl(32, flags), flags)
            }

            let isOffer := spread(and(shr(31, packed), ones))
            let ticks := and(shr(24, packed), mul(0x7f, ones))
            packed := and(packed, mul(0xffffff, ones))
            let bids := and(packed, not(isOffer))
            packed := and(packed, isOffer)
            mstore(eight, bids)
            mstore(add(eight, 32), packed)
            mstore(add(eight, 128), ticks)
            bonded := and(packed, spread(and(shr(8, sub(mul(add(bondedTicks, 255), ones), ticks)), ones)))

            let reached := and(shr(8, sub(add(ticks, shl(8, ones)), bidMargins)), ones)
            let beyond := and(shr(8, sub(add(ticks, mul(255, ones)), bidMargins)), ones)
            mstore(add(eight, 64), and(bids, spread(beyond)))
            marginal := and(bids, spread(xor(reached, beyond)))

            if premiumTicks {
                let premium := mul(premiumTicks, ones)
                let above := spread(and(shr(8, sub(add(ticks, shl(8, ones)), premium)), ones))
                ticks := sub(and(ticks, above), and(premium, above))
            }
            reached := and(shr(8, sub(add(offerMargins, mul(255, ones)), ticks)), ones)
            beyond := and(shr(8, sub(add(offerMargins, mul(254, ones)), ticks)), ones)
            mstore(add(eight, 96), and(packed, spread(beyond)))
            marginal := or(marginal, and(packed, spread(xor(reached, beyond))))
        }
    }

    /// @notice Give each order at a margin its share, rounded down.
    /// @param marginal energies of the orders at a margin, per lane
    function _share(
        DayTerms.Terms memory terms,
        DayTally.Sums memory sums,
        DayTally.Eight memory eight,
        uint256 marginal,
        uint256 index
    ) private pure {
        unchecked {
            uint256 isOffer = eight.offers;
            for (uint256 lane = 224; marginal != 0; lane -= 32) {
                uint256 energy = marginal >> 224;
                if (energy != 0) {
                    SlotResult result = terms.results[index];
                    if (isOffer >> 224 != 0) {
                        energy = energy * result.marginalOfferFilledWh() / result.marginalOfferWh();
                        eight.sold |= energy << lane;
                    } else {
                        uint256 share = energy * result.marginalBidFilledWh();
                        eight.bought |= (share / result.marginalBidWh()) << lane;
                        if (share % result.marginalBidWh() != 0) {
                            sums.dustWh += 1;
                            sums.dustTicks += result.tick();
                        }
                    }
                }
                marginal <<= 32;
                isOffer <<= 32;
                ++index;
            }
        }
    }

    /// @notice Factor by which {DayTally-add} finds the tolerated part of a contract.
    /// @dev floor(c * bps / 10,000) = floor(c * factor / 2^38) for c below 2^24: the factor is less than one too large, so the
    /// product less than 2^24, and 2^24 / 2^38 is below 1 / 10,000.
    function _toleranceFactor(uint256 toleranceBps) private pure returns (uint256) {
        unchecked {
            return ((toleranceBps << 38) + 9_999) / 10_000;
        }
    }

    /// @notice Word of an array, whose index is not checked.
    function _word(uint256[12] memory words, uint256 index) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(words, shl(5, index)))
        }
    }

    /// @notice Offers with a limit from this tick on reserve no more than the premium: failing them costs little or nothing.
    function _bondedTicks(OrderRules rules) private pure returns (uint256) {
        unchecked {
            uint256 failure = rules.shortPrice() + rules.penalty();
            uint256 floor = rules.floorPrice() + rules.greenPremiumTicks() * rules.tickSize();
            if (failure <= floor) return 0;
            uint256 ticks = (failure - floor + rules.tickSize() - 1) / rules.tickSize();
            return ticks > 128 ? 128 : ticks;
        }
    }
}
