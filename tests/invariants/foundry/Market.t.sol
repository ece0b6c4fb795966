// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnergyMarket} from "../../../contracts/EnergyMarket.sol";
import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {IMarketSettlement} from "../../../contracts/interfaces/IMarketSettlement.sol";
import {IMarketZones} from "../../../contracts/interfaces/IMarketZones.sol";
import {CHEATS} from "./Cheats.sol";
import {MarketHandler} from "./MarketHandler.sol";
import {MarketModel} from "./MarketModel.sol";

/// @dev One campaign checks everything, since forge walks anew for every invariant. A sum that went wrong stays wrong, so each
/// fourth call shows it.
/// forge-config: default.invariant.runs = 500
/// forge-config: default.invariant.depth = 420
/// forge-config: default.invariant.fail-on-revert = true
/// forge-config: default.invariant.check-interval = 4
contract MarketInvariants {
    uint256 private constant OWNERS = 4;
    uint256 private constant CALLS = 23;

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
        _requireMoneyAsModelled();
        _requireEndedFinal();
        _requireBooksOfStandingOrders();
    }

    /// @dev INV-M21, however a walk ended: every schedule that stands can be brought to its end, in any order, and then
    /// everybody can take out all there is.
    function afterInvariant() external {
        _endAll(_handler.standingCount());
    }

    /// @dev The walk must get everywhere, or the invariant would hold for want of events.
    function test_walk__four_thousand_calls__reaches_every_event() external {
        for (uint256 i; i < 4_000; ++i) {
            _call(uint256(keccak256(abi.encode(i))));
        }
        bytes32[20] memory events = [
            bytes32("own"),
            "replaced",
            "cancelled",
            "capped",
            "cap binds",
            "matched",
            "rules announced",
            "lap",
            "settled",
            "held",
            "estimated",
            "zero delivery",
            "lost",
            "disputed",
            "corrected",
            "upheld",
            "not upheld",
            "revoked",
            "finalized",
            "cleared"
        ];
        for (uint256 i; i < events.length; ++i) {
            require(_handler.reached(events[i]) != 0, string(abi.encodePacked("never reached: ", events[i])));
        }
        bytes4[16] memory refusals = [
            bytes4(0),
            IMarketZones.ZoneOrdersPaused.selector,
            IEnergyMarket.SignatureExpired.selector,
            IEnergyMarket.NotAccountOwner.selector,
            IEnergyMarket.ZoneMismatch.selector,
            IEnergyMarket.NotAuthorised.selector,
            IEnergyMarket.VersionNotHigher.selector,
            IEnergyMarket.ScheduleStands.selector,
            IEnergyMarket.GateClosed.selector,
            IEnergyMarket.BeyondHorizon.selector,
            IEnergyMarket.LimitAboveCap.selector,
            IEnergyMarket.TickSumOverflow.selector,
            IEnergyMarket.InsufficientBalance.selector,
            IMarketZones.BackstopExhausted.selector,
            IEnergyMarket.OrderBelowMinimum.selector,
            IEnergyMarket.LimitBelowFee.selector
        ];
        for (uint256 i; i < refusals.length; ++i) {
            require(_handler.reached(refusals[i]) != 0, "a refusal that never came");
        }
        _endAll(1);
    }

    function _call(uint256 random) private {
        (uint256 a, uint256 b, uint256 c) = (uint64(random >> 8), uint64(random >> 72), uint64(random >> 136));
        // By their selectors, as forge calls them.
        bytes4[CALLS] memory selectors = [
            MarketHandler.attest.selector,
            MarketHandler.settle.selector,
            MarketHandler.settleTooEarly.selector,
            MarketHandler.settleMissing.selector,
            MarketHandler.dispute.selector,
            MarketHandler.correct.selector,
            MarketHandler.revoke.selector,
            MarketHandler.finalize.selector,
            _handler.submit.selector,
            _handler.submitOwn.selector,
            _handler.replace.selector,
            _handler.replaceTooLate.selector,
            _handler.deposit.selector,
            _handler.withdraw.selector,
            _handler.fundBackstop.selector,
            _handler.withdrawBackstop.selector,
            _handler.pauseOrders.selector,
            _handler.announceParams.selector,
            _handler.setFeederCap.selector,
            _handler.clear.selector,
            _handler.passHours.selector,
            _handler.passLap.selector,
            _handler.submit.selector
        ];
        // Arguments more than a function has are of no consequence.
        (bool success, bytes memory reason) =
            address(_handler).call(abi.encodePacked(selectors[random % CALLS], a, b, c));
        if (success) return;
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }

    /// @dev INV-M15: nothing can keep a schedule from its end.
    function _endAll(uint256 seed) private {
        // Beyond the horizon and T2.
        for (uint256 i; i < 20; ++i) {
            _handler.passHours(63);
        }
        for (uint256 i; _handler.standingCount() != 0; ++i) {
            require(i < 2_000, "a schedule cannot be ended");
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            if (random % 8 < 2) _handler.settle(random >> 8, random >> 16);
            else if (random % 8 < 4) _handler.settleMissing(random >> 8);
            else if (random % 8 < 7) _handler.finalize(random >> 8, 2);
            else _handler.passHours(63);
        }
        uint256 inTransit;
        for (uint24 zone = 1; zone <= _handler.ZONES(); ++zone) {
            IMarketZones.Backstop memory money = _market.backstop(zone);
            require(money.exposure == 0 && money.inTransit >= 0, "sellers got more than buyers paid");
            inTransit += uint256(money.inTransit);
            if (money.balance == 0) continue;
            CHEATS.prank(address(_handler));
            _market.withdrawBackstop(zone, money.balance, address(this));
        }
        for (uint256 i; i < OWNERS; ++i) {
            (uint256 free, uint256 reserved) = _market.balanceOf(_handler.owner(i));
            require(reserved == 0, "a reserve is left");
            if (free == 0) continue;
            CHEATS.prank(_handler.owner(i));
            _market.withdraw(free, address(this));
        }
        require(_handler.token().balanceOf(address(_market)) == inTransit, "money is left");
    }

    /// @dev INV-M1, INV-M10, INV-M17: accounts and zones hold what the model says, reserves and exposure are those of
    /// the schedules that stand, the backstop covers its exposure, and all of it is what the market holds, to the unit.
    function _requireMoneyAsModelled() private view {
        (uint256[OWNERS] memory reserves, uint256[3] memory exposures) = _handler.expectedStakes();
        int256 sum;
        for (uint256 i; i < OWNERS; ++i) {
            (uint256 free, uint256 reserved) = _market.balanceOf(_handler.owner(i));
            require(free == _handler.expectedFree(i), "free");
            require(reserved == reserves[i], "reserved");
            sum += int256(free + reserved);
        }
        for (uint24 zone = 1; zone <= 2; ++zone) {
            IMarketZones.Backstop memory money = _market.backstop(zone);
            MarketModel.ZoneMoney memory expected = _handler.expectedZone(zone);
            require(money.balance == expected.balance && money.exposure == exposures[zone], "backstop");
            require(money.inTransit == expected.inTransit && money.paused == expected.isPaused, "zone");
            require(money.exposure <= money.balance, "the backstop cannot pay");
            sum += int256(money.balance) + money.inTransit;
        }
        require(sum == int256(_handler.token().balanceOf(address(_market))), "cash");
    }

    /// @dev INV-M9: ended is ended until its place in the ring of days is taken by a later day.
    function _requireEndedFinal() private view {
        MarketModel.Ended[] memory ended = _handler.lastEnded();
        for (uint256 i; i < ended.length; ++i) {
            (IMarketSettlement.ScheduleStatus status, uint32 version,) =
                _market.scheduleOf(ended[i].deviceId, ended[i].day);
            bool isFinal = status == IMarketSettlement.ScheduleStatus.Final && version == ended[i].version;
            require(isFinal || version == 0, "reopened");
        }
    }

    /// @dev INV-M8, INV-M11: the book of a slot holds exactly the standing orders, whatever lap it is, on a day for
    /// which rules are as announced. One slot after one call in four; each book is compared whole when it is cleared.
    function _requireBooksOfStandingOrders() private view {
        uint256 random = uint256(keccak256(abi.encode(block.timestamp, _handler.token().totalSupply())));
        if (random % 4 != 0) return;
        random >>= 2;
        uint24 zone = uint24(1 + random % 2);
        uint32 slot = uint32(block.timestamp / 900 + 1 + (random >> 8) % 287);
        (uint256[128] memory bids, uint256[128] memory offers) = _market.book(zone, slot);
        (uint256[128] memory expectedBids, uint256[128] memory expectedOffers) = _handler.expectedBook(zone, slot);
        require(keccak256(abi.encode(bids)) == keccak256(abi.encode(expectedBids)), "bids");
        require(keccak256(abi.encode(offers)) == keccak256(abi.encode(expectedOffers)), "offers");
        bytes32 rules = keccak256(abi.encode(_market.zoneParams(zone, uint24(slot / 96))));
        require(rules == keccak256(abi.encode(_handler.rulesOf(zone, slot / 96))), "rules");
    }
}
