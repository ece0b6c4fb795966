// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Roots of readings, co-signed by a committee of oracles.
/// @notice Oracles score readings, put them in a Merkle tree (OpenZeppelin StandardMerkleTree) and co-sign its root.
/// Roots enter a Merkle mountain range per stream, so every reading ever attested stays provable.
/// @dev Digests are EIP-712 under the domain ("Gridwitness DataAttestation", "1", chain id, this contract).
/// Mountain range after P. Todd / Grin: leaf `i` of `n` stands in the mountain whose height is the highest bit in which
/// `i` and `n` differ; leaves are `keccak256(abi.encode(seq, root, meta))`, nodes `keccak256(left || right)`.
interface IDataAttestation {
    /// @notice A stream of batches of one schema by one committee.
    /// @param owner account that opened it
    /// @param seq sequence number of the newest batch; batches count from 1, so this is also their number
    /// @param latestTime newest `timeTo` (unix seconds) of any batch attested
    /// @param config number of the committee in force, from 1
    /// @param schema `keccak256` of the leaf's type list, e.g. keccak256("bytes32,uint64,uint64,bytes32,int256,uint16,bytes32")
    /// @param committee {committeeDigest} of the committee in force
    /// @param head `batchDigest` of the newest batch, zero before the first
    struct Stream {
        address owner;
        uint32 seq;
        uint40 latestTime;
        uint24 config;
        bytes32 schema;
        bytes32 committee;
        bytes32 head;
    }

    /// @notice Committee members as a caller brings them.
    /// @param threshold signatures needed, 1 ≤ threshold ≤ number of members
    /// @param members oracle addresses, strictly ascending, 1 to 31
    struct Committee {
        uint8 threshold;
        address[] members;
    }

    /// @notice One batch, as the committee signs it.
    /// @dev EIP-712 `Batch(bytes32 streamId,uint32 seq,bytes32 root,bytes32 previous,uint256 meta,uint24 config)`.
    /// @param streamId the stream
    /// @param seq sequence number, one more than the newest
    /// @param root StandardMerkleTree root of the batch's leaves
    /// @param previous `batchDigest` of the batch before, zero for the first
    /// @param meta packed summary, see {BatchMeta}
    struct Batch {
        bytes32 streamId;
        uint32 seq;
        bytes32 root;
        bytes32 previous;
        uint256 meta;
    }

    /// @notice A device's reading, one leaf of a reading batch.
    /// @dev Leaf types: bytes32, uint64, uint64, bytes32, int256, uint16, bytes32.
    /// @param deviceId the device
    /// @param counter the device's counter
    /// @param time unix seconds (start of the interval for interval metrics)
    /// @param metric what was measured
    /// @param value the value in the metric's unit
    /// @param scoreBps anomaly score, 0 to 10,000
    /// @param signatureHash `keccak256` of the device's signature
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
    /// @param rangeProof siblings from the batch to the peak of its mountain, for the stream's present length
    struct Proof {
        bytes32 streamId;
        uint32 seq;
        uint256 meta;
        bytes32[] treeProof;
        bytes32[] rangeProof;
    }

    event StreamOpened(bytes32 indexed streamId, address indexed owner, bytes32 indexed schema, bytes32 name);
    event CommitteeSet(bytes32 indexed streamId, uint24 indexed config, uint8 threshold, address[] members);
    event BatchAttested(
        bytes32 indexed streamId, uint32 indexed seq, bytes32 root, uint256 meta, bytes32 digest, uint256 signerMask
    );

