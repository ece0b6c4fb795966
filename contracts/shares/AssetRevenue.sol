// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IAssetRevenue} from "../interfaces/IAssetRevenue.sol";
import {IAssetShares} from "../interfaces/IAssetShares.sol";
import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../interfaces/IMarketSettlement.sol";
import {ShareState} from "../types/ShareState.sol";
import {ShareLedger} from "./ShareLedger.sol";

/// @dev Part of AssetGovernance: plants of an asset, and what they earned in the market.
abstract contract AssetRevenue is ShareLedger, IAssetRevenue {
    /// @param fundedThrough see {plantOf}
    struct Plant {
        uint24 fundedThrough;
        uint24 lastDay;
    }

    struct Earnings {
        uint64 soldWh;
        uint64 attestedWh;
        uint64 revenue;
        uint24 fundedThrough;
        uint40 endedAt;
    }

    /// @dev Days for which the market remembers whether a schedule stood.
    uint256 private constant DAYS_REMEMBERED = 15;
    /// @dev Results of slots are kept for three weeks, and no day can be settled anew after that.
    uint256 private constant RESULTS_KEPT = 21 days;

    mapping(bytes32 deviceId => Plant) private _plants;
    uint256 private _plantCount;
    Earnings private _earnings;
    /// @dev Shares ever minted, of an asset whose reserve is cumulative.
    uint256 internal _minted;

    /// @inheritdoc IAssetRevenue
    // Written between and after calls of the market, which says what a day earned. The guard keeps it from coming back, and a
    // view meanwhile shows what was so far.
    // slither-disable-next-line reentrancy-no-eth
    function fundRevenue(IMarketSettlement.Schedule[] calldata schedules, IMarketSettlement.Metered[] calldata metered)
        external
        nonReentrant
        returns (uint256 cash)
    {
        if (schedules.length != metered.length) revert RowsMismatch(schedules.length, metered.length);
        IAssetShares.Terms memory terms = IAssetShares(address(this)).terms();
        IEnergyMarket market = _marketOf(terms);
        if (_state.supply() == 0) revert IAssetShares.NothingToFund(0, 0);
        (int256 soldWh, int256 attestedWh, int256 earned) = (0, 0, 0);
        for (uint256 row = 0; row < schedules.length; ++row) {
            _turnTo(market, schedules[row]);
            IMarketSettlement.Settlement memory settled = market.settlementOf(schedules[row], metered[row]);
            soldWh -= settled.contractedWh;
            attestedWh -= settled.meteredWh;
            earned += settled.tradedCash + settled.gridCash + settled.imbalanceCash + settled.penaltyCash;
        }
        if (soldWh > attestedWh) revert RevenueNotAttested(soldWh, attestedWh);
        if (earned <= 0 || soldWh <= 0) revert NoRevenue(earned);
        uint256 held;
        (cash, held) = _withdraw(market, terms.cash, uint256(earned));
        // nothing at all arrived, and the days would count as paid for
        // slither-disable-next-line incorrect-equality
        if (cash == 0) revert IAssetShares.NothingToFund(uint256(earned), _state.supply());
        _note(uint256(soldWh), uint256(attestedWh), cash);
        emit RevenueFunded(schedules.length, uint256(soldWh), uint256(attestedWh), cash, _payShares(cash, held));
    }

    /// @inheritdoc IAssetRevenue
    function plantOf(bytes32 deviceId) external view returns (uint24 fundedThrough, uint24 lastDay) {
        Plant storage plant = _plants[deviceId];
        return (plant.fundedThrough, plant.lastDay);
    }

    /// @inheritdoc IAssetRevenue
    function proofOfAsset() external view returns (AssetProof memory proof) {
        ShareState state = _state;
        IAssetShares.Terms memory terms = IAssetShares(address(this)).terms();
        (proof.supply, proof.holders, proof.dividendIndex) = (state.supply(), state.holders(), state.index());
        if (address(terms.reserve) != address(0)) {
            proof.needed = _reserveNeeded(terms);
            // A feed that was never brought a reading says so by reverting. The rest of a round says nothing of the reserve.
            // slither-disable-next-line unused-return
            try terms.reserve.latestRoundData() returns (uint80, int256 reserve, uint256, uint256 at, uint80) {
                (proof.reserve, proof.reserveAt) = (reserve, at);
            } catch {}
        }
        Earnings storage earnings = _earnings;
        proof.plants = _plantCount;
        (proof.soldWh, proof.attestedWh) = (earnings.soldWh, earnings.attestedWh);
        (proof.revenue, proof.fundedThrough) = (earnings.revenue, earnings.fundedThrough);
    }

    function _addPlant(bytes32 deviceId) internal {
        IEnergyMarket market = _marketOf(IAssetShares(address(this)).terms());
        Plant storage plant = _plants[deviceId];
        if (plant.fundedThrough != 0 && plant.lastDay == 0) revert PlantKnown(deviceId);
        address payee = market.registry().payeeOf(deviceId);
        if (payee != address(this)) revert NotPayee(deviceId, payee);
        // A plant that comes back goes on where it was: its days that were not paid for still must be.
        if (plant.fundedThrough == 0) plant.fundedThrough = uint24(block.timestamp / 1 days);
        plant.lastDay = 0;
        ++_plantCount;
        market.consentAsPayee(deviceId, true);
        emit PlantAdded(deviceId, plant.fundedThrough + 1);
    }

    function _removePlant(bytes32 deviceId) internal {
        Plant storage plant = _plants[deviceId];
        if (plant.fundedThrough == 0 || plant.lastDay != 0) revert PlantUnknown(deviceId);
        plant.lastDay = uint24(block.timestamp / 1 days);
        --_plantCount;
        _earnings.endedAt = uint40(block.timestamp);
        _marketOf(IAssetShares(address(this)).terms()).consentAsPayee(deviceId, false);
        emit PlantRemoved(deviceId);
    }

    function _returnDeposit(address to) internal returns (uint256 cash) {
        uint256 returnableAt = uint256(_earnings.endedAt) + RESULTS_KEPT;
        if (_plantCount != 0 || block.timestamp < returnableAt) revert PlantsStand(_plantCount, returnableAt);
        IEnergyMarket market = _marketOf(IAssetShares(address(this)).terms());
        // Nothing is reserved any more: the last plant's days are final.
        // slither-disable-next-line unused-return
        (cash,) = market.balanceOf(address(this));
        emit DepositReturned(to, cash);
        market.withdraw(cash, to);
    }

    /// @dev What the terms ask to stand behind the shares.
    function _reserveNeeded(IAssetShares.Terms memory terms) internal view returns (uint256) {
        return (terms.reserveIsCumulative ? _minted : _state.supply()) * terms.reservePerShare;
    }

    /// @dev Demand that a plant's next day with a schedule is this one, and go on to it.
    function _turnTo(IEnergyMarket market, IMarketSettlement.Schedule calldata schedule) private {
        (bytes32 deviceId, uint24 day) = (schedule.deviceId, schedule.day);
        if (schedule.account != address(this)) revert AccountMismatch(deviceId, schedule.account);
        Plant storage plant = _plants[deviceId];
        (uint24 through, uint24 lastDay) = (plant.fundedThrough, plant.lastDay);
        if (through == 0) revert PlantUnknown(deviceId);
        if (day <= through) revert PeriodFunded(deviceId, day, through);
        if (lastDay != 0 && day > lastDay) revert PlantEnded(deviceId, day, lastDay);
        uint256 oldest = block.timestamp / 1 days - DAYS_REMEMBERED;
        for (uint256 skipped = through + 1 > oldest ? through + 1 : oldest; skipped < day; ++skipped) {
            // Nothing but whether there was one is asked here.
            // slither-disable-next-line unused-return
            (IMarketSettlement.ScheduleStatus status,,) = market.scheduleOf(deviceId, uint24(skipped));
            if (status != IMarketSettlement.ScheduleStatus.None) revert DaySkipped(deviceId, uint24(skipped));
        }
        plant.fundedThrough = day;
        if (day > _earnings.fundedThrough) _earnings.fundedThrough = day;
    }

    function _withdraw(IEnergyMarket market, IERC20 token, uint256 cash)
        private
        returns (uint256 arrived, uint256 held)
    {
        uint256 before = token.balanceOf(address(this));
        market.withdraw(cash, address(this));
        held = token.balanceOf(address(this));
        arrived = held - before;
    }

    function _note(uint256 soldWh, uint256 attestedWh, uint256 cash) private {
        Earnings storage earnings = _earnings;
        earnings.soldWh += uint64(soldWh);
        earnings.attestedWh += uint64(attestedWh);
        earnings.revenue += uint64(cash);
    }

    function _marketOf(IAssetShares.Terms memory terms) private pure returns (IEnergyMarket) {
        if (address(terms.market) == address(0)) revert NoMarket();
        return terms.market;
    }
}
