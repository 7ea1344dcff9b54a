// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

/// @title Signatures as in EIP-2098: `r`, and `vs`, which is `v - 27` in the top bit and then `s`
/// @dev Assembly, since a ruling recovers two of them. Pinned by its unit test against OpenZeppelin's `ECDSA`.
library CompactSignature {
    uint256 internal constant BYTES = 64;

    /// Half the order of secp256k1. Of the two `s` of a signature only the lower is taken, so each has one form.
    uint256 private constant S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// Who signed `digest`, or zero if nobody did.
    function signer(bytes32 digest, bytes32 r, bytes32 vs) internal view returns (address recovered) {
        assembly ("memory-safe") {
            let input := mload(0x40)
            let s := shr(1, shl(1, vs))
            mstore(input, digest)
            mstore(add(input, 32), add(27, shr(255, vs)))
            mstore(add(input, 64), r)
            mstore(add(input, 96), s)
            mstore(0, 0)
            // Whether the call succeeds says nothing: for a bad signature it succeeds and returns no bytes.
            pop(staticcall(gas(), 1, input, 128, 0, 32))
            recovered := mul(mload(0), iszero(gt(s, S_MAX)))
        }
    }

    /// The signature of `list` that begins at the byte `start`, all of which must be within it.
    function read(bytes calldata list, uint256 start) internal pure returns (bytes32 r, bytes32 vs) {
        assembly ("memory-safe") {
            r := calldataload(add(list.offset, start))
            vs := calldataload(add(add(list.offset, start), 32))
        }
    }
}
