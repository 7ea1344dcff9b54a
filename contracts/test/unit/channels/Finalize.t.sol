// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IPaymentChannels} from "../../../src/interfaces/IPaymentChannels.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";

contract FinalizeTest is ChannelsTest {
    uint96 private constant DEPOSIT = 100 ether;

    function setUp() public override {
        super.setUp();
        fund(payer, payee, DEPOSIT);
    }

    function testFuzz_refuses_without_request(address from, address to) public {
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotClosing.selector, payer, payee));
        channels.finalize(payer, payee);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotClosing.selector, from, to));
        channels.finalize(from, to);
    }

    function testFuzz_refuses_before_the_delay_is_over(uint256 wait) public {
        uint256 requested = vm.getBlockTimestamp();
        vm.startPrank(payer);
        channels.requestClose(payee);
        wait = bound(wait, 0, DELAY - 1);
        skip(wait);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.TooEarly.selector, requested + DELAY, requested + wait));
        channels.finalize(payer, payee);
    }

    function test_refuses_a_second_time() public {
        vm.prank(payer);
        channels.requestClose(payee);
        skip(DELAY);
        channels.finalize(payer, payee);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotClosing.selector, payer, payee));
        channels.finalize(payer, payee);
    }

    /// Regression: an exit armed once must not serve after the channel was funded again.
    function testFuzz_exit_armed_before_funding_is_void(uint96 topUp, uint256 wait) public {
        topUp = uint96(bound(topUp, 1, FUNDS - DEPOSIT));
        vm.prank(payer);
        channels.requestClose(payee);
        skip(bound(wait, 0, 10 * uint256(DELAY)));
        fund(payer, payee, topUp);
        skip(DELAY);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotClosing.selector, payer, payee));
        channels.finalize(payer, payee);
    }

    /// Regression: nor after it was closed by the payee and opened again.
    function test_exit_armed_in_one_epoch_is_void_in_the_next() public {
        vm.prank(payer);
        channels.requestClose(payee);
        vm.prank(payee);
        channels.close(payer, 0, 1, 0, 0);
        fund(payer, payee, DEPOSIT);
        skip(DELAY);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotClosing.selector, payer, payee));
        channels.finalize(payer, payee);
    }

    /// Regression: somebody else's money must not cancel the payer's close.
    function testFuzz_third_party_cannot_cancel_a_close(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS - DEPOSIT));
        gnt.transfer(stranger, amount);
        vm.startPrank(payer);
        channels.requestClose(payee);
        gnt.approve(stranger, amount);
        gnt.approve(address(channels), amount);
        vm.stopPrank();
        uint32 closeAt = channels.channel(payer, payee).closeAt;

        vm.startPrank(stranger);
        gnt.transfer(address(channels), amount / 2);
        bytes memory data = abi.encodePacked(word(amount, payee));
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotThePayer.selector, stranger, payer));
        gnt.transferFromAndCall(payer, address(channels), amount, data);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotTheToken.selector, stranger, gnt));
        channels.onTransferReceived(payer, payer, amount, data);
        vm.stopPrank();

        assertChannel(payer, payee, 0, DEPOSIT, closeAt, 1);
        skip(DELAY);
        channels.finalize(payer, payee);
        assertEq(gnt.balanceOf(payer), FUNDS);
    }

    function testFuzz_returns_to_the_payer_what_was_not_claimed(uint96 claimed, uint256 late, address caller) public {
        claimed = uint96(bound(claimed, 0, DEPOSIT));
        vm.prank(payer);
        channels.requestClose(payee);
        channels.claimMany(payee, entry(payerKey, payee, 1, claimed));
        skip(bound(late, DELAY, 10 * uint256(DELAY)));
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Closed(payer, payee, claimed, DEPOSIT - claimed);
        vm.prank(caller);
        channels.finalize(payer, payee);
        assertEq(gnt.balanceOf(payer), FUNDS - claimed);
        assertEq(gnt.balanceOf(payee), 1 + uint256(claimed));
        assertChannel(payer, payee, 0, 0, 0, 1);
    }

    function testFuzz_kills_the_vouchers_of_its_epoch(uint96 cumulative) public {
        bytes memory old = entry(payerKey, payee, 1, cumulative);
        vm.prank(payer);
        channels.requestClose(payee);
        skip(DELAY);
        channels.finalize(payer, payee);
        assertEq(channels.claimMany(payee, old), 0);
        fund(payer, payee, DEPOSIT);
        assertEq(channels.claimMany(payee, old), 0, "nor in the next epoch");
        assertChannel(payer, payee, 0, DEPOSIT, 0, 2);
    }
}
