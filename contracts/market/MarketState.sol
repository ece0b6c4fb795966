// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketSettlement} from "../interfaces/IMarketSettlement.sol";
import {RESULT_SLOTS} from "../libraries/DeliverySlots.sol";
import {TickBook} from "../libraries/TickBook.sol";
import {AccountMoney, ZoneMoney, packAccountMoney, packZoneMoney} from "../types/MarketMoney.sol";
import {OrderRules} from "../types/OrderRules.sol";
import {ScheduleRecord} from "../types/ScheduleRecord.sol";
import {SettlementRules} from "../types/SettlementRules.sol";
import {SlotResult} from "../types/SlotResult.sol";

/// @dev All storage of EnergyMarket, and how its money moves. {MarketExtension} runs on the same storage by delegatecall,
/// so this must stay the first base of both.
abstract contract MarketState {
    struct ZoneRules {
        OrderRules orders;
        SettlementRules settlement;
        bytes32 profileStream;
    }

    struct ResultRing {
        // RESULT_SLOTS, written out because Slither cannot fold a constant of the file.
        SlotResult[2048] slots;
    }

    uint256 internal constant SLOTS = 96;
    uint256 private constant DAYS_KEPT = 16;

    // MarketExtension writes both, which Slither does not see behind the delegatecall.
    // slither-disable-start uninitialized-state
    mapping(uint24 zone => ZoneRules) internal _newestRules;
    mapping(uint24 zone => ZoneRules[]) internal _earlierRules;
    // slither-disable-end uninitialized-state
    mapping(uint24 zone => ZoneMoney) internal _zones;
    mapping(uint24 zone => TickBook.Ring) internal _books;
    mapping(uint24 zone => ResultRing) private _results;
    mapping(address account => AccountMoney) internal _accounts;
    mapping(bytes32 deviceId => ScheduleRecord[DAYS_KEPT]) private _records;
    /// @dev The owner whom a payee agreed to.
    mapping(address payee => mapping(bytes32 deviceId => address owner)) internal _payeeConsents;

    /// @dev Rules of a zone for a day; those of an unknown zone are zero.
    function _rulesOf(uint24 zone, uint24 day) internal view returns (ZoneRules storage rules) {
        rules = _newestRules[zone];
        if (day >= rules.orders.fromDay()) return rules;
        ZoneRules[] storage earlier = _earlierRules[zone];
        for (uint256 i = earlier.length; i != 0; --i) {
            rules = earlier[i - 1];
            if (day >= rules.orders.fromDay()) return rules;
        }
    }

    /// @dev What is known of a slot; zero if its place belongs to another.
    function _resultOf(uint24 zone, uint32 slot) internal view returns (SlotResult result) {
        result = _results[zone].slots[slot % RESULT_SLOTS];
        if (result.slot() != slot) return SlotResult.wrap(0);
    }

    function _keepResult(uint24 zone, SlotResult result) internal {
        _results[zone].slots[result.slot() % RESULT_SLOTS] = result;
    }

    function _recordOf(bytes32 deviceId, uint24 day) internal view returns (ScheduleRecord) {
        return _records[deviceId][day % DAYS_KEPT];
    }

    function _keepRecord(bytes32 deviceId, uint24 day, ScheduleRecord record) internal {
        // A place in a ring of days, not a random number.
        // slither-disable-next-line weak-prng
        _records[deviceId][day % DAYS_KEPT] = record;
    }

    /// @dev Stage of the schedule of a day, of whose place `record` is.
    function _statusOn(ScheduleRecord record, uint24 day) internal pure returns (IMarketSettlement.ScheduleStatus) {
        return record.day() == day ? record.status() : IMarketSettlement.ScheduleStatus.None;
    }

    /// @dev Move money of an account into its reserve, or out of it (< 0). The caller has checked the balance.
    function _lock(address account, int256 amount) internal {
        AccountMoney money = _accounts[account];
        _accounts[account] =
            packAccountMoney(uint256(int256(money.free()) - amount), uint256(int256(money.reserved()) + amount));
    }

    /// @dev Move the money of a run between an account's reserve, what is in transit, and the backstop. What the backstop
    /// pays was exposed before, and what it receives stays exposed until the run is final.
    function _book(address account, uint24 zone, int256 fromCounterparties, int256 fromBackstop) internal {
        AccountMoney money = _accounts[account];
        int256 reserved = int256(money.reserved()) + fromCounterparties + fromBackstop;
        _accounts[account] = packAccountMoney(money.free(), uint256(reserved));
        ZoneMoney zoneMoney = _zones[zone];
        _zones[zone] = packZoneMoney(
            uint256(int256(zoneMoney.balance()) - fromBackstop),
            uint256(int256(zoneMoney.exposure()) - fromBackstop),
            zoneMoney.inTransit() - fromCounterparties,
            zoneMoney.isPaused()
        );
    }

    /// @dev Let a schedule's claim on its backstop end. When none is left, all schedules are settled, and what buyers paid and
    /// no seller is due is the backstop's.
    function _unexpose(uint24 zone, uint256 claim) internal {
        ZoneMoney money = _zones[zone];
        uint256 balance = money.balance();
        uint256 exposure = money.exposure() - claim;
        int256 inTransit = money.inTransit();
        // While schedules stand that are not final, what is left in transit waits; it is safe there, and nobody's else.
        // slither-disable-next-line incorrect-equality
        if (exposure == 0 && inTransit > 0) (balance, inTransit) = (balance + uint256(inTransit), 0);
        _zones[zone] = packZoneMoney(balance, exposure, inTransit, money.isPaused());
    }

    /// @dev Where free memory begins, to go back to it: what a row needs it needs no longer when it is done, and memory
    /// costs the square of its size.
    function _markMemory() internal pure returns (uint256 mark) {
        assembly ("memory-safe") {
            mark := mload(0x40)
        }
    }

    function _releaseMemory(uint256 mark) internal pure {
        assembly ("memory-safe") {
            mstore(0x40, mark)
        }
    }
}
