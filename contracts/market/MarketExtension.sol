// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAttestation} from "../interfaces/IDataAttestation.sol";
import {MarketSettlement} from "./MarketSettlement.sol";
import {MarketZones} from "./MarketZones.sol";

/// @dev The part of EnergyMarket's code that does not fit into one contract (EIP-170). EnergyMarket makes it and runs it on
/// its own storage by delegatecall; called directly it has storage without a zone or a schedule, and no money.
contract MarketExtension is MarketZones, MarketSettlement {
    constructor(IDataAttestation attestation_) MarketSettlement(attestation_) {}
}
