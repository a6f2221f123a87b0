// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IStaking} from "./IStaking.sol";
import {Signatures} from "../common/Signatures.sol";

/// @title That whoever brings a BLS12-381 key also holds its secret
/// @notice A proof is the key's y coordinate (64 bytes) and the signature of a message (a point of G2: x.c0, x.c1, y.c0,
///         y.c1, 64 bytes each), in EIP-2537's encoding, made under the ciphersuite
///         BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_ with the tag of possession proofs. The message names the
///         operator, so that nobody can take a key out of somebody else's pending transaction.
abstract contract Possession is IStaking, Signatures {
    bytes32 private constant TAG_START = "BLS_POP_BLS12381G2_XMD:SHA-256_S";
    bytes11 private constant TAG_END = "SWU_RO_POP_";
    bytes1 private constant TAG_LENGTH = bytes1(uint8(43));
    uint256 private constant PROOF_BYTES = 64 + 256;

    address private constant MODEXP = address(0x05);
    address private constant G2_ADD = address(0x0d);
    address private constant PAIRING = address(0x0f);
    address private constant MAP_TO_G2 = address(0x11);

    // The field's prime, in EIP-2537's 64 bytes, and half of it.
    bytes32 private constant P_HIGH = 0x000000000000000000000000000000001a0111ea397fe69a4b1ba7b6434bacd7;
    bytes32 private constant P_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    bytes32 private constant HALF_HIGH = 0x000000000000000000000000000000000d0088f51cbff34d258dd3db21a5d66b;
    bytes32 private constant HALF_LOW = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

    // −G1, the negated generator.
    bytes32 private constant X_HIGH = 0x0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0f;
    bytes32 private constant X_LOW = 0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb;
    bytes32 private constant Y_HIGH = 0x00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f2;
    bytes32 private constant Y_LOW = 0x67816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca;

    /// Reverts unless `proof` shows that the holder of `pubkey` (48 bytes, compressed) signed `message`.
    function _checkPossession(bytes calldata pubkey, bytes calldata proof, bytes memory message) internal view {
        require(pubkey.length == 48, BadPubkey());
        require(proof.length == PROOF_BYTES, BadPossessionProof());
        (bytes32 yHigh, bytes32 yLow) = (bytes32(proof[:32]), bytes32(proof[32:64]));
        require(yHigh | yLow != 0, BadPubkey()); // (0, 0) is EIP-2537's infinity
        uint8 flags = uint8(pubkey[0]) >> 5;
        bool upper = yHigh > HALF_HIGH || (yHigh == HALF_HIGH && yLow > HALF_LOW);
        require(flags == (upper ? 5 : 4), BadPubkey()); // compressed, not infinity, and the sign of y
        bytes memory key = abi.encodePacked(bytes16(0), uint8(pubkey[0]) & 0x1f, pubkey[1:], yHigh, yLow);
        bytes memory input = bytes.concat(
            key, _hashToG2(message), abi.encodePacked(X_HIGH, X_LOW, Y_HIGH, Y_LOW), proof[64:]
        );
        // e(key, H(message)) · e(−G1, signature) = 1; the precompile checks curves and subgroups.
        (bool valid, bytes memory output) = PAIRING.staticcall(input);
        require(valid && output.length == 32 && uint256(bytes32(output)) == 1, BadPossessionProof());
    }

    /// RFC 9380: hash_to_curve for G2, 256 bytes.
    function _hashToG2(bytes memory message) private view returns (bytes memory) {
        bytes32[8] memory b = _expand(message);
        bytes memory first = _mustCall(MAP_TO_G2, bytes.concat(_reduce(b[0], b[1]), _reduce(b[2], b[3])));
        bytes memory second = _mustCall(MAP_TO_G2, bytes.concat(_reduce(b[4], b[5]), _reduce(b[6], b[7])));
        return _mustCall(G2_ADD, bytes.concat(first, second));
    }

    /// RFC 9380: expand_message_xmd with SHA-256 to 256 bytes.
    function _expand(bytes memory message) private pure returns (bytes32[8] memory b) {
        bytes memory tag = abi.encodePacked(TAG_START, TAG_END, TAG_LENGTH);
        bytes32 start = sha256(abi.encodePacked(bytes32(0), bytes32(0), message, uint16(256), uint8(0), tag));
        b[0] = sha256(abi.encodePacked(start, uint8(1), tag));
        for (uint256 i = 1; i < 8; ++i) b[i] = sha256(abi.encodePacked(start ^ b[i - 1], uint8(i + 1), tag));
    }

    /// 512 bits modulo the prime, as 64 bytes.
    function _reduce(bytes32 high, bytes32 low) private view returns (bytes memory) {
        bytes memory lengths = abi.encodePacked(uint256(64), uint256(1), uint256(64));
        return _mustCall(MODEXP, bytes.concat(lengths, high, low, bytes1(0x01), P_HIGH, P_LOW));
    }

    function _mustCall(address precompile, bytes memory input) private view returns (bytes memory output) {
        bool done;
        (done, output) = precompile.staticcall(input);
        require(done, BadPossessionProof());
    }
}
