// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SlotResult} from "../types/SlotResult.sol";

/// @title Energies of a schedule's delivery day, summed from its orders, the results of its slots and what was metered.
/// @notice The innermost loop of settlement, in assembly: some 400 gas a slot. What each slot adds is written in plain
/// Solidity in tests/invariants/foundry/SettlementTwin.sol, against which this is fuzzed.
library DayTally {
    /// @dev Terms of a slot that was not cleared: no rank is beyond its margins.
    uint256 private constant NO_TRADE = 0xff | (0xff << 128);
    uint256 private constant MAX_TICK = 127;

    /// @notice Sums of a day in Wh. `…Ticks` are sums of energy * clearing tick: prices are linear in ticks and the same all
    /// day.
    /// @param contractedWh net contracted energy, import positive
    /// @param contractedTicks the same * clearing tick
    /// @param boughtWh bids' contracted energy
    /// @param soldWh offers' contracted energy
    /// @param dustWh one Wh for each bid that is filled a fraction of a Wh short
    /// @param dustTicks the same * clearing tick
    /// @param meteredWh net metered energy, import positive
    /// @param longWh energy long of the contract, over all slots that were
    /// @param penalisedWh energy of contracts not kept, beyond the tolerance
    /// @param weight sum of orders' energy * {OrderReserve-weightOf}
    struct Sums {
        int256 contractedWh;
        int256 contractedTicks;
        uint256 boughtWh;
        uint256 soldWh;
        uint256 dustWh;
        uint256 dustTicks;
        int256 meteredWh;
        uint256 longWh;
        uint256 penalisedWh;
        uint256 weight;
    }

    /// @notice Result of a slot as the loop wants it: clearing tick in the upper byte, bids in the lower half, offers in the
    /// upper; each half is filledWh u32 << 40 | totalWh u32 << 8 | rank of the margin, see {OrderTable}.
    function termsOf(SlotResult result) internal pure returns (uint256) {
        if (!result.isCleared()) return NO_TRADE;
        unchecked {
            uint256 bids = (result.marginalBidFilledWh() << 40) | (result.marginalBidWh() << 8) | result.bidTick();
            uint256 offers = (result.marginalOfferFilledWh() << 40) | (result.marginalOfferWh() << 8);
            offers |= MAX_TICK - result.offerTick();
            return (result.tick() << 248) | (offers << 128) | bids;
        }
    }

    /// @notice Sum a day. See {IMarketSettlement-settle}.
    /// @dev Sums of a day stay below 2^46; where several share a word, fields are 64 bits and more: net is
    /// Σ contracted * (2^128 + clearing tick), signed; others is long | penalised << 64 | dust's ticks << 128 | dust << 160;
    /// weights is Σ weight | contracted energy of either sign << 192. There are no more variables than the stack can hold.
    /// @param data memory address of 12 words of orders and, after them, 12 words of net energies
    /// @param terms memory address of the terms of the 96 slots, a multiple of 256
    /// @param table memory address of {OrderTable} of the device's kind
    function tally(uint256 data, uint256 terms, uint256 table) internal pure returns (Sums memory sums) {
        uint256 net;
        uint256 others;
        uint256 weights;
        int256 metered;
        assembly ("memory-safe") {
            for { let end := add(data, 384) } lt(data, end) { data := add(data, 32) } {
                let packed := mload(data)
                let energies := mload(add(data, 384))
                // The first of eight stands on top; each turn shifts it out.
                for {} 1 {} {
                    let value := and(shr(224, packed), 0xffffff)
                    let filled := 0
                    if value {
                        let entry := mload(add(table, and(shr(243, packed), 0x1fe0)))
                        let half := shr(shl(7, shr(255, packed)), mload(terms))
                        weights := add(weights, mul(value, shr(64, entry)))
                        filled := mul(value, gt(byte(27, entry), byte(31, half)))
                        if eq(byte(27, entry), byte(31, half)) {
                            filled := mul(value, and(shr(40, half), 0xffffffff))
                            half := and(shr(8, half), 0xffffffff)
                            if and(gt(mod(filled, half), 0), iszero(shr(255, packed))) {
                                others := add(others, shl(128, or(shl(32, 1), byte(0, mload(terms)))))
                            }
                            filled := div(filled, half)
                        }
                    }
                    // From here on value is what was metered, then the deviation, then its size.
                    value := sar(224, energies)
                    metered := add(metered, value)
                    if filled {
                        weights := add(weights, shl(192, filled))
                        let contracted := filled
                        if shr(255, packed) { contracted := sub(0, filled) }
                        net := add(net, mul(contracted, or(shl(128, 1), byte(0, mload(terms)))))
                        value := sub(value, contracted)
                    }
                    if slt(value, 0) {
                        value := sub(0, value)
                        others := add(others, value)
                    }
                    if gt(filled, 0) {
                        // Of the contract no more than all of it can be missed.
                        if gt(value, filled) { value := filled }
                        filled := div(mul(filled, mload(sub(table, 32))), 10000)
                        if gt(value, filled) { others := add(others, shl(64, sub(value, filled))) }
                    }
                    packed := shl(32, packed)
                    energies := shl(32, energies)
                    terms := add(terms, 32)
                    if iszero(and(terms, 0xff)) { break }
                }
            }
        }
        unchecked {
            sums.contractedTicks = int256(int128(uint128(net)));
            sums.contractedWh = (int256(net) - sums.contractedTicks) >> 128;
            // Bought and sold energy together, and their difference.
            sums.boughtWh = uint256(int256(weights >> 192) + sums.contractedWh) >> 1;
            sums.soldWh = uint256(int256(weights >> 192) - sums.contractedWh) >> 1;
            sums.dustWh = others >> 160;
            sums.dustTicks = uint32(others >> 128);
            sums.meteredWh = metered;
            sums.longWh = uint64(others);
            sums.penalisedWh = uint64(others >> 64);
            sums.weight = uint192(weights);
        }
    }
}
