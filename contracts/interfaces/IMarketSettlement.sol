// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDataAttestation} from "./IDataAttestation.sol";

/// @title Settlement of schedules on attested metered delivery: provisional runs, disputes, corrections, final.
/// @notice A provisional run books a schedule's result but keeps the money locked. Until it is final a run can be
/// disputed, corrected on a later profile, and revoked if its profile no longer stands; each time the difference is booked.
/// No account can owe more than its schedule reserved, whatever was metered.
/// @dev Money is signed from the account's side (received > 0, paid < 0), net energy is import positive: consumption > 0,
/// feed-in < 0, as OBIS 1-0:16.29.0 counts it. Units as in IMarketZones.
interface IMarketSettlement {
    /// @notice A device's orders for one delivery day, the unit of trade.
    /// @dev EIP-712 `Schedule(bytes32 deviceId,address account,uint24 zone,uint24 day,uint32 version,uint40 deadline,
    /// uint32 imbalanceLimitWh,uint256[12] orders)`, without the line break.
    /// `orders` packs 96 orders of 32 bits, slot 0 in the most significant bits of orders[0]:
    /// side (1 bit, 1 = offer) | tick (7 bits) | energyWh (24 bits). Zero energy is no order.
    /// @param deviceId the device that delivers or consumes
    /// @param account who pays and is paid: when submitted, the device's owner, or its payee if that agreed
    /// @param zone the zone, which must be the device's
    /// @param day delivery day
    /// @param version strictly increasing per device and day, from 1; a higher one replaces
    /// @param deadline last second at which the signature is taken; not asked of an account that sends it itself
    /// @param imbalanceLimitWh most energy of the day, beyond what was contracted, that the market balances each way; the
    /// reserve covers it. What lies beyond is the supplier's, outside this market
    /// @param orders packed orders
    struct Schedule {
        bytes32 deviceId;
        address account;
        uint24 zone;
        uint24 day;
        uint32 version;
        uint40 deadline;
        uint32 imbalanceLimitWh;
        uint256[12] orders;
    }

    /// @notice Proof of what a device was metered over the schedule's day.
    /// @param energyWh 96 net energies, int32 each, packed like `orders`; their keccak256 is the profile's energyHash
    /// @param scoreBps the profile's score
    /// @param proof where the profile leaf (deviceId, day * 96, 96, energyHash, scoreBps) stands
    struct Metered {
        uint256[12] energyWh;
        uint16 scoreBps;
        IDataAttestation.Proof proof;
    }

    /// @notice Stage of a schedule. `None` with a version is a cancelled one: no version up to that comes back.
    enum ScheduleStatus {
        None,
        Open,
        Held,
        Provisional,
        Disputed,
        Final
    }

    /// @notice Money and energy of one run.
    /// @param tradedCash contracted energy at clearing prices
    /// @param gridCash green premium received less network fee paid
    /// @param imbalanceCash deviations at the zone's imbalance prices, within the schedule's limit
    /// @param penaltyCash charge on deviations beyond the tolerance, ≤ 0
    /// @param contractedWh net contracted energy
    /// @param meteredWh net metered energy
    /// @param residualShortWh energy short beyond the limit: not settled here, the supplier's to bill
    /// @param residualLongWh energy long beyond the limit: not settled here, the supplier's to pay
    struct Settlement {
        int256 tradedCash;
        int256 gridCash;
        int256 imbalanceCash;
        int256 penaltyCash;
        int256 contractedWh;
        int256 meteredWh;
        uint256 residualShortWh;
        uint256 residualLongWh;
    }

    /// @notice A run that is not final, of which only a hash is kept: whoever goes on from it passes it back. All of it
    /// stands in the event {RunMade} or {RunDisputed} that made it.
    /// @param deviceId device of the schedule
    /// @param account account of the schedule
    /// @param zone zone of the schedule
    /// @param day delivery day
    /// @param scheduleHash EIP-712 struct hash of the schedule
    /// @param profileSeq batch of the profile it was made on; 0 if it was made on an estimate
    /// @param ranAt second of the run
    /// @param reserve what the schedule reserved
    /// @param exposure most that the backstop may have to pay to this schedule in all
    /// @param fromCounterparties traded energy, out of what is in transit
    /// @param fromBackstop everything else, out of the backstop
    /// @param disputer who disputes it; zero if nobody does
    /// @param disputedAt second of the dispute; zero if there is none
    struct SettlementRun {
        bytes32 deviceId;
        address account;
        uint24 zone;
        uint24 day;
        bytes32 scheduleHash;
        uint32 profileSeq;
        uint40 ranAt;
        uint64 reserve;
        uint64 exposure;
        int64 fromCounterparties;
        int64 fromBackstop;
        address disputer;
        uint40 disputedAt;
    }

    /// @notice A run was booked. `run.fromCounterparties + run.fromBackstop` is what the account is due in all; it differs
    /// from the sum of the settlement's cash by nothing. A final run has `ScheduleFinal` with it.
    event RunMade(
        bytes32 indexed deviceId, uint24 indexed day, address indexed account, SettlementRun run, Settlement settlement
    );
    event RunDisputed(bytes32 indexed deviceId, uint24 indexed day, address indexed disputer, SettlementRun run);
    /// @notice A dispute ended. Upheld, the bond went back; otherwise it went to the account for its wait.
    event DisputeEnded(
        bytes32 indexed deviceId, uint24 indexed day, address indexed disputer, uint256 bond, bool upheld
    );
    /// @notice A run was undone because its profile no longer stands; the schedule is open again.
    event RunRevoked(bytes32 indexed deviceId, uint24 indexed day, uint32 profileSeq);
    /// @notice A schedule ended: `cash` is what its account received (> 0) or paid (< 0), and its reserve is free.
    event ScheduleFinal(bytes32 indexed deviceId, uint24 indexed day, address indexed account, int256 cash);
    event SettlementHeld(bytes32 indexed deviceId, uint24 indexed day, uint16 scoreBps, uint16 holdScoreBps);

