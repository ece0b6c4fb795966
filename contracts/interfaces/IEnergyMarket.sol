// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDataAttestation} from "./IDataAttestation.sol";
import {IDeviceRegistry} from "./IDeviceRegistry.sol";

/// @title A uniform-price double auction per zone and delivery slot, settled on attested metered delivery.
/// @notice Orders only add to sums per price tick, so clearing costs the same for ten orders and for ten thousand.
/// @dev Units: energy in Wh; money in the smallest unit of the settlement token (six decimals); prices in that unit per
/// kWh; scores in basis points. A delivery slot is 15 minutes, numbered `unix time / 900`; a delivery day is 96 slots,
/// numbered `slot / 96` (UTC). Digests are EIP-712 under ("Gridwitness EnergyMarket", "1", chain id, this contract).
/// Net energy is import positive: consumption > 0, feed-in < 0, as OBIS 1-0:16.29.0 counts it.
/// Books stand in a ring of 1024 slots. Orders are taken for slots whose gate is open, up to 287 slots ahead; a slot is
/// kept for 736 slots after it started, then its place may be taken by the slot 1024 later (see {settleMissing}).
interface IEnergyMarket {
    /// @notice Rules of a zone, fixed when it opens.
    /// @param profileStream stream whose profiles settle this zone, not zero
    /// @param floorPricePerKwh price of tick 0
    /// @param tickSizePerKwh price step, not zero; tick t costs floorPricePerKwh + t * tickSizePerKwh
    /// @param shortPricePerKwh what a party pays the backstop per kWh it is short of its contract
    /// @param longPricePerKwh what the backstop pays per kWh a party is long, at most shortPricePerKwh
    /// @param penaltyPerKwh added charge per kWh of contracted energy that was deviated from beyond the tolerance
    /// @param toleranceBps deviation, in share of the contracted energy of the slot (rounded down to Wh), that bears no
    /// penalty, at most 10,000
    /// @param holdScoreBps a profile scored above this is held, not paid; at most 10,000
    /// @param gateLeadSlots slots between gate closure and the start of delivery, at most 191
    /// @param finalAfterSeconds time after the end of the delivery day when missing data settles as zero delivery, at
    /// most 6 days, so that no slot's place in the ring is taken before
    struct ZoneParams {
        bytes32 profileStream;
        uint32 floorPricePerKwh;
        uint32 tickSizePerKwh;
        uint32 shortPricePerKwh;
        uint32 longPricePerKwh;
        uint32 penaltyPerKwh;
        uint16 toleranceBps;
        uint16 holdScoreBps;
        uint16 gateLeadSlots;
        uint32 finalAfterSeconds;
    }

    /// @notice A device's orders for one delivery day, the unit of trade.
    /// @dev EIP-712 `Schedule(bytes32 deviceId,address account,uint24 zone,uint24 day,uint32 version,uint256[12] orders)`.
    /// `orders` packs 96 orders of 32 bits, slot 0 in the most significant bits of orders[0]:
    /// side (1 bit, 1 = offer) | tick (7 bits) | energyWh (24 bits). Zero energy is no order.
    /// @param deviceId the device that delivers or consumes
    /// @param account who pays and is paid; the device's owner when submitted
    /// @param zone the zone, which must be the device's
    /// @param day delivery day
    /// @param version strictly increasing per device and day, from 1; a higher one replaces
    /// @param orders packed orders
    struct Schedule {
        bytes32 deviceId;
        address account;
        uint24 zone;
        uint24 day;
        uint32 version;
        uint256[12] orders;
    }

    /// @notice A schedule with the signature of the device, its owner or a delegate (see IDeviceRegistry.verifySignature).
    struct SignedSchedule {
        Schedule schedule;
        bytes signature;
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

