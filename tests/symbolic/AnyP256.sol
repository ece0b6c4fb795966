// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SVM} from "./SymbolicCheats.sol";

/// @dev Stands at the precompile's address: passes the registry's self-test, and then answers anything.
contract AnyP256 {
    bytes32 private constant TRUE_DIGEST = 0xaf2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf;

    fallback(bytes calldata input) external returns (bytes memory) {
        bytes32 digest = bytes32(input[:32]);
        if (digest == TRUE_DIGEST) return abi.encode(true);
        if (digest == ~TRUE_DIGEST || digest == 0) return abi.encode(false);
        return abi.encode(SVM.createBool("accepted"));
    }
}