    error StreamAlreadyOpen(bytes32 streamId);
    error StreamUnknown(bytes32 streamId);
    error CommitteeSizeInvalid(uint256 members, uint8 threshold);
    error CommitteeNotAscending(uint256 index, address member, address before);
    error CommitteeMismatch(bytes32 streamId, bytes32 given, bytes32 expected);
    error NotStreamOwner(bytes32 streamId, address caller, address owner);
    error SequenceUnexpected(bytes32 streamId, uint32 given, uint32 expected);
    error PreviousUnexpected(bytes32 streamId, bytes32 given, bytes32 expected);
    /// @notice The mask does not fit the lists: one bit per 65-byte signature, none beyond signers and non-signers.
    error SignerMaskInvalid(uint256 signerMask, uint256 signaturesLength, uint256 nonSigners);
    error ThresholdNotMet(uint256 signatures, uint8 threshold);
    error BatchFromFuture(uint40 timeTo, uint256 timestamp);
    error MetaInvalid(uint256 meta);

    /// @notice Open a stream. Anyone may; the id is `keccak256(abi.encode(msg.sender, name))`.
    /// @param name left-aligned ASCII name, unique per opener
    /// @param schema `keccak256` of the leaf's type list
    /// @param committee first committee
    /// @return streamId id of the new stream
    function openStream(bytes32 name, bytes32 schema, Committee calldata committee) external returns (bytes32 streamId);

    /// @notice Replace the committee; stream owner only, from the next batch on.
    /// @param streamId the stream
    /// @param committee the new committee
    function setCommittee(bytes32 streamId, Committee calldata committee) external;

    /// @notice Attest a batch. Anyone may carry it. Sending the newest batch again changes nothing and needs no
    /// signatures, until the committee is replaced; from then on it is refused as out of sequence.
    /// @dev Signers and non-signers must merge into exactly the committee in force: a forged, malleable (high-s) or
    /// foreign signature, or one given twice, makes another list and reverts with CommitteeMismatch. The meta must
    /// have count > 0, flaggedCount ≤ count, maxScoreBps ≤ 10,000, timeFrom ≤ timeTo ≤ block time + 900 s.
    /// @param batch the batch
    /// @param threshold threshold of the committee in force
    /// @param signerMask bit i set: member i (ascending order) signed
    /// @param signatures `r || s || v` of each signer in ascending order of members, 65 bytes each, concatenated
    /// @param nonSigners members that did not sign, ascending
    function attest(
        Batch calldata batch,
        uint8 threshold,
        uint256 signerMask,
        bytes calldata signatures,
        address[] calldata nonSigners
    ) external;

    /// @notice The state of a stream.
    /// @param streamId the stream
    function stream(bytes32 streamId) external view returns (Stream memory);

    /// @notice Peak of the stream's mountain of height `height`; meaningful only where bit `height` of `seq` is set.
    /// @param streamId the stream
    /// @param height the height, 0 to 31
    function peak(bytes32 streamId, uint256 height) external view returns (bytes32);

    /// @notice Whether the reading was attested.
    /// @param leaf the reading
    /// @param proof where it stands
    function verifyReading(ReadingLeaf calldata leaf, Proof calldata proof) external view returns (bool);

    /// @notice Whether the profile was attested.
    /// @param leaf the profile
    /// @param proof where it stands
    function verifyProfile(ProfileLeaf calldata leaf, Proof calldata proof) external view returns (bool);

    /// @notice Whether any leaf (already double hashed as StandardMerkleTree does) was attested.
    /// @dev The caller must make the hash from the leaf's fields itself: a hash taken on trust may be an inner node of
    /// the batch's tree, for which this answers true. False, never a revert, for anything else that is wrong.
    /// @param leafHash the leaf's hash
    /// @param proof where it stands
    function verifyLeaf(bytes32 leafHash, Proof calldata proof) external view returns (bool);

    /// @notice EIP-712 digest the committee signs, for the committee in force.
    /// @param batch the batch
    function batchDigest(Batch calldata batch) external view returns (bytes32);

    /// @notice `keccak256(abi.encode(chain id, this contract, streamId, config, threshold, members))`.
    /// @param streamId the stream
    /// @param config number of the committee
    /// @param committee the members
    function committeeDigest(bytes32 streamId, uint24 config, Committee calldata committee)
        external
        view
        returns (bytes32);
}
