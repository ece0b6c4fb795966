// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IVersioned} from "./IVersioned.sol";

/// @title Roots of readings, co-signed by a committee of oracles.
/// @notice Oracles score readings, put them in a Merkle tree (OpenZeppelin StandardMerkleTree) and co-sign its root.
/// Roots enter a Merkle mountain range per stream, so every reading ever attested stays provable.
/// @dev Digests are EIP-712 under the domain ("Gridwitness DataAttestation", "1", chain id, this contract).
/// Mountain range after P. Todd / Grin: leaf `i` of `n` stands in the mountain whose height is the highest bit in which
/// `i` and `n` differ; leaves are `keccak256(abi.encode(seq, root, meta))`, nodes `keccak256(left || right)`, and the
/// lowest bit of every leaf and node is cleared (a stored peak uses it to say that a batch below it no longer stands).
interface IDataAttestation is IVersioned {
    /// @notice Whether a batch counts. Only leaves of a `Standing` batch verify; the others stay visible.
    enum BatchStatus {
        Unknown,
        Standing,
        Superseded,
        Convicted,
        Compromised
    }

    /// @notice A stream of batches of one schema by one committee.
    /// @param owner account that opened it
    /// @param seq sequence number of the newest batch; batches count from 1, so this is also their number
    /// @param latestTime newest `timeTo` (unix seconds) of any batch attested
    /// @param config number of the committee in force, from 1
    /// @param marks how often the stream was convicted of a false reading or of equivocation
    /// @param schema `keccak256` of the leaf's type list, e.g. keccak256("bytes32,uint64,uint64,bytes32,int256,uint16,bytes32")
    /// @param head first 20 bytes of the newest batch's {batchDigest}, zero before the first
    struct Stream {
        address owner;
        uint32 seq;
        uint40 latestTime;
        uint24 config;
        uint32 marks;
        bytes32 schema;
        bytes20 head;
    }

    /// @notice Committee members as a caller brings them.
    /// @param threshold signatures needed, 1 ≤ threshold ≤ number of members
    /// @param members oracle addresses, strictly ascending, 1 to 31
    struct Committee {
        uint8 threshold;
        address[] members;
    }

    /// @notice The time one committee served.
    /// @param committee {committeeDigest} of it; zero where there was none, as after a compromise
    /// @param firstSeq first batch that it could sign; it served until the next term's `firstSeq`
    /// @param since unix seconds
    /// @param compromisedFrom its batches from this one on do not count; 0 if all do
    struct Term {
        bytes32 committee;
        uint32 firstSeq;
        uint40 since;
        uint32 compromisedFrom;
    }

    /// @notice One batch, as the committee signs it.
    /// @dev EIP-712 `Batch(bytes32 streamId,uint32 seq,bytes32 root,bytes20 previous,uint256 meta,uint32 supersedes,
    /// uint40 validFrom,uint40 validUntil,uint24 config)`, without the line break.
    /// @param streamId the stream
    /// @param seq sequence number, one more than the newest
    /// @param root StandardMerkleTree root of the batch's leaves
    /// @param previous `head` of the stream: first 20 bytes of the digest of the batch before, zero for the first
    /// @param meta packed summary, see {BatchMeta}
    /// @param supersedes number of an earlier batch that this one takes the place of; 0 for none
    /// @param validFrom first second (unix) at which it may be attested
    /// @param validUntil last second (unix) at which it may be attested. Signatures end, so that a committee which
    /// failed to bring one batch to the chain can safely sign another in its place
    struct Batch {
        bytes32 streamId;
        uint32 seq;
        bytes32 root;
        bytes20 previous;
        uint256 meta;
        uint32 supersedes;
        uint40 validFrom;
        uint40 validUntil;
    }

    /// @notice Signatures of a committee, and the members they leave out.
    /// @param threshold threshold of the committee
    /// @param signerMask bit i set: member i (ascending order) signed
    /// @param signatures `r || s || v` of each signer in ascending order of members, 65 bytes each, concatenated
    /// @param nonSigners members that did not sign, ascending
    struct Quorum {
        uint8 threshold;
        uint32 signerMask;
        bytes signatures;
        address[] nonSigners;
    }

    /// @notice A device's reading, one leaf of a reading batch.
    /// @dev Leaf types: bytes32, uint64, uint64, bytes32, int256, uint16, bytes32.
    /// @param deviceId the device
    /// @param counter the device's counter
    /// @param time unix seconds (start of the interval for interval metrics)
    /// @param metric what was measured
    /// @param value the value in the metric's unit
    /// @param scoreBps anomaly score, 0 to 10,000
    /// @param signatureHash `keccak256` of the device's signature over `IDeviceRegistry.readingDigest`; for a reading
    /// taken from a document the device signed (COSE, OCMF):
    /// `keccak256(abi.encode(keccak256(signature), sha256(document)))`
    struct ReadingLeaf {
        bytes32 deviceId;
        uint64 counter;
        uint64 time;
        bytes32 metric;
        int256 value;
        uint16 scoreBps;
        bytes32 signatureHash;
    }

