// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IDataAttestation} from "../interfaces/IDataAttestation.sol";
import {IEas} from "../interfaces/IEas.sol";
import {IEasMirror} from "../interfaces/IEasMirror.sol";
import {ISchemaRegistry} from "../interfaces/ISchemaRegistry.sol";
import {IVersioned} from "../interfaces/IVersioned.sol";

contract EasMirror is IEasMirror, ReentrancyGuardTransient {
    string private constant SCHEMA = "bytes32 streamId,uint32 seq,uint40 latestTime,bytes32 rangeRoot";

    /// @inheritdoc IEasMirror
    IDataAttestation public immutable attestation;
    /// @inheritdoc IEasMirror
    IEas public immutable eas;
    /// @inheritdoc IEasMirror
    bytes32 public immutable schemaUid;

    mapping(bytes32 streamId => Mirrored) private _mirrored;

    constructor(IDataAttestation attestation_, IEas eas_) {
        attestation = attestation_;
        eas = eas_;
        ISchemaRegistry schemas = eas_.getSchemaRegistry();
        bytes32 uid = keccak256(abi.encodePacked(SCHEMA, address(0), false));
        // Whoever registered it before made the same schema: its UID is the hash of all that it is.
        schemaUid = schemas.getSchema(uid).uid == uid ? uid : schemas.register(SCHEMA, address(0), false);
    }

    /// @inheritdoc IVersioned
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @inheritdoc IEasMirror
    // Written after the call, as EAS makes the UID. The guard keeps EAS from coming back, and a view meanwhile gives the
    // attestation of before, which stands.
    // slither-disable-next-line reentrancy-no-eth
    function mirror(bytes32 streamId) external nonReentrant returns (bytes32 uid) {
        Mirrored storage last = _mirrored[streamId];
        (uint32 seq, bytes32 root) = attestation.rangeRoot(streamId);
        uint32 day = uint32(block.timestamp / 1 days);
        if (seq <= last.seq) revert NoNewBatch(streamId, seq, last.seq);
        if (day <= last.day) revert AlreadyMirrored(streamId, day);
        uid = eas.attest(
            IEas.AttestationRequest({
                schema: schemaUid,
                data: IEas.AttestationRequestData({
                    recipient: address(0),
                    expirationTime: 0,
                    revocable: false,
                    refUID: last.uid,
                    data: abi.encode(streamId, seq, attestation.latestTime(streamId), root),
                    value: 0
                })
            })
        );
        _mirrored[streamId] = Mirrored({uid: uid, seq: seq, day: day});
        emit StreamMirrored(streamId, seq, uid, root);
    }

    /// @inheritdoc IEasMirror
    function lastMirrored(bytes32 streamId) external view returns (Mirrored memory) {
        return _mirrored[streamId];
    }
}
