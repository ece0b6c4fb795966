// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {CommitteeSignatures} from "../../../contracts/libraries/CommitteeSignatures.sol";
import {CHEATS} from "./Cheats.sol";

/// @dev The committee rebuilt in assembly against a plain twin: OpenZeppelin's recovery, a list, and abi.encode.
contract CommitteeSignaturesTest {
    bytes32 private constant STREAM = keccak256("stream");
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    /// @dev What may be wrong with a signature.
    enum Fault {
        None,
        OtherDigest,
        HighS,
        HighSOfSameSigner,
        VOfZero,
        VOfOne,
        RZero,
        SZero,
        ROrder,
        Garbage
    }

    function recover(bytes32 message, uint24 config, IDataAttestation.Quorum calldata quorum)
        external
        view
        returns (bytes32 committee, uint256 signers)
    {
        return CommitteeSignatures.recoverDigest(STREAM, config, quorum.threshold, message, quorum);
    }

    function digest(uint24 config, IDataAttestation.Committee calldata committee) external view returns (bytes32) {
        return CommitteeSignatures.digest(STREAM, config, committee);
    }

    function twin(bytes32 message, uint24 config, IDataAttestation.Quorum calldata quorum)
        external
        view
        returns (bytes32 committee, uint256 signers)
    {
        signers = quorum.signatures.length / 65;
        address[] memory members = new address[](signers + quorum.nonSigners.length);
        uint256 signed = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            if (quorum.signerMask & (1 << i) == 0) {
                members[i] = quorum.nonSigners[i - signed];
            } else {
                (members[i],,) = ECDSA.tryRecover(message, quorum.signatures[signed * 65:signed * 65 + 65]);
                ++signed;
            }
        }
        committee = this.digest(config, IDataAttestation.Committee(quorum.threshold, members));
    }

    /// @dev INV-A3.
    function test_recover__any_mix_of_signatures__equals_the_plain_twin(
        bytes32 message,
        uint24 config,
        uint8 threshold,
        uint32 mask,
        uint8 size,
        uint256 faults
    ) external view {
        uint256 members = size % 32;
        IDataAttestation.Quorum memory quorum =
            _quorum(message, uint32(mask % (uint256(1) << members)), members, faults);
        quorum.threshold = threshold;
        (bytes32 ours, uint256 ourSigners) = this.recover(message, config, quorum);
        (bytes32 theirs, uint256 theirSigners) = this.twin(message, config, quorum);
        assert(ours == theirs);
        assert(ourSigners == theirSigners);
    }

    function test_recover__members_that_sign__are_the_committee(bytes32 message, uint32 mask, uint8 size)
        external
        view
    {
        uint256 members = 1 + size % 31;
        IDataAttestation.Quorum memory quorum = _quorum(message, uint32(mask % (uint256(1) << members)), members, 0);
        IDataAttestation.Committee memory committee = IDataAttestation.Committee(7, new address[](members));
        for (uint256 i = 0; i < members; ++i) {
            committee.members[i] = CHEATS.addr(i + 1);
        }
        quorum.threshold = 7;
        (bytes32 ours,) = this.recover(message, 3, quorum);
        assert(ours == this.digest(3, committee));
    }

    function test_recover__mask_and_lists_that_do_not_fit__are_refused(
        uint32 mask,
        bytes calldata signatures,
        address[] calldata nonSigners
    ) external view {
        uint256 size = signatures.length / 65 + nonSigners.length;
        bool fits = signatures.length % 65 == 0 && uint256(mask) >> size == 0 && _bits(mask) == signatures.length / 65;
        IDataAttestation.Quorum memory quorum = IDataAttestation.Quorum(1, mask, signatures, nonSigners);
        try this.recover(bytes32(0), 1, quorum) {
            assert(fits);
        } catch (bytes memory reason) {
            assert(!fits && bytes4(reason) == IDataAttestation.SignerMaskInvalid.selector);
        }
    }

    /// @dev Member i has key i + 1; four bits of `faults` say what is wrong with each of the first signatures.
    function _quorum(bytes32 message, uint32 mask, uint256 members, uint256 faults)
        private
        pure
        returns (IDataAttestation.Quorum memory quorum)
    {
        quorum.signerMask = mask;
        quorum.nonSigners = new address[](members - _bits(mask));
        uint256 others = 0;
        for (uint256 i = 0; i < members; ++i) {
            if (mask & (1 << i) == 0) {
                quorum.nonSigners[others++] = CHEATS.addr(i + 1);
            } else {
                Fault fault = Fault((faults & 15) % (uint256(type(Fault).max) + 1));
                quorum.signatures = bytes.concat(quorum.signatures, _signature(i + 1, message, fault));
                faults >>= 4;
            }
        }
    }

    function _signature(uint256 key, bytes32 message, Fault fault) private pure returns (bytes memory) {
        if (fault == Fault.OtherDigest) message = ~message;
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(key, message);
        if (fault == Fault.HighS || fault == Fault.HighSOfSameSigner) s = bytes32(ORDER - uint256(s));
        if (fault == Fault.HighSOfSameSigner) v = 55 - v;
        if (fault == Fault.VOfZero) v -= 27;
        if (fault == Fault.VOfOne) v -= 26;
        if (fault == Fault.RZero) r = 0;
        if (fault == Fault.SZero) s = 0;
        if (fault == Fault.ROrder) r = bytes32(ORDER);
        if (fault == Fault.Garbage) (r, s) = (keccak256(abi.encode(r)), keccak256(abi.encode(s)));
        return abi.encodePacked(r, s, v);
    }

    function _bits(uint256 mask) private pure returns (uint256 count) {
        for (; mask != 0; mask /= 2) {
            count += mask % 2;
        }
    }
}
