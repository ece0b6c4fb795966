// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {IDataAttestation} from "../interfaces/IDataAttestation.sol";
import {BatchHash} from "../libraries/BatchHash.sol";
import {CommitteeSignatures} from "../libraries/CommitteeSignatures.sol";
import {MerkleMountainRange} from "../libraries/MerkleMountainRange.sol";
import {StreamHead} from "../types/StreamHead.sol";

/// @title Streams, the committees that served them, and which of their batches stand.
abstract contract AttestationStreams is IDataAttestation, EIP712 {
    using Checkpoints for Checkpoints.Trace224;
    using MerkleMountainRange for MerkleMountainRange.Range;

    /// @dev Attesting writes the head and one peak.
    struct StreamState {
        StreamHead head;
        address owner;
        uint32 marks;
        bytes32 schema;
        MerkleMountainRange.Range range;
        mapping(uint256 config => Term) terms;
        // Number of the committee by the first batch it could sign.
        Checkpoints.Trace224 configs;
        mapping(uint256 seq => Revocation) revocations;
    }

    /// @dev Why a batch no longer stands, if it is not its committee's doing.
    struct Revocation {
        uint32 supersededBy;
        bool convicted;
    }

    mapping(bytes32 streamId => StreamState) internal _streams;

    /// @inheritdoc IDataAttestation
    function openStream(bytes32 name, bytes32 schema, Committee calldata committee)
        external
        returns (bytes32 streamId)
    {
        streamId = keccak256(abi.encode(msg.sender, name));
        StreamState storage state = _streams[streamId];
        if (state.owner != address(0)) revert StreamAlreadyOpen(streamId);
        state.owner = msg.sender;
        state.schema = schema;
        emit StreamOpened(streamId, msg.sender, schema, name);
        _setCommittee(streamId, state, committee);
    }

    /// @inheritdoc IDataAttestation
    function setCommittee(bytes32 streamId, Committee calldata committee) external {
        _setCommittee(streamId, _owned(streamId), committee);
    }

    /// @inheritdoc IDataAttestation
    function markCompromised(bytes32 streamId, uint24 config, uint32 fromSeq) external {
        _markCompromised(streamId, _owned(streamId), config, fromSeq);
    }

    /// @inheritdoc IDataAttestation
    function stream(bytes32 streamId) external view returns (Stream memory) {
        StreamState storage state = _streams[streamId];
        StreamHead head = state.head;
        return Stream({
            owner: state.owner,
            seq: head.seq(),
            latestTime: head.latestTime(),
            config: head.config(),
            marks: state.marks,
            schema: state.schema,
            head: head.head()
        });
    }

    /// @inheritdoc IDataAttestation
    function latestTime(bytes32 streamId) external view returns (uint40) {
        return _streams[streamId].head.latestTime();
    }

    /// @inheritdoc IDataAttestation
    function term(bytes32 streamId, uint24 config) external view returns (Term memory) {
        return _streams[streamId].terms[config];
    }

    /// @inheritdoc IDataAttestation
    function configAt(bytes32 streamId, uint32 seq) external view returns (uint24) {
        return _configAt(_streams[streamId], seq);
    }

    /// @inheritdoc IDataAttestation
    function batchStatus(bytes32 streamId, uint32 seq) external view returns (BatchStatus status, uint32 supersededBy) {
        return (_batchStatus(_streams[streamId], seq), _streams[streamId].revocations[seq].supersededBy);
    }

    /// @inheritdoc IDataAttestation
    function batchDigest(Batch calldata batch, uint24 config) external view returns (bytes32) {
        return _batchDigest(batch, config);
    }

    /// @inheritdoc IDataAttestation
    function committeeDigest(bytes32 streamId, uint24 config, Committee calldata committee)
        external
        view
        returns (bytes32)
    {
        return CommitteeSignatures.digest(streamId, config, committee);
    }

    function _setCommittee(bytes32 streamId, StreamState storage state, Committee calldata committee) private {
        CommitteeSignatures.check(committee);
        uint24 config = state.head.config() + 1;
        _beginTerm(state, config, CommitteeSignatures.digest(streamId, config, committee));
        emit CommitteeSet(streamId, config, committee.threshold, committee.members);
    }

    function _beginTerm(StreamState storage state, uint24 config, bytes32 committee) private {
        StreamHead head = state.head;
        uint32 firstSeq = head.seq() + 1;
        state.head = head.withConfig(config);
        state.terms[config] =
            Term({committee: committee, firstSeq: firstSeq, since: uint40(block.timestamp), compromisedFrom: 0});
        // What was there before and is there now is no news.
        // slither-disable-next-line unused-return
        state.configs.push(firstSeq, config);
    }

    /// @dev A committee in force that is compromised is followed by a term of no committee, which nobody can sign for.
    function _markCompromised(bytes32 streamId, StreamState storage state, uint24 config, uint32 fromSeq) internal {
        StreamHead head = state.head;
        if (config == 0 || config > head.config()) revert TermUnknown(streamId, config, head.config());
        Term storage marked = state.terms[config];
        uint32 before = marked.compromisedFrom;
        if (fromSeq < marked.firstSeq || (before != 0 && fromSeq >= before)) {
            revert CompromiseInvalid(streamId, config, fromSeq);
        }
        marked.compromisedFrom = fromSeq;
        state.range.taintAll(head.seq());
        if (config == head.config()) _beginTerm(state, config + 1, bytes32(0));
        emit CommitteeCompromised(streamId, config, fromSeq);
    }

    function _opened(bytes32 streamId) internal view returns (StreamState storage state) {
        state = _streams[streamId];
        if (state.owner == address(0)) revert StreamUnknown(streamId);
    }

    function _owned(bytes32 streamId) internal view returns (StreamState storage state) {
        state = _opened(streamId);
        if (msg.sender != state.owner) revert NotStreamOwner(streamId, msg.sender, state.owner);
    }

    function _configAt(StreamState storage state, uint32 seq) internal view returns (uint24) {
        return uint24(state.configs.upperLookupRecent(seq));
    }

    function _batchStatus(StreamState storage state, uint32 seq) internal view returns (BatchStatus) {
        if (seq == 0 || seq > state.head.seq()) return BatchStatus.Unknown;
        Revocation storage revocation = state.revocations[seq];
        if (revocation.convicted) return BatchStatus.Convicted;
        if (_isCompromised(state, seq)) return BatchStatus.Compromised;
        // What a compromised committee put in a batch's place does not count, so the batch does.
        uint32 supersededBy = revocation.supersededBy;
        bool isSuperseded = supersededBy != 0 && !_isCompromised(state, supersededBy);
        return isSuperseded ? BatchStatus.Superseded : BatchStatus.Standing;
    }

    /// @dev Of an attested batch.
    function _isCompromised(StreamState storage state, uint32 seq) private view returns (bool) {
        uint32 compromisedFrom = state.terms[_configAt(state, seq)].compromisedFrom;
        return compromisedFrom != 0 && seq >= compromisedFrom;
    }

    /// @dev Reverts unless `quorum` is enough of the committee of number `config` over `digest`.
    function _requireQuorum(
        bytes32 streamId,
        StreamState storage state,
        uint24 config,
        bytes32 digest,
        Quorum calldata quorum
    ) internal view {
        uint8 threshold = quorum.threshold;
        (bytes32 given, uint256 signers) =
            CommitteeSignatures.recoverDigest(streamId, config, threshold, digest, quorum);
        bytes32 expected = state.terms[config].committee;
        if (given != expected) revert CommitteeMismatch(streamId, given, expected);
        if (signers < threshold) revert ThresholdNotMet(signers, threshold);
    }

    function _batchDigest(Batch calldata batch, uint24 config) internal view returns (bytes32) {
        return _hashTypedDataV4(BatchHash.structHash(batch, config));
    }
}
