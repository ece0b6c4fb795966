// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAttestation} from "../interfaces/IDataAttestation.sol";

/// @title A committee kept as one digest, and rebuilt from those who signed and those who did not.
/// @dev Nothing but the digest decides: a forged, malleable, doubled or foreign signature recovers to an address that
/// cannot stand in a list which was strictly ascending, and free of zero, when its digest was taken.
library CommitteeSignatures {
    uint256 internal constant MAX_MEMBERS = 31;
    uint256 internal constant SIGNATURE_LENGTH = 65;
    /// @dev Half the order of secp256k1: a signature with a higher s is the malleable twin of one with a lower.
    uint256 internal constant MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice Revert unless members are 1 to 31, strictly ascending from above zero, and the threshold can be met.
    function check(IDataAttestation.Committee calldata committee) internal pure {
        uint256 size = committee.members.length;
        if (size == 0 || size > MAX_MEMBERS || committee.threshold == 0 || committee.threshold > size) {
            revert IDataAttestation.CommitteeSizeInvalid(size, committee.threshold);
        }
        address before = address(0);
        for (uint256 i = 0; i < size; ++i) {
            address member = committee.members[i];
            if (member <= before) revert IDataAttestation.CommitteeNotAscending(i, member, before);
            before = member;
        }
    }

    /// @notice The digest that stands for a committee: bound to chain, contract, stream and the committee's number.
    function digest(bytes32 streamId, uint24 config, IDataAttestation.Committee calldata committee)
        internal
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(block.chainid, address(this), streamId, config, committee.threshold, committee.members)
        );
    }

    /// @notice {digest} of the committee that the signers of `message` and the non-signers make together.
    /// @param threshold the committee's
    /// @return committee the digest
    /// @return signers how many signed
    function recoverDigest(
        bytes32 streamId,
        uint256 config,
        uint256 threshold,
        bytes32 message,
        IDataAttestation.Quorum calldata quorum
    ) internal view returns (bytes32 committee, uint256 signers) {
        bytes calldata signatures = quorum.signatures;
        address[] calldata nonSigners = quorum.nonSigners;
        uint256 mask = quorum.signerMask;
        uint256 size;
        unchecked {
            signers = signatures.length / SIGNATURE_LENGTH;
            size = signers + nonSigners.length;
        }
        bool fits = mask >> size == 0;
        // What {digest} encodes, written and hashed in place.
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, chainid())
            mstore(add(start, 0x20), address())
            mstore(add(start, 0x40), streamId)
            mstore(add(start, 0x60), config)
            mstore(add(start, 0x80), threshold)
            mstore(add(start, 0xa0), 0xc0)
            mstore(add(start, 0xc0), size)
            let at := add(start, 0xe0)
            let end := add(at, shl(5, size))
            let signature := signatures.offset
            let other := nonSigners.offset
            // Beyond the list stands what ecrecover takes: digest, v, r and s.
            mstore(end, message)
            for { mask := mul(mask, fits) } mask { mask := shr(1, mask) } {
                for {} iszero(and(mask, 1)) { mask := shr(1, mask) } {
                    mstore(at, calldataload(other))
                    other := add(other, 0x20)
                    at := add(at, 0x20)
                }
                calldatacopy(add(end, 0x40), signature, 0x40)
                // A high s gets a v of zero. For this, a wrong v, and r or s out of range ecrecover gives no address, and
                // the member is zero.
                mstore(
                    add(end, 0x20),
                    mul(
                        byte(0, calldataload(add(signature, 0x40))),
                        iszero(gt(calldataload(add(signature, 0x20)), MAX_S))
                    )
                )
                mstore(at, 0)
                pop(staticcall(gas(), 1, end, 0x80, at, 0x20))
                signature := add(signature, SIGNATURE_LENGTH)
                at := add(at, 0x20)
            }
            calldatacopy(at, other, sub(end, at))
            committee := keccak256(start, sub(end, start))
            // As many bits as signatures leave as many clear as there are non-signers.
            fits := and(fits, eq(signature, add(signatures.offset, signatures.length)))
        }
        if (!fits) {
            revert IDataAttestation.SignerMaskInvalid(quorum.signerMask, signatures.length, nonSigners.length);
        }
    }
}