    error ScheduleNotOpen(bytes32 deviceId, uint24 day, ScheduleStatus status);
    error ScheduleMismatch(bytes32 deviceId, uint24 day);
    error ScheduleNotFinal(bytes32 deviceId, uint24 day, ScheduleStatus status);
    /// @notice The schedule ended without a profile ({settleMissing}): no delivery was paid for, whatever is attested later.
    error ScheduleUnmetered(bytes32 deviceId, uint24 day);
    /// @notice The run passed is not the one that stands.
    error RunMismatch(bytes32 deviceId, uint24 day, ScheduleStatus status);
    /// @notice An estimate is never final, so there is nothing to dispute.
    error RunEstimated(bytes32 deviceId, uint24 day);
    error SlotNotCleared(uint24 zone, uint32 slot);
    error SlotExpired(uint24 zone, uint32 slot, uint32 oldestSlot);
    error ProofInvalid(bytes32 deviceId, uint24 day);
    error ProfileHeld(bytes32 deviceId, uint24 day, uint16 scoreBps, uint16 holdScoreBps);
    /// @notice A correction needs a profile of a later batch than the run it corrects.
    error ProfileNotLater(bytes32 deviceId, uint24 day, uint32 given, uint32 current);
    /// @notice A run is revoked only if its batch does not stand.
    error ProfileStands(bytes32 deviceId, uint24 day, uint32 profileSeq);
    error DayNotOver(uint24 day, uint256 endsAt);
    error NotYetProvisional(uint24 day, uint256 provisionalAt);
    error NotYetFinal(bytes32 deviceId, uint24 day, uint256 finalAt);
    error DisputeOver(bytes32 deviceId, uint24 day, uint256 endedAt);
    error LengthMismatch(uint256 schedules, uint256 metered);

    /// @notice Provisional runs on proven profiles; schedules whose profile is scored too suspicious are held. Open to all.
    /// @dev All rows succeed or the call reverts with the error of the first that cannot. Slots in which a schedule has
    /// energy must be cleared. Per slot, c is the contracted and m the metered net energy, d = m − c:
    ///  - traded: −c * clearing price;
    ///  - grid: −c * fee for a bid, |c| * premium for an offer of a green device;
    ///  - short d > 0 and long −d > 0 are summed over the day, cut at the contracted offers (short) or bids (long) plus
    ///    `imbalanceLimitWh`, and settled at −short price and +long price;
    ///  - penalty: −max(0, min(|d|, |c|) − floor(|c| * toleranceBps / 10,000)) * penaltyPerKwh.
    /// Each component is summed over the day in milli-units and rounded once, down. A bid at the margin contracts whole Wh;
    /// the backstop takes over the fraction of a Wh it falls short by, so that sellers are always covered.
    /// @param schedules the schedules as submitted
    /// @param metered proof of delivery for each
    function settle(Schedule[] calldata schedules, Metered[] calldata metered) external;

    /// @notice A run without data. Open to all.
    /// @dev From `provisionalAfterSeconds` on, for a schedule that is open: provisional, estimated as contracted. From
    /// `finalAfterSeconds` on, for one open, held, or so estimated: final, sellers delivered nothing, buyers took what they
    /// bought. A schedule that stands until its slots' results are lost (2,048 slots later) forfeits its reserve.
    /// @param schedule the schedule as submitted
    /// @param previous the estimated run that stands; all zero if there is none
    function settleMissing(Schedule calldata schedule, SettlementRun calldata previous) external;

    /// @notice Make a run anew on a profile of a later batch, and book the difference. Open to all until it is final.
    /// @dev The new run may be disputed for as long again. A dispute is upheld if the account's cash changes.
    /// @param schedule the schedule as submitted
    /// @param metered proof of delivery
    /// @param previous the run that stands
    function correct(Schedule calldata schedule, Metered calldata metered, SettlementRun calldata previous) external;

    /// @notice Dispute a run within `disputeSeconds`, at the stake of the zone's bond out of the caller's free money. It
    /// gives the oracles as long again to attest a corrected profile; if none changes the result, the account gets the bond.
    /// An estimated run cannot be disputed: data, or {settleMissing}, takes its place.
    /// @param run the run that stands
    function dispute(SettlementRun calldata run) external;

    /// @notice Undo a run whose profile's batch no longer stands (superseded, convicted or compromised). Open to all.
    /// @param run the run that stands
    function revoke(SettlementRun calldata run) external;

    /// @notice End schedules whose run was open to dispute for long enough: money and reserve become free. Open to all.
    /// @param runs the runs that stand, none of them estimated
    function finalize(SettlementRun[] calldata runs) external;

    /// @notice Where profiles are proven.
    function attestation() external view returns (IDataAttestation);

    /// @notice What a final schedule earns on a profile, computed anew. It is what its account got, unless the schedule ended
    /// on another profile, attested of the same day in another batch. One that ended on none is refused.
    /// @dev Changes nothing, yet is no view: settlement is code of its own, run on the market's storage. Results of slots are
    /// kept for three weeks.
    /// @param schedule a schedule that is final
    /// @param metered proof of a profile of its device and day
    /// @return settlement money and energy
    function settlementOf(Schedule calldata schedule, Metered calldata metered)
        external
        returns (Settlement memory settlement);
}
