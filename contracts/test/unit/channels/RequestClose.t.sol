// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IPaymentChannels} from "../../../src/interfaces/IPaymentChannels.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";

contract RequestCloseTest is ChannelsTest {
    function testFuzz_refuses_anybody_but_the_payer(address caller) public {
        vm.assume(caller != payer);
        fund(payer, payee, 5);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotOpen.selector, caller, payee));
        vm.prank(caller);
        channels.requestClose(payee);
    }

    function test_refuses_a_closed_channel() public {
        fund(payer, payee, 5);
        vm.prank(payee);
        channels.close(payer, 0, 1, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotOpen.selector, payer, payee));
        vm.prank(payer);
        channels.requestClose(payee);
    }

    function testFuzz_refuses_a_second_time(uint256 wait) public {
        fund(payer, payee, 5);
        uint256 closeAt = vm.getBlockTimestamp() + DELAY;
        vm.startPrank(payer);
        channels.requestClose(payee);
        skip(bound(wait, 0, 10 * uint256(DELAY)));
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.AlreadyClosing.selector, closeAt));
        channels.requestClose(payee);
    }

    function test_refuses_a_time_above_32_bits() public {
        fund(payer, payee, 5);
        vm.warp(type(uint32).max);
        vm.expectRevert(
            abi.encodeWithSelector(
                SafeCast.SafeCastOverflowedUintDowncast.selector, 32, uint256(type(uint32).max) + DELAY
            )
        );
        vm.prank(payer);
        channels.requestClose(payee);
    }

    function testFuzz_starts_the_delay_and_changes_nothing_else(uint96 deposit, uint96 claimed, uint32 time) public {
        deposit = uint96(bound(deposit, 1, FUNDS));
        claimed = uint96(bound(claimed, 0, deposit));
        time = uint32(bound(time, 1, type(uint32).max - DELAY));
        vm.warp(time);
        fund(payer, payee, deposit);
        channels.claimMany(payee, entry(payerKey, payee, 1, claimed));
        vm.expectEmit(address(channels));
        emit IPaymentChannels.CloseRequested(payer, payee, time + DELAY);
        vm.prank(payer);
        channels.requestClose(payee);
        assertChannel(payer, payee, claimed, deposit, time + DELAY, 1);
    }
}
