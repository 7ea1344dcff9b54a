// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

/// @title A voucher: its bytes in a batch, its digest, its signer
/// @notice In a batch it takes 80 bytes, the signature as in EIP-2098 (`vs` is `v - 27` in the top bit, then `s`):
///
///     0            12      16           48            80
///     | cumulative | epoch |     r      |     vs      |
///
/// @dev Assembly, since a batch is paid by the voucher: hashing in one piece of memory instead of a new one per voucher,
/// and words read straight from calldata. Pinned by `test/unit/Voucher.t.sol` against the plain way, and by the vectors
/// of a third library.
library Voucher {
    /// Memory in which vouchers of one payee in one domain are hashed, one after the other:
    ///
    ///     0          32      64      96           128    158    160      192          224      256   288   320   352
    ///     | TYPEHASH | payee | epoch | cumulative |  0   | 1901 | domain | structHash | digest |  v  |  r  |  s  |
    type Hasher is uint256;

    bytes32 internal constant TYPEHASH = keccak256("Voucher(address payee,uint32 epoch,uint96 cumulative)");

    uint256 internal constant BYTES = 80;

    /// Half the order of secp256k1. Of the two `s` of a signature only the lower is taken, so each voucher has one form.
    uint256 private constant S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// The voucher whose bytes in `batch` end before the byte `end`.
    function read(bytes calldata batch, uint256 end)
        internal
        pure
        returns (uint256 cumulative, uint256 epoch, bytes32 r, bytes32 vs)
    {
        assembly ("memory-safe") {
            let past := add(batch.offset, end)
            let head := calldataload(sub(past, 80))
            cumulative := shr(160, head)
            epoch := and(shr(128, head), 0xffffffff)
            r := calldataload(sub(past, 64))
            vs := calldataload(sub(past, 32))
        }
    }

    /// `payee` must have no bits above its 160, as what comes from the ABI or is `msg.sender` has none.
    function hasher(bytes32 domain, address payee) internal pure returns (Hasher h) {
        bytes32 typehash = TYPEHASH;
        assembly ("memory-safe") {
            h := mload(0x40)
            mstore(0x40, add(h, 352))
            mstore(h, typehash)
            mstore(add(h, 32), payee)
            mstore(add(h, 128), 0x1901)
            mstore(add(h, 160), domain)
        }
    }

    /// Who signed it, or zero if nobody did. `cumulative` must fit 96 bits and `epoch` 32.
    function signer(Hasher h, uint256 cumulative, uint256 epoch, bytes32 r, bytes32 vs)
        internal
        view
        returns (address recovered)
    {
        assembly ("memory-safe") {
            mstore(add(h, 64), epoch)
            mstore(add(h, 96), cumulative)
            mstore(add(h, 192), keccak256(h, 128))
            mstore(add(h, 224), keccak256(add(h, 158), 66))
            let s := shr(1, shl(1, vs))
            mstore(add(h, 256), add(27, shr(255, vs)))
            mstore(add(h, 288), r)
            mstore(add(h, 320), s)
            mstore(0, 0)
            // Whether the call succeeds says nothing: for a bad signature it succeeds and returns no bytes.
            pop(staticcall(gas(), 1, add(h, 224), 128, 0, 32))
            recovered := mul(mload(0), iszero(gt(s, S_MAX)))
        }
    }
}
