// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDataAttestation} from "./IDataAttestation.sol";
import {IEas} from "./IEas.sol";
import {IVersioned} from "./IVersioned.sol";

/// @title A stream's daily root as an attestation of the Ethereum Attestation Service (EAS).
/// @notice Anyone mirrors a stream, once a UTC day at most, and only if it has grown. Each attestation refers to the
/// stream's one before (`refUID`), has no recipient, never expires and cannot be revoked.
/// @dev Trust an attestation of {schemaUid} only if its attester is this contract: anybody may attest by the schema.
/// The root is over all batches, also those that no longer stand; whether one does, {IDataAttestation-batchStatus} says.
interface IEasMirror is IVersioned {
    /// @notice The newest attestation of a stream.
    /// @param uid its UID in EAS; zero if the stream was never mirrored
    /// @param seq batches under its root
    /// @param day UTC day it was made on, unix time / 86,400
    struct Mirrored {
        bytes32 uid;
        uint32 seq;
        uint32 day;
    }

    event StreamMirrored(bytes32 indexed streamId, uint32 indexed seq, bytes32 indexed uid, bytes32 rangeRoot);

    error NoNewBatch(bytes32 streamId, uint32 seq, uint32 mirroredSeq);
    error AlreadyMirrored(bytes32 streamId, uint32 day);

    /// @notice Attest `rangeRoot` and `latestTime` of a stream in EAS; anyone may.
    /// @param streamId the stream
    /// @return uid the attestation's UID
    function mirror(bytes32 streamId) external returns (bytes32 uid);

    /// @notice The newest attestation of a stream; all zero if it was never mirrored.
    /// @param streamId the stream
    function lastMirrored(bytes32 streamId) external view returns (Mirrored memory);

    /// @notice Contract whose streams are mirrored.
    function attestation() external view returns (IDataAttestation);

    /// @notice The Ethereum Attestation Service.
    function eas() external view returns (IEas);

    /// @notice UID of the schema "bytes32 streamId,uint32 seq,uint40 latestTime,bytes32 rangeRoot", not revocable, without
    /// resolver.
    function schemaUid() external view returns (bytes32);
}
