// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergyMarket} from "../../../contracts/EnergyMarket.sol";
import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {MarketHandler} from "./MarketHandler.sol";

/// @dev One campaign checks everything, since forge walks anew for every invariant.
/// forge-config: default.invariant.runs = 80
/// forge-config: default.invariant.depth = 250
/// forge-config: default.invariant.fail-on-revert = true
contract MarketInvariants {
    MarketHandler private _handler;
    EnergyMarket private _market;

    function setUp() external {
        _handler = new MarketHandler();
        _market = _handler.market();
    }

    /// @dev forge asks this which contracts to call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_market() external view {
        _requireCashConserved();
        _requireReservesOfStandingSchedules();
        _requireSettledFinal();
        _requireBooksOfStandingOrders();
    }

    /// @dev The walk must get everywhere, or the invariant would hold for want of events.
    function test_walk__seven_hundred_calls__reaches_every_end() external {
        for (uint256 i; i < 700; ++i) {
            _call(uint256(keccak256(abi.encode(i))));
        }
        require(_handler.laps() > 5, "laps");
        require(_handler.clearedSlots() > 100 && _handler.matchedWh() > 1e6, "cleared");
        require(_handler.replaced() > 10 && _handler.cancelled() > 10, "replaced and cancelled");
        require(_handler.settledOnProof() > 10 && _handler.settledMissing() > 5, "settled");
        require(_handler.held() > 2 && _handler.voided() > 0, "held and voided");
    }

    function _call(uint256 random) private {
        (uint256 a, uint256 b, uint256 c) = (uint64(random >> 8), uint64(random >> 72), uint64(random >> 136));
        uint256 choice = random % 10;
        if (choice == 0) _handler.deposit(a, b);
        else if (choice == 1) _handler.withdraw(a, b);
        else if (choice == 2) _handler.submit(a, b, c);
        else if (choice == 3) _handler.replace(a, b, c);
        else if (choice == 4) _handler.cancel(a);
        else if (choice == 5) _handler.clear(a);
        else if (choice == 6) _handler.settle(a, b);
        else if (choice == 7) _handler.settleMissing(a);
        else if (choice == 8) _handler.passHours(a);
        else _handler.passLap(a);
    }

    /// @dev INV-M1: what accounts and backstops hold is what the market holds, to the unit.
    function _requireCashConserved() private view {
        uint256 held;
        for (uint256 i; i < 4; ++i) {
            (uint256 free, uint256 reserved) = _market.balanceOf(_handler.owner(i));
            held += free + reserved;
        }
        for (uint24 zone = 1; zone <= 2; ++zone) {
            (uint256 balance,) = _market.backstop(zone);
            held += balance;
        }
        require(held == _handler.token().balanceOf(address(_market)), "cash");
    }

    /// @dev INV-M10, INV-M12: reserves and outstanding counts are those of the schedules that stand, no more and no
    /// less.
    function _requireReservesOfStandingSchedules() private view {
        uint256[4] memory reserves;
        uint256[3] memory outstanding;
        for (uint256 i; i < _handler.standingCount(); ++i) {
            (IEnergyMarket.Schedule memory schedule, bool held) = _handler.standing(i);
            ++outstanding[schedule.zone];
            reserves[uint160(schedule.account) % 4] += _market.reserveOf(schedule);
            (IEnergyMarket.ScheduleStatus status, uint32 version,) = _market.scheduleOf(schedule.deviceId, schedule.day);
            require(version == schedule.version, "version");
            require(status == (held ? IEnergyMarket.ScheduleStatus.Held : IEnergyMarket.ScheduleStatus.Open), "status");
        }
        for (uint256 i; i < 4; ++i) {
            (, uint256 reserved) = _market.balanceOf(_handler.owner(i));
            require(reserved == reserves[uint160(_handler.owner(i)) % 4], "reserve");
        }
        for (uint24 zone = 1; zone <= 2; ++zone) {
            (, uint256 count) = _market.backstop(zone);
            require(count == outstanding[zone], "outstanding");
        }
    }

    /// @dev INV-M9: settled stays settled until its place in the ring of days is taken by a later day.
    function _requireSettledFinal() private view {
        uint256 count = _handler.settledCount();
        for (uint256 i = count > 8 ? count - 8 : 0; i < count; ++i) {
            (IEnergyMarket.ScheduleStatus status, uint32 version,) =
                _market.scheduleOf(_handler.settledDevices(i), _handler.settledDays(i));
            require(version == 0 || status == IEnergyMarket.ScheduleStatus.Settled, "settled reopened");
        }
    }

    /// @dev INV-M8: the book of a slot that may still be ordered in holds exactly the standing orders, whatever lap it
    /// is. One slot a call, another each time.
    function _requireBooksOfStandingOrders() private view {
        uint256 random = uint256(keccak256(abi.encode(block.timestamp, _handler.standingCount())));
        uint24 zone = uint24(1 + random % 2);
        uint32 slot = uint32(block.timestamp / 900 + 5 + (random >> 8) % 283);
        (uint256[128] memory bids, uint256[128] memory offers) = _market.book(zone, slot);
        (uint256[128] memory expectedBids, uint256[128] memory expectedOffers) = _handler.expectedBook(zone, slot);
        require(keccak256(abi.encode(bids)) == keccak256(abi.encode(expectedBids)), "bids");
        require(keccak256(abi.encode(offers)) == keccak256(abi.encode(expectedOffers)), "offers");
    }
}
