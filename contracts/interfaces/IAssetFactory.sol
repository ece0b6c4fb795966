// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IAssetShares} from "./IAssetShares.sol";
import {IVersioned} from "./IVersioned.sol";

/// @title Makes assets.
/// @notice Each asset is a contract of its own, with its terms in its code, and shares the code of governance with the others.
interface IAssetFactory is IVersioned {
    event AssetCreated(address indexed asset, address indexed admin, IAssetShares.Terms terms);

    error AdminInvalid(address admin);

    /// @notice Create an asset. Anyone may: whether to trust it is for who buys its shares to say.
    /// @param terms what will never change
    /// @param rules who may hold how much, for now
    /// @param admin its admin, first issuer and first agent
    /// @return asset the shares
    function create(IAssetShares.Terms calldata terms, IAssetShares.Rules calldata rules, address admin)
        external
        returns (address asset);

    /// @notice Code that every asset runs for its governance, see IAssetGovernance.
    function governance() external view returns (address);

    /// @notice Whether an address is an asset made here.
    function isAsset(address asset) external view returns (bool);
}
