// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lanes} from "./Lanes.sol";

/// @title Energies of a schedule's delivery day, summed from its orders, what they were filled with, and what was metered.
/// @notice The innermost loop of settlement: eight slots at a time in the eight 32-bit lanes of a word, and four at a time in
/// 64-bit lanes where deviations are. What each slot adds is written in plain Solidity, slot by slot, in
/// tests/invariants/foundry/SettlementTwin.sol, against which this is fuzzed.
library DayTally {
    using Lanes for uint256;

    /// @notice Orders of eight slots and what they were filled with, in 32-bit lanes.
    /// @param bids energy of bids
    /// @param offers energy of offers
    /// @param bought filled energy of bids
    /// @param sold filled energy of offers
    /// @param ticks limits
    /// @param ones one in each 64-bit lane, and
    /// @param ones32 one in each 32-bit lane: in memory, or the compiler would make a constant of everything that follows
    /// from them and load each from code
    struct Eight {
        uint256 bids;
        uint256 offers;
        uint256 bought;
        uint256 sold;
        uint256 ticks;
        uint256 ones;
        uint256 ones32;
    }

    /// @notice Sums of a day in Wh, in lanes until {total} adds them up: the first five in 32-bit lanes, which twelve times
    /// 2^24 do not fill. `…Ticks` are sums of energy * tick: prices are linear in ticks and the same all day.
    /// @param bidsWh energy of all bids
    /// @param offersWh energy of all offers
    /// @param bondedWh energy of the offers whose failure costs more than they receive
    /// @param boughtWh bids' contracted energy
    /// @param soldWh offers' contracted energy
    /// @param metered net metered energy, 2^31 more for each slot
    /// @param longWh energy long of the contract, over all slots that were
    /// @param penalisedWh energy of contracts not kept, beyond the tolerance
    /// @param boughtTicks boughtWh with the clearing tick
    /// @param soldTicks soldWh with the clearing tick
    /// @param bidsTicks bidsWh with the limit
    /// @param bondedTicks bondedWh with the limit
    /// @param dustWh one Wh for each bid that is filled a fraction of a Wh short
    /// @param dustTicks dustWh with the clearing tick
    struct Sums {
        uint256 bidsWh;
        uint256 offersWh;
        uint256 bondedWh;
        uint256 boughtWh;
        uint256 soldWh;
        uint256 metered;
        uint256 longWh;
        uint256 penalisedWh;
        uint256 boughtTicks;
        uint256 soldTicks;
        uint256 bidsTicks;
        uint256 bondedTicks;
        uint256 dustWh;
        uint256 dustTicks;
    }

    /// @notice Add eight slots.
    /// @param energyWh net metered energies, each 2^31 more
    /// @param clearing memory address of their clearing ticks, see {DayTerms-Terms}
    /// @param bonded energy of the offers that are bonded
    /// @param factor see {DayFill-tally}
    function add(
        Sums memory sums,
        Eight memory eight,
        uint256 energyWh,
        uint256 clearing,
        uint256 bonded,
        uint256 factor
    ) internal pure {
        uint256 ones = eight.ones;
        assembly ("memory-safe") {
            function increase(sum, by) {
                mstore(sum, add(mload(sum), by))
            }

            function reversed(four) -> reverse {
                four := or(shr(128, four), shl(128, four))
                let low := sub(shl(64, 1), 1)
                low := or(low, shl(128, low))
                reverse := or(and(shr(64, four), low), shl(64, and(four, low)))
            }

            // Of four slots, what is long, and what is penalised.
            function deviate(energies, bought, sold, factor_, ones_) -> long, penalised {
                let bias := shl(40, ones_)
                // 2^40 + d in each lane, d being the deviation; so bit 40 says that it is not negative.
                let size := sub(add(add(energies, sub(bias, shl(31, ones_))), sold), bought)
                let flags := and(shr(40, size), ones_)
                long := not(sub(shl(64, flags), flags))
                size := add(and(xor(size, long), sub(bias, ones_)), xor(ones_, flags))
                long := and(size, long)
                // Of a contract no more than all of it can be missed.
                bought := or(bought, sold)
                flags := and(shr(40, sub(add(size, bias), bought)), ones_)
                size := xor(size, and(xor(size, bought), sub(shl(64, flags), flags)))
                size := sub(add(size, bias), and(shr(38, mul(bought, factor_)), sub(shl(26, ones_), ones_)))
                flags := and(shr(40, size), ones_)
                penalised := and(and(size, sub(bias, ones_)), sub(shl(64, flags), flags))
            }

            increase(sums, mload(eight))
            increase(add(sums, 32), mload(add(eight, 32)))
            increase(add(sums, 64), bonded)
            increase(add(sums, 96), mload(add(eight, 64)))
            increase(add(sums, 128), mload(add(eight, 96)))
            let low := sub(shl(32, ones), ones)
            {
                // Slots 0, 2, 4, 6 and then 1, 3, 5, 7.
                let odd := and(shr(32, energyWh), low)
                energyWh := and(energyWh, low)
                increase(add(sums, 160), add(odd, energyWh))
                let bought := mload(add(eight, 64))
                let sold := mload(add(eight, 96))
                let oddBought := and(shr(32, bought), low)
                let oddSold := and(shr(32, sold), low)
                bought := and(bought, low)
                sold := and(sold, low)
                increase(add(sums, 256), add(mul(oddBought, mload(clearing)), mul(bought, mload(add(clearing, 32)))))
                increase(add(sums, 288), add(mul(oddSold, mload(clearing)), mul(sold, mload(add(clearing, 32)))))
                let oddLong, oddPenalised := deviate(odd, oddBought, oddSold, factor, ones)
                let long, penalised := deviate(energyWh, bought, sold, factor, ones)
                increase(add(sums, 192), add(oddLong, long))
                increase(add(sums, 224), add(oddPenalised, penalised))
            }
            {
                let ticks := mload(add(eight, 128))
                let oddLimits := reversed(and(shr(32, ticks), low))
                let limits := reversed(and(ticks, low))
                let bids := mload(eight)
                increase(add(sums, 320), add(mul(and(shr(32, bids), low), oddLimits), mul(and(bids, low), limits)))
                increase(add(sums, 352), add(mul(and(shr(32, bonded), low), oddLimits), mul(and(bonded, low), limits)))
            }
        }
    }

    /// @notice Add the lanes up.
    function total(Sums memory sums) internal pure {
        sums.bidsWh = sums.bidsWh.sum32();
        sums.offersWh = sums.offersWh.sum32();
        sums.bondedWh = sums.bondedWh.sum32();
        sums.boughtWh = sums.boughtWh.sum32();
        sums.soldWh = sums.soldWh.sum32();
        sums.metered = sums.metered.sum();
        sums.longWh = sums.longWh.sum();
        sums.penalisedWh = sums.penalisedWh.sum();
        // Of a product of four lanes with four in reverse order the upper lane is the sum of products.
        sums.boughtTicks >>= 192;
        sums.soldTicks >>= 192;
        sums.bidsTicks >>= 192;
        sums.bondedTicks >>= 192;
    }
}
