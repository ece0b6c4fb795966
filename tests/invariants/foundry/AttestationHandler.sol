// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {CHEATS} from "./Cheats.sol";

/// @dev Attests on two streams at random, rightly and wrongly, and rotates their committees.
contract AttestationHandler {
    enum Fault {
        None,
        SequenceStale,
        SequenceSkipped,
        PreviousWrong,
        BelowThreshold,
        CommitteeOld,
        SignerDoubled,
        RootChanged
    }

    uint256 public constant STREAMS = 2;
    uint256 private constant MEMBERS = 5;
    uint8 private constant THRESHOLD = 3;

    DataAttestation public immutable attestation;
    bytes32[STREAMS] public streamIds;
    mapping(uint256 stream => mapping(uint24 config => address[])) private _members;
    mapping(uint256 stream => mapping(uint24 config => uint256[])) private _keys;
    mapping(uint256 stream => IDataAttestation.Batch[]) private _batches;
    mapping(uint256 stream => bytes32) public heads;
    mapping(uint256 stream => uint40) public latestTimes;
    mapping(uint256 stream => uint24) public configs;
    uint256 public surprises;

    constructor(DataAttestation attestation_) {
        attestation = attestation_;
        for (uint256 stream = 0; stream < STREAMS; ++stream) {
            _form(stream, 0); // who was never in force: "old" while the first still is
            configs[stream] = 1;
            streamIds[stream] = attestation_.openStream(bytes32(stream), bytes32(0), _form(stream, 1));
        }
    }

    function batches(uint256 stream) external view returns (IDataAttestation.Batch[] memory) {
        return _batches[stream];
    }

    function attest(uint256 streamSeed, bytes32 root, uint256 signerSeed, uint16 duration) external {
        uint256 stream = streamSeed % STREAMS;
        _attest(stream, _draft(stream, root, duration), Fault.None, signerSeed);
    }

    function attestWrongly(uint256 streamSeed, bytes32 root, uint256 signerSeed, uint8 faultSeed) external {
        uint256 stream = streamSeed % STREAMS;
        Fault fault = Fault(1 + faultSeed % uint8(type(Fault).max));
        IDataAttestation.Batch memory batch = _draft(stream, root, 0);
        if (fault == Fault.SequenceStale) --batch.seq;
        if (fault == Fault.SequenceSkipped) ++batch.seq;
        if (fault == Fault.PreviousWrong) batch.previous = ~batch.previous;
        _attest(stream, batch, fault, signerSeed);
    }

    function resend(uint256 streamSeed, bytes calldata anything) external {
        uint256 stream = streamSeed % STREAMS;
        uint256 count = _batches[stream].length;
        if (count == 0) return;
        IDataAttestation.Batch memory newest = _batches[stream][count - 1];
        bool same = attestation.batchDigest(newest) == heads[stream];
        try attestation.attest(newest, THRESHOLD, 0, anything, new address[](0)) {
            if (!same) ++surprises; // only a rotation in between makes a difference
        } catch {
            if (same) ++surprises;
        }
    }

    function rotate(uint256 streamSeed) external {
        if (streamSeed % 16 >= STREAMS) return; // now and then
        uint256 stream = streamSeed % 16;
        attestation.setCommittee(streamIds[stream], _form(stream, ++configs[stream]));
    }

    function rotateAsStranger(uint256 streamSeed, address stranger) external {
        if (stranger == address(this)) return;
        uint256 stream = streamSeed % STREAMS;
        IDataAttestation.Committee memory own = IDataAttestation.Committee(THRESHOLD, _members[stream][configs[stream]]);
        CHEATS.prank(stranger);
        try attestation.setCommittee(streamIds[stream], own) {
            ++surprises;
        } catch {}
    }

    function _draft(uint256 stream, bytes32 root, uint16 duration)
        private
        view
        returns (IDataAttestation.Batch memory)
    {
        uint256 timeFrom = block.timestamp - 1;
        uint256 timeTo = timeFrom + duration % 900;
        uint256 meta = (uint256(1) << 224) | (timeFrom << 136) | (timeTo << 96);
        return IDataAttestation.Batch(streamIds[stream], uint32(_batches[stream].length + 1), root, heads[stream], meta);
    }

    function _attest(uint256 stream, IDataAttestation.Batch memory batch, Fault fault, uint256 signerSeed) private {
        bytes32 digest = attestation.batchDigest(batch);
        uint24 config = fault == Fault.CommitteeOld ? configs[stream] - 1 : configs[stream];
        uint256 signers = fault == Fault.BelowThreshold ? THRESHOLD - 1 : THRESHOLD + signerSeed % 3;
        uint256[] memory keys = _keys[stream][config];
        bytes memory signatures;
        for (uint256 i = 0; i < signers; ++i) {
            uint256 key = fault == Fault.SignerDoubled && i == 1 ? keys[0] : keys[i];
            (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(key, digest);
            signatures = abi.encodePacked(signatures, r, s, v);
        }
        address[] memory others = new address[](MEMBERS - signers);
        for (uint256 i = 0; i < others.length; ++i) {
            others[i] = _members[stream][config][signers + i];
        }
        if (fault == Fault.RootChanged) batch.root = ~batch.root;
        try attestation.attest(batch, THRESHOLD, (1 << signers) - 1, signatures, others) {
            if (fault != Fault.None) ++surprises;
            _batches[stream].push(batch);
            heads[stream] = digest;
            uint40 timeTo = uint40(batch.meta >> 96);
            if (timeTo > latestTimes[stream]) latestTimes[stream] = timeTo;
        } catch {
            if (fault == Fault.None) ++surprises;
        }
    }

    /// @dev Gives a stream's committee `config` keys of its own, sorted by address, and returns it.
    function _form(uint256 stream, uint24 config) private returns (IDataAttestation.Committee memory) {
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
