// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title secp256k1 signatures as the node writes them: r, s and the recovery id (0 or 1), 65 bytes
abstract contract Signatures {
    /// Who signed, or zero. Another signature of the same digest may be made from one (s and n − s): what is signed is
    /// compared, never the signature.
    function _recover(bytes32 digest, bytes calldata signature) internal pure returns (address) {
        if (signature.length != 65 || uint8(signature[64]) > 1) return address(0);
        return ecrecover(digest, 27 + uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
    }
}
