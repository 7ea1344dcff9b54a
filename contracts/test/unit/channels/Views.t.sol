// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ChannelsTest} from "../../ChannelsTest.sol";

/// `channel`, `voucherDigest`, `DOMAIN_SEPARATOR` and `eip712Domain`.
contract ViewsTest is ChannelsTest {
    function testFuzz_channel_reads_each_field_of_the_word(
        address from,
        address to,
        uint96 claimed,
        uint96 deposit,
        uint32 closeAt,
        uint32 epoch
    ) public {
        bytes32 stored = bytes32(abi.encodePacked(epoch, closeAt, deposit, claimed));
        vm.store(address(channels), keccak256(abi.encode(from, to)), stored);
        assertChannel(from, to, claimed, deposit, closeAt, epoch);
    }

    function testFuzz_a_channel_never_opened_is_all_zero(address from, address to) public view {
        assertChannel(from, to, 0, 0, 0, 0);
    }

    function testFuzz_channels_of_two_directions_are_two(uint96 there, uint96 back) public {
        there = uint96(bound(there, 1, FUNDS));
        back = uint96(bound(back, 1, FUNDS));
        gnt.transfer(payee, back);
        fund(payer, payee, there);
        fund(payee, payer, back);
        assertChannel(payer, payee, 0, there, 0, 1);
        assertChannel(payee, payer, 0, back, 0, 1);
    }

    /// Regression: chain id and contract are in every digest.
    function testFuzz_digest_is_of_this_chain_and_contract(address to, uint96 cumulative, uint32 epoch, uint64 chainId)
        public
    {
        vm.assume(chainId != 0);
        vm.chainId(chainId);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Golem PaymentChannels"),
                keccak256("1"),
                uint256(chainId),
                address(channels)
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(keccak256("Voucher(address payee,uint32 epoch,uint96 cumulative)"), to, epoch, cumulative)
        );
        assertEq(channels.DOMAIN_SEPARATOR(), domain);
        assertEq(
            channels.voucherDigest(to, cumulative, epoch), keccak256(abi.encodePacked(hex"1901", domain, structHash))
        );
    }

    /// Regression: after a fork of the chain, vouchers of before it are good on one side only.
    function testFuzz_a_fork_with_a_new_chain_id_pays_only_vouchers_of_its_own(uint64 chainId) public {
        vm.assume(chainId != CHAIN_ID && chainId != 0);
        fund(payer, payee, 10);
        bytes memory old = entry(payerKey, payee, 1, 4);
        vm.chainId(chainId);
        assertEq(channels.claimMany(payee, old), 0);
        assertEq(channels.claimMany(payee, entry(payerKey, payee, 1, 5)), 5);
    }

    function test_says_its_domain() public view {
        (, string memory name, string memory version, uint256 chainId, address verifyingContract,,) =
            channels.eip712Domain();
        assertEq(name, "Golem PaymentChannels");
        assertEq(version, "1");
        assertEq(chainId, block.chainid);
        assertEq(verifyingContract, address(channels));
    }
}
