// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {CompactSignature} from "../../../src/CompactSignature.sol";

/// Pins the assembly of `CompactSignature` against OpenZeppelin's `ECDSA`.
contract CompactSignatureTest is Test {
    /// The order of secp256k1.
    uint256 private constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function read(bytes calldata list, uint256 start) external pure returns (bytes32, bytes32) {
        return CompactSignature.read(list, start);
    }

    function testFuzz_takes_for_a_signature_what_OpenZeppelin_does(bytes32 digest, bytes32 r, bytes32 vs) public view {
        assertSame(digest, r, vs);
        assertSame(digest, 0, vs);
        assertSame(digest, r, 0);
        assertSame(digest, bytes32(N), vs);
        assertSame(digest, bytes32(type(uint256).max), vs);
    }

    function test_nobody_signs_with_zeros() public view {
        assertEq(CompactSignature.signer(0, 0, 0), address(0));
        assertEq(CompactSignature.signer(keccak256("x"), 0, 0), address(0));
    }

    function testFuzz_finds_the_signer(uint256 key, bytes32 digest) public view {
        key = bound(key, 1, N - 1);
        (bytes32 r, bytes32 vs) = vm.signCompact(key, digest);
        assertEq(CompactSignature.signer(digest, r, vs), vm.addr(key));
        assertSame(digest, r, vs);
    }

    /// The compact form has room for `s` below 2^255 only, where hardly any high one lies: so `s` comes first here, and
    /// the signer is whoever it is then.
    function testFuzz_refuses_the_higher_s_of_a_signature(uint256 key, bytes32 digest, uint256 s) public view {
        (bytes32 r,) = vm.signCompact(bound(key, 1, N - 1), digest);
        s = bound(s, N / 2 + 1, (1 << 255) - 1);
        address signer = ecrecover(digest, 27, r, bytes32(s));
        assertNotEq(signer, address(0));
        assertEq(CompactSignature.signer(digest, r, bytes32(s)), address(0));
        assertEq(CompactSignature.signer(digest, r, bytes32((N - s) | (1 << 255))), signer);
        assertSame(digest, r, bytes32(s));
    }

    function test_the_highest_s_that_counts_is_half_the_order() public view {
        (bytes32 r,) = vm.signCompact(1, keccak256("x"));
        assertNotEq(CompactSignature.signer(keccak256("x"), r, bytes32(N / 2)), address(0));
        assertEq(CompactSignature.signer(keccak256("x"), r, bytes32(N / 2 + 1)), address(0));
        assertSame(keccak256("x"), r, bytes32(N / 2));
        assertSame(keccak256("x"), r, bytes32(N / 2 + 1));
    }

    function testFuzz_reads_what_was_packed(bytes memory before, bytes32 r, bytes32 vs) public view {
        bytes memory list = bytes.concat(before, abi.encodePacked(r, vs), before);
        (bytes32 gotR, bytes32 gotVs) = this.read(list, before.length);
        assertEq(gotR, r);
        assertEq(gotVs, vs);
    }

    function testFuzz_leaves_memory_of_others_alone(bytes memory others, bytes32 r, bytes32 vs) public view {
        bytes32 hash = keccak256(others);
        bytes memory after_ = abi.encode(r, vs);
        CompactSignature.signer(hash, r, vs);
        assertEq(keccak256(others), hash);
        assertEq(after_, abi.encode(r, vs));
        assertEq(new bytes(160), abi.encode(0, 0, 0, 0, 0), "memory that is new is zero");
    }

    function assertSame(bytes32 digest, bytes32 r, bytes32 vs) private view {
        (address expected,,) = ECDSA.tryRecover(digest, r, vs);
        assertEq(CompactSignature.signer(digest, r, vs), expected);
    }
}
