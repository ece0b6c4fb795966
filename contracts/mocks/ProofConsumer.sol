// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataAttestation} from "../interfaces/IDataAttestation.sol";

/// @notice A contract that verifies in the midst of other work, to measure what one more verification adds to it.
/// @dev The work, a word stored each time, is the same however many proofs come. Without any, the floor that EIP-7623 sets
/// on calldata would be all that a transaction of proofs costs.
contract ProofConsumer {
    struct Group {
        IDataAttestation.ReadingLeaf[] leaves;
    }

    IDataAttestation public immutable attestation;
    mapping(uint256 index => uint256) private _work;

    error NotProven(uint256 index);

    constructor(IDataAttestation attestation_) {
        attestation = attestation_;
    }

    /// @notice Work, then verify each reading that has a proof; the others are only carried.
    function useReadings(
        uint256 work,
        IDataAttestation.ReadingLeaf[] calldata leaves,
        IDataAttestation.Proof[] calldata proofs
    ) external {
        _store(work);
        for (uint256 i = 0; i < proofs.length; ++i) {
            if (!attestation.verifyReading(leaves[i], proofs[i])) revert NotProven(i);
        }
    }

    /// @notice Work, then verify each profile that has a proof; the others are only carried.
    function useProfiles(
        uint256 work,
        IDataAttestation.ProfileLeaf[] calldata leaves,
        IDataAttestation.Proof[] calldata proofs
    ) external {
        _store(work);
        for (uint256 i = 0; i < proofs.length; ++i) {
            if (!attestation.verifyProfile(leaves[i], proofs[i])) revert NotProven(i);
        }
    }

    /// @notice Work, then verify each group of readings that has a proof; the others are only carried.
    function useMany(uint256 work, Group[] calldata groups, IDataAttestation.MultiProof[] calldata proofs) external {
        _store(work);
        for (uint256 i = 0; i < proofs.length; ++i) {
            if (!attestation.verifyReadings(groups[i].leaves, proofs[i])) revert NotProven(i);
        }
    }

    function _store(uint256 work) private {
        for (uint256 i = 0; i < work; ++i) {
            _work[i] += 1;
        }
    }
}
