// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetShares} from "./AssetShares.sol";
import {IAssetFactory} from "./interfaces/IAssetFactory.sol";
import {IAssetShares} from "./interfaces/IAssetShares.sol";
import {IVersioned} from "./interfaces/IVersioned.sol";
import {AssetGovernance} from "./shares/AssetGovernance.sol";

contract AssetFactory is IAssetFactory {
    /// @inheritdoc IAssetFactory
    address public immutable governance = address(new AssetGovernance());

    /// @inheritdoc IAssetFactory
    mapping(address asset => bool) public isAsset;

    /// @inheritdoc IAssetFactory
    function create(IAssetShares.Terms calldata terms, IAssetShares.Rules calldata rules, address admin)
        external
        returns (address asset)
    {
        if (admin == address(0)) revert AdminInvalid(admin);
        asset = address(new AssetShares(governance, terms));
        isAsset[asset] = true;
        AssetGovernance(asset).begin(admin, rules);
        emit AssetCreated(asset, admin, terms);
    }

    /// @inheritdoc IVersioned
    function version() external pure returns (string memory) {
        return "1.0.0";
    }
}
