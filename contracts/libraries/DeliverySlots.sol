// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @dev Slots in the ring that order books stand in; outside the library, since it is the length of an array.
uint32 constant RING_SLOTS = 1024;
/// @dev Slots in the ring that results stand in.
uint32 constant RESULT_SLOTS = 2048;

/// @title Arithmetic of delivery slots and days.
/// @notice A slot is 15 minutes, numbered unix time / 900; a day is 96 slots, numbered slot / 96 (UTC).
/// @dev A slot may be ordered in from HORIZON_SLOTS before it starts, so the place of slot s in the ring of books is taken
/// by slot s + RING_SLOTS from RING_SLOTS − HORIZON_SLOTS slots after s on: until then s can be cleared, and {oldestKept} is
/// the first such slot. Results stay until slot s + RESULT_SLOTS is cleared or capped, at least 18 days, while a schedule
/// that is settled in time is final at most 16 days after its day (MAX_FINAL_AFTER, and a dispute).
library DeliverySlots {
    uint256 internal constant SLOT_SECONDS = 900;
    uint32 internal constant SLOTS_PER_DAY = 96;
    uint256 internal constant DAY_SECONDS = 86_400;
    uint32 internal constant HORIZON_SLOTS = 288;
    uint256 internal constant MAX_FINAL_AFTER = 6 days;
    /// @dev Leaves a whole day within the horizon open to orders.
    uint256 internal constant MAX_GATE_LEAD = HORIZON_SLOTS - SLOTS_PER_DAY - 1;
    /// @dev Notice of new rules of a zone. Beyond the horizon, which reaches three days ahead.
    uint256 internal constant NOTICE_DAYS = 7;

    function current() internal view returns (uint32) {
        return uint32(block.timestamp / SLOT_SECONDS);
    }

    /// @notice Last slot that may be ordered in.
    function lastInHorizon() internal view returns (uint32) {
        return current() + HORIZON_SLOTS - 1;
    }

    /// @notice First slot whose gate is open; a gate closes at the second {gateClosesAt} itself.
    function firstOpen(uint256 gateLeadSlots) internal view returns (uint32) {
        return uint32(current() + gateLeadSlots + 1);
    }

    /// @notice Unix second at which the gate of `slot` closes; zero if that was before time began to count.
    function gateClosesAt(uint32 slot, uint256 gateLeadSlots) internal pure returns (uint256) {
        return slot > gateLeadSlots ? (slot - gateLeadSlots) * SLOT_SECONDS : 0;
    }

    /// @notice First slot whose book no order in a later lap of the ring can have overwritten.
    function oldestKept() internal view returns (uint32) {
        return current() - (RING_SLOTS - HORIZON_SLOTS);
    }

    function firstOf(uint24 day) internal pure returns (uint32) {
        return uint32(day) * SLOTS_PER_DAY;
    }

    function dayOf(uint32 slot) internal pure returns (uint24) {
        return uint24(slot / SLOTS_PER_DAY);
    }

    /// @notice Unix second at which `day` ends.
    function endOf(uint24 day) internal pure returns (uint256) {
        return (uint256(day) + 1) * DAY_SECONDS;
    }

    /// @notice First day that rules announced now may begin on.
    function earliestNotice() internal view returns (uint24) {
        return uint24(block.timestamp / DAY_SECONDS + NOTICE_DAYS);
    }

    /// @notice Which slots of `day` may be ordered in: indices `from` to `to` − 1, of 0 to 95.
    function window(uint24 day, uint256 gateLeadSlots) internal view returns (uint256 from, uint256 to) {
        unchecked {
            uint256 first = uint256(day) * SLOTS_PER_DAY;
            uint256 open = block.timestamp / SLOT_SECONDS + gateLeadSlots + 1;
            uint256 end = block.timestamp / SLOT_SECONDS + HORIZON_SLOTS;
            from = open <= first ? 0 : Math.min(open - first, SLOTS_PER_DAY);
            to = end <= first ? 0 : Math.min(end - first, SLOTS_PER_DAY);
        }
    }
}
