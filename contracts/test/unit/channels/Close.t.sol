// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IPaymentChannels} from "../../../src/interfaces/IPaymentChannels.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";

contract CloseTest is ChannelsTest {
    uint96 private constant DEPOSIT = 100 ether;

    function setUp() public override {
        super.setUp();
        fund(payer, payee, DEPOSIT);
    }

    function testFuzz_refuses_anybody_but_the_payee(address caller, uint96 cumulative) public {
        vm.assume(caller != payee);
        (bytes32 r, bytes32 vs) = voucher(payerKey, payee, 1, cumulative);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotOpen.selector, payer, caller));
        vm.prank(caller);
        channels.close(payer, cumulative, 1, r, vs);
    }

    function test_refuses_a_closed_channel() public {
        vm.startPrank(payee);
        channels.close(payer, 0, 1, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotOpen.selector, payer, payee));
        channels.close(payer, 0, 1, 0, 0);
    }

    function testFuzz_refuses_another_epoch(uint32 epoch, uint96 cumulative) public {
        vm.assume(epoch != 1);
        (bytes32 r, bytes32 vs) = voucher(payerKey, payee, epoch, cumulative);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.WrongEpoch.selector, epoch, 1));
        vm.prank(payee);
        channels.close(payer, cumulative, epoch, r, vs);
    }

    function testFuzz_refuses_less_than_was_claimed(uint96 claimed, uint96 cumulative) public {
        claimed = uint96(bound(claimed, 1, DEPOSIT));
        cumulative = uint96(bound(cumulative, 0, claimed - 1));
        channels.claimMany(payee, entry(payerKey, payee, 1, claimed));
        (bytes32 r, bytes32 vs) = voucher(payerKey, payee, 1, cumulative);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.StaleVoucher.selector, cumulative, claimed));
        vm.prank(payee);
        channels.close(payer, cumulative, 1, r, vs);
    }

    function testFuzz_refuses_the_signature_of_somebody_else(uint256 key, uint96 cumulative) public {
        key = bound(key, 1, N - 1);
        cumulative = uint96(bound(cumulative, 1, type(uint96).max));
        vm.assume(key != payerKey);
        (bytes32 r, bytes32 vs) = voucher(key, payee, 1, cumulative);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadSignature.selector, vm.addr(key), payer));
        vm.prank(payee);
        channels.close(payer, cumulative, 1, r, vs);
    }

    function test_refuses_what_is_no_signature() public {
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadSignature.selector, address(0), payer));
        vm.prank(payee);
        channels.close(payer, 1, 1, 0, 0);
    }

    function testFuzz_refuses_high_s(uint96 cumulative, uint256 seed) public {
        cumulative = uint96(bound(cumulative, 1, DEPOSIT));
        (bytes32 r,) = voucher(payerKey, payee, 1, cumulative);
        (address signer, bytes32 high, bytes32 low) = highSignature(digest(payee, 1, cumulative), r, seed);
        gnt.transfer(signer, DEPOSIT);
        fund(signer, payee, DEPOSIT);
        vm.startPrank(payee);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadSignature.selector, address(0), signer));
        channels.close(signer, cumulative, 1, r, high);
        channels.close(signer, cumulative, 1, r, low);
        assertEq(gnt.balanceOf(payee), 1 + uint256(cumulative), "its twin is good");
    }

    function testFuzz_pays_and_refunds_at_once(uint96 cumulative) public {
        cumulative = uint96(bound(cumulative, 1, DEPOSIT));
        (bytes32 r, bytes32 vs) = voucher(payerKey, payee, 1, cumulative);
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Closed(payer, payee, cumulative, DEPOSIT - cumulative);
        vm.prank(payee);
        channels.close(payer, cumulative, 1, r, vs);
        assertEq(gnt.balanceOf(payee), 1 + uint256(cumulative));
        assertEq(gnt.balanceOf(payer), FUNDS - cumulative);
        assertEq(gnt.balanceOf(address(channels)), 0);
        assertChannel(payer, payee, 0, 0, 0, 1);
    }

    function testFuzz_pays_at_most_the_deposit(uint96 cumulative) public {
        cumulative = uint96(bound(cumulative, DEPOSIT, type(uint96).max));
        (bytes32 r, bytes32 vs) = voucher(payerKey, payee, 1, cumulative);
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Closed(payer, payee, DEPOSIT, 0);
        vm.prank(payee);
        channels.close(payer, cumulative, 1, r, vs);
        assertEq(gnt.balanceOf(payee), 1 + uint256(DEPOSIT));
    }

    function testFuzz_pays_only_what_was_not_claimed(uint96 claimed, uint96 cumulative) public {
        claimed = uint96(bound(claimed, 1, DEPOSIT - 1));
        cumulative = uint96(bound(cumulative, claimed + 1, DEPOSIT));
        channels.claimMany(payee, entry(payerKey, payee, 1, claimed));
        (bytes32 r, bytes32 vs) = voucher(payerKey, payee, 1, cumulative);
        vm.prank(payee);
        channels.close(payer, cumulative, 1, r, vs);
        assertEq(gnt.balanceOf(payee), 1 + uint256(cumulative));
        assertEq(gnt.balanceOf(payer), FUNDS - cumulative);
    }

    function testFuzz_needs_no_voucher_for_what_is_claimed_already(uint96 claimed, bytes32 r, bytes32 vs) public {
        claimed = uint96(bound(claimed, 0, DEPOSIT));
        channels.claimMany(payee, entry(payerKey, payee, 1, claimed));
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Closed(payer, payee, claimed, DEPOSIT - claimed);
        vm.prank(payee);
        channels.close(payer, claimed, 1, r, vs);
        assertEq(gnt.balanceOf(payee), 1 + uint256(claimed));
        assertEq(gnt.balanceOf(payer), FUNDS - claimed);
    }

    function test_works_while_the_payer_waits_to_close() public {
        vm.prank(payer);
        channels.requestClose(payee);
        skip(2 * DELAY);
        (bytes32 r, bytes32 vs) = voucher(payerKey, payee, 1, 30 ether);
        vm.prank(payee);
        channels.close(payer, 30 ether, 1, r, vs);
        assertEq(gnt.balanceOf(payee), 1 + 30 ether);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotClosing.selector, payer, payee));
        channels.finalize(payer, payee);
    }
}
