// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @title The P-256 precompile of EIP-7951, and whether a chain's is to be trusted.
library P256Precompile {
    address private constant PRECOMPILE = address(0x100);
    /// @dev Seven times the price in EIP-7951: a contract at the address cannot burn a deployment's gas.
    uint256 private constant SELF_TEST_GAS = 50_000;

    /// @dev RFC 6979, A.2.5: SHA-256 of "sample" signed by the key given there.
    bytes32 private constant DIGEST = 0xaf2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf;
    bytes32 private constant R = 0xefd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716;
    bytes32 private constant S = 0xf7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8;
    bytes32 private constant X = 0x60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6;
    bytes32 private constant Y = 0x7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299;

    /// @notice Whether 0x100 takes a true signature, refuses it over another digest, and refuses a point off the curve:
    /// (1, 1), whose "signature" (1, 1) over zero satisfies all but the curve's own equation.
    function passesSelfTest() internal view returns (bool) {
        bytes32 one = bytes32(uint256(1));
        return _isAccepted(abi.encode(DIGEST, R, S, X, Y)) && !_isAccepted(abi.encode(~DIGEST, R, S, X, Y))
            && !_isAccepted(abi.encode(bytes32(0), one, one, one, one));
    }

    /// @notice Whether `x || y || r || s` is a signature of low `s` over `digest` by the key whose `keccak256(x || y)` is
    /// `keyId`. The precompile must have passed its test: it checks range and curve.
    /// @dev Assembly, because batches call it a hundred times in a transaction: it saves 900 gas each.
    function isBy(bytes32 keyId, bytes32 digest, bytes calldata signature) internal view returns (bool accepted) {
        uint256 highestS = P256.N / 2;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, digest)
            calldatacopy(add(input, 0x20), add(signature.offset, 0x40), 0x40)
            calldatacopy(add(input, 0x60), signature.offset, 0x40)
            let isKeys := eq(keccak256(add(input, 0x60), 0x40), keyId)
            if and(isKeys, iszero(gt(mload(add(input, 0x40)), highestS))) {
                // Right to left: the call, then what it left. An empty answer leaves the zero.
                mstore(0x00, 0)
                accepted := and(eq(mload(0x00), 1), staticcall(gas(), 0x100, input, 0xa0, 0x00, 0x20))
            }
        }
    }

    /// @dev Whether 0x100 takes `digest || r || s || x || y`; it then answers one word, 1, and else nothing.
    function _isAccepted(bytes memory input) private view returns (bool) {
        // Anything may stand at the address; whatever it does is an answer.
        (bool success, bytes memory output) = PRECOMPILE.staticcall{gas: SELF_TEST_GAS}(input);
        return success && output.length == 32 && bytes32(output) == bytes32(uint256(1));
    }
}
