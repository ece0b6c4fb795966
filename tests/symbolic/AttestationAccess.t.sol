// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAttestation} from "../../contracts/DataAttestation.sol";
import {IDataAttestation} from "../../contracts/interfaces/IDataAttestation.sol";
import {IDeviceRegistry} from "../../contracts/interfaces/IDeviceRegistry.sol";
import {SVM, VM} from "./SymbolicCheats.sol";

/// @dev Who may do what to a stream: for any caller and arguments, in any state of the contract's storage. Committees
/// have at most three members.
contract AttestationAccessProofs {
    DataAttestation private attestation;

    function setUp() external {
        attestation = new DataAttestation(IDeviceRegistry(address(0xDE71CE)));
        SVM.enableSymbolicStorage(address(attestation));
    }

    /// @dev INV-A8.
    /// @custom:halmos --loop 4 --array-lengths committee.members={0,1,2,3}
    function check_setCommittee__any_caller__is_the_owner(
        address caller,
        bytes32 streamId,
        IDataAttestation.Committee calldata committee
    ) external {
        address owner = attestation.stream(streamId).owner;
        VM.prank(caller);
        attestation.setCommittee(streamId, committee);
        assert(caller == owner && owner != address(0));
    }

    /// @dev INV-A8.
    /// @custom:halmos --loop 33
    function check_markCompromised__any_caller__is_the_owner(
        address caller,
        bytes32 streamId,
        uint24 config,
        uint32 fromSeq
    ) external {
        address owner = attestation.stream(streamId).owner;
        VM.prank(caller);
        attestation.markCompromised(streamId, config, fromSeq);
        assert(caller == owner && owner != address(0));
    }

    /// @dev INV-A8, INV-A17.
    /// @custom:halmos --loop 4 --array-lengths committee.members={0,1,2,3}
    function check_openStream__any_caller__takes_over_no_stream(
        address caller,
        bytes32 name,
        bytes32 schema,
        IDataAttestation.Committee calldata committee,
        bytes32 streamId,
        uint24 config
    ) external {
        IDataAttestation.Stream memory before = attestation.stream(streamId);
        IDataAttestation.Term memory term = attestation.term(streamId, config);
        VM.assume(before.owner != address(0));
        VM.prank(caller);
        attestation.openStream(name, schema, committee);
        assert(_same(before, attestation.stream(streamId)));
        assert(_same(term, attestation.term(streamId, config)));
    }

    /// @dev INV-A1, INV-A11, INV-A17: for the first two batches of a stream, superseding none, one signer and at most
    /// one who did not sign; what appending writes is proven for every length in MerkleMountainRangeProofs.
    /// @custom:halmos --loop 4 --array-lengths quorum.signatures={65},quorum.nonSigners={0,1}
    function check_attest__any_batch_and_quorum__moves_the_sequence_alone(
        address caller,
        IDataAttestation.Batch calldata batch,
        IDataAttestation.Quorum memory quorum,
        bytes32 streamId,
        uint24 config
    ) external {
        IDataAttestation.Stream memory before = attestation.stream(streamId);
        IDataAttestation.Term memory term = attestation.term(streamId, config);
        quorum.signerMask = 1;
        VM.assume(batch.supersedes == 0 && attestation.stream(batch.streamId).seq < 2);
        VM.prank(caller);
        attestation.attest(batch, quorum);
        IDataAttestation.Stream memory then = attestation.stream(streamId);
        assert(_same(term, attestation.term(streamId, config)));
        if (then.seq != before.seq) assert(then.seq == uint256(before.seq) + 1);
        else assert(then.head == before.head);
        assert(then.latestTime >= before.latestTime);
        (then.seq, then.head, then.latestTime) = (before.seq, before.head, before.latestTime);
        assert(_same(then, before));
    }

    function _same(IDataAttestation.Stream memory a, IDataAttestation.Stream memory b) private pure returns (bool) {
        return keccak256(abi.encode(a)) == keccak256(abi.encode(b));
    }

    function _same(IDataAttestation.Term memory a, IDataAttestation.Term memory b) private pure returns (bool) {
        return keccak256(abi.encode(a)) == keccak256(abi.encode(b));
    }
}
