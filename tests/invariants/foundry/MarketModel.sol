// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../../../contracts/interfaces/IMarketSettlement.sol";
import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";
import {DeliverySlots} from "../../../contracts/libraries/DeliverySlots.sol";
import {MarketSetting} from "./MarketSetting.sol";
import {OrderTwin} from "./OrderTwin.sol";
import {SettlementTwin} from "./SettlementTwin.sol";

/// @dev What the market must hold, kept by the walk's own account: the schedules that stand with their runs, free money
/// of accounts, and money and rules of zones. What is reserved and exposed is summed from the schedules.
abstract contract MarketModel is MarketSetting {
    using SettlementTwin for SettlementTwin.Day;

    /// @param run all zero unless the status is Provisional or Disputed
    struct Position {
        IMarketSettlement.ScheduleStatus status;
        bool green;
        uint64 reserve;
        uint64 exposure;
        IMarketSettlement.Schedule schedule;
        IMarketSettlement.SettlementRun run;
    }

    struct ZoneMoney {
        uint256 balance;
        int256 inTransit;
        bool isPaused;
    }

    struct Rules {
        uint24 fromDay;
        IMarketZones.ZoneParams params;
    }

    struct Profile {
        uint32 seq;
        uint16 scoreBps;
        uint256[12] energyWh;
    }

    struct Ended {
        bytes32 deviceId;
        uint24 day;
        uint32 version;
    }

    bytes32 private constant SCHEDULE_TYPEHASH = keccak256(
        "Schedule(bytes32 deviceId,address account,uint24 zone,uint24 day,uint32 version,uint40 deadline,uint32 imbalanceLimitWh,uint256[12] orders)"
    );

    Position[] internal _positions;
    Ended[] internal _ended;
    mapping(address account => uint256) internal _free;
    mapping(uint24 zone => ZoneMoney) internal _zoneMoney;
    mapping(uint24 zone => Rules[]) internal _rules;
    mapping(bytes32 deviceId => mapping(uint24 day => uint32)) internal _versions;
    mapping(bytes32 deviceId => mapping(uint24 day => Profile[])) internal _profiles;
    /// @dev One more than the cap; zero where none was set.
    mapping(uint24 zone => mapping(uint32 slot => uint256)) internal _ownCaps;
    /// @dev Hashes of results; zero for slots that were not cleared.
    mapping(uint24 zone => mapping(uint32 slot => bytes32)) internal _results;
    /// @notice How often the walk came to an event.
    mapping(bytes32 what => uint256) public reached;

    // What the invariants compare the market with

    function standingCount() external view returns (uint256) {
        return _positions.length;
    }

    /// @notice Sums over all schedules that stand: reserves and cash of accounts, with the bonds of their disputes, and
    /// what zones are still exposed to.
    function expectedStakes()
        public
        view
        returns (uint256[OWNERS] memory reserved, uint256[ZONES + 1] memory exposure)
    {
        for (uint256 i; i < _positions.length; ++i) {
            Position storage position = _positions[i];
            int256 other = position.run.fromBackstop;
            int256 locked = int256(uint256(position.reserve)) + position.run.fromCounterparties + other;
            uint24 zone = position.schedule.zone;
            reserved[_ownerOf(position.schedule.account)] += uint256(locked);
            exposure[zone] += uint256(int256(uint256(position.exposure)) - other);
            if (position.status != IMarketSettlement.ScheduleStatus.Disputed) continue;
            reserved[_ownerOf(position.run.disputer)] += rulesOf(zone, position.schedule.day).disputeBond;
        }
    }

    function expectedFree(uint256 index) external view returns (uint256) {
        return _free[owner(index)];
    }

    function expectedZone(uint24 zone) external view returns (ZoneMoney memory) {
        return _zoneMoney[zone];
    }

    /// @notice The eight that ended last.
    function lastEnded() external view returns (Ended[] memory ended) {
        uint256 count = _ended.length < 8 ? _ended.length : 8;
        ended = new Ended[](count);
        for (uint256 i; i < count; ++i) {
            ended[i] = _ended[_ended.length - 1 - i];
        }
    }

    /// @notice Sums of the standing orders of a slot, as the market's book must have them.
    function expectedBook(uint24 zone, uint32 slot)
        public
        view
        returns (uint256[128] memory bids, uint256[128] memory offers)
    {
        IMarketZones.ZoneParams memory params = rulesOf(zone, slot / 96);
        for (uint256 i; i < _positions.length; ++i) {
            Position storage position = _positions[i];
            OrderTwin.Order memory order = _orderIn(position, zone, slot);
            if (order.energyWh == 0) continue;
            (order.isOffer ? offers : bids)[OrderTwin.bookTick(order, params, position.green)] += order.energyWh;
        }
    }

    /// @dev Without energy if it has none in that slot.
    function _orderIn(Position storage position, uint24 zone, uint32 slot)
        internal
        view
        returns (OrderTwin.Order memory order)
    {
        if (position.schedule.zone != zone || position.schedule.day != slot / 96) return order;
        uint256 word = position.schedule.orders[slot % 96 / 8];
        return OrderTwin.unpack(uint32(word >> (32 * (7 - slot % 8))));
    }

    function rulesOf(uint24 zone, uint32 day) public view returns (IMarketZones.ZoneParams memory) {
        uint256 i = _rules[zone].length - 1;
        while (day < _rules[zone][i].fromDay) --i;
        return _rules[zone][i].params;
    }

    // What happens to schedules

    function _open(IMarketSettlement.Schedule memory schedule, bool green) internal {
        _versions[schedule.deviceId][schedule.day] = schedule.version;
        (uint256 reserve, uint256 exposure) = _stakeOf(schedule, green);
        if (reserve == 0) return;
        _free[schedule.account] -= reserve;
        Position storage position = _positions.push();
        (position.status, position.green) = (IMarketSettlement.ScheduleStatus.Open, green);
        (position.reserve, position.exposure) = (uint64(reserve), uint64(exposure));
        position.schedule = schedule;
    }

    function _remove(uint256 index) internal {
        _positions[index] = _positions[_positions.length - 1];
        _positions.pop();
    }

    /// @dev What a run books, told by the twin.
    function _run(Position storage position, SettlementTwin.Data data, uint256[12] memory energyWh, uint32 seq)
        internal
    {
        IMarketSettlement.Schedule memory schedule = position.schedule;
        IMarketSettlement.SettlementRun memory run;
        (run.deviceId, run.account, run.zone, run.day) =
        (schedule.deviceId, schedule.account, schedule.zone, schedule.day);
        run.scheduleHash = _hashOf(schedule);
        (run.profileSeq, run.ranAt) = (seq, uint40(block.timestamp));
        (run.reserve, run.exposure) = (position.reserve, position.exposure);
        if (_isLost(schedule.day) && data == SettlementTwin.Data.Undelivered) {
            // The reserve is forfeit. It stands in for what counterparties are due, so it is in transit first.
            run.fromCounterparties = -int64(position.reserve);
        } else {
            (run.fromCounterparties, run.fromBackstop) = _due(position, data, energyWh);
        }
        position.run = run;
        position.status = IMarketSettlement.ScheduleStatus.Provisional;
        _zoneMoney[run.zone].balance = uint256(int256(_zoneMoney[run.zone].balance) - run.fromBackstop);
        _zoneMoney[run.zone].inTransit -= run.fromCounterparties;
    }

    /// @dev Take a run back, for another or for none.
    function _undo(Position storage position) internal {
        IMarketSettlement.SettlementRun storage run = position.run;
        _zoneMoney[run.zone].balance = uint256(int256(_zoneMoney[run.zone].balance) + run.fromBackstop);
        _zoneMoney[run.zone].inTransit += run.fromCounterparties;
        delete position.run;
        position.status = IMarketSettlement.ScheduleStatus.Open;
    }

    /// @dev The end of a schedule. When a zone's last one ends, what is in transit is the backstop's.
    function _end(uint256 index) internal {
        Position storage position = _positions[index];
        IMarketSettlement.Schedule memory schedule = position.schedule;
        _endDispute(position.run, false);
        int256 cash = int256(position.run.fromCounterparties) + position.run.fromBackstop;
        _free[schedule.account] += uint256(int256(uint256(position.reserve)) + cash);
        _ended.push(Ended(schedule.deviceId, schedule.day, schedule.version));
        _remove(index);
        (, uint256[ZONES + 1] memory exposure) = expectedStakes();
        if (exposure[schedule.zone] != 0) return;
        ZoneMoney storage money = _zoneMoney[schedule.zone];
        require(money.inTransit >= 0, "sellers got more than buyers paid");
        money.balance += uint256(money.inTransit);
        money.inTransit = 0;
    }

    /// @dev Give the bond of a disputed run back, or to the account.
    function _endDispute(IMarketSettlement.SettlementRun memory run, bool isUpheld) internal {
        if (run.disputer == address(0)) return;
        _free[isUpheld ? run.disputer : run.account] += rulesOf(run.zone, run.day).disputeBond;
    }

    /// @dev INV-M7, INV-M14: money as the twin has it, on the results the market has kept.
    function _due(Position storage position, SettlementTwin.Data data, uint256[12] memory energyWh)
        private
        view
        returns (int64, int64)
    {
        IMarketSettlement.Schedule memory schedule = position.schedule;
        SettlementTwin.Day memory day;
        (day.params, day.green) = (rulesOf(schedule.zone, schedule.day), position.green);
        (day.limitWh, day.orders) = (schedule.imbalanceLimitWh, schedule.orders);
        (day.energyWh, day.data) = (energyWh, data);
        for (uint32 index; index < 96; ++index) {
            if (OrderTwin.fieldAt(day.orders, index) % (1 << 24) == 0) continue;
            uint32 slot = DeliverySlots.firstOf(schedule.day) + index;
            day.results[index] = market.clearing(schedule.zone, slot);
            require(_hashOf(day.results[index]) == _results[schedule.zone][slot], "another result than was cleared");
        }
        (, int256 traded, int256 other) = day.settle();
        return (int64(traded), int64(other));
    }

    // What is known of schedules

    /// @dev INV-M9, INV-M12: the market's record says what the model does.
    function _checkRecord(Position storage position) internal view {
        IMarketSettlement.Schedule memory schedule = position.schedule;
        (IMarketSettlement.ScheduleStatus status, uint32 version, bytes32 hash) =
            market.scheduleOf(schedule.deviceId, schedule.day);
        require(status == position.status && version == schedule.version, "another status or version");
        bytes32 expected = position.run.ranAt == 0 ? _hashOf(schedule) : keccak256(abi.encode(position.run));
        require(hash == bytes24(expected), "another schedule or run");
    }

    function _hashOf(IMarketSettlement.Schedule memory schedule) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                SCHEDULE_TYPEHASH,
                schedule.deviceId,
                schedule.account,
                schedule.zone,
                schedule.day,
                schedule.version,
                schedule.deadline,
                schedule.imbalanceLimitWh,
                keccak256(abi.encodePacked(schedule.orders))
            )
        );
    }

    function _hashOf(IEnergyMarket.Clearing memory result) internal pure returns (bytes32) {
        return result.cleared ? keccak256(abi.encode(result)) : bytes32(0);
    }

    function _stakeOf(IMarketSettlement.Schedule memory schedule, bool green)
        internal
        view
        returns (uint256 reserve, uint256 exposure)
    {
        IMarketZones.ZoneParams memory params = rulesOf(schedule.zone, schedule.day);
        return OrderTwin.stake(params, schedule.orders, schedule.imbalanceLimitWh, green);
    }

    function _isGreen(bytes32 deviceId, uint24 zone, uint24 day) internal view returns (bool) {
        return (rulesOf(zone, day).greenKinds >> uint8(_kind(_deviceOf(deviceId)))) % 2 == 1;
    }

    /// @dev Whether a slot 2,048 later may have taken the place of a result of the day.
    function _isLost(uint24 day) internal view returns (bool) {
        return DeliverySlots.firstOf(day) + 2048 < block.timestamp / 900 + 288;
    }

    function _unexposed(uint24 zone) internal view returns (uint256) {
        (, uint256[ZONES + 1] memory exposure) = expectedStakes();
        return _zoneMoney[zone].balance - exposure[zone];
    }

    function _pick(uint256 seed, function(Position storage) view returns (bool) fits) internal view returns (uint256) {
        uint256 count = _positions.length;
        for (uint256 i; i < count; ++i) {
            uint256 index = (seed % count + i) % count;
            if (fits(_positions[index])) return index;
        }
        return count;
    }

    function _ownerOf(address account) private view returns (uint256 index) {
        while (owner(index) != account) ++index;
    }
}
