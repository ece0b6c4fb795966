// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISchemaRegistry} from "./ISchemaRegistry.sol";

/// @title What we call of the Ethereum Attestation Service (EAS), version 1.
interface IEas {
    /// @notice What is attested.
    /// @param recipient whom it is about; zero for nobody
    /// @param expirationTime unix seconds; 0 for never
    /// @param revocable whether the attester may revoke it
    /// @param refUID another attestation it refers to; zero for none
    /// @param data ABI encoding of the schema's fields
    /// @param value wei for the schema's resolver
    struct AttestationRequestData {
        address recipient;
        uint64 expirationTime;
        bool revocable;
        bytes32 refUID;
        bytes data;
        uint256 value;
    }

    /// @notice One attestation to make.
    /// @param schema the schema's UID
    /// @param data what is attested
    struct AttestationRequest {
        bytes32 schema;
        AttestationRequestData data;
    }

    /// @notice Attest in the caller's name.
    /// @param request what to attest
    /// @return uid the attestation's UID
    function attest(AttestationRequest calldata request) external payable returns (bytes32 uid);

    /// @notice The registry of the schemas it attests by.
    function getSchemaRegistry() external view returns (ISchemaRegistry);
}
