// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IStreamBonds} from "../../../contracts/interfaces/IStreamBonds.sol";
import {EuroToken} from "../../../contracts/mocks/EuroToken.sol";
import {CHEATS} from "./Cheats.sol";
import {RangeTwin} from "./RangeTwin.sol";
import {DeviceKeys} from "./RegistryModel.sol";

/// @dev Streams of batches of one reading each, by a committee of one, and the means to answer for those readings.
abstract contract BondsSetting {
    enum Kind {
        Native,
        Document,
        Forged,
        Unanswerable
    }

    /// @dev A reading attested, alone in its batch, and what answers for it.
    struct Item {
        IDataAttestation.ReadingLeaf leaf;
        uint32 seq;
        Kind kind;
        bool isChallenged;
        bytes signature;
        bytes document;
        bytes32 challengeId;
    }

    uint256 public constant STREAMS = 2;
    uint256 public constant TOKENS = 2;
    uint256 private constant ORACLE_KEY = 0x0A;
    uint256 private constant DEVICES = 4;

    DataAttestation public immutable attestation;
    IDeviceRegistry private immutable registry;
    EuroToken[TOKENS] public tokens;
    bytes32[STREAMS] public streamIds;
    mapping(uint256 stream => uint24) public configs;
    mapping(uint256 stream => Item[]) private _items;
    mapping(uint256 stream => bytes32[]) private _batchLeaves;
    mapping(uint256 stream => uint256[]) private _metas;
    bytes32[] private _challengeIds;
    mapping(bytes32 challengeId => IStreamBonds.ChallengeStatus) public verdicts;
    // Kept in storage: the optimizer takes block.timestamp for constant in a transaction and would not see a warp.
    uint256 private _clock;

    constructor(DataAttestation attestation_) {
        (attestation, registry) = (attestation_, attestation_.registry());
        for (uint256 token = 0; token < TOKENS; ++token) {
            tokens[token] = new EuroToken();
        }
        for (uint256 stream = 0; stream < STREAMS; ++stream) {
            streamIds[stream] = attestation_.openStream(bytes32(stream), bytes32(0), _committee());
            configs[stream] = 1;
        }
    }

    function itemCount(uint256 stream) public view returns (uint256) {
        return _items[stream].length;
    }

    function items(uint256 stream, uint256 index) public view returns (Item memory) {
        return _items[stream][index];
    }

    function challengeIds() external view returns (bytes32[] memory) {
        return _challengeIds;
    }

    function proofOf(uint256 stream, uint32 seq) public view returns (IDataAttestation.Proof memory) {
        return IDataAttestation.Proof({
            streamId: streamIds[stream],
            seq: seq,
            meta: _metas[stream][seq - 1],
            treeProof: new bytes32[](0),
            rangeProof: RangeTwin.proof(_batchLeaves[stream], seq - 1)
        });
    }

    function _attest(uint256 stream, uint256 key, Kind kind, bool supersede) internal {
        Item memory item = _reading(stream, 1 + key % DEVICES, kind);
        bytes32 leafHash = keccak256(bytes.concat(keccak256(abi.encode(item.leaf))));
        item.seq = uint32(_items[stream].length + 1);
        item.challengeId = keccak256(abi.encode(streamIds[stream], item.seq, leafHash));
        IDataAttestation.Batch memory batch = _draft(stream, leafHash);
        if (supersede && item.seq > 1) {
            (IDataAttestation.BatchStatus status,) = attestation.batchStatus(streamIds[stream], item.seq - 1);
            if (status == IDataAttestation.BatchStatus.Standing) batch.supersedes = item.seq - 1;
        }
        IStreamBonds.SignedBatch memory signed = _signed(batch, configs[stream]);
        attestation.attest(signed.batch, signed.quorum);
        _items[stream].push(item);
        _metas[stream].push(batch.meta);
        _batchLeaves[stream].push(keccak256(abi.encode(batch.seq, batch.root, batch.meta)));
    }

    function _reading(uint256 stream, uint256 key, Kind kind) private view returns (Item memory item) {
        item.kind = kind;
        IDataAttestation.ReadingLeaf memory leaf = item.leaf;
        (leaf.deviceId, leaf.counter, leaf.time) = (DeviceKeys.idOf(key), uint64(itemCount(stream)), uint64(_now()));
        (leaf.metric, leaf.value) = ("1-0:16.29.0", -250);
        bytes32 digest = registry.readingDigest(leaf.deviceId, leaf.counter, leaf.time, leaf.metric, leaf.value);
        if (kind == Kind.Document) {
            item.document = abi.encode("a document", leaf.counter);
            digest = sha256(item.document);
        }
        item.signature = DeviceKeys.sign(kind == Kind.Forged ? key + 1 : key, digest);
        leaf.signatureHash = keccak256(item.signature);
        if (kind == Kind.Document) leaf.signatureHash = keccak256(abi.encode(leaf.signatureHash, digest));
        if (kind == Kind.Unanswerable) leaf.signatureHash = ~leaf.signatureHash;
    }

    function _draft(uint256 stream, bytes32 root) internal view returns (IDataAttestation.Batch memory) {
        uint40 time = uint40(_now());
        IDataAttestation.Stream memory state = attestation.stream(streamIds[stream]);
        return IDataAttestation.Batch({
            streamId: streamIds[stream],
            seq: state.seq + 1,
            root: root,
            previous: state.head,
            meta: (uint256(1) << 224) | (uint256(time) << 136) | (uint256(time) << 96),
            supersedes: 0,
            validFrom: time,
            validUntil: time
        });
    }

    function _signed(IDataAttestation.Batch memory batch, uint24 config)
        internal
        view
        returns (IStreamBonds.SignedBatch memory)
    {
        bytes memory signature = DeviceKeys.signAsAccount(ORACLE_KEY, attestation.batchDigest(batch, config));
        return IStreamBonds.SignedBatch(batch, IDataAttestation.Quorum(1, 1, signature, new address[](0)));
    }

    function _renewCommittee(uint256 stream) internal {
        attestation.setCommittee(streamIds[stream], _committee());
        configs[stream] = attestation.stream(streamIds[stream]).config;
    }

    function _noteChallenge(uint256 stream, uint256 index) internal {
        Item storage item = _items[stream][index];
        item.isChallenged = true;
        _challengeIds.push(item.challengeId);
        verdicts[item.challengeId] = IStreamBonds.ChallengeStatus.Open;
    }

    function _now() internal view returns (uint256) {
        return _clock == 0 ? block.timestamp : _clock;
    }

    function _pass(uint256 duration) internal {
        _clock = _now() + duration;
        CHEATS.warp(_clock);
    }

    function _committee() private pure returns (IDataAttestation.Committee memory) {
        address[] memory members = new address[](1);
        members[0] = CHEATS.addr(ORACLE_KEY);
        return IDataAttestation.Committee(1, members);
    }
}
