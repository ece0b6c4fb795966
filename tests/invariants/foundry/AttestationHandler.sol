// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {AttestationModel} from "./AttestationModel.sol";
import {CHEATS} from "./Cheats.sol";

/// @dev Attests on two streams at random, rightly and wrongly, supersedes, and rotates and disowns their committees.
contract AttestationHandler is AttestationModel {
    enum Fault {
        None,
        SequenceStale,
        SequenceSkipped,
        PreviousWrong,
        BelowThreshold,
        CommitteeOld,
        SignerDoubled,
        RootChanged,
        Expired,
        NotYetValid,
        SupersedesNothing
    }

    constructor(DataAttestation attestation_) AttestationModel(attestation_) {}

    function attest(uint256 streamSeed, bytes32 root, uint256 signerSeed, uint16 duration) external {
        uint256 stream = streamSeed % STREAMS;
        CHEATS.warp(block.timestamp + duration % 900);
        _attest(stream, _draft(stream, root, duration), Fault.None, signerSeed);
    }

    /// @dev Any earlier batch, whether it stands or not, this one, or one to come.
    function supersede(uint256 streamSeed, bytes32 root, uint256 signerSeed, uint256 seqSeed) external {
        uint256 stream = streamSeed % STREAMS;
        IDataAttestation.Batch memory batch = _draft(stream, root, 0);
        batch.supersedes = uint32(1 + seqSeed % (batch.seq + 1));
        _attest(stream, batch, isStanding(stream, batch.supersedes) ? Fault.None : Fault.SupersedesNothing, signerSeed);
    }

    function attestWrongly(uint256 streamSeed, bytes32 root, uint256 signerSeed, uint8 faultSeed) external {
        uint256 stream = streamSeed % STREAMS;
        Fault fault = Fault(1 + faultSeed % uint8(type(Fault).max));
        IDataAttestation.Batch memory batch = _draft(stream, root, 0);
        if (fault == Fault.SequenceStale) --batch.seq;
        if (fault == Fault.SequenceSkipped) ++batch.seq;
        if (fault == Fault.PreviousWrong) batch.previous = ~batch.previous;
        if (fault == Fault.Expired) batch.validUntil = uint40(block.timestamp - 1);
        if (fault == Fault.NotYetValid) batch.validFrom = uint40(block.timestamp + 1);
        if (fault == Fault.SupersedesNothing) batch.supersedes = batch.seq;
        _attest(stream, batch, fault, signerSeed);
    }

    function resend(uint256 streamSeed, bytes calldata anything) external {
        uint256 stream = streamSeed % STREAMS;
        uint256 length = count(stream);
        if (length == 0) return;
        IDataAttestation.Batch memory newest = _ghosts[stream][length - 1].batch;
        bool same = _ghosts[stream][length - 1].config == configs[stream];
        IDataAttestation.Quorum memory quorum = IDataAttestation.Quorum(THRESHOLD, 0, anything, new address[](0));
        try attestation.attest(newest, quorum) {
            if (!same) ++surprises; // only a rotation in between makes a difference
        } catch {
            if (same) ++surprises;
        }
    }

    function rotate(uint256 streamSeed) external {
        uint256 stream = streamSeed % 16; // now and then; a stream without a committee is not left so for long
        if (stream >= STREAMS && !isVacant[stream % STREAMS]) return;
        stream = stream % STREAMS;
        IDataAttestation.Committee memory successors = _form(stream, configs[stream] + 1);
        _beginTerm(stream);
        attestation.setCommittee(streamIds[stream], successors);
    }

    function disown(uint256 streamSeed, uint24 config, uint32 fromSeq) external {
        if (streamSeed % 16 >= STREAMS) return; // now and then
        uint256 stream = streamSeed % 16;
        config = config % (configs[stream] + 2);
        fromSeq = fromSeq % uint32(count(stream) + 3);
        uint32 marked = _compromisedFrom[stream][config];
        bool right = config != 0 && config <= configs[stream] && fromSeq >= _firstSeqs[stream][config]
            && (marked == 0 || fromSeq < marked);
        try attestation.markCompromised(streamIds[stream], config, fromSeq) {
            if (!right) ++surprises;
            _compromisedFrom[stream][config] = fromSeq;
            if (config != configs[stream]) return;
            _form(stream, config + 1); // whose signatures must not count: nobody set this committee
            _beginTerm(stream);
            isVacant[stream] = true;
        } catch {
            if (right) ++surprises;
        }
    }

    function governAsStranger(uint256 streamSeed, address stranger, bool rotates) external {
        if (stranger == address(this)) return;
        uint256 stream = streamSeed % STREAMS;
        IDataAttestation.Committee memory own = IDataAttestation.Committee(THRESHOLD, _members[stream][configs[stream]]);
        CHEATS.prank(stranger);
        bytes memory call = rotates
            ? abi.encodeCall(IDataAttestation.setCommittee, (streamIds[stream], own))
            : abi.encodeCall(IDataAttestation.markCompromised, (streamIds[stream], configs[stream], 1));
        (bool success,) = address(attestation).call(call);
        if (success) ++surprises;
    }

    function _beginTerm(uint256 stream) private {
        uint24 config = ++configs[stream];
        _firstSeqs[stream][config] = uint32(count(stream) + 1);
        isVacant[stream] = false;
    }

    function _draft(uint256 stream, bytes32 root, uint16 duration)
        private
        view
        returns (IDataAttestation.Batch memory)
    {
        uint256 timeFrom = block.timestamp - 1;
        uint256 timeTo = timeFrom + duration % 900;
        return IDataAttestation.Batch({
            streamId: streamIds[stream],
            seq: uint32(count(stream) + 1),
            root: root,
            previous: bytes20(digests[stream]),
            meta: (uint256(1) << 224) | (timeFrom << 136) | (timeTo << 96),
            supersedes: 0,
            validFrom: uint40(block.timestamp),
            validUntil: uint40(block.timestamp)
        });
    }

    function _attest(uint256 stream, IDataAttestation.Batch memory batch, Fault fault, uint256 signerSeed) private {
        bytes32 digest = attestation.batchDigest(batch, configs[stream]);
        IDataAttestation.Quorum memory quorum = _sign(stream, digest, fault, signerSeed);
        if (fault == Fault.RootChanged) batch.root = ~batch.root;
        bool right = fault == Fault.None && !isVacant[stream];
        try attestation.attest(batch, quorum) {
            if (!right) ++surprises;
            _enter(stream, batch, digest);
        } catch {
            if (right) ++surprises;
        }
    }

    /// @dev Three to five of the members, from a random one on.
    function _sign(uint256 stream, bytes32 digest, Fault fault, uint256 seed)
        private
        view
        returns (IDataAttestation.Quorum memory quorum)
    {
        uint24 config = fault == Fault.CommitteeOld ? configs[stream] - 1 : configs[stream];
        uint256 signers = fault == Fault.BelowThreshold ? THRESHOLD - 1 : THRESHOLD + seed % 3;
        uint256 first = seed / 3 % (MEMBERS - signers + 1);
        quorum.threshold = THRESHOLD;
        quorum.nonSigners = new address[](MEMBERS - signers);
        uint256 others = 0;
        for (uint256 i = 0; i < MEMBERS; ++i) {
            if (i < first || i >= first + signers) {
                quorum.nonSigners[others++] = _members[stream][config][i];
                continue;
            }
            uint256 key = _keys[stream][config][fault == Fault.SignerDoubled && i == first + 1 ? first : i];
            (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(key, digest);
            quorum.signatures = bytes.concat(quorum.signatures, abi.encodePacked(r, s, v));
            quorum.signerMask |= uint32(1 << i);
        }
    }
}
