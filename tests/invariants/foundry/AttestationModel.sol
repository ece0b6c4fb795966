// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {CHEATS} from "./Cheats.sol";
import {RangeTwin} from "./RangeTwin.sol";

/// @dev What the contract must hold of the streams that the handler opened, kept by the handler's own account.
abstract contract AttestationModel {
    /// @param config committee that signed it
    /// @param supersededBy batch that was last put in its place
    /// @param earlyProof path in the range, as it was when the batch was the newest
    struct Ghost {
        IDataAttestation.Batch batch;
        uint24 config;
        uint32 supersededBy;
        bytes32[] earlyProof;
    }

    uint256 public constant STREAMS = 2;
    uint256 internal constant MEMBERS = 5;
    uint8 internal constant THRESHOLD = 3;

    DataAttestation public immutable attestation;
    bytes32[STREAMS] public streamIds;
    mapping(uint256 stream => bytes32) public digests;
    mapping(uint256 stream => uint40) public latestTimes;
    mapping(uint256 stream => uint24) public configs;
    mapping(uint256 stream => bool) public isVacant;
    /// @notice Calls that went otherwise than the model says.
    uint256 public surprises;
    mapping(uint256 stream => Ghost[]) internal _ghosts;
    mapping(uint256 stream => bytes32[]) private _leaves;
    mapping(uint256 stream => mapping(uint24 config => uint32)) internal _compromisedFrom;
    mapping(uint256 stream => mapping(uint24 config => uint32)) internal _firstSeqs;
    mapping(uint256 stream => mapping(uint24 config => address[])) internal _members;
    mapping(uint256 stream => mapping(uint24 config => uint256[])) internal _keys;

    constructor(DataAttestation attestation_) {
        attestation = attestation_;
        for (uint256 stream = 0; stream < STREAMS; ++stream) {
            _form(stream, 0); // who was never in force: "old" while the first still is
            configs[stream] = 1;
            _firstSeqs[stream][1] = 1;
            streamIds[stream] = attestation_.openStream(bytes32(stream), bytes32(0), _form(stream, 1));
        }
    }

    function count(uint256 stream) public view returns (uint256) {
        return _ghosts[stream].length;
    }

    function statusOf(uint256 stream, uint256 seq) public view returns (IDataAttestation.BatchStatus) {
        if (seq == 0 || seq > count(stream)) return IDataAttestation.BatchStatus.Unknown;
        if (_isDisowned(stream, seq)) return IDataAttestation.BatchStatus.Compromised;
        uint256 supersededBy = _ghosts[stream][seq - 1].supersededBy;
        return supersededBy == 0 || _isDisowned(stream, supersededBy)
            ? IDataAttestation.BatchStatus.Standing
            : IDataAttestation.BatchStatus.Superseded;
    }

    function isStanding(uint256 stream, uint256 seq) public view returns (bool) {
        return statusOf(stream, seq) == IDataAttestation.BatchStatus.Standing;
    }

    /// @notice The batch's only leaf, and its proof for the present length, or as it was when the batch was new.
    function proofOf(uint256 stream, uint256 seq, bool early)
        external
        view
        returns (bytes32 leaf, IDataAttestation.Proof memory proof)
    {
        Ghost storage ghost = _ghosts[stream][seq - 1];
        proof.streamId = streamIds[stream];
        proof.seq = uint32(seq);
        proof.meta = ghost.batch.meta;
        proof.rangeProof = early ? ghost.earlyProof : RangeTwin.proof(_leaves[stream], seq - 1);
        leaf = ghost.batch.root;
    }

    function rangeRoot(uint256 stream) external view returns (bytes32) {
        return RangeTwin.rangeRoot(_leaves[stream], 0);
    }

    function _isDisowned(uint256 stream, uint256 seq) private view returns (bool) {
        uint256 from = _compromisedFrom[stream][_ghosts[stream][seq - 1].config];
        return from != 0 && seq >= from;
    }

    function _enter(uint256 stream, IDataAttestation.Batch memory batch, bytes32 digest) internal {
        _leaves[stream].push(keccak256(abi.encode(batch.seq, batch.root, batch.meta)));
        Ghost storage ghost = _ghosts[stream].push();
        ghost.batch = batch;
        ghost.config = configs[stream];
        ghost.earlyProof = RangeTwin.proof(_leaves[stream], batch.seq - 1);
        if (batch.supersedes != 0) _ghosts[stream][batch.supersedes - 1].supersededBy = batch.seq;
        digests[stream] = digest;
        uint40 timeTo = uint40(batch.meta >> 96);
        if (timeTo > latestTimes[stream]) latestTimes[stream] = timeTo;
    }

    /// @dev Gives a stream's committee `config` keys of its own, sorted by address, and returns it.
    function _form(uint256 stream, uint24 config) internal returns (IDataAttestation.Committee memory) {
        uint256[] memory keys = new uint256[](MEMBERS);
        address[] memory members = new address[](MEMBERS);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            uint256 key = 1 + uint256(keccak256(abi.encode(stream, config, i))) % type(uint128).max;
            address member = CHEATS.addr(key);
            uint256 place = i;
            for (; place > 0 && members[place - 1] > member; --place) {
                (members[place], keys[place]) = (members[place - 1], keys[place - 1]);
            }
            (members[place], keys[place]) = (member, key);
        }
        _members[stream][config] = members;
        _keys[stream][config] = keys;
        return IDataAttestation.Committee(THRESHOLD, members);
    }
}
