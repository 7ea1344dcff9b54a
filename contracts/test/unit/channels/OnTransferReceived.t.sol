// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {GNT} from "../../../src/GNT.sol";
import {IPaymentChannels} from "../../../src/interfaces/IPaymentChannels.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";

contract OnTransferReceivedTest is ChannelsTest {
    function testFuzz_refuses_any_caller_but_the_token(address caller, uint96 amount) public {
        vm.assume(caller != address(gnt));
        bytes memory data = abi.encodePacked(word(amount, payee));
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotTheToken.selector, caller, gnt));
        vm.prank(caller);
        channels.onTransferReceived(payer, payer, amount, data);
    }

    function test_refuses_another_token() public {
        GNT other = new GNT(payer);
        bytes memory data = abi.encodePacked(word(5, payee));
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotTheToken.selector, other, gnt));
        vm.prank(payer);
        other.transferAndCall(address(channels), 5, data);
    }

    function testFuzz_refuses_an_operator_that_is_not_the_payer(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS));
        vm.prank(payer);
        gnt.approve(stranger, amount);
        bytes memory data = abi.encodePacked(word(amount, payee));
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotThePayer.selector, stranger, payer));
        vm.prank(stranger);
        gnt.transferFromAndCall(payer, address(channels), amount, data);
    }

    function testFuzz_refuses_data_that_are_not_words(bytes memory data) public {
        vm.assume(data.length % 32 != 0);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadLength.selector, data.length));
        vm.prank(payer);
        gnt.transferAndCall(address(channels), 1, data);
    }

    function testFuzz_refuses_a_sum_that_is_not_what_came(uint96 asked, uint96 sent) public {
        asked = uint96(bound(asked, 1, type(uint96).max));
        sent = uint96(bound(sent, 0, FUNDS));
        vm.assume(asked != sent);
        bytes memory data = abi.encodePacked(word(asked, payee));
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.WrongTotal.selector, asked, sent));
        vm.prank(payer);
        gnt.transferAndCall(address(channels), sent, data);
    }

    function test_refuses_tokens_for_no_channel() public {
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.WrongTotal.selector, 0, 5));
        gnt.transferAndCall(address(channels), 5, "");
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.WrongTotal.selector, 0, 5));
        gnt.transferAndCall(address(channels), 5);
    }

    function testFuzz_opens_with_no_allowance_left_behind(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS));
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Funded(payer, payee, 1, amount);
        fund(payer, payee, amount);
        assertChannel(payer, payee, 0, amount, 0, 1);
        assertEq(gnt.allowance(payer, address(channels)), 0);
    }

    /// Also pins the assembly that reads the bytes as words.
    function testFuzz_funds_many(uint96[10] memory amounts, uint160 seed) public {
        bytes memory data;
        uint256 total;
        for (uint256 i; i < amounts.length; ++i) {
            amounts[i] = uint96(bound(amounts[i], 1, FUNDS / amounts.length));
            data = bytes.concat(data, word(amounts[i], other(seed, i)));
            total += amounts[i];
        }
        vm.prank(payer);
        gnt.transferAndCall(address(channels), total, data);
        for (uint256 i; i < amounts.length; ++i) {
            assertChannel(payer, other(seed, i), 0, amounts[i], 0, 1);
        }
    }

    function other(uint160 seed, uint256 i) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(seed, i)))));
    }
}
