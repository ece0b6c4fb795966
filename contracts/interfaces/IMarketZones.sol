// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Zones of the energy market: their rules, their backstops, and who runs them.
/// @notice A zone is a feeder area with one market. Its backstop is counterparty of all imbalance; what it may come to owe
/// is counted before it is owed, so it can always pay.
/// @dev Units: energy in Wh; money in the smallest unit of the settlement token (six decimals); prices in that unit per
/// kWh; scores in basis points. A delivery slot is 15 minutes, numbered `unix time / 900`; a delivery day is 96 slots,
/// numbered `slot / 96` (UTC).
interface IMarketZones {
    /// @notice Rules of a zone for delivery days from one on.
    /// @dev Fee and premium stand inside the merit order. A bid is ranked at its limit less the network fee, an offer of a
    /// green device at its limit less the green premium; the clearing price is what other offers get, buyers pay the fee on
    /// top, green offers receive the premium on top. So nobody trades beyond the limit, all of it included.
    /// @param profileStream stream whose profiles settle this zone, not zero
    /// @param floorPricePerKwh price of tick 0
    /// @param tickSizePerKwh price step, not zero; tick t costs floorPricePerKwh + t * tickSizePerKwh
    /// @param shortPricePerKwh what a party pays the backstop per kWh it is short of its contract
    /// @param longPricePerKwh what the backstop pays per kWh a party is long, at most shortPricePerKwh and at most
    /// floorPricePerKwh + penaltyPerKwh, so that a schedule reserves no less than it exposes the backstop to
    /// @param penaltyPerKwh added charge per kWh of contracted energy that was deviated from beyond the tolerance
    /// @param toleranceBps deviation, in share of the contracted energy of the slot (rounded down to Wh), that bears no
    /// penalty, at most 10,000
    /// @param holdScoreBps a profile scored above this is held, not paid; at most 10,000
    /// @param capTick highest limit an order may have, at most 127: the price cap
    /// @param networkFeeTicks network fee that buyers pay, in ticks, at most capTick
    /// @param greenPremiumTicks premium that green sellers receive, in ticks, at most 127
    /// @param greenKinds bit k set: devices of kind k (IDeviceRegistry.Kind) are green; zero if there is a premium of zero
    /// @param minOrderWh least energy of an order, at least 1
    /// @param gateLeadSlots slots between gate closure and the start of delivery, at most 191
    /// @param feederCapWh most energy that is matched in a slot unless {setFeederCap} says otherwise
    /// @param provisionalAfterSeconds time after the end of the delivery day when missing data is estimated (T1)
    /// @param finalAfterSeconds time after the end of the delivery day when missing data settles for good as zero delivery
    /// (T2), above provisionalAfterSeconds and at most 6 days
    /// @param disputeSeconds time after a provisional run in which it may be disputed, and again the time in which a
    /// dispute must lead to a correction; 1 second to 5 days
    /// @param disputeBond token units that a dispute puts at stake
    struct ZoneParams {
        bytes32 profileStream;
        uint32 floorPricePerKwh;
        uint32 tickSizePerKwh;
        uint32 shortPricePerKwh;
        uint32 longPricePerKwh;
        uint32 penaltyPerKwh;
        uint16 toleranceBps;
        uint16 holdScoreBps;
        uint8 capTick;
        uint8 networkFeeTicks;
        uint8 greenPremiumTicks;
        uint8 greenKinds;
        uint16 minOrderWh;
        uint8 gateLeadSlots;
        uint32 feederCapWh;
        uint32 provisionalAfterSeconds;
        uint32 finalAfterSeconds;
        uint32 disputeSeconds;
        uint64 disputeBond;
    }

    /// @notice Money of a zone.
    /// @param balance what the backstop holds
    /// @param exposure most that it may still have to pay to the schedules that stand; never above `balance`. What is
    /// not exposed may be withdrawn
    /// @param inTransit what buyers have paid for traded energy less what sellers have received, in runs made so far;
    /// below zero while sellers were settled first. It ends at no less than zero, and joins the balance when nothing stands
    /// @param paused whether new orders are refused
    struct Backstop {
        uint256 balance;
        uint256 exposure;
        int256 inTransit;
        bool paused;
    }

    event ZoneOpened(uint24 indexed zone, ZoneParams params);
    /// @notice Rules for delivery days from `fromDay` on.
    event ZoneParamsAnnounced(uint24 indexed zone, uint24 indexed fromDay, ZoneParams params);
    event ZonePaused(uint24 indexed zone, bool paused);
    event FeederCapSet(uint24 indexed zone, uint32 indexed slot, uint32 capWh);
    event BackstopFunded(uint24 indexed zone, address indexed from, uint256 amount);
    event BackstopWithdrawn(uint24 indexed zone, address indexed to, uint256 amount);

    error ZoneAlreadyOpen(uint24 zone);
    error ZoneUnknown(uint24 zone);
    error ZoneOrdersPaused(uint24 zone);
    error ZoneParamInvalid(bytes32 name, uint256 value, uint256 limit);
    /// @notice New rules need notice: they cannot begin before `earliestDay`.
    error NoticeTooShort(uint24 fromDay, uint24 earliestDay);
    /// @notice Rules were announced already that begin on `fromDay`; wait for that day.
    error ParamsPending(uint24 zone, uint24 fromDay);
    /// @notice The backstop cannot cover what would be asked of it.
    error BackstopExhausted(uint24 zone, uint256 needed, uint256 available);

    /// @notice Open a zone; zone operators only.
    /// @param zone its number, as devices carry it, not zero
    /// @param params its rules from the first day on
    function openZone(uint24 zone, ZoneParams calldata params) external;

    /// @notice Announce other rules for delivery days from `fromDay` on, at least 7 days ahead; zone operators only.
    /// @dev Seven days lie beyond the horizon of orders, so no order was made under rules that then change.
    /// @param zone the zone
    /// @param fromDay first delivery day under the new rules
    /// @param params the new rules
    function announceParams(uint24 zone, uint24 fromDay, ZoneParams calldata params) external;

    /// @notice Refuse new orders of a zone, or take them again; zone operators only. Cancelling (see {replace}), clearing,
    /// settlement and withdrawal go on.
    function pauseOrders(uint24 zone, bool paused) external;

    /// @notice Cap the energy matched in slots whose gate is open; zone operators only.
    /// @dev Cleared is the book whose bids and offers beyond the cap are cut off, the worst first (see {clear}).
    /// @param zone the zone
    /// @param slots delivery slots
    /// @param capWh the cap of each, in place of `feederCapWh`
    function setFeederCap(uint24 zone, uint32[] calldata slots, uint32 capWh) external;

    /// @notice Add to a zone's backstop.
    /// @param zone the zone
    /// @param amount token units, taken from the caller
    function fundBackstop(uint24 zone, uint256 amount) external;

    /// @notice Take from a backstop what is not exposed; zone operators only.
    /// @param zone the zone
    /// @param amount token units
    /// @param to receiver
    function withdrawBackstop(uint24 zone, uint256 amount, address to) external;

    /// @notice Role that opens zones, announces their rules, pauses orders, caps feeders and withdraws backstops.
    function ZONE_OPERATOR_ROLE() external view returns (bytes32);

    /// @notice Rules of a zone for a delivery day; all zero if the zone is unknown.
    function zoneParams(uint24 zone, uint24 day) external view returns (ZoneParams memory);

    /// @notice Money of a zone, and whether new orders are refused.
    function backstop(uint24 zone) external view returns (Backstop memory);
}
