// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title What we call of the schema registry of the Ethereum Attestation Service, version 1.
interface ISchemaRegistry {
    /// @notice A schema.
    /// @param uid `keccak256(abi.encodePacked(schema, resolver, revocable))`; zero if it is not registered
    /// @param resolver contract that is asked about each attestation; zero for none
    /// @param revocable whether its attestations may be revocable
    /// @param schema its fields, as in "bytes32 streamId,uint32 seq"
    struct SchemaRecord {
        bytes32 uid;
        address resolver;
        bool revocable;
        string schema;
    }

    /// @notice Register a schema. Reverts if it is registered.
    /// @return uid the schema's UID
    function register(string calldata schema, address resolver, bool revocable) external returns (bytes32 uid);

    /// @notice A schema; all zero if it is not registered.
    /// @param uid the schema's UID
    function getSchema(bytes32 uid) external view returns (SchemaRecord memory);
}