    /// @notice A device's metered energy over consecutive delivery slots, one leaf of a profile batch.
    /// @dev Leaf types: bytes32, uint32, uint16, bytes32, uint16.
    /// @param deviceId the device
    /// @param firstSlot first delivery slot (unix time / 900)
    /// @param count number of slots
    /// @param energyHash `keccak256` of the packed int32 net energies (Wh, import positive), big endian
    /// @param scoreBps anomaly score of the profile, 0 to 10,000
    struct ProfileLeaf {
        bytes32 deviceId;
        uint32 firstSlot;
        uint16 count;
        bytes32 energyHash;
        uint16 scoreBps;
    }

    /// @notice Where a leaf stands: its batch, the path in the batch's tree, and the batch's path in the mountain range.
    /// @param streamId the stream
    /// @param seq the batch
    /// @param meta the batch's summary
    /// @param treeProof StandardMerkleTree proof, leaf to root
    /// @param rangeProof siblings from the batch to the peak of its mountain, for the stream's present length (a proof
    /// made for an earlier length holds until that peak is overwritten)
    struct Proof {
        bytes32 streamId;
        uint32 seq;
        uint256 meta;
        bytes32[] treeProof;
        bytes32[] rangeProof;
    }

    /// @notice Where several leaves of one batch stand.
    /// @param streamId the stream
    /// @param seq the batch
    /// @param meta the batch's summary
    /// @param treeProof StandardMerkleTree multiproof
    /// @param treeProofFlags its flags
    /// @param rangeProof as in {Proof}
    struct MultiProof {
        bytes32 streamId;
        uint32 seq;
        uint256 meta;
        bytes32[] treeProof;
        bool[] treeProofFlags;
        bytes32[] rangeProof;
    }

    event StreamOpened(bytes32 indexed streamId, address indexed owner, bytes32 indexed schema, bytes32 name);
    event CommitteeSet(bytes32 indexed streamId, uint24 indexed config, uint8 threshold, address[] members);
    event CommitteeCompromised(bytes32 indexed streamId, uint24 indexed config, uint32 fromSeq);
    event BatchAttested(
        bytes32 indexed streamId, uint32 indexed seq, bytes32 root, uint256 meta, bytes32 digest, uint256 signerMask
    );
    event BatchSuperseded(bytes32 indexed streamId, uint32 indexed seq, uint32 indexed supersededBy);

    error StreamAlreadyOpen(bytes32 streamId);
    error StreamUnknown(bytes32 streamId);
    error CommitteeSizeInvalid(uint256 members, uint8 threshold);
    error CommitteeNotAscending(uint256 index, address member, address before);
    error CommitteeMismatch(bytes32 streamId, bytes32 given, bytes32 expected);
    error TermUnknown(bytes32 streamId, uint24 config, uint24 configs);
    /// @notice A mark must name a batch from the term's first on, and lie before any mark it has.
    error CompromiseInvalid(bytes32 streamId, uint24 config, uint32 fromSeq);
    error NotStreamOwner(bytes32 streamId, address caller, address owner);
    error SequenceUnexpected(bytes32 streamId, uint32 given, uint32 expected);
    error PreviousUnexpected(bytes32 streamId, bytes20 given, bytes20 expected);
    error BatchNotStanding(bytes32 streamId, uint32 seq, BatchStatus status);
    /// @notice The mask does not fit the lists: one bit per 65-byte signature, none beyond signers and non-signers.
    error SignerMaskInvalid(uint256 signerMask, uint256 signaturesLength, uint256 nonSigners);
    error ThresholdNotMet(uint256 signatures, uint8 threshold);
    error BatchOutsideValidity(uint40 validFrom, uint40 validUntil, uint256 timestamp);
    error BatchFromFuture(uint40 timeTo, uint256 timestamp);
    error MetaInvalid(uint256 meta);

    /// @notice Open a stream. Anyone may; the id is `keccak256(abi.encode(msg.sender, name))`.
    /// @param name left-aligned ASCII name, unique per opener
    /// @param schema `keccak256` of the leaf's type list
    /// @param committee first committee
    /// @return streamId id of the new stream
    function openStream(bytes32 name, bytes32 schema, Committee calldata committee) external returns (bytes32 streamId);

    /// @notice Replace the committee; stream owner only, from the next batch on. What the one before attested stands.
    /// @param streamId the stream
    /// @param committee the new committee
    function setCommittee(bytes32 streamId, Committee calldata committee) external;

