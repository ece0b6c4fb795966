// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OrderRules} from "../types/OrderRules.sol";
import {SlotResult} from "../types/SlotResult.sol";

/// @title Energies of a schedule's delivery day, summed from its orders, the results of its slots and what was metered.
/// @notice The innermost loop of settlement, in assembly: some 300 gas a slot. What each slot adds is written in plain
/// Solidity in tests/invariants/foundry/SettlementTwin.sol, against which this is fuzzed.
library DayTally {
    /// @notice Sums of a day in Wh. `…Ticks` are sums of energy * tick: prices are linear in ticks and the same all day.
    /// @param bought bids' contracted energy << 128 | the same * clearing tick
    /// @param sold offers' contracted energy << 128 | the same * clearing tick
    /// @param dust one Wh << 128 | clearing tick for each bid that is filled a fraction of a Wh short
    /// @param meteredWh net metered energy, import positive
    /// @param longWh energy long of the contract, over all slots that were
    /// @param penalisedWh energy of contracts not kept, beyond the tolerance
    /// @param bids bids' energy << 128 | the same * limit tick
    /// @param offers offers' energy << 128 | the same * limit tick, of those with a limit below `bondedTicks`
    /// @param offersWh energy of all offers
    struct Sums {
        uint256 bought;
        uint256 sold;
        uint256 dust;
        int256 meteredWh;
        uint256 longWh;
        uint256 penalisedWh;
        uint256 bids;
        uint256 offers;
        uint256 offersWh;
    }

    /// @notice Sum a day.
    /// @dev Sums of a day stay below 2^46. A slot whose result is zero has no contracts. See {IMarketSettlement-settle}.
    /// @param orders 96 packed orders
    /// @param energyWh 96 packed net energies
    /// @param results results of the 96 slots
    /// @param premiumTicks green premium of the device
    /// @param bondedTicks offers with a limit from this tick on reserve nothing
    function tally(
        uint256[12] memory orders,
        uint256[12] memory energyWh,
        SlotResult[96] memory results,
        OrderRules rules,
        uint256 premiumTicks,
        uint256 bondedTicks
    ) internal pure returns (Sums memory sums) {
        uint256 feeTicks = rules.networkFeeTicks();
        uint256 toleranceBps = rules.toleranceBps();
        assembly ("memory-safe") {
            let bought := 0
            let sold := 0
            let metered := 0
            let long := 0
            let penalised := 0
            let resultAt := results
            for { let wordAt := 0 } lt(wordAt, 384) { wordAt := add(wordAt, 32) } {
                let packed := mload(add(orders, wordAt))
                let energies := mload(add(energyWh, wordAt))
                // The first of eight stands on top; each turn shifts it out.
                for { let end := add(resultAt, 256) } lt(resultAt, end) { resultAt := add(resultAt, 32) } {
                    let contracted := 0
                    let energy := and(shr(224, packed), 0xffffff)
                    if energy {
                        let tick := and(shr(248, packed), 0x7f)
                        let weight := mul(energy, or(shl(128, 1), tick))
                        let result := mload(resultAt)
                        let filled := 0
                        switch shr(255, packed)
                        case 0 {
                            mstore(add(sums, 192), add(mload(add(sums, 192)), weight))
                            tick := sub(tick, feeTicks)
                            let margin := byte(6, result)
                            if and(iszero(lt(tick, margin)), gt(result, 0)) {
                                filled := energy
                                if eq(tick, margin) {
                                    let share := mul(energy, and(shr(96, result), 0xffffffff))
                                    let total := and(shr(64, result), 0xffffffff)
                                    filled := div(share, total)
                                    if mod(share, total) {
                                        let dust := or(shl(128, 1), byte(5, result))
                                        mstore(add(sums, 64), add(mload(add(sums, 64)), dust))
                                    }
                                }
                                bought := add(bought, mul(filled, or(shl(128, 1), byte(5, result))))
                                contracted := filled
                            }
                        }
                        default {
                            if lt(tick, bondedTicks) {
                                mstore(add(sums, 224), add(mload(add(sums, 224)), weight))
                            }
                            mstore(add(sums, 256), add(mload(add(sums, 256)), energy))
                            tick := mul(sub(tick, premiumTicks), gt(tick, premiumTicks))
                            let margin := byte(7, result)
                            if and(iszero(gt(tick, margin)), gt(result, 0)) {
                                filled := energy
                                if eq(tick, margin) {
                                    let share := mul(energy, and(shr(32, result), 0xffffffff))
                                    filled := div(share, and(result, 0xffffffff))
                                }
                                sold := add(sold, mul(filled, or(shl(128, 1), byte(5, result))))
                                contracted := sub(0, filled)
                            }
                        }
                        if filled {
                            let missed := sub(sar(224, energies), contracted)
                            if slt(missed, 0) { missed := sub(0, missed) }
                            if gt(missed, filled) { missed := filled }
                            let tolerated := div(mul(filled, toleranceBps), 10000)
                            if gt(missed, tolerated) { penalised := add(penalised, sub(missed, tolerated)) }
                        }
                    }
                    let energyNow := sar(224, energies)
                    metered := add(metered, energyNow)
                    if slt(energyNow, contracted) { long := add(long, sub(contracted, energyNow)) }
                    packed := shl(32, packed)
                    energies := shl(32, energies)
                }
            }
            mstore(sums, bought)
            mstore(add(sums, 32), sold)
            mstore(add(sums, 96), metered)
            mstore(add(sums, 128), long)
            mstore(add(sums, 160), penalised)
        }
    }
}
