// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMarketSettlement} from "./IMarketSettlement.sol";

/// @title What an asset's plants earned in {IEnergyMarket}, paid to its shares on proof.
/// @notice An asset whose terms name a market is the payee of its plants: the market settles their schedules on its account.
/// What it earned there is paid to the shares for a period, each plant and day once, and only if the plants were metered to
/// have delivered at least what they sold: Σ sold ≤ Σ attested. No dividend of such an asset comes from elsewhere.
interface IAssetRevenue {
    /// @notice What stands behind an asset, and what it did.
    /// @param supply shares
    /// @param holders investors with shares
    /// @param reserve newest reading of the reserve's feed; 0 without a feed or a reading
    /// @param reserveAt unix seconds of that reading; 0 if there is none
    /// @param needed what the terms ask to stand behind the shares, see {IAssetShares.Terms}
    /// @param plants devices that earn for the asset
    /// @param soldWh energy sold and paid for so far
    /// @param attestedWh energy attested over the same plants and days
    /// @param revenue cash from it, all of it paid to the shares
    /// @param fundedThrough last day that was paid for; 0 if none was
    /// @param dividendIndex what one share has earned from all sources, in 2^-40 units of cash
    struct AssetProof {
        uint256 supply;
        uint256 holders;
        int256 reserve;
        uint256 reserveAt;
        uint256 needed;
        uint256 plants;
        uint256 soldWh;
        uint256 attestedWh;
        uint256 revenue;
        uint24 fundedThrough;
        uint256 dividendIndex;
    }

    event PlantAdded(bytes32 indexed deviceId, uint24 fromDay);
    event PlantRemoved(bytes32 indexed deviceId);
    /// @notice The market's proceeds of some plants and days went to the shares.
    event RevenueFunded(uint256 rows, uint256 soldWh, uint256 attestedWh, uint256 cash, uint256 index);
    event DepositReturned(address indexed to, uint256 cash);

    error NoMarket();
    error NotPayee(bytes32 deviceId, address payee);
    error PlantUnknown(bytes32 deviceId);
    error PlantEnded(bytes32 deviceId, uint24 day, uint24 lastDay);
    error PlantsStand(uint256 plants, uint256 returnableAt);
    error PlantKnown(bytes32 deviceId);
    error AccountMismatch(bytes32 deviceId, address account);
    error PeriodFunded(bytes32 deviceId, uint24 day, uint24 fundedThrough);
    error DaySkipped(bytes32 deviceId, uint24 day);
    error RevenueNotAttested(int256 soldWh, int256 attestedWh);
    error NoRevenue(int256 cash);
    error RowsMismatch(uint256 schedules, uint256 metered);

    /// @notice Let a device earn for the asset, which must be its payee in the market's registry, and agree to be in the market.
    /// Its days count from tomorrow on, or, if it was a plant before, from the first that was not paid for.
    /// @param deviceId the device
    function addPlant(bytes32 deviceId) external;

    /// @notice Let a device earn for the asset no more after today. Days up to then can still be paid for.
    /// @param deviceId the device
    function removePlant(bytes32 deviceId) external;

    /// @notice Pay the market's proceeds of some plants and days to the shares. Anyone may call it.
    /// @dev For each plant days ascend, and no day with a schedule may be left out while the market remembers it. One that
    /// ended without a profile is not paid for, whatever is attested later ({IMarketSettlement-ScheduleUnmetered}). All
    /// that the rows cost and earned counts, by the profiles given. A period in which less was attested than sold waits for
    /// better days: it can be made longer.
    /// @param schedules final schedules of plants on the asset's account
    /// @param metered the profile of each
    /// @return cash what was paid to the shares
    function fundRevenue(IMarketSettlement.Schedule[] calldata schedules, IMarketSettlement.Metered[] calldata metered)
        external
        returns (uint256 cash);

    /// @notice Take back, for the issuer, what is left in the market of the money that plants traded on. Only when the last plant
    /// was removed three weeks ago: until then anyone can have the shares paid what was earned, and no day can after it.
    /// @param to who receives it
    /// @return cash what was taken
    function returnDeposit(address to) external returns (uint256 cash);

    /// @notice Days of a plant.
    /// @param deviceId the device
    /// @return fundedThrough last day that was paid for or, if none was, the day it was added; 0 for no plant
    /// @return lastDay last day that can be paid for; 0 while it goes on
    function plantOf(bytes32 deviceId) external view returns (uint24 fundedThrough, uint24 lastDay);

    /// @notice What stands behind the asset, and what it did.
    function proofOfAsset() external view returns (AssetProof memory);
}