    /// @notice Result of clearing one slot.
    /// @param cleared whether the slot was cleared
    /// @param tick clearing price tick
    /// @param pricePerKwh clearing price
    /// @param volumeWh energy matched
    /// @param marginalBidFilledWh bids at the clearing tick that are served, of …
    /// @param marginalBidWh … all bids at that tick
    /// @param marginalOfferFilledWh offers at the clearing tick that are served, of …
    /// @param marginalOfferWh … all offers at that tick
    struct Clearing {
        bool cleared;
        uint8 tick;
        uint256 pricePerKwh;
        uint256 volumeWh;
        uint256 marginalBidFilledWh;
        uint256 marginalBidWh;
        uint256 marginalOfferFilledWh;
        uint256 marginalOfferWh;
    }

    /// @notice Stage of a schedule. `None` with a version is a cancelled one: no version up to that comes back.
    enum ScheduleStatus {
        None,
        Open,
        Held,
        Settled
    }

    /// @notice Money and energy of one settled schedule; signs from the account's side (received > 0, paid < 0).
    /// @param tradedCash contracted energy at clearing prices
    /// @param imbalanceCash deviations at the zone's imbalance prices
    /// @param penaltyCash charge on deviations beyond the tolerance, ≤ 0
    /// @param uncollected part of what the account owed beyond its balance, borne by the backstop
    /// @param contractedWh net contracted energy, import positive
    /// @param meteredWh net metered energy, import positive
    struct Settlement {
        int256 tradedCash;
        int256 imbalanceCash;
        int256 penaltyCash;
        uint256 uncollected;
        int256 contractedWh;
        int256 meteredWh;
    }

    event ZoneOpened(uint24 indexed zone, ZoneParams params);
    event BackstopFunded(uint24 indexed zone, address indexed from, uint256 amount);
    event BackstopWithdrawn(uint24 indexed zone, address indexed to, uint256 amount);
    event Deposited(address indexed account, address indexed from, uint256 amount);
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    event ScheduleSubmitted(
        bytes32 indexed deviceId, uint24 indexed day, address indexed account, uint32 version, bytes32 scheduleHash
    );
    /// @notice A relayed row that was refused; `refusal` is the ABI-encoded custom error.
    event ScheduleSkipped(bytes32 indexed deviceId, uint24 indexed day, uint256 row, bytes refusal);
    /// @notice A slot's result. `result` packs, most significant first: slot u32 | live words u32 | 1 | tick u7 |
    /// volumeWh u48 | 0 u8 | marginalBidFilledWh u32 | marginalBidWh u32 | marginalOfferFilledWh u32 | marginalOfferWh u32.
    event SlotCleared(
        uint24 indexed zone, uint32 indexed slot, uint8 tick, uint256 pricePerKwh, uint256 volumeWh, bytes32 result
    );
    event ScheduleSettled(
        bytes32 indexed deviceId, uint24 indexed day, address indexed account, Settlement settlement, bool onProof
    );
    event SettlementHeld(bytes32 indexed deviceId, uint24 indexed day, uint16 scoreBps, uint16 holdScoreBps);

    error ZoneAlreadyOpen(uint24 zone);
    error ZoneUnknown(uint24 zone);
    error ZoneParamInvalid(bytes32 name, uint256 value, uint256 limit);
    error ZoneMismatch(bytes32 deviceId, uint24 given, uint24 expected);
    error NotAccountOwner(bytes32 deviceId, address given, address expected);
    error NotAuthorised(bytes32 deviceId);
    error GateClosed(uint32 slot, uint256 closedAt);
    error GateStillOpen(uint32 slot, uint256 closesAt);
    error BeyondHorizon(uint32 slot, uint32 lastSlot);
    error VersionNotHigher(bytes32 deviceId, uint32 given, uint32 current);
    /// @notice A schedule of the same day (to be replaced), or an unsettled one of a day 16, 32, … earlier, stands.
    error ScheduleStands(bytes32 deviceId, uint24 day, uint32 version);
    error ScheduleNotOpen(bytes32 deviceId, uint24 day, ScheduleStatus status);
    error ScheduleMismatch(bytes32 deviceId, uint24 day);
    /// @notice An order of `energyWh` does not fit: the sum of a tick holds at most 2^32 − 1 Wh.
    error TickSumOverflow(uint32 slot, uint8 tick, uint256 energyWh);
    error InsufficientBalance(address account, uint256 needed, uint256 available);
    error SlotNotCleared(uint24 zone, uint32 slot);
    error SlotExpired(uint24 zone, uint32 slot, uint32 oldestSlot);
    error ProofInvalid(bytes32 deviceId, uint24 day);
    error DayNotOver(uint24 day, uint256 endsAt);
    error NotYetFinal(uint24 day, uint256 finalAt);
    error BackstopExhausted(uint24 zone, uint256 needed, uint256 available);
    error SchedulesOutstanding(uint24 zone, uint256 count);
    error ZeroAmount();
    error LengthMismatch(uint256 schedules, uint256 metered);

