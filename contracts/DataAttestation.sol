// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IDataAttestation} from "./interfaces/IDataAttestation.sol";
import {CommitteeSignatures} from "./libraries/CommitteeSignatures.sol";
import {MerkleMountainRange} from "./libraries/MerkleMountainRange.sol";
import {MerklePath} from "./libraries/MerklePath.sol";
import {StandardLeaf} from "./libraries/StandardLeaf.sol";
import {BatchMeta} from "./types/BatchMeta.sol";

contract DataAttestation is IDataAttestation, EIP712, ERC165 {
    using MerkleMountainRange for MerkleMountainRange.Range;

    struct StreamState {
        Stream record;
        MerkleMountainRange.Range range;
    }

    bytes32 private constant BATCH_TYPEHASH =
        keccak256("Batch(bytes32 streamId,uint32 seq,bytes32 root,bytes32 previous,uint256 meta,uint24 config)");
    uint256 private constant CLOCK_TOLERANCE_SECONDS = 900;
    uint256 private constant MAX_SCORE_BPS = 10_000;

    mapping(bytes32 streamId => StreamState) private _streams;

    constructor() EIP712("Gridwitness DataAttestation", "1") {}

    /// @inheritdoc IDataAttestation
    function openStream(bytes32 name, bytes32 schema, Committee calldata committee)
        external
        returns (bytes32 streamId)
    {
        streamId = keccak256(abi.encode(msg.sender, name));
        Stream storage record = _streams[streamId].record;
        if (record.owner != address(0)) revert StreamAlreadyOpen(streamId);
        record.owner = msg.sender;
        record.schema = schema;
        emit StreamOpened(streamId, msg.sender, schema, name);
        _setCommittee(streamId, record, committee);
    }

    /// @inheritdoc IDataAttestation
    function setCommittee(bytes32 streamId, Committee calldata committee) external {
        Stream storage record = _opened(streamId).record;
        if (msg.sender != record.owner) revert NotStreamOwner(streamId, msg.sender, record.owner);
        _setCommittee(streamId, record, committee);
    }

    /// @inheritdoc IDataAttestation
    function attest(
        Batch calldata batch,
        uint8 threshold,
        uint256 signerMask,
        bytes calldata signatures,
        address[] calldata nonSigners
    ) external {
        StreamState storage state = _opened(batch.streamId);
        Stream storage record = state.record;
        bytes32 digest = _batchDigest(batch, record.config);
        bytes32 head = record.head;
        if (digest == head) return;

        uint32 count = record.seq;
        if (batch.seq != count + 1) revert SequenceUnexpected(batch.streamId, batch.seq, count + 1);
        if (batch.previous != head) revert PreviousUnexpected(batch.streamId, batch.previous, head);
        uint40 timeTo = _checkMeta(batch.meta);
        address[] memory members = CommitteeSignatures.recoverMembers(digest, signerMask, signatures, nonSigners);
        _checkCommittee(batch.streamId, record, threshold, members, members.length - nonSigners.length);

        record.seq = batch.seq;
        if (timeTo > record.latestTime) record.latestTime = timeTo;
        record.head = digest;
        state.range.append(count, _batchLeaf(batch.seq, batch.root, batch.meta));
        emit BatchAttested(batch.streamId, batch.seq, batch.root, batch.meta, digest, signerMask);
    }

    /// @inheritdoc IDataAttestation
    function stream(bytes32 streamId) external view returns (Stream memory) {
        return _streams[streamId].record;
    }

    /// @inheritdoc IDataAttestation
    function peak(bytes32 streamId, uint256 height) external view returns (bytes32) {
        return _streams[streamId].range.peaks[height];
    }

    /// @inheritdoc IDataAttestation
    function verifyReading(ReadingLeaf calldata leaf, Proof calldata proof) external view returns (bool) {
        return verifyLeaf(StandardLeaf.hash(abi.encode(leaf)), proof);
    }

    /// @inheritdoc IDataAttestation
    function verifyProfile(ProfileLeaf calldata leaf, Proof calldata proof) external view returns (bool) {
        return verifyLeaf(StandardLeaf.hash(abi.encode(leaf)), proof);
    }

    /// @inheritdoc IDataAttestation
    function verifyLeaf(bytes32 leafHash, Proof calldata proof) public view returns (bool) {
        if (proof.seq == 0) return false;
        StreamState storage state = _streams[proof.streamId];
        bytes32 root = MerklePath.foldSorted(leafHash, proof.treeProof);
        bytes32 batchLeaf = _batchLeaf(proof.seq, root, proof.meta);
        return state.range.verify(state.record.seq, proof.seq - 1, batchLeaf, proof.rangeProof);
    }

    /// @inheritdoc IDataAttestation
    function batchDigest(Batch calldata batch) external view returns (bytes32) {
        return _batchDigest(batch, _streams[batch.streamId].record.config);
    }

    /// @inheritdoc IDataAttestation
    function committeeDigest(bytes32 streamId, uint24 config, Committee calldata committee)
        external
        view
        returns (bytes32)
    {
        return CommitteeSignatures.digest(streamId, config, committee.threshold, committee.members);
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IDataAttestation).interfaceId || interfaceId == type(IERC5267).interfaceId
            || super.supportsInterface(interfaceId);
    }

    function _setCommittee(bytes32 streamId, Stream storage record, Committee calldata committee) private {
        CommitteeSignatures.check(committee);
        uint24 config = record.config + 1;
        record.config = config;
        record.committee = CommitteeSignatures.digest(streamId, config, committee.threshold, committee.members);
        emit CommitteeSet(streamId, config, committee.threshold, committee.members);
    }

    function _opened(bytes32 streamId) private view returns (StreamState storage state) {
        state = _streams[streamId];
        if (state.record.owner == address(0)) revert StreamUnknown(streamId);
    }

    function _checkCommittee(
        bytes32 streamId,
        Stream storage record,
        uint8 threshold,
        address[] memory members,
        uint256 signers
    ) private view {
        bytes32 given = CommitteeSignatures.digest(streamId, record.config, threshold, members);
        bytes32 expected = record.committee;
        if (given != expected) revert CommitteeMismatch(streamId, given, expected);
        if (signers < threshold) revert ThresholdNotMet(signers, threshold);
    }

    /// @dev Returns the end of the time covered.
    function _checkMeta(uint256 word) private view returns (uint40 timeTo) {
        BatchMeta meta = BatchMeta.wrap(word);
        timeTo = meta.timeTo();
        if (
            meta.count() == 0 || meta.flaggedCount() > meta.count() || meta.maxScoreBps() > MAX_SCORE_BPS
                || meta.timeFrom() > timeTo
        ) revert MetaInvalid(word);
        if (timeTo > block.timestamp + CLOCK_TOLERANCE_SECONDS) revert BatchFromFuture(timeTo, block.timestamp);
    }

    function _batchDigest(Batch calldata batch, uint24 config) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(BATCH_TYPEHASH, batch, config)));
    }

    /// @dev 96 bytes hashed, where nodes of the range hash 64: no node can pass for a batch.
    function _batchLeaf(uint32 seq, bytes32 root, uint256 meta) private pure returns (bytes32) {
        return keccak256(abi.encode(seq, root, meta));
    }
}
