// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev The cheat codes of Halmos that the proofs use.
interface Svm {
    function enableSymbolicStorage(address target) external;
    function createBool(string calldata name) external returns (bool);
    function createUint(uint256 bits, string calldata name) external returns (uint256);
    function createCalldata(string calldata contractName) external returns (bytes memory);
}

Svm constant SVM = Svm(0xF3993A62377BCd56AE39D773740A5390411E8BC9);

/// @dev The cheat codes of forge that Halmos knows and the proofs use.
interface Vm {
    function assume(bool condition) external pure;
    function prank(address sender) external;
    function etch(address target, bytes calldata code) external;
    function warp(uint256 timestamp) external;
}

Vm constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
