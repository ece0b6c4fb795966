// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev The clearing rule of IEnergyMarket, told a second time as slowly and plainly as possible.
library BruteForceClearing {
    struct Result {
        uint256 tick;
        uint256 volumeWh;
        uint256 bidFilledWh;
        uint256 bidWh;
        uint256 offerFilledWh;
        uint256 offerWh;
    }

    /// @notice S(tick): offers at this tick and below.
    function supply(uint256[128] memory offers, uint256 tick) internal pure returns (uint256 sum) {
        for (uint256 t = 0; t <= tick; ++t) {
            sum += offers[t];
        }
    }

    /// @notice D(tick): bids at this tick and above.
    function demand(uint256[128] memory bids, uint256 tick) internal pure returns (uint256 sum) {
        for (uint256 t = tick; t < 128; ++t) {
            sum += bids[t];
        }
    }

    function volumeAt(uint256[128] memory bids, uint256[128] memory offers, uint256 tick)
        internal
        pure
        returns (uint256)
    {
        uint256 s = supply(offers, tick);
        uint256 d = demand(bids, tick);
        return s < d ? s : d;
    }

    function clear(uint256[128] memory bids, uint256[128] memory offers) internal pure returns (Result memory result) {
        uint256 p = 0;
        while (supply(offers, p) < demand(bids, p + 1)) ++p;
        result.tick = p;
        if (supply(offers, p) == demand(bids, p + 1)) {
            uint256 q = p == 127 ? 127 : p + 1;
            while (q < 127 && bids[q] == 0 && offers[q] == 0) ++q;
            result.tick = (p + q) / 2;
        }
        uint256 t = result.tick;
        result.volumeWh = volumeAt(bids, offers, t);
        result.bidWh = bids[t];
        result.offerWh = offers[t];
        result.bidFilledWh = result.volumeWh - demand(bids, t + 1);
        result.offerFilledWh = result.volumeWh - (t == 0 ? 0 : supply(offers, t - 1));
    }
}
