// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev The clearing rule of IEnergyMarket, told a second time on two curves, tick by tick.
library BruteForceClearing {
    /// @param supply S(p): offers at tick p and below, cut at the cap
    /// @param demand D(p): bids at tick p and above, cut at the cap; nobody bids at tick 128
    struct Curves {
        uint256[128] supply;
        uint256[129] demand;
    }

    struct Result {
        uint256 tick;
        uint256 volumeWh;
        uint256 bidTick;
        uint256 bidFilledWh;
        uint256 bidWh;
        uint256 offerTick;
        uint256 offerFilledWh;
        uint256 offerWh;
    }

    function curves(uint256[128] memory bids, uint256[128] memory offers, uint256 capWh)
        internal
        pure
        returns (Curves memory cut)
    {
        uint256 sum;
        for (uint256 t = 0; t < 128; ++t) {
            sum += offers[t];
            cut.supply[t] = _least(sum, capWh);
        }
        sum = 0;
        for (uint256 t = 128; t > 0; --t) {
            sum += bids[t - 1];
            cut.demand[t - 1] = _least(sum, capWh);
        }
    }

    /// @notice The most that any price allows.
    function mostVolume(Curves memory cut) internal pure returns (uint256 most) {
        for (uint256 t = 0; t < 128; ++t) {
            uint256 volume = _least(cut.supply[t], cut.demand[t]);
            if (volume > most) most = volume;
        }
    }

    function clear(uint256[128] memory bids, uint256[128] memory offers, uint256 capWh)
        internal
        pure
        returns (Result memory result)
    {
        Curves memory cut = curves(bids, offers, capWh);
        uint256 p = 0;
        while (cut.supply[p] < cut.demand[p + 1]) ++p;
        result.tick = p;
        if (cut.supply[p] == cut.demand[p + 1]) {
            uint256 q = p;
            while (q < 127 && (q == p || !_standsAt(cut, q))) ++q;
            result.tick = (p + q) / 2;
        }
        result.volumeWh = _least(cut.supply[result.tick], cut.demand[result.tick]);
        (result.bidTick, result.offerTick) = (result.tick, result.tick);
        if (result.volumeWh == capWh) {
            result.bidTick = 127;
            while (cut.demand[result.bidTick] < capWh) --result.bidTick;
            result.offerTick = 0;
            while (cut.supply[result.offerTick] < capWh) ++result.offerTick;
        }
        (result.bidWh, result.offerWh) = (bids[result.bidTick], offers[result.offerTick]);
        result.bidFilledWh = result.volumeWh - cut.demand[result.bidTick + 1];
        result.offerFilledWh = result.volumeWh - (result.offerTick == 0 ? 0 : cut.supply[result.offerTick - 1]);
    }

    /// @dev Whether a bid or an offer within the cap stands at tick `t`, which is not 0.
    function _standsAt(Curves memory cut, uint256 t) private pure returns (bool) {
        return cut.demand[t] != cut.demand[t + 1] || cut.supply[t] != cut.supply[t - 1];
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
