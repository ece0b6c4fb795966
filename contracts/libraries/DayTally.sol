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
    /// @dev Sums of a day stay below 2^46; where several share a word, fields are 64 bits and more.
    /// @param orders 96 packed orders
    /// @param energyWh 96 packed net energies
    /// @param terms terms of the 96 slots
    /// @param table {OrderTable} of the device's kind
    function tally(
        uint256[12] memory orders,
        uint256[12] memory energyWh,
        uint256[96] memory terms,
        uint256 table,
        uint256 toleranceBps
    ) internal pure returns (Sums memory sums) {
        assembly ("memory-safe") {
            // Sum eight slots. net is Σ contracted * (2^128 + clearing tick), signed; others is long | penalised << 64 |
            // dust's ticks << 128 | dust << 160; weights is Σ weight | contracted energy of either sign << 192.
            function eight(packed, energies, termsAt, table_, bps) -> net, metered, others, weights {
                // The first of eight stands on top; each turn shifts it out.
                for { let end := add(termsAt, 256) } lt(termsAt, end) { termsAt := add(termsAt, 32) } {
                    let energy := and(shr(224, packed), 0xffffff)
                    let filled := 0
                    if energy {
                        let entry := mload(add(table_, and(shr(243, packed), 0x1fe0)))
                        let half := shr(shl(7, shr(255, packed)), mload(termsAt))
                        filled := mul(energy, gt(byte(27, entry), byte(31, half)))
                        if eq(byte(27, entry), byte(31, half)) {
                            filled := mul(energy, and(shr(40, half), 0xffffffff))
                            half := and(shr(8, half), 0xffffffff)
                            if and(gt(mod(filled, half), 0), iszero(shr(255, packed))) {
                                others := add(others, shl(128, or(shl(32, 1), byte(0, mload(termsAt)))))
                            }
                            filled := div(filled, half)
                        }
                        weights := add(weights, add(mul(energy, shr(64, entry)), shl(192, filled)))
                    }
                    // From here on energy is what was metered, and packed's side the sign of the contract.
                    energy := sar(224, energies)
                    metered := add(metered, energy)
                    if filled {
                        let sign := sub(0, shr(255, packed))
                        let contracted := sub(xor(filled, sign), sign)
                        net := add(net, mul(contracted, or(shl(128, 1), byte(0, mload(termsAt)))))
                        energy := sub(energy, contracted)
                    }
                    // Now energy is the deviation, and then its size.
                    {
                        let negative := sar(255, energy)
                        energy := sub(xor(energy, negative), negative)
                        others := add(others, and(energy, negative))
                    }
                    if filled {
                        let tolerated := div(mul(filled, bps), 10000)
                        // Of the contract no more than all of it can be missed.
                        energy := xor(energy, mul(xor(energy, filled), gt(energy, filled)))
                        others := add(others, shl(64, mul(sub(energy, tolerated), gt(energy, tolerated))))
                    }
                    packed := shl(32, packed)
                    energies := shl(32, energies)
                }
            }

            let net := 0
            let others := 0
            let weights := 0
            for { let offset := 0 } lt(offset, 384) { offset := add(offset, 32) } {
                let packed := mload(add(orders, offset))
                let energies := mload(add(energyWh, offset))
                let net_, metered, others_, weights_ :=
                    eight(packed, energies, add(terms, shl(3, offset)), table, toleranceBps)
                net := add(net, net_)
                mstore(add(sums, 192), add(mload(add(sums, 192)), metered))
                others := add(others, others_)
                weights := add(weights, weights_)
            }
            let ticks := signextend(15, net)
            net := sar(128, sub(net, ticks))
            mstore(sums, net)
            mstore(add(sums, 32), ticks)
            mstore(add(sums, 64), shr(1, add(shr(192, weights), net)))
            mstore(add(sums, 96), shr(1, sub(shr(192, weights), net)))
            mstore(add(sums, 128), shr(160, others))
            mstore(add(sums, 160), and(shr(128, others), 0xffffffff))
            mstore(add(sums, 224), and(others, 0xffffffffffffffff))
            mstore(add(sums, 256), and(shr(64, others), 0xffffffffffffffff))
            mstore(add(sums, 288), and(weights, sub(shl(192, 1), 1)))
        }
    }
}
