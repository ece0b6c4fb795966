// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Code that a contract keeps at another address and runs on its own storage.
library SharedCode {
    /// @dev Run the call as it came by `code`, and end as it ends: nothing of the caller comes after it.
    function run(address code) internal {
        assembly ("memory-safe") {
            let input := mload(0x40)
            calldatacopy(input, 0, calldatasize())
            let done := delegatecall(gas(), code, input, calldatasize(), 0, 0)
            returndatacopy(input, 0, returndatasize())
            if iszero(done) { revert(input, returndatasize()) }
            return(input, returndatasize())
        }
    }
}