    /// @notice Open a zone; zone operators only.
    /// @param zone its number, as devices carry it
    /// @param params its rules
    function openZone(uint24 zone, ZoneParams calldata params) external;

    /// @notice Add to a zone's backstop, the counterparty of all imbalance and of rounding dust.
    /// @param zone the zone
    /// @param amount token units, taken from the caller
    function fundBackstop(uint24 zone, uint256 amount) external;

    /// @notice Take from a backstop; zone operators only, and only when no schedule of the zone is unsettled.
    /// @param zone the zone
    /// @param amount token units
    /// @param to receiver
    function withdrawBackstop(uint24 zone, uint256 amount, address to) external;

    /// @notice Put money into an account; credits what actually arrived.
    /// @param account who is credited
    /// @param amount token units, taken from the caller
    function deposit(address account, uint256 amount) external;

    /// @notice {deposit} for the caller with an EIP-2612 permit.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Take out money that is not reserved.
    /// @param amount token units
    /// @param to receiver
    function withdraw(uint256 amount, address to) external;

    /// @notice Submit many signed schedules; a row that cannot be accepted is skipped and reported.
    /// @dev Rows of one zone and day that stand together share their storage writes: sort them. A row without energy
    /// cancels in advance: no version up to its own can be submitted any more.
    /// @param rows first versions for their device and day; replacements go through {replace}
    /// @return accepted number of rows accepted
    function submit(SignedSchedule[] calldata rows) external returns (uint256 accepted);

    /// @notice Submit the caller's own schedule without a signature; reverts where {submit} would skip.
    /// @param schedule a first version
    function submitOwn(Schedule calldata schedule) external;

    /// @notice Replace a schedule by a higher version. Slots past gate closure must be unchanged; empty cancels.
    /// @dev Once the gate of a slot with energy has closed, a cancellation keeps the orders of such slots and is empty in
    /// all others. A schedule with no energy at all is no longer outstanding and is not settled; a version higher still
    /// may then be submitted. Nothing can be replaced once the gates of the whole day have closed.
    /// @param row the new version; the signature may be empty if the caller is the account
    /// @param previousOrders orders of the version that stands
    function replace(SignedSchedule calldata row, uint256[12] calldata previousOrders) external;

    /// @notice Clear slots whose gate has closed. Open to all; a slot already cleared is left as it is.
    /// @dev With S(p) the offers at ticks ≤ p and D(p) the bids at ticks ≥ p, p is the lowest tick with S(p) ≥ D(p + 1).
    /// If S(p) > D(p + 1), the clearing tick t is p. If they are equal, every price from p to q clears, q being the lowest
    /// tick above p with a bid or an offer, or 127 if there is none; then t = floor((p + q) / 2). The volume
    /// V = min(S(t), D(t)) is the most any price allows. Bids above t and offers below t are filled whole; at t, bids are
    /// filled V − D(t + 1) and offers V − S(t − 1) in total, each order floor(its energy * filled / total): the dust is the
    /// backstop's. By the same rule an empty book clears at tick 63 (p = 0, q = 127); bids alone, the highest at b, at
    /// floor((b + 127) / 2); offers alone, the lowest at a, at floor(a / 2) — all with volume 0.
    /// @param zone the zone
    /// @param slots delivery slots
    function clear(uint24 zone, uint32[] calldata slots) external;

