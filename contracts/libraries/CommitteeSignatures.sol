// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IDataAttestation} from "../interfaces/IDataAttestation.sol";

/// @title A committee kept as one digest, and rebuilt from those who signed and those who did not.
/// @dev Nothing but the digest decides: a forged, malleable, doubled or foreign signature recovers to an address that
/// cannot stand in a list which was strictly ascending, and free of zero, when its digest was taken.
library CommitteeSignatures {
    uint256 internal constant MAX_MEMBERS = 31;
    uint256 internal constant SIGNATURE_LENGTH = 65;

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
    function digest(bytes32 streamId, uint24 config, uint8 threshold, address[] memory members)
        internal
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), streamId, config, threshold, members));
    }

    /// @notice The ascending member list that the signers of `message` and the non-signers make together.
    /// @param message the digest signed
    /// @param signerMask bit i set: member i signed
    /// @param signatures `r || s || v` of each signer, in order
    /// @param nonSigners the others, in order
    function recoverMembers(
        bytes32 message,
        uint256 signerMask,
        bytes calldata signatures,
        address[] calldata nonSigners
    ) internal pure returns (address[] memory members) {
        // Multiplied back below to refuse any length but whole signatures.
        // slither-disable-next-line divide-before-multiply
        uint256 signers = signatures.length / SIGNATURE_LENGTH;
        uint256 size = signers + nonSigners.length;
        if (
            signatures.length != signers * SIGNATURE_LENGTH || signerMask >> size != 0
                || _bitCount(signerMask) != signers
        ) revert IDataAttestation.SignerMaskInvalid(signerMask, signatures.length, nonSigners.length);

        members = new address[](size);
        uint256 signed = 0;
        unchecked {
            for (uint256 i = 0; i < size; ++i) {
                bool hasSigned = (signerMask >> i) & 1 == 1;
                members[i] = hasSigned ? _recover(message, signatures, signed) : nonSigners[i - signed];
                if (hasSigned) ++signed;
            }
        }
    }

    /// @dev Zero for a signature that recovers to nobody. The caller has checked that `signatures` holds `index`.
    function _recover(bytes32 message, bytes calldata signatures, uint256 index) private pure returns (address signer) {
        bytes32 r;
        bytes32 s;
        uint8 v;
        // Slices would be checked against the length three times per signature.
        assembly ("memory-safe") {
            let start := add(signatures.offset, mul(index, SIGNATURE_LENGTH))
            r := calldataload(start)
            s := calldataload(add(start, 0x20))
            v := byte(0, calldataload(add(start, 0x40)))
        }
        // The error is left out: a failed recovery is the zero address, which is no member.
        // slither-disable-next-line unused-return
        (signer,,) = ECDSA.tryRecover(message, v, r, s);
    }

    function _bitCount(uint256 word) private pure returns (uint256 bits) {
        unchecked {
            for (; word != 0; word &= word - 1) {
                ++bits;
            }
        }
    }
}
