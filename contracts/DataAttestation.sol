// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {StreamChallenges} from "./attestation/StreamChallenges.sol";
import {IDataAttestation} from "./interfaces/IDataAttestation.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {IStreamBonds} from "./interfaces/IStreamBonds.sol";
import {IVersioned} from "./interfaces/IVersioned.sol";
import {BatchHash} from "./libraries/BatchHash.sol";
import {MerkleMountainRange} from "./libraries/MerkleMountainRange.sol";
import {MerkleMultiproof} from "./libraries/MerkleMultiproof.sol";
import {MerklePath} from "./libraries/MerklePath.sol";
import {StandardLeaf} from "./libraries/StandardLeaf.sol";
import {BatchMeta} from "./types/BatchMeta.sol";
import {StreamHead} from "./types/StreamHead.sol";

contract DataAttestation is StreamChallenges, ERC165 {
    using MerkleMountainRange for MerkleMountainRange.Range;

    uint256 private constant CLOCK_TOLERANCE_SECONDS = 900;
    uint256 private constant MAX_SCORE_BPS = 10_000;

    constructor(IDeviceRegistry registry_) StreamChallenges(registry_) EIP712("Gridwitness DataAttestation", "1") {}

    /// @inheritdoc IDataAttestation
    function attest(Batch calldata batch, Quorum calldata quorum) external {
        StreamState storage state = _streams[batch.streamId];
        StreamHead head = state.head;
        uint24 config = head.config();
        if (config == 0) revert StreamUnknown(batch.streamId);
        bytes32 digest = _batchDigest(batch, config);
        bytes20 previous = head.head();
        if (bytes20(digest) == previous) return;

        uint256 count = head.seq();
        uint256 seq = batch.seq;
        uint256 meta = batch.meta;
        unchecked {
            if (seq != count + 1) revert SequenceUnexpected(batch.streamId, uint32(seq), uint32(count + 1));
        }
        if (batch.previous != previous) revert PreviousUnexpected(batch.streamId, batch.previous, previous);
        if (block.timestamp < batch.validFrom || block.timestamp > batch.validUntil) {
            revert BatchOutsideValidity(batch.validFrom, batch.validUntil, block.timestamp);
        }
        uint256 timeTo = _checkMeta(meta);
        _requireQuorum(batch.streamId, state, config, digest, quorum);

        state.head = head.withBatch(digest, seq, timeTo);
        state.range.append(count, BatchHash.leaf(seq, batch.root, meta));
        if (batch.supersedes != 0) _supersede(state, batch);
        emit BatchAttested(batch.streamId, uint32(seq), batch.root, meta, digest, quorum.signerMask);
    }

    /// @inheritdoc IVersioned
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @inheritdoc IDataAttestation
    function peak(bytes32 streamId, uint256 height) external view returns (bytes32) {
        return _streams[streamId].range.peak(height);
    }

    /// @inheritdoc IDataAttestation
    function rangeRoot(bytes32 streamId) external view returns (uint32 seq, bytes32 root) {
        StreamState storage state = _streams[streamId];
        seq = state.head.seq();
        root = state.range.root(seq);
    }

    /// @inheritdoc IDataAttestation
    function verifyReading(ReadingLeaf calldata leaf, Proof calldata proof) external view returns (bool) {
        return verifyLeaf(StandardLeaf.hash(leaf), proof);
    }

    /// @inheritdoc IDataAttestation
    function verifyReadings(ReadingLeaf[] calldata leaves, MultiProof calldata proof) external view returns (bool) {
        if (leaves.length == 0) return false;
        bytes32[] memory queue = new bytes32[](leaves.length + proof.treeProofFlags.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            queue[i] = StandardLeaf.hash(leaves[i]);
        }
        bytes32 root = MerkleMultiproof.fold(queue, proof.treeProof, proof.treeProofFlags);
        return _verifyRoot(proof.streamId, proof.seq, proof.meta, root, proof.rangeProof);
    }

    /// @inheritdoc IDataAttestation
    function verifyProfile(ProfileLeaf calldata leaf, Proof calldata proof) external view returns (bool) {
        return verifyLeaf(StandardLeaf.hash(leaf), proof);
    }

    /// @inheritdoc IDataAttestation
    function verifyLeaf(bytes32 leafHash, Proof calldata proof) public view override returns (bool) {
        bytes32 root = MerklePath.foldSorted(leafHash, proof.treeProof);
        return _verifyRoot(proof.streamId, proof.seq, proof.meta, root, proof.rangeProof);
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IDataAttestation).interfaceId || interfaceId == type(IStreamBonds).interfaceId
            || interfaceId == type(IVersioned).interfaceId || interfaceId == type(IERC5267).interfaceId
            || super.supportsInterface(interfaceId);
    }

    function _supersede(StreamState storage state, Batch calldata batch) private {
        BatchStatus status = batch.supersedes < batch.seq ? _batchStatus(state, batch.supersedes) : BatchStatus.Unknown;
        if (status != BatchStatus.Standing) revert BatchNotStanding(batch.streamId, batch.supersedes, status);
        state.revocations[batch.supersedes].supersededBy = batch.seq;
        state.range.taint(batch.seq, batch.supersedes - 1);
        emit BatchSuperseded(batch.streamId, batch.supersedes, batch.seq);
    }

    function _verifyRoot(bytes32 streamId, uint256 seq, uint256 meta, bytes32 root, bytes32[] calldata rangeProof)
        private
        view
        returns (bool)
    {
        StreamState storage state = _streams[streamId];
        uint256 index;
        // No batch is number 0, so where its index wraps to makes no difference.
        unchecked {
            index = seq - 1;
        }
        (bool contained, bool tainted) = state.range.verify(index, BatchHash.leaf(seq, root, meta), rangeProof);
        if (tainted) return _batchStatus(state, uint32(seq)) == BatchStatus.Standing;
        return contained;
    }

    /// @dev Returns the end of the time covered.
    function _checkMeta(uint256 word) private view returns (uint256 timeTo) {
        BatchMeta meta = BatchMeta.wrap(word);
        timeTo = meta.timeTo();
        uint256 count = meta.count();
        if (count == 0 || meta.flaggedCount() > count || meta.maxScoreBps() > MAX_SCORE_BPS || meta.timeFrom() > timeTo)
        {
            revert MetaInvalid(word);
        }
        unchecked {
            if (timeTo > block.timestamp + CLOCK_TOLERANCE_SECONDS) {
                revert BatchFromFuture(uint40(timeTo), block.timestamp);
            }
        }
    }
}