    /// @notice Settle schedules on proven profiles, or hold those scored too suspicious. Open to all.
    /// @dev All rows settle or are held, or the call reverts with the error of the first that cannot. Slots in which a
    /// schedule has energy must be cleared and still kept. Per slot, c is the contracted and m the metered net energy:
    /// traded −c * clearing price; d = m − c: −d * short if d > 0, |d| * long if d < 0; and a penalty of
    /// max(0, min(|d|, |c|) − floor(|c| * toleranceBps / 10,000)) * penaltyPerKwh. Each component is summed over the day in
    /// milli-units and rounded once, down. What an account owes is taken from its released reserve and its free balance;
    /// the rest is `uncollected`.
    /// @param schedules the schedules as submitted
    /// @param metered proof of delivery for each
    function settle(Schedule[] calldata schedules, Metered[] calldata metered) external;

    /// @notice Settle a schedule whose data never came (or stayed held) until `finalAfterSeconds` past its day:
    /// sellers delivered nothing, buyers took what they bought. Open to all.
    /// @dev A slot no longer kept (736 slots after it started, at least 16 hours after the schedule became final) counts
    /// as not traded if it was never cleared or its place was taken, so no reserve is ever locked for good.
    /// @param schedule the schedule as submitted
    function settleMissing(Schedule calldata schedule) external;

    /// @notice Role that opens zones and withdraws backstops.
    function ZONE_OPERATOR_ROLE() external view returns (bytes32);

    /// @notice Registry that says who may sign for a device.
    function registry() external view returns (IDeviceRegistry);

    /// @notice Where profiles are proven.
    function attestation() external view returns (IDataAttestation);

    /// @notice ERC-20 that everything is paid in.
    function token() external view returns (address);

    /// @notice Rules of a zone; all zero if unknown.
    function zoneParams(uint24 zone) external view returns (ZoneParams memory);

    /// @notice Money in a zone's backstop and number of its schedules not yet settled.
    function backstop(uint24 zone) external view returns (uint256 balance, uint256 outstanding);

    /// @notice Money of an account: free to withdraw, and reserved for schedules.
    function balanceOf(address account) external view returns (uint256 free, uint256 reserved);

    /// @notice Money a schedule reserves: buyers their limit, sellers the cost of delivering nothing.
    /// @dev Reverts with ZoneUnknown for a zone that is not open.
    /// Σ bids energy * limit + Σ offers energy * max(0, short + penalty − limit), in milli-units, rounded up once.
    function reserveOf(Schedule calldata schedule) external view returns (uint256);

    /// @notice Stage, version and hash of the schedule a device has for a day; kept until a day 16, 32, … later takes
    /// its place. The hash is the first 24 bytes of the EIP-712 struct hash, right padded with zeros.
    function scheduleOf(bytes32 deviceId, uint24 day)
        external
        view
        returns (ScheduleStatus status, uint32 version, bytes32 truncatedHash);

    /// @notice Sums of bids and offers per tick of a slot, in Wh.
    function book(uint24 zone, uint32 slot)
        external
        view
        returns (uint256[128] memory bidsWh, uint256[128] memory offersWh);

    /// @notice Result of a slot.
    function clearing(uint24 zone, uint32 slot) external view returns (Clearing memory);

    /// @notice Price of a tick, 0 to 127; the tick is not checked, and in an unknown zone the price is 0.
    function priceOf(uint24 zone, uint8 tick) external view returns (uint256 pricePerKwh);

    /// @notice EIP-712 digest of a schedule.
    function scheduleDigest(Schedule calldata schedule) external view returns (bytes32);

    /// @notice What {submit} would refuse a first version for: ABI-encoded custom error, empty if nothing.
    function refusal(SignedSchedule calldata row) external view returns (bytes memory);
}