    /// @notice Disown what a committee attested from batch `fromSeq` on; stream owner only. If it is the one in force, the
    /// stream takes no batch until another is set. Such batches stay visible, their leaves no longer verify.
    /// @param streamId the stream
    /// @param config number of the committee
    /// @param fromSeq first batch that does not count
    function markCompromised(bytes32 streamId, uint24 config, uint32 fromSeq) external;

    /// @notice Attest a batch. Anyone may carry it. Sending the newest batch again changes nothing and needs no
    /// signatures, until the committee is replaced; from then on it is refused as out of sequence.
    /// @dev Signers and non-signers must merge into exactly the committee in force: a forged, malleable (high-s) or
    /// foreign signature, or one given twice, makes another list and reverts with CommitteeMismatch. The meta must
    /// have count > 0, flaggedCount ≤ count, maxScoreBps ≤ 10,000, timeFrom ≤ timeTo ≤ block time + 900 s.
    /// A batch that supersedes another takes its place: the other's leaves no longer verify.
    /// @param batch the batch
    /// @param quorum who signed, and who did not
    function attest(Batch calldata batch, Quorum calldata quorum) external;

    /// @notice The state of a stream.
    /// @param streamId the stream
    function stream(bytes32 streamId) external view returns (Stream memory);

    /// @notice The latest time attested for the stream: newest `timeTo` (unix seconds) of any batch, 0 before the first.
    /// @param streamId the stream
    function latestTime(bytes32 streamId) external view returns (uint40);

    /// @notice The committee of a number: who served, from which batch on, and whether it was found compromised.
    /// @param streamId the stream
    /// @param config number of the committee, from 1
    function term(bytes32 streamId, uint24 config) external view returns (Term memory);

    /// @notice Number of the committee that batch `seq` had, or would have if it were attested now; 0 for no stream.
    /// @param streamId the stream
    /// @param seq the batch
    function configAt(bytes32 streamId, uint32 seq) external view returns (uint24);

    /// @notice Whether a batch counts.
    /// @param streamId the stream
    /// @param seq the batch
    /// @return status whether it stands, or why it does not
    /// @return supersededBy the batch that was last put in its place, 0 if none was. If that one is of a compromised
    /// committee it does not count, and the batch stands again
    function batchStatus(bytes32 streamId, uint32 seq) external view returns (BatchStatus status, uint32 supersededBy);

    /// @notice Peak of the stream's mountain of height `height`, lowest bit cleared; where bit `height` of `seq` is clear
    /// it is what was there before, or zero.
    /// @param streamId the stream
    /// @param height the height, 0 to 31
    function peak(bytes32 streamId, uint256 height) external view returns (bytes32);

    /// @notice One hash over every batch of the stream: its peaks folded from the smallest mountain to the tallest, each
    /// step `keccak256(taller || folded)`; zero before the first batch.
    /// @param streamId the stream
    /// @return seq number of batches under it
    /// @return root the hash
    function rangeRoot(bytes32 streamId) external view returns (uint32 seq, bytes32 root);

    /// @notice Whether the reading was attested, in a batch that stands.
    /// @param leaf the reading
    /// @param proof where it stands
    function verifyReading(ReadingLeaf calldata leaf, Proof calldata proof) external view returns (bool);

    /// @notice Whether all of the readings were attested, in one batch that stands. False for no readings.
    /// @dev Reverts with OpenZeppelin's MerkleProofInvalidMultiproof if leaves, flags and proof do not fit each other.
    /// @param leaves the readings, in the order of the multiproof
    /// @param proof where they stand
    function verifyReadings(ReadingLeaf[] calldata leaves, MultiProof calldata proof) external view returns (bool);

    /// @notice Whether the profile was attested, in a batch that stands.
    /// @param leaf the profile
    /// @param proof where it stands
    function verifyProfile(ProfileLeaf calldata leaf, Proof calldata proof) external view returns (bool);

    /// @notice Whether any leaf (already double hashed as StandardMerkleTree does) was attested, in a batch that stands.
    /// @dev The caller must make the hash from the leaf's fields itself: a hash taken on trust may be an inner node of
    /// the batch's tree, for which this answers true. False, never a revert, for anything else that is wrong.
    /// @param leafHash the leaf's hash
    /// @param proof where it stands
    function verifyLeaf(bytes32 leafHash, Proof calldata proof) external view returns (bool);

    /// @notice EIP-712 digest the committee of number `config` signs.
    /// @param batch the batch
    /// @param config number of the committee
    function batchDigest(Batch calldata batch, uint24 config) external view returns (bytes32);

    /// @notice `keccak256(abi.encode(chain id, this contract, streamId, config, threshold, members))`.
    /// @param streamId the stream
    /// @param config number of the committee
    /// @param committee the members
    function committeeDigest(bytes32 streamId, uint24 config, Committee calldata committee)
        external
        view
        returns (bytes32);
}
