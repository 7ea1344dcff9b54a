// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ChannelWord} from "../../../src/ChannelWord.sol";
import {Voucher} from "../../../src/Voucher.sol";

/// Pins the assembly of `Voucher` and the packing of `ChannelWord` against the plain way.
contract VoucherTest is Test {
    function read(bytes calldata batch, uint256 end) external pure returns (uint256, uint256, bytes32, bytes32) {
        return Voucher.read(batch, end);
    }

    function testFuzz_reads_what_was_packed(bytes memory before, uint96 cumulative, uint32 epoch, bytes32 r, bytes32 vs)
        public
        view
    {
        bytes memory batch = bytes.concat(before, abi.encodePacked(cumulative, epoch, r, vs), before);
        (uint256 gotCumulative, uint256 gotEpoch, bytes32 gotR, bytes32 gotVs) =
            this.read(batch, before.length + Voucher.BYTES);
        assertEq(gotCumulative, cumulative);
        assertEq(gotEpoch, epoch);
        assertEq(gotR, r);
        assertEq(gotVs, vs);
    }

    function testFuzz_finds_the_signer(
        uint256 key,
        bytes32 domain,
        address payee,
        uint96[3] memory cumulatives,
        uint32[3] memory epochs
    ) public view {
        key = bound(key, 1, 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140);
        Voucher.Hasher hasher = Voucher.hasher(domain, payee);
        // One hasher for all: nothing of one voucher may be left in the next.
        for (uint256 i; i < 3; ++i) {
            bytes32 digest = plainDigest(domain, payee, cumulatives[i], epochs[i]);
            (bytes32 r, bytes32 vs) = vm.signCompact(key, digest);
            assertEq(Voucher.signer(hasher, cumulatives[i], epochs[i], r, vs), vm.addr(key));
        }
    }

    function testFuzz_takes_for_a_signature_what_OpenZeppelin_does(
        bytes32 domain,
        address payee,
        uint96 cumulative,
        uint32 epoch,
        bytes32 r,
        bytes32 vs
    ) public view {
        (address expected,,) = ECDSA.tryRecover(plainDigest(domain, payee, cumulative, epoch), r, vs);
        assertEq(Voucher.signer(Voucher.hasher(domain, payee), cumulative, epoch, r, vs), expected);
    }

    function testFuzz_leaves_memory_of_others_alone(bytes memory others, bytes32 r, bytes32 vs) public view {
        bytes32 hash = keccak256(others);
        Voucher.Hasher hasher = Voucher.hasher(hash, address(this));
        bytes memory after_ = abi.encode(r, vs);
        Voucher.signer(hasher, 1, 1, r, vs);
        assertEq(keccak256(others), hash);
        assertEq(after_, abi.encode(r, vs));
    }

    function testFuzz_packs_a_channel(uint96 claimed, uint96 deposit, uint32 closeAt, uint32 epoch, uint96 more)
        public
        pure
    {
        uint256 word = ChannelWord.funded(epoch, deposit, claimed);
        assertFields(word, claimed, deposit, 0, epoch);
        word = ChannelWord.withCloseAt(word, closeAt);
        assertFields(word, claimed, deposit, closeAt, epoch);
        more = uint96(bound(more, 0, type(uint96).max - claimed));
        word = ChannelWord.plusClaimed(word, more);
        assertFields(word, claimed + more, deposit, closeAt, epoch);
        assertFields(ChannelWord.closed(word), 0, 0, 0, epoch);
    }

    function assertFields(uint256 word, uint96 claimed, uint96 deposit, uint32 closeAt, uint32 epoch) private pure {
        assertEq(ChannelWord.claimed(word), claimed);
        assertEq(ChannelWord.deposit(word), deposit);
        assertEq(ChannelWord.closeAt(word), closeAt);
        assertEq(ChannelWord.epoch(word), epoch);
    }

    function plainDigest(bytes32 domain, address payee, uint96 cumulative, uint32 epoch)
        private
        pure
        returns (bytes32)
    {
        bytes32 structHash = keccak256(
            abi.encode(keccak256("Voucher(address payee,uint32 epoch,uint96 cumulative)"), payee, epoch, cumulative)
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
