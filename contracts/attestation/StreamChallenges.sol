// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IDataAttestation} from "../interfaces/IDataAttestation.sol";
import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {IStreamBonds} from "../interfaces/IStreamBonds.sol";
import {MerkleMountainRange} from "../libraries/MerkleMountainRange.sol";
import {StandardLeaf} from "../libraries/StandardLeaf.sol";
import {StreamBonds} from "./StreamBonds.sol";

/// @title What costs a stream its bond: readings no device signed, and batches signed twice over.
/// @dev An answer starved of gas cannot convict: what a failed check leaves of it (1/64) would have to pay for the verdict.
abstract contract StreamChallenges is StreamBonds {
    using MerkleMountainRange for MerkleMountainRange.Range;

    uint256 private constant MAX_OPEN_CHALLENGES = 128;
    uint256 private constant CHALLENGES_PER_DOUBLING = 4;
    uint256 private constant KEY_GRACE_SECONDS = 900;
    uint256 private constant P256_SIGNATURE_LENGTH = 128;
    uint256 private constant SECP256K1_SIGNATURE_LENGTH = 65;

    /// @inheritdoc IStreamBonds
    IDeviceRegistry public immutable registry;
    mapping(bytes32 challengeId => Challenge) private _challenges;
    mapping(bytes32 streamId => mapping(uint24 config => bool)) private _hasEquivocated;

    constructor(IDeviceRegistry registry_) {
        registry = registry_;
    }

    /// @inheritdoc IStreamBonds
    function challenge(ReadingLeaf calldata leaf, Proof calldata proof, uint128 maxStake)
        external
        nonReentrant
        returns (bytes32 challengeId)
    {
        bytes32 streamId = proof.streamId;
        Bond storage record = _bonds[streamId];
        (uint256 stake, uint8 doublings) = _admit(streamId, record, maxStake);
        bytes32 leafHash = StandardLeaf.hash(leaf);
        challengeId = _challengeId(streamId, proof.seq, leafHash);
        ChallengeStatus status = _challenges[challengeId].status;
        if (status != ChallengeStatus.None) revert ChallengeExists(challengeId, status);
        if (!verifyLeaf(leafHash, proof)) revert LeafNotAttested(streamId, proof.seq, leafHash);

        uint40 deadline = uint40(block.timestamp + record.answerWindowSeconds);
        _challenges[challengeId] = Challenge({
            challenger: msg.sender,
            deadline: deadline,
            seq: proof.seq,
            status: ChallengeStatus.Open,
            doublings: doublings,
            streamId: streamId
        });
        emit ReadingChallenged(challengeId, streamId, msg.sender, leaf, proof.seq, deadline, stake);
        uint256 received = _collect(record.token, stake);
        if (received != stake) revert TransferIncomplete(stake, received);
    }

    /// @inheritdoc IStreamBonds
    function answer(bytes32 challengeId, ReadingLeaf calldata leaf, bytes calldata signature, bytes calldata document)
        external
        nonReentrant
    {
        Challenge storage doubt = _requireOpen(challengeId);
        if (block.timestamp > doubt.deadline) {
            revert AnswerPeriodOver(challengeId, doubt.deadline, block.timestamp);
        }
        bytes32 given = _challengeId(doubt.streamId, doubt.seq, StandardLeaf.hash(leaf));
        if (given != challengeId) revert LeafMismatch(challengeId, given);
        bool isDocument = document.length != 0;
        bytes32 documentHash = isDocument ? sha256(document) : bytes32(0);
        bytes32 evidence = isDocument ? keccak256(abi.encode(keccak256(signature), documentHash)) : keccak256(signature);
        if (evidence != leaf.signatureHash || !(isDocument || _hasLengthOfSignature(signature))) {
            revert EvidenceMismatch(challengeId, evidence, leaf.signatureHash);
        }

        emit ChallengeAnswered(challengeId, msg.sender, signature, document);
        if (_isSigned(leaf, isDocument ? documentHash : _readingDigest(leaf), signature)) {
            _close(doubt, ChallengeStatus.Answered, msg.sender);
        } else {
            _convict(challengeId, doubt);
        }
    }

    /// @inheritdoc IStreamBonds
    function convict(bytes32 challengeId) external nonReentrant {
        Challenge storage doubt = _requireOpen(challengeId);
        if (block.timestamp <= doubt.deadline) {
            revert AnswerPeriodRunning(challengeId, doubt.deadline, block.timestamp);
        }
        _convict(challengeId, doubt);
    }

    /// @inheritdoc IStreamBonds
    function proveEquivocation(uint24 config, SignedBatch calldata a, SignedBatch calldata b) external nonReentrant {
        bytes32 streamId = a.batch.streamId;
        StreamState storage state = _opened(streamId);
        (bytes32 digestA, bytes32 digestB) = (_batchDigest(a.batch, config), _batchDigest(b.batch, config));
        if (!_areContrary(a.batch, b.batch)) revert NotEquivocation(digestA, digestB);
        _requireQuorum(streamId, state, config, digestA, a.quorum);
        _requireQuorum(streamId, state, config, digestB, b.quorum);

        uint32 seq = a.batch.seq;
        bool isFirst = !_hasEquivocated[streamId][config];
        bool isMarked = _markCompromisedFrom(streamId, state, config, seq);
        if (!isFirst && !isMarked) revert EquivocationAlreadyProven(streamId, config, seq);
        _hasEquivocated[streamId][config] = true;
        ++state.marks;
        uint128 amount = isFirst ? _forfeit(streamId, msg.sender) : 0;
        emit EquivocationProven(streamId, seq, msg.sender, config, digestA, digestB, amount);
    }

    /// @inheritdoc IStreamBonds
    function challengeOf(bytes32 challengeId) external view returns (Challenge memory) {
        return _challenges[challengeId];
    }

    /// @inheritdoc IDataAttestation
    function verifyLeaf(bytes32 leafHash, Proof calldata proof) public view virtual returns (bool);

    /// @dev Counts one more open challenge, and prices it.
    function _admit(bytes32 streamId, Bond storage record, uint128 maxStake)
        private
        returns (uint256 stake, uint8 doublings)
    {
        (uint40 exitAt, uint8 open) = (record.exitAt, record.openChallenges);
        if (exitAt == 0 && record.amount == 0) revert BondMissing(streamId);
        if (exitAt != 0 && block.timestamp >= exitAt) revert ExitUnderWay(streamId, exitAt);
        if (open == MAX_OPEN_CHALLENGES) revert ChallengesOpen(streamId, open, MAX_OPEN_CHALLENGES);
        doublings = uint8(open / CHALLENGES_PER_DOUBLING);
        stake = uint256(record.stake) << doublings;
        if (stake > maxStake) revert StakeAboveMaximum(streamId, stake, maxStake);
        record.openChallenges = open + 1;
    }

    function _close(Challenge storage doubt, ChallengeStatus status, address winner) private {
        Bond storage record = _bonds[doubt.streamId];
        doubt.status = status;
        --record.openChallenges;
        _credit(record.token, winner, uint256(record.stake) << doubt.doublings);
    }

    function _convict(bytes32 challengeId, Challenge storage doubt) private {
        (bytes32 streamId, address challenger, uint32 seq) = (doubt.streamId, doubt.challenger, doubt.seq);
        _close(doubt, ChallengeStatus.Convicted, challenger);
        StreamState storage state = _streams[streamId];
        ++state.marks;
        if (!state.revocations[seq].convicted) {
            state.revocations[seq].convicted = true;
            state.range.taint(state.head.seq(), seq - 1);
        }
        uint128 amount = _forfeit(streamId, challenger);
        emit ChallengeConvicted(challengeId, streamId, challenger, seq, amount);
    }

    /// @dev Whether that marked more than was marked before. A term is marked from its first batch at the earliest.
    function _markCompromisedFrom(bytes32 streamId, StreamState storage state, uint24 config, uint32 seq)
        private
        returns (bool)
    {
        Term storage signed = state.terms[config];
        uint32 fromSeq = uint32(Math.max(seq, signed.firstSeq));
        if (signed.compromisedFrom != 0 && signed.compromisedFrom <= fromSeq) return false;
        _markCompromised(streamId, state, config, fromSeq);
        return true;
    }

    function _requireOpen(bytes32 challengeId) private view returns (Challenge storage doubt) {
        doubt = _challenges[challengeId];
        if (doubt.status != ChallengeStatus.Open) revert ChallengeNotOpen(challengeId, doubt.status);
    }

    function _isSigned(ReadingLeaf calldata leaf, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool)
    {
        uint256 time = Math.min(leaf.time, type(uint40).max);
        uint256 before = Math.saturatingSub(time, KEY_GRACE_SECONDS);
        return registry.isDeviceSignature(leaf.deviceId, digest, signature, uint40(time))
            || registry.isDeviceSignature(leaf.deviceId, digest, signature, uint40(before));
    }

    function _readingDigest(ReadingLeaf calldata leaf) private view returns (bytes32) {
        return registry.readingDigest(leaf.deviceId, leaf.counter, leaf.time, leaf.metric, leaf.value);
    }

    /// @dev Of one stream and number, unlike in content, and valid at one time.
    function _areContrary(Batch calldata a, Batch calldata b) private pure returns (bool) {
        return a.streamId == b.streamId && a.seq == b.seq
            && (a.root != b.root || a.meta != b.meta || a.supersedes != b.supersedes)
            && Math.max(a.validFrom, b.validFrom) <= Math.min(a.validUntil, b.validUntil);
    }

    /// @dev Which the 64 bytes hashed for a document have not: they cannot be brought as the false signature of a reading.
    function _hasLengthOfSignature(bytes calldata signature) private pure returns (bool) {
        return signature.length == P256_SIGNATURE_LENGTH || signature.length == SECP256K1_SIGNATURE_LENGTH;
    }

    function _challengeId(bytes32 streamId, uint32 seq, bytes32 leafHash) private pure returns (bytes32) {
        return keccak256(abi.encode(streamId, seq, leafHash));
    }
}
