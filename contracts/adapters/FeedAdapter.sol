// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";
import {IDataAttestation} from "../interfaces/IDataAttestation.sol";
import {IFeedAdapter} from "../interfaces/IFeedAdapter.sol";

contract FeedAdapter is IFeedAdapter {
    /// @dev One slot. The newest round is kept apart from its history, so that reading it takes one load.
    struct Round {
        uint32 id;
        uint32 seq;
        uint40 time;
        int152 answer;
    }

    uint16 private constant FULL_SCORE_BPS = 10_000;
    bytes32 private constant READING_SCHEMA = keccak256("bytes32,uint64,uint64,bytes32,int256,uint16,bytes32");

    /// @inheritdoc IAggregatorV3
    uint256 public constant version = 1;
    /// @inheritdoc IFeedAdapter
    IDataAttestation public immutable attestation;
    /// @inheritdoc IFeedAdapter
    bytes32 public immutable streamId;
    /// @inheritdoc IFeedAdapter
    bytes32 public immutable deviceId;
    /// @inheritdoc IFeedAdapter
    bytes32 public immutable metric;
    /// @inheritdoc IAggregatorV3
    uint8 public immutable decimals;
    /// @inheritdoc IFeedAdapter
    uint32 public immutable intervalSeconds;
    /// @inheritdoc IFeedAdapter
    uint16 public immutable maxScoreBps;
    /// @inheritdoc IAggregatorV3
    string public description;

    Round private _latest;
    mapping(uint256 roundId => Round) private _history;

    constructor(
        IDataAttestation attestation_,
        bytes32 streamId_,
        bytes32 deviceId_,
        bytes32 metric_,
        uint8 decimals_,
        uint32 intervalSeconds_,
        uint16 maxScoreBps_,
        string memory description_
    ) {
        bytes32 schema = attestation_.stream(streamId_).schema;
        if (schema != READING_SCHEMA) revert SchemaUnexpected(streamId_, schema, READING_SCHEMA);
        if (maxScoreBps_ > FULL_SCORE_BPS) revert MaxScoreInvalid(maxScoreBps_, FULL_SCORE_BPS);
        attestation = attestation_;
        streamId = streamId_;
        deviceId = deviceId_;
        metric = metric_;
        decimals = decimals_;
        intervalSeconds = intervalSeconds_;
        maxScoreBps = maxScoreBps_;
        description = description_;
    }

    /// @inheritdoc IFeedAdapter
    function update(IDataAttestation.ReadingLeaf calldata leaf, IDataAttestation.Proof calldata proof)
        external
        returns (uint80 roundId)
    {
        Round memory latest = _latest;
        uint256 updatedAt = uint256(leaf.time) + intervalSeconds;
        _requireOwn(leaf, proof.streamId);
        if (!_isNewer(leaf.time, latest)) revert ReadingNotNewer(leaf.time, latest.time);
        if (updatedAt > block.timestamp) revert ReadingNotOver(updatedAt, block.timestamp);
        if (leaf.value < type(int152).min || leaf.value > type(int152).max) {
            revert AnswerOutOfRange(leaf.value, type(int152).min, type(int152).max);
        }
        if (!attestation.verifyReading(leaf, proof)) revert ReadingNotAttested(streamId, proof.seq);

        if (latest.id != 0) _history[latest.id] = latest;
        roundId = latest.id + 1;
        // A time that has passed fits 40 bits.
        _latest = Round(uint32(roundId), proof.seq, uint40(leaf.time), int152(leaf.value));
        emit AnswerUpdated(leaf.value, roundId, updatedAt);
    }

    /// @inheritdoc IFeedAdapter
    function readFresh(uint256 maxAgeSeconds) external view returns (int256 answer, uint256 updatedAt) {
        Round memory round = _newest();
        updatedAt = uint256(round.time) + intervalSeconds;
        if (block.timestamp - updatedAt > maxAgeSeconds) {
            revert AnswerStale(updatedAt, maxAgeSeconds, block.timestamp);
        }
        (IDataAttestation.BatchStatus status, uint32 supersededBy) = attestation.batchStatus(streamId, round.seq);
        if (status != IDataAttestation.BatchStatus.Standing) {
            revert AnswerRevoked(round.id, round.seq, status, supersededBy);
        }
        answer = round.answer;
    }

    /// @inheritdoc IFeedAdapter
    function batchOf(uint80 roundId) external view returns (uint32 seq) {
        return _round(roundId).seq;
    }

    /// @inheritdoc IAggregatorV3
    function getRoundData(uint80 roundId) external view returns (uint80, int256, uint256, uint256, uint80) {
        return _roundData(_round(roundId));
    }

    /// @inheritdoc IAggregatorV3
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return _roundData(_newest());
    }

    function _requireOwn(IDataAttestation.ReadingLeaf calldata leaf, bytes32 givenStream) private view {
        if (givenStream != streamId) revert StreamUnexpected(givenStream, streamId);
        if (leaf.deviceId != deviceId) revert DeviceUnexpected(leaf.deviceId, deviceId);
        if (leaf.metric != metric) revert MetricUnexpected(leaf.metric, metric);
        if (leaf.scoreBps > maxScoreBps) revert ScoreTooHigh(leaf.scoreBps, maxScoreBps);
    }

    function _isNewer(uint64 time, Round memory latest) private view returns (bool) {
        if (time != latest.time) return time > latest.time;
        if (latest.id == 0) return true;
        // Which batch took its place does not matter here.
        // slither-disable-next-line unused-return
        (IDataAttestation.BatchStatus status,) = attestation.batchStatus(streamId, latest.seq);
        return status != IDataAttestation.BatchStatus.Standing;
    }

    function _newest() private view returns (Round memory round) {
        round = _latest;
        if (round.id == 0) revert NoDataPresent();
    }

    function _round(uint80 roundId) private view returns (Round memory round) {
        Round memory latest = _newest();
        round = roundId == latest.id ? latest : _history[roundId];
        if (round.id == 0) revert RoundUnknown(roundId, latest.id);
    }

    function _roundData(Round memory round) private view returns (uint80, int256, uint256, uint256, uint80) {
        return (round.id, round.answer, round.time, uint256(round.time) + intervalSeconds, round.id);
    }
}
