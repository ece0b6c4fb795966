// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OrderRules} from "../types/OrderRules.sol";
import {SlotResult} from "../types/SlotResult.sol";
import {Lanes} from "./Lanes.sol";

/// @title Results of a delivery day's slots, laid out for {DayFill}.
library DayTerms {
    /// @dev A limit that no bid reaches.
    uint256 private constant NEVER = 0xff;

    /// @notice Results of the slots of a day, as far as they are known.
    /// @param results the results
    /// @param bids per slot the lowest limit of a bid that is served, in 32-bit lanes like the orders'
    /// @param offers per slot the highest book tick of an offer that is served, plus one
    /// @param clearing per slot the clearing tick, in 64-bit lanes in reverse order: of slots 0, 2, 4, 6 of each eight in the
    /// even words, of slots 1, 3, 5, 7 in the odd ones
    struct Terms {
        SlotResult[96] results;
        uint256[12] bids;
        uint256[12] offers;
        uint256[24] clearing;
    }

    /// @notice Forget all results, in place: of a slot not noted nothing is filled. To be called first.
    function forget(Terms memory terms) internal pure {
        for (uint256 word; word < 12; ++word) {
            (terms.bids[word], terms.offers[word]) = (Lanes.ONES_32 * NEVER, 0);
            (terms.clearing[word * 2], terms.clearing[word * 2 + 1]) = (0, 0);
        }
    }

    /// @notice Note the result of slot `index`; zero if it was not cleared, then nothing is filled in it.
    function note(Terms memory terms, uint256 index, SlotResult result, OrderRules rules) internal pure {
        unchecked {
            uint256 lane = 224 - (index & 7) * 32;
            if (!result.isCleared()) return;
            terms.results[index] = result;
            uint256 others = terms.bids[index >> 3] & ~(NEVER << lane);
            terms.bids[index >> 3] = others | ((result.bidTick() + rules.networkFeeTicks()) << lane);
            terms.offers[index >> 3] |= (result.offerTick() + 1) << lane;
            terms.clearing[(index >> 3) * 2 + (index & 1)] |= result.tick() << ((index & 6) * 32);
        }
    }
}
