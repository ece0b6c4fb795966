// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice Where a stream stands, in the one word that attesting rewrites, most significant first:
/// head 160 bits | seq u32 | latestTime u40 | config u24. Fields as in `IDataAttestation.Stream`; a word of zero is no
/// stream, for every stream has a committee from its opening on.
type StreamHead is uint256;

using {head, seq, latestTime, config, withConfig, withBatch} for StreamHead global;

function head(StreamHead word) pure returns (bytes20) {
    return bytes20(bytes32(StreamHead.unwrap(word)));
}

function seq(StreamHead word) pure returns (uint32) {
    return uint32(StreamHead.unwrap(word) >> 64);
}

function latestTime(StreamHead word) pure returns (uint40) {
    return uint40(StreamHead.unwrap(word) >> 24);
}

function config(StreamHead word) pure returns (uint24) {
    return uint24(StreamHead.unwrap(word));
}

function withConfig(StreamHead word, uint24 config_) pure returns (StreamHead) {
    return StreamHead.wrap((StreamHead.unwrap(word) & ~uint256(type(uint24).max)) | config_);
}

/// @dev The head after a batch: the committee stays, and time does not run back. `seq_` and `timeTo` must fit their fields.
function withBatch(StreamHead word, bytes32 digest, uint256 seq_, uint256 timeTo) pure returns (StreamHead) {
    uint256 before = uint256(latestTime(word));
    if (timeTo < before) timeTo = before;
    uint256 first20 = uint256(digest) >> 96 << 96;
    return StreamHead.wrap(first20 | (seq_ << 64) | (timeTo << 24) | config(word));
}
