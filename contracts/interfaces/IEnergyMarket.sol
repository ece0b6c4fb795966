// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDeviceRegistry} from "./IDeviceRegistry.sol";
import {IMarketSettlement} from "./IMarketSettlement.sol";
import {IMarketZones} from "./IMarketZones.sol";
import {IVersioned} from "./IVersioned.sol";

/// @title A uniform-price double auction per zone and delivery slot, settled on attested metered delivery.
/// @notice Orders only add to sums per price tick, so clearing costs the same for ten orders and for ten thousand.
/// @dev Units as in IMarketZones, schedules and settlement as in IMarketSettlement. Digests are EIP-712 under
/// ("Gridwitness EnergyMarket", "1", chain id, this contract).
/// Books stand in a ring of 1,024 slots, results in one of 2,048. Orders are taken for slots whose gate is open, up to 287
/// slots ahead. A slot can be cleared until 736 slots after it started, when its place in the ring may be ordered in again;
/// its result is kept until the slot 2,048 later is cleared or capped.
interface IEnergyMarket is IMarketZones, IMarketSettlement, IVersioned {
    /// @notice A schedule with the signature of the device, its owner or a delegate (see IDeviceRegistry.verifySignature).
    struct SignedSchedule {
        Schedule schedule;
        bytes signature;
    }

    /// @notice Result of clearing one slot.
    /// @param cleared whether the slot was cleared
    /// @param tick clearing price tick: what offers that are not green receive
    /// @param pricePerKwh its price
    /// @param volumeWh energy matched
    /// @param capWh feeder cap that applied
    /// @param bidTick lowest book tick of a bid that is served; bids above it are filled whole
    /// @param offerTick highest book tick of an offer that is served; offers below it are filled whole
    /// @param marginalBidFilledWh bids at bidTick that are served, of …
    /// @param marginalBidWh … all bids at that tick
    /// @param marginalOfferFilledWh offers at offerTick that are served, of …
    /// @param marginalOfferWh … all offers at that tick
    struct Clearing {
        bool cleared;
        uint8 tick;
        uint256 pricePerKwh;
        uint256 volumeWh;
        uint256 capWh;
        uint8 bidTick;
        uint8 offerTick;
        uint256 marginalBidFilledWh;
        uint256 marginalBidWh;
        uint256 marginalOfferFilledWh;
        uint256 marginalOfferWh;
    }

    event Deposited(address indexed account, address indexed from, uint256 amount);
    event PayeeConsented(address indexed payee, bytes32 indexed deviceId, bool consents);
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    event ScheduleSubmitted(
        bytes32 indexed deviceId, uint24 indexed day, address indexed account, uint32 version, bytes32 scheduleHash
    );
    /// @notice A relayed row that was refused; `refusal` is the ABI-encoded custom error.
    event ScheduleSkipped(bytes32 indexed deviceId, uint24 indexed day, uint256 row, bytes refusal);
    /// @notice A slot's result. `result` packs, most significant first: slot u32 | flags u8 (bit 0 cleared, bit 1 capped by
    /// {setFeederCap}) | tick u8 | bidTick u8 | offerTick u8 | volumeWh u32 | capWh u32 | marginalBidFilledWh u32 |
    /// marginalBidWh u32 | marginalOfferFilledWh u32 | marginalOfferWh u32.
    event SlotCleared(
        uint24 indexed zone, uint32 indexed slot, uint8 tick, uint256 pricePerKwh, uint256 volumeWh, bytes32 result
    );

    error ZoneMismatch(bytes32 deviceId, uint24 given, uint24 expected);
    error NotAccountOwner(bytes32 deviceId, address given, address expected);
    error DeviceNotActive(bytes32 deviceId, IDeviceRegistry.Status status);
    error NotAuthorised(bytes32 deviceId);
    error SignatureExpired(bytes32 deviceId, uint256 deadline);
    error GateClosed(uint32 slot, uint256 closedAt);
    error GateStillOpen(uint32 slot, uint256 closesAt);
    error BeyondHorizon(uint32 slot, uint32 lastSlot);
    error VersionNotHigher(bytes32 deviceId, uint32 given, uint32 current);
    /// @notice A schedule of the same day (to be replaced), or an unsettled one of a day 16, 32, … earlier, stands.
    error ScheduleStands(bytes32 deviceId, uint24 day, uint32 version);
    /// @notice Once the first gate of the day has closed, a schedule's imbalance limit stays as it is.
    error ImbalanceLimitFixed(bytes32 deviceId, uint32 given, uint32 standing);
    /// @notice An order's limit is above the zone's price cap.
    error LimitAboveCap(uint32 slot, uint8 tick, uint8 capTick);
    /// @notice A bid's limit does not even cover the network fee.
    error LimitBelowFee(uint32 slot, uint8 tick, uint8 networkFeeTicks);
    error OrderBelowMinimum(uint32 slot, uint256 energyWh, uint256 minOrderWh);
    /// @notice An order of `energyWh` does not fit: the sum of a tick holds at most 2^24 − 1 Wh.
    error TickSumOverflow(uint32 slot, uint8 tick, uint256 energyWh);
    error InsufficientBalance(address account, uint256 needed, uint256 available);
    error ZeroAmount();

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

    /// @notice Agree, or no longer agree, that schedules of a device are settled on the caller's account while the registry has
    /// it as the device's payee and the device has the owner it has now: whoever buys the device must be agreed to anew. Who may trade for the device may then spend what is free in the account, as with an
    /// owner's; schedules that stand are settled whatever is agreed later.
    /// @param deviceId the device
    /// @param consents whether the caller agrees
    function consentAsPayee(bytes32 deviceId, bool consents) external;

