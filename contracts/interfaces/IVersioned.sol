// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title A contract that says which version of its interface it answers.
interface IVersioned {
    /// @notice Semantic version (semver.org) of the interface: the major number changes with any function, event or error
    /// that is changed or taken away, the minor one with any that is new, the last with code alone.
    /// @return `major.minor.patch`, e.g. `1.0.0`
    function version() external pure returns (string memory);
}
