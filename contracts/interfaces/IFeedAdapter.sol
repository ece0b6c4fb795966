// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IAggregatorV3} from "./IAggregatorV3.sol";
import {IDataAttestation} from "./IDataAttestation.sol";

/// @title One metric of one device as a Chainlink-compatible feed, every answer proven.
/// @notice Anyone carries a reading with its proof; each is a round. Times are those of the measurement, never those of
/// the carrying: `startedAt` is the reading's time, `updatedAt` the end of its interval. A late carrier cannot make old
/// data look fresh, and `updatedAt` is never ahead of the block, so `block.timestamp - updatedAt` cannot underflow.
/// @dev Rounds count from 1 by one, and `answeredInRound` is the round itself. `updatedAt` never decreases. A carrier may
/// leave readings out, and what is older than the newest round cannot be brought any more.
/// A batch may be revoked after its reading became a round. {readFresh} refuses such an answer, the functions of
/// AggregatorV3Interface still give it: whoever uses those asks {batchOf} and `IDataAttestation.batchStatus`.
interface IFeedAdapter is IAggregatorV3 {
    /// @dev The event of Chainlink's AggregatorInterface, which indexers know.
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    error SchemaUnexpected(bytes32 streamId, bytes32 given, bytes32 expected);
    error MaxScoreInvalid(uint16 maxScoreBps, uint16 maximum);
    error StreamUnexpected(bytes32 given, bytes32 expected);
    error DeviceUnexpected(bytes32 given, bytes32 expected);
    error MetricUnexpected(bytes32 given, bytes32 expected);
    error ScoreTooHigh(uint16 scoreBps, uint16 maxScoreBps);
    error ReadingNotNewer(uint64 time, uint40 latestTime);
    error ReadingNotOver(uint256 updatedAt, uint256 timestamp);
    error AnswerOutOfRange(int256 value, int256 minimum, int256 maximum);
    error ReadingNotAttested(bytes32 streamId, uint32 seq);
    error NoDataPresent();
    error RoundUnknown(uint80 roundId, uint80 latestRoundId);
    error AnswerStale(uint256 updatedAt, uint256 maxAgeSeconds, uint256 timestamp);
    error AnswerRevoked(uint80 roundId, uint32 seq, IDataAttestation.BatchStatus status, uint32 supersededBy);

    /// @notice Make a proven reading the newest round; anyone may. The reading must be of this feed's stream, device and
    /// metric, scored no higher than {maxScoreBps}, over, and newer than the newest round. One of the same time is
    /// taken too if the newest round's batch no longer stands: so a superseding batch corrects the answer.
    /// @param leaf the reading
    /// @param proof where it stands
    /// @return roundId number of the new round
    function update(IDataAttestation.ReadingLeaf calldata leaf, IDataAttestation.Proof calldata proof)
        external
        returns (uint80 roundId);

    /// @notice The newest answer, if it is at most `maxAgeSeconds` old and its batch stands; else reverts.
    /// @param maxAgeSeconds greatest age, counted from `updatedAt`
    /// @return answer the value
    /// @return updatedAt end of the reading's interval, unix seconds
    function readFresh(uint256 maxAgeSeconds) external view returns (int256 answer, uint256 updatedAt);

    /// @notice The batch whose reading a round is.
    /// @param roundId number of the round
    function batchOf(uint80 roundId) external view returns (uint32 seq);

    /// @notice Contract whose proofs count.
    function attestation() external view returns (IDataAttestation);

    /// @notice Stream the readings must be of.
    function streamId() external view returns (bytes32);

    /// @notice Device the readings must be of.
    function deviceId() external view returns (bytes32);

    /// @notice Metric the readings must be of. Answers are in its unit; `decimals` says where a reader sets the point.
    function metric() external view returns (bytes32);

    /// @notice Length of a reading's interval: 900 for energy of a quarter hour, 0 for instants.
    function intervalSeconds() external view returns (uint32);

    /// @notice Highest anomaly score of a reading that is taken.
    function maxScoreBps() external view returns (uint16);
}