    /// @notice Whether an account agreed to be settled, as its payee, for a device of its present owner.
    function consentsAsPayee(address payee, bytes32 deviceId) external view returns (bool);

    /// @notice Submit many signed schedules; a row that cannot be accepted is skipped and reported.
    /// @dev Rows of one zone and day that stand together share their storage writes: sort them. A row without energy
    /// cancels in advance, for a day that still has open slots: no version up to its own can be submitted any more.
    /// @param rows first versions for their device and day; replacements go through {replace}
    /// @return accepted number of rows accepted
    function submit(SignedSchedule[] calldata rows) external returns (uint256 accepted);

    /// @notice Submit the caller's own schedule without a signature; reverts where {submit} would skip.
    /// @param schedule a first version
    function submitOwn(Schedule calldata schedule) external;

    /// @notice Replace a schedule by a higher version. Slots past gate closure must be unchanged; empty cancels.
    /// @dev Once the gate of a slot with energy has closed, a cancellation keeps the orders of such slots and is empty in
    /// all others. A schedule with no energy at all is no longer outstanding and is not settled; a version higher still
    /// may then be submitted. Nothing can be replaced once the gates of the whole day have closed. While a zone's orders
    /// are paused, orders can only be taken back.
    /// @param row the new version; the signature may be empty if the caller owns the device
    /// @param previous the version that stands
    function replace(SignedSchedule calldata row, Schedule calldata previous) external;

    /// @notice Clear slots whose gate has closed. Open to all; a slot already cleared is left as it is.
    /// @dev Orders stand at their book ticks (see ZoneParams). With S(p) the offers at ticks ≤ p and D(p) the bids at
    /// ticks ≥ p, both cut at the feeder cap, p is the lowest tick with S(p) ≥ D(p + 1). If S(p) > D(p + 1), the clearing
    /// tick t is p. If they are equal, every price from p to q clears, q being the lowest tick above p with a bid or an
    /// offer within the cap, or 127 if there is none; then t = floor((p + q) / 2). The volume V = min(S(t), D(t)) is the
    /// most any price allows. Bids are served from the highest tick down and offers from the lowest up to V; at the tick
    /// where V is reached each order gets floor(its energy * filled / total): the dust is the backstop's. By the same rule
    /// an empty book clears at tick 63 (p = 0, q = 127); bids alone, the highest at b, at floor((b + 127) / 2); offers
    /// alone, the lowest at a, at floor(a / 2) — all with volume 0.
    /// @param zone the zone
    /// @param slots delivery slots
    function clear(uint24 zone, uint32[] calldata slots) external;

    /// @notice Registry that says who may sign for a device.
    function registry() external view returns (IDeviceRegistry);

    /// @notice ERC-20 that everything is paid in.
    function token() external view returns (address);

    /// @notice Where the code of settlement and of zones' rules stands, which this contract runs on its own storage. It never
    /// changes.
    function extension() external view returns (address);

    /// @notice Money of an account: free to withdraw, and reserved for schedules.
    function balanceOf(address account) external view returns (uint256 free, uint256 reserved);

    /// @notice Money a schedule reserves: the most its account can come to owe, whatever is metered.
    /// @dev Reverts with ZoneUnknown for a zone that is not open. In milli-units, rounded up once, plus 3 units for rounding:
    /// Σ bids energy * (limit + penalty) + Σ offers energy * max(premium, short + penalty − limit) + imbalanceLimitWh * short
    /// + 96 Wh at the price cap for dust. So it is no less than {exposureOf}.
    /// Nothing for a schedule without energy.
    function reserveOf(Schedule calldata schedule) external view returns (uint256);

    /// @notice Most that a zone's backstop may have to pay to a schedule, whatever is metered.
    /// @dev In milli-units, rounded up once, plus 1 unit: (Σ bids energy + imbalanceLimitWh) * long, for a green device
    /// + Σ offers energy * premium, and 96 Wh at the price cap for dust. Nothing for a schedule without energy.
    /// @param schedule the schedule
    /// @param green whether its device is of a green kind
    function exposureOf(Schedule calldata schedule, bool green) external view returns (uint256);

    /// @notice Stage, version and hash of the schedule a device has for a day; kept until a day 16, 32, … later takes
    /// its place. The hash is the first 24 bytes of the EIP-712 struct hash, or of keccak256(abi.encode(SettlementRun))
    /// while it is provisional or disputed, right padded with zeros.
    function scheduleOf(bytes32 deviceId, uint24 day)
        external
        view
        returns (ScheduleStatus status, uint32 scheduleVersion, bytes32 truncatedHash);

    /// @notice Sums of bids and offers per book tick of a slot, in Wh. Once a slot's place is taken, its words give way one by one.
    function book(uint24 zone, uint32 slot)
        external
        view
        returns (uint256[128] memory bidsWh, uint256[128] memory offersWh);

    /// @notice Result of a slot.
    function clearing(uint24 zone, uint32 slot) external view returns (Clearing memory);

    /// @notice EIP-712 digest of a schedule.
    function scheduleDigest(Schedule calldata schedule) external view returns (bytes32);

    /// @notice What {submit} would refuse a first version for: ABI-encoded custom error, empty if nothing.
    function refusal(SignedSchedule calldata row) external view returns (bytes memory);
}
