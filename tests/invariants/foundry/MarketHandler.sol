// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../../../contracts/interfaces/IMarketSettlement.sol";
import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";
import {DeliverySlots} from "../../../contracts/libraries/DeliverySlots.sol";
import {CHEATS} from "./Cheats.sol";
import {MarketDraws} from "./MarketDraws.sol";
import {MarketZonesWalk} from "./MarketZonesWalk.sol";
import {SettlementTwin} from "./SettlementTwin.sol";

/// @dev Random use of a market by four households in two zones, over laps of the rings. Every call must go as the model
/// says: what must fail is tried and required to. Settlement is here; schedules are in MarketTrades, money, clearing
/// and rules of zones in MarketZonesWalk.
contract MarketHandler is MarketZonesWalk {
    uint16 private constant HOLD_SCORE_BPS = 9_900;

    function attest(uint256 pick, uint256 seed) external {
        uint256 index = _pick(pick, _isOver);
        if (index < _positions.length) _attest(_positions[index].schedule, seed);
    }

    function settle(uint256 pick, uint256 seed) external {
        uint256[] memory indices = _pickSome(pick, 1 + seed % 3, _isSettleable);
        IMarketSettlement.Schedule[] memory schedules = new IMarketSettlement.Schedule[](indices.length);
        IMarketSettlement.Metered[] memory metered = new IMarketSettlement.Metered[](indices.length);
        Profile[] memory profiles = new Profile[](indices.length);
        bool isProven = true;
        for (uint256 i; i < indices.length; ++i) {
            schedules[i] = _positions[indices[i]].schedule;
            _clearDay(schedules[i].zone, schedules[i].day);
            profiles[i] = _someProfile(schedules[i], seed >> (8 * i));
        }
        for (uint256 i; i < indices.length; ++i) {
            metered[i] = _meteredBy(profiles[i]);
            isProven = isProven && _isStanding(profiles[i].seq);
        }
        bytes memory call = abi.encodeCall(IMarketSettlement.settle, (schedules, metered));
        if (!isProven) return _mustRefuse(address(this), call, IMarketSettlement.ProofInvalid.selector);
        market.settle(schedules, metered);
        for (uint256 i; i < indices.length; ++i) {
            _noteSettled(_positions[indices[i]], profiles[i]);
        }
    }

    function settleTooEarly(uint256 pick, uint256 seed) external {
        uint256 index = _pick(pick, _isNotOver);
        if (index == _positions.length) return;
        IMarketSettlement.Schedule memory schedule = _positions[index].schedule;
        IMarketSettlement.Schedule[] memory schedules = new IMarketSettlement.Schedule[](1);
        IMarketSettlement.Metered[] memory metered = new IMarketSettlement.Metered[](1);
        schedules[0] = schedule;
        metered[0] = _meteredBy(_attest(schedule, seed));
        bytes memory call = abi.encodeCall(IMarketSettlement.settle, (schedules, metered));
        _mustRefuse(address(this), call, IMarketSettlement.DayNotOver.selector);
    }

    /// @dev INV-M15.
    function settleMissing(uint256 pick) external {
        uint256 index = _pick(pick, _isMissing);
        if (index == _positions.length) index = _pick(pick, _isOverAndNotOnProof);
        if (index == _positions.length) return;
        Position storage position = _positions[index];
        IMarketSettlement.Schedule memory schedule = position.schedule;
        IMarketZones.ZoneParams memory params = rulesOf(schedule.zone, schedule.day);
        uint256 since = block.timestamp - DeliverySlots.endOf(schedule.day);
        bool isFinal = since >= params.finalAfterSeconds;
        bool isOpen = position.status == IMarketSettlement.ScheduleStatus.Open;
        bytes memory call = abi.encodeCall(IMarketSettlement.settleMissing, (schedule, position.run));
        if (!isFinal && since < params.provisionalAfterSeconds) {
            return _mustRefuse(address(this), call, _early(position.status));
        }
        if (!isFinal && !isOpen) {
            return _mustRefuse(address(this), call, IMarketSettlement.ScheduleNotOpen.selector);
        }
        if (!_isLost(schedule.day)) _clearDay(schedule.zone, schedule.day);
        market.settleMissing(schedule, position.run);
        ++reached[isFinal ? _isLost(schedule.day) ? bytes32("lost") : bytes32("zero delivery") : bytes32("estimated")];
        if (position.run.ranAt != 0) _undo(position);
        uint256[12] memory nothingWh;
        _run(position, isFinal ? SettlementTwin.Data.Undelivered : SettlementTwin.Data.AsContracted, nothingWh, 0);
        if (isFinal) _endOnce(index, call);
        else _checkRecord(position);
    }

    /// @dev INV-M23.
    function dispute(uint256 pick, uint256 seed) external {
        uint256 index = _pick(pick, _hasRun);
        if (index == _positions.length) return;
        Position storage position = _positions[index];
        IMarketSettlement.SettlementRun memory run = position.run;
        IMarketZones.ZoneParams memory params = rulesOf(run.zone, run.day);
        address disputer = owner(seed);
        bytes memory call = abi.encodeCall(IMarketSettlement.dispute, (run));
        bytes4 reason;
        if (run.disputer != address(0)) reason = IMarketSettlement.RunMismatch.selector;
        else if (run.profileSeq == 0) reason = IMarketSettlement.RunEstimated.selector;
        else if (block.timestamp >= run.ranAt + params.disputeSeconds) reason = IMarketSettlement.DisputeOver.selector;
        else if (params.disputeBond > _free[disputer]) reason = IEnergyMarket.InsufficientBalance.selector;
        if (reason != 0) return _mustRefuse(disputer, call, reason);
        CHEATS.prank(disputer);
        market.dispute(run);
        _free[disputer] -= params.disputeBond;
        position.status = IMarketSettlement.ScheduleStatus.Disputed;
        (position.run.disputer, position.run.disputedAt) = (disputer, uint40(block.timestamp));
        ++reached["disputed"];
        _checkRecord(position);
    }

    /// @dev INV-M24.
    function correct(uint256 pick, uint256 seed) external {
        uint256 index = _pick(pick, _isCorrectable);
        if (index == _positions.length) return;
        Position storage position = _positions[index];
        IMarketSettlement.SettlementRun memory previous = position.run;
        Profile memory profile = _someProfile(position.schedule, seed);
        bytes memory call =
            abi.encodeCall(IMarketSettlement.correct, (position.schedule, _meteredBy(profile), previous));
        bytes4 reason;
        if (profile.seq <= previous.profileSeq) reason = IMarketSettlement.ProfileNotLater.selector;
        else if (!_isStanding(profile.seq)) reason = IMarketSettlement.ProofInvalid.selector;
        else if (profile.scoreBps > HOLD_SCORE_BPS) reason = IMarketSettlement.ProfileHeld.selector;
        if (reason != 0) return _mustRefuse(address(this), call, reason);
        market.correct(position.schedule, _meteredBy(profile), previous);
        _undo(position);
        _run(position, SettlementTwin.Data.Metered, profile.energyWh, profile.seq);
        bool isChanged = _cashOf(previous) != _cashOf(position.run);
        _endDispute(previous, isChanged);
        ++reached["corrected"];
        if (previous.disputer != address(0)) ++reached[isChanged ? bytes32("upheld") : bytes32("not upheld")];
        _checkRecord(position);
    }

    /// @dev INV-M24.
    function revoke(uint256 pick) external {
        uint256 index = _pick(pick, _isRevocable);
        if (index == _positions.length) index = _pick(pick, _hasRun);
        if (index == _positions.length) return;
        Position storage position = _positions[index];
        IMarketSettlement.SettlementRun memory run = position.run;
        if (!_isRevocable(position)) {
            bytes memory call = abi.encodeCall(IMarketSettlement.revoke, (run));
            return _mustRefuse(address(this), call, IMarketSettlement.ProfileStands.selector);
        }
        market.revoke(run);
        _undo(position);
        _endDispute(run, true);
        ++reached["revoked"];
        _checkRecord(position);
    }

    /// @dev INV-M9, INV-M23.
    function finalize(uint256 pick, uint256 seed) external {
        uint256[] memory indices = _pickSome(pick, 1 + seed % 3, _isDue);
        bool isDue = indices.length != 0;
        if (!isDue) indices = _pickSome(pick, 1, _hasRun);
        if (indices.length == 0) return;
        IMarketSettlement.SettlementRun[] memory runs = new IMarketSettlement.SettlementRun[](indices.length);
        for (uint256 i; i < indices.length; ++i) {
            runs[i] = _positions[indices[i]].run;
        }
        bytes memory call = abi.encodeCall(IMarketSettlement.finalize, (runs));
        if (!isDue) return _mustRefuse(address(this), call, IMarketSettlement.NotYetFinal.selector);
        market.finalize(runs);
        reached["finalized"] += runs.length;
        for (uint256 i; i < runs.length; ++i) {
            _end(_indexOf(runs[i].deviceId, runs[i].day));
        }
        _mustRefuse(address(this), call, IMarketSettlement.RunMismatch.selector);
    }

    // Profiles

    /// @dev A profile of the device's day, now and then in place of the one before, and scored too high to be paid.
    function _attest(IMarketSettlement.Schedule memory schedule, uint256 seed)
        private
        returns (Profile memory profile)
    {
        Profile[] storage known = _profiles[schedule.deviceId][schedule.day];
        uint32 replaced = known.length == 0 || seed % 3 != 0 ? 0 : known[known.length - 1].seq;
        if (replaced != 0 && !_isStanding(replaced)) replaced = 0;
        profile.scoreBps = seed % 5 == 0 ? HOLD_SCORE_BPS + 1 : HOLD_SCORE_BPS;
        profile.energyWh = MarketDraws.energies(seed >> 8, schedule.orders);
        profile.seq = _attestProfile(
            IDataAttestation.ProfileLeaf({
                deviceId: schedule.deviceId,
                firstSlot: DeliverySlots.firstOf(schedule.day),
                count: 96,
                energyHash: keccak256(abi.encodePacked(profile.energyWh)),
                scoreBps: profile.scoreBps
            }),
            replaced
        );
        known.push(profile);
    }

    /// @dev One that was attested, standing or not, or another.
    function _someProfile(IMarketSettlement.Schedule memory schedule, uint256 seed) private returns (Profile memory) {
        Profile[] storage known = _profiles[schedule.deviceId][schedule.day];
        if (known.length == 0 || seed % 2 == 0) return _attest(schedule, seed >> 1);
        return known[(seed >> 1) % known.length];
    }

    function _meteredBy(Profile memory profile) private view returns (IMarketSettlement.Metered memory) {
        return IMarketSettlement.Metered(profile.energyWh, profile.scoreBps, _proofOf(profile.seq));
    }

    // What became of a schedule

    function _noteSettled(Position storage position, Profile memory profile) private {
        if (profile.scoreBps > HOLD_SCORE_BPS) {
            position.status = IMarketSettlement.ScheduleStatus.Held;
            ++reached["held"];
        } else {
            _run(position, SettlementTwin.Data.Metered, profile.energyWh, profile.seq);
            ++reached["settled"];
        }
        _checkRecord(position);
    }

    /// @dev INV-M9: what ended a schedule does so once.
    function _endOnce(uint256 index, bytes memory call) private {
        _end(index);
        _mustRefuse(address(this), call, IMarketSettlement.ScheduleNotOpen.selector);
    }

    function _early(IMarketSettlement.ScheduleStatus status) private pure returns (bytes4) {
        return status == IMarketSettlement.ScheduleStatus.Provisional
            ? IMarketSettlement.ScheduleNotOpen.selector
            : IMarketSettlement.NotYetProvisional.selector;
    }

    function _cashOf(IMarketSettlement.SettlementRun memory run) private pure returns (int256) {
        return int256(run.fromCounterparties) + run.fromBackstop;
    }

    // Which schedules fit

    function _isOver(Position storage position) private view returns (bool) {
        return block.timestamp >= DeliverySlots.endOf(position.schedule.day);
    }

    function _isNotOver(Position storage position) private view returns (bool) {
        return !_isOver(position);
    }

    function _hasRun(Position storage position) private view returns (bool) {
        return position.run.ranAt != 0;
    }

    function _isSettleable(Position storage position) private view returns (bool) {
        return _isOver(position) && !_hasRun(position) && !_isLost(position.schedule.day);
    }

    function _isOverAndNotOnProof(Position storage position) private view returns (bool) {
        return _isOver(position) && position.run.profileSeq == 0;
    }

    /// @dev Estimated or ended, if nobody else does anything.
    function _isMissing(Position storage position) private view returns (bool) {
        IMarketSettlement.Schedule storage schedule = position.schedule;
        IMarketZones.ZoneParams memory params = rulesOf(schedule.zone, schedule.day);
        bool isOpen = position.status == IMarketSettlement.ScheduleStatus.Open;
        uint256 afterSeconds = isOpen ? params.provisionalAfterSeconds : params.finalAfterSeconds;
        return position.run.profileSeq == 0 && block.timestamp >= DeliverySlots.endOf(schedule.day) + afterSeconds;
    }

    function _isCorrectable(Position storage position) private view returns (bool) {
        return _hasRun(position) && !_isLost(position.schedule.day);
    }

    function _isRevocable(Position storage position) private view returns (bool) {
        return position.run.profileSeq != 0 && !_isStanding(position.run.profileSeq);
    }

    function _isDue(Position storage position) private view returns (bool) {
        IMarketSettlement.SettlementRun storage run = position.run;
        if (run.profileSeq == 0) return false;
        uint256 since = run.disputer == address(0) ? run.ranAt : run.disputedAt;
        return block.timestamp >= since + rulesOf(run.zone, run.day).disputeSeconds;
    }

    function _pickSome(uint256 pick, uint256 most, function(Position storage) view returns (bool) fits)
        private
        view
        returns (uint256[] memory indices)
    {
        indices = new uint256[](most);
        uint256 count;
        for (uint256 i; i < _positions.length && count < most; ++i) {
            uint256 index = (pick % _positions.length + i) % _positions.length;
            if (fits(_positions[index])) indices[count++] = index;
        }
        assembly ("memory-safe") {
            mstore(indices, count)
        }
    }

    function _indexOf(bytes32 deviceId, uint24 day) private view returns (uint256 index) {
        while (_positions[index].schedule.deviceId != deviceId || _positions[index].schedule.day != day) ++index;
    }
}
