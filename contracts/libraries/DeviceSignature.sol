// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {P256Precompile} from "./P256Precompile.sol";

/// @title Signatures by device keys, and the ids that prove those keys.
/// @dev Two forms, told apart by length alone: `x || y || r || s` on P-256 and `r || s || v` on secp256k1. A high `s`, a
/// point off the curve, and the zero address that a failed recovery gives are refused.
library DeviceSignature {
    uint256 internal constant P256_LENGTH = 128;
    uint256 internal constant SECP256K1_LENGTH = 65;

    /// @notice Curve of a signature of `length` bytes; None if no curve has that length.
    function keyTypeOf(uint256 length) internal pure returns (IDeviceRegistry.KeyType) {
        if (length == P256_LENGTH) return IDeviceRegistry.KeyType.P256;
        if (length == SECP256K1_LENGTH) return IDeviceRegistry.KeyType.Secp256k1;
        return IDeviceRegistry.KeyType.None;
    }

    /// @notice Curve of `count` signatures of one curve in `length` bytes; None if they are not.
    function keyTypeOfMany(uint256 length, uint256 count) internal pure returns (IDeviceRegistry.KeyType) {
        return count == 0 || length % count != 0 ? IDeviceRegistry.KeyType.None : keyTypeOf(length / count);
    }

    /// @notice Signature number `index` of many on one curve.
    /// @dev Assembly, because the bounds that a slice would check were checked once for all, by {keyTypeOfMany}.
    function at(bytes calldata signatures, uint256 index, IDeviceRegistry.KeyType keyType)
        internal
        pure
        returns (bytes calldata signature)
    {
        uint256 length = keyType == IDeviceRegistry.KeyType.P256 ? P256_LENGTH : SECP256K1_LENGTH;
        // Offset and length are two, which Slither takes for one.
        // slither-disable-start write-after-write
        assembly ("memory-safe") {
            signature.offset := add(signatures.offset, mul(index, length))
            signature.length := length
        }
        // slither-disable-end write-after-write
    }

    /// @notice Whether `signature` over `digest` is by the key that `keyId` names.
    /// @param native whether the chain's P-256 precompile is to be used
    function isBy(bytes32 keyId, bytes32 digest, bytes calldata signature, bool native) internal view returns (bool) {
        if (signature.length == P256_LENGTH) return _isByP256(keyId, digest, signature, native);
        if (signature.length == SECP256K1_LENGTH) return _isBySecp256k1(keyId, digest, signature);
        return false;
    }

    function _isByP256(bytes32 keyId, bytes32 digest, bytes calldata signature, bool native)
        private
        view
        returns (bool)
    {
        if (native) return P256Precompile.isBy(keyId, digest, signature);
        (bytes32 x, bytes32 y, bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32, bytes32, bytes32));
        return Hashes.efficientKeccak256(x, y) == keyId && P256.verifySolidity(digest, r, s, x, y);
    }

    function _isBySecp256k1(bytes32 keyId, bytes32 digest, bytes calldata signature) private pure returns (bool) {
        // Only the error's argument is left out.
        // slither-disable-next-line unused-return
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        return failure == ECDSA.RecoverError.NoError && bytes32(uint256(uint160(signer))) == keyId;
    }
}
