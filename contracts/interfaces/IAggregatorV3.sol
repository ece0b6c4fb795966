// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Chainlink's AggregatorV3Interface: how most contracts read a data feed.
/// @dev Same signatures, so the same selectors; a consumer written for AggregatorV3Interface needs no change.
interface IAggregatorV3 {
    /// @notice Number of decimals of the answers.
    function decimals() external view returns (uint8);

    /// @notice What the feed is of.
    function description() external view returns (string memory);

    /// @notice Version of the feed's code.
    function version() external view returns (uint256);

    /// @notice One round. Reverts if there is none of that number.
    /// @param roundId number of the round
    /// @return id the same number
    /// @return answer the value
    /// @return startedAt unix seconds
    /// @return updatedAt unix seconds
    /// @return answeredInRound the round the answer is of
    function getRoundData(uint80 roundId)
        external
        view
        returns (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);

    /// @notice The newest round. Reverts if there is none.
    /// @return roundId number of the round
    /// @return answer the value
    /// @return startedAt unix seconds
    /// @return updatedAt unix seconds
    /// @return answeredInRound the round the answer is of
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}
