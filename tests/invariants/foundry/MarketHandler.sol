// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnergyMarket} from "../../../contracts/interfaces/IEnergyMarket.sol";
import {DeliverySlots} from "../../../contracts/libraries/DeliverySlots.sol";
import {BruteForceClearing} from "./BruteForceClearing.sol";
import {VM} from "./MarketCheats.sol";
import {MarketSetting} from "./MarketSetting.sol";

/// @dev Random use of a market by four households with two devices each, in two zones, over laps of the ring. Every call
/// it makes must succeed; what must fail is tried and required to. It keeps its own books of everything.
contract MarketHandler is MarketSetting {
    using BruteForceClearing for uint256[128];

    struct Standing {
        IEnergyMarket.Schedule schedule;
        bool held;
    }

    Standing[] private _standing;
    bytes32[] public settledDevices;
    uint24[] public settledDays;
    mapping(bytes32 deviceId => mapping(uint24 day => uint32)) public versions;
    uint256 public clearedSlots;
    uint256 public settledOnProof;
    uint256 public settledMissing;
    uint256 public replaced;
    uint256 public cancelled;
    uint256 public laps;
    uint256 public held;
    uint256 public voided;
    uint256 public matchedWh;

    // What the fuzzer calls

    function deposit(uint256 seed, uint256 amount) external {
        _deposit(_owner(seed), 1 + amount % 1e8);
    }

    function withdraw(uint256 seed, uint256 share) external {
        address account = _owner(seed);
        (uint256 free, uint256 reserved) = market.balanceOf(account);
        VM.prank(account);
        try market.withdraw(free + 1, account) {
            require(false, "withdrew reserved money");
        } catch {}
        uint256 amount = free * (share % 101) / 100;
        if (amount == 0) return;
        VM.prank(account);
        market.withdraw(amount, account);
        (, uint256 after_) = market.balanceOf(account);
        require(after_ == reserved, "reserve touched");
    }

    function submit(uint256 seed, uint256 dayAhead, uint256 density) external {
        uint256 index = seed % DEVICES;
        uint24 day = uint24(block.timestamp / 1 days + dayAhead % 3);
        IEnergyMarket.Schedule memory schedule = IEnergyMarket.Schedule({
            deviceId: _deviceId(index),
            account: _owner(index / 2),
            zone: _zone(index),
            day: day,
            version: versions[_deviceId(index)][day] + 1,
            orders: _randomOrders(seed, _zone(index), day, density)
        });
        if (_find(schedule.deviceId, day) < _standing.length || _blocked(schedule)) return;
        if (_firstOpen(schedule.zone) > DeliverySlots.firstOf(day) + 95) return;
        _afford(schedule, 0);
        VM.prank(schedule.account);
        market.submitOwn(schedule);
        versions[schedule.deviceId][day] = schedule.version;
        if (market.reserveOf(schedule) != 0 || !_isEmpty(schedule.orders)) _standing.push(Standing(schedule, false));
    }

    function replace(uint256 pick, uint256 seed, uint256 density) external {
        _replace(pick, seed, density, false);
    }

    function cancel(uint256 pick) external {
        _replace(pick, 0, 0, true);
    }

    function clear(uint256 pick) external {
        if (_standing.length == 0) return;
        IEnergyMarket.Schedule memory schedule = _standing[pick % _standing.length].schedule;
        _clearDay(schedule.zone, schedule.day);
    }

    function settle(uint256 pick, uint256 seed) external {
        uint256 index = _endedFrom(pick, 0);
        if (index == _standing.length) return;
        IEnergyMarket.Schedule memory schedule = _standing[index].schedule;
        _clearDay(schedule.zone, schedule.day);
        IEnergyMarket.Schedule[] memory schedules = new IEnergyMarket.Schedule[](1);
        IEnergyMarket.Metered[] memory metered = new IEnergyMarket.Metered[](1);
        schedules[0] = schedule;
        metered[0].proof.streamId = STREAM;
        metered[0].scoreBps = seed % 5 == 0 ? 9_901 : 9_900;
        for (uint256 word; word < 12; ++word) {
            // Energies of 20 bits with a sign, so that they are of the size of the orders.
            uint256 random = uint256(keccak256(abi.encode(seed, word)));
            metered[0].energyWh[word] = random & (seed & 1 == 0 ? _ENERGIES : ~_ENERGIES >> 4);
        }
        try market.settle(schedules, metered) {
            if (metered[0].scoreBps > 9_900) {
                _standing[index].held = true;
                ++held;
            } else {
                ++settledOnProof;
                _forget(index);
                try market.settle(schedules, metered) {
                    require(false, "settled twice");
                } catch {}
            }
        } catch (bytes memory reason) {
            require(bytes4(reason) == IEnergyMarket.BackstopExhausted.selector, "settle refused");
            _fund(schedule.zone);
        }
    }

    function settleMissing(uint256 pick) external {
        uint256 index = _endedFrom(pick, 2 days);
        if (index == _standing.length) return;
        IEnergyMarket.Schedule memory schedule = _standing[index].schedule;
        _clearDay(schedule.zone, schedule.day);
        try market.settleMissing(schedule) {
            ++settledMissing;
            if (DeliverySlots.firstOf(schedule.day) + 95 < DeliverySlots.oldestKept()) ++voided;
            _forget(index);
        } catch (bytes memory reason) {
            require(bytes4(reason) == IEnergyMarket.BackstopExhausted.selector, "settleMissing refused");
            _fund(schedule.zone);
        }
    }

    function passHours(uint256 quarters) external {
        VM.warp(block.timestamp + 900 * (1 + quarters % 64));
    }

    function passLap(uint256 seed) external {
        if (seed % 8 != 0) return;
        ++laps;
        VM.warp(block.timestamp + 7 days + seed % 6 days);
    }

    // What the invariants read

    function standingCount() external view returns (uint256) {
        return _standing.length;
    }

    function settledCount() external view returns (uint256) {
        return settledDevices.length;
    }

    function owner(uint256 index) external pure returns (address) {
        return _owner(index);
    }

    function standing(uint256 index) external view returns (IEnergyMarket.Schedule memory schedule, bool isHeld) {
        return (_standing[index].schedule, _standing[index].held);
    }

    /// @notice Sums of the standing orders of a slot, as the market's book must have them.
    function expectedBook(uint24 zone, uint32 slot)
        public
        view
        returns (uint256[128] memory bids, uint256[128] memory offers)
    {
        for (uint256 i; i < _standing.length; ++i) {
            uint256 order = _orderIn(_standing[i].schedule, zone, slot);
            uint256 tick = (order >> 24) & 0x7f;
            if (order >> 31 == 1) offers[tick] += order & 0xffffff;
            else bids[tick] += order & 0xffffff;
        }
    }

    // How it is done

    uint256 private constant _ENERGIES = 0x000fffff000fffff000fffff000fffff000fffff000fffff000fffff000fffff;

    function _replace(uint256 pick, uint256 seed, uint256 density, bool empty) private {
        if (_standing.length == 0) return;
        uint256 index = pick % _standing.length;
        IEnergyMarket.Schedule memory old = _standing[index].schedule;
        uint32 first = DeliverySlots.firstOf(old.day);
        uint32 open = _firstOpen(old.zone);
        if (open > first + 95) return;
        IEnergyMarket.Schedule memory next = abi.decode(abi.encode(old), (IEnergyMarket.Schedule));
        next.version += 1 + uint32(seed % 3);
        if (empty) delete next.orders;
        else next.orders = _randomOrders(seed, old.zone, old.day, density);
        for (uint32 slot = first; slot < open; ++slot) {
            uint256 shift = 224 - ((slot - first) % 8) * 32;
            uint256 word = (slot - first) / 8;
            next.orders[word] &= ~(uint256(0xffffffff) << shift);
            next.orders[word] |= old.orders[word] & (uint256(0xffffffff) << shift);
        }
        _afford(next, market.reserveOf(old));
        VM.prank(next.account);
        market.replace(IEnergyMarket.SignedSchedule(next, ""), old.orders);
        versions[next.deviceId][next.day] = next.version;
        if (_isEmpty(next.orders)) {
            ++cancelled;
            _remove(index);
        } else {
            ++replaced;
            _standing[index].schedule = next;
        }
    }

    /// @dev Clear every slot of the day with a standing order whose gate has closed, and check each against brute force.
    function _clearDay(uint24 zone, uint24 day) private {
        uint32 first = DeliverySlots.firstOf(day);
        uint32 open = _firstOpen(zone);
        for (uint32 slot = first; slot < first + 96 && slot < open; ++slot) {
            if (slot < DeliverySlots.oldestKept() || market.clearing(zone, slot).cleared) continue;
            (uint256[128] memory bids, uint256[128] memory offers) = expectedBook(zone, slot);
            if (bids.demand(0) == 0 && offers.supply(127) == 0) continue;
            uint32[] memory slots = new uint32[](1);
            slots[0] = slot;
            market.clear(zone, slots);
            ++clearedSlots;
            _checkClearing(zone, slot, bids, offers);
        }
    }

    function _checkClearing(uint24 zone, uint32 slot, uint256[128] memory bids, uint256[128] memory offers) private {
        BruteForceClearing.Result memory expected = bids.clear(offers);
        IEnergyMarket.Clearing memory result = market.clearing(zone, slot);
        require(result.cleared && result.tick == expected.tick, "tick");
        require(result.volumeWh == expected.volumeWh, "volume");
        matchedWh += result.volumeWh;
        uint256 bought;
        uint256 sold;
        for (uint256 i; i < _standing.length; ++i) {
            uint256 order = _orderIn(_standing[i].schedule, zone, slot);
            (uint256 energy, uint256 tick) = (order & 0xffffff, (order >> 24) & 0x7f);
            if (energy == 0) continue;
            if (order >> 31 == 1) {
                if (tick < result.tick) sold += energy;
                if (tick == result.tick) sold += energy * result.marginalOfferFilledWh / result.marginalOfferWh;
            } else {
                if (tick > result.tick) bought += energy;
                if (tick == result.tick) bought += energy * result.marginalBidFilledWh / result.marginalBidWh;
            }
        }
        require(bought <= result.volumeWh && sold <= result.volumeWh, "filled more than matched");
    }

    function _forget(uint256 index) private {
        settledDevices.push(_standing[index].schedule.deviceId);
        settledDays.push(_standing[index].schedule.day);
        _remove(index);
    }

    function _remove(uint256 index) private {
        _standing[index] = _standing[_standing.length - 1];
        _standing.pop();
    }

    function _endedFrom(uint256 pick, uint256 later) private view returns (uint256) {
        for (uint256 i; i < _standing.length; ++i) {
            uint256 index = (pick % _standing.length + i) % _standing.length;
            IEnergyMarket.Schedule storage schedule = _standing[index].schedule;
            if (block.timestamp < DeliverySlots.endOf(schedule.day) + later) continue;
            // On proof only while every slot is kept; later the schedule settles as missing.
            if (later != 0 || DeliverySlots.firstOf(schedule.day) >= DeliverySlots.oldestKept()) return index;
        }
        return _standing.length;
    }

    function _find(bytes32 deviceId, uint24 day) private view returns (uint256 index) {
        while (index < _standing.length) {
            IEnergyMarket.Schedule storage schedule = _standing[index].schedule;
            if (schedule.deviceId == deviceId && schedule.day == day) break;
            ++index;
        }
    }

    /// @dev Whether an unsettled schedule of an earlier day stands in the place of this one; the market must refuse it.
    function _blocked(IEnergyMarket.Schedule memory schedule) private returns (bool) {
        for (uint256 i; i < _standing.length; ++i) {
            IEnergyMarket.Schedule storage other = _standing[i].schedule;
            if (other.deviceId != schedule.deviceId || other.day % 16 != schedule.day % 16) continue;
            VM.prank(schedule.account);
            try market.submitOwn(schedule) {
                require(false, "overwrote an unsettled schedule");
            } catch {}
            return true;
        }
        return false;
    }

    function _orderIn(IEnergyMarket.Schedule storage schedule, uint24 zone, uint32 slot)
        private
        view
        returns (uint256)
    {
        if (schedule.zone != zone || schedule.day != slot / 96) return 0;
        return uint32(schedule.orders[(slot % 96) / 8] >> (224 - (slot % 8) * 32));
    }
}
