// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {PaymentChannels} from "../../../src/PaymentChannels.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";
import {PlainToken} from "../../OtherTokens.sol";

contract FundByPermitTest is ChannelsTest {
    function testFuzz_refuses_the_permit_of_somebody_else(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS));
        (bytes32 r, bytes32 vs) = sign(payeeKey, permitDigest(payer, address(channels), amount, block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, channels, 0, amount));
        vm.prank(payer);
        channels.fundByPermit(words(amount, payee), block.timestamp, r, vs);
    }

    function testFuzz_refuses_a_permit_for_another_sum(uint96 amount, uint96 permitted) public {
        amount = uint96(bound(amount, 1, FUNDS));
        vm.assume(permitted != amount);
        (bytes32 r, bytes32 vs) = sign(payerKey, permitDigest(payer, address(channels), permitted, block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, channels, 0, amount));
        vm.prank(payer);
        channels.fundByPermit(words(amount, payee), block.timestamp, r, vs);
    }

    function test_nobody_else_can_use_the_permit_to_fund() public {
        (bytes32 r, bytes32 vs) = sign(payerKey, permitDigest(payer, address(channels), 5, block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, channels, 0, 5));
        vm.prank(stranger);
        channels.fundByPermit(words(5, payee), block.timestamp, r, vs);
    }

    function testFuzz_funds_without_an_allowance_before_or_after(uint96 first, uint96 second) public {
        first = uint96(bound(first, 1, FUNDS / 2));
        second = uint96(bound(second, 1, FUNDS / 2));
        bytes32[] memory fundings = new bytes32[](2);
        fundings[0] = word(first, payee);
        fundings[1] = word(second, stranger);
        (bytes32 r, bytes32 vs) =
            sign(payerKey, permitDigest(payer, address(channels), first + second, block.timestamp));
        vm.prank(payer);
        channels.fundByPermit(fundings, block.timestamp, r, vs);
        assertChannel(payer, payee, 0, first, 0, 1);
        assertChannel(payer, stranger, 0, second, 0, 1);
        assertEq(gnt.allowance(payer, address(channels)), 0);
    }

    /// Whoever sees the permit in the mempool can submit it first; that must not stop the payer.
    function test_a_permit_that_was_front_run_still_funds() public {
        bytes32 hash = permitDigest(payer, address(channels), 5, block.timestamp);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(payerKey, hash);
        vm.prank(stranger);
        gnt.permit(payer, address(channels), 5, block.timestamp, v, r, s);
        (, bytes32 vs) = sign(payerKey, hash);
        vm.prank(payer);
        channels.fundByPermit(words(5, payee), block.timestamp, r, vs);
        assertChannel(payer, payee, 0, 5, 0, 1);
    }

    function test_a_token_without_permit_falls_back_to_its_allowance() public {
        PlainToken token = new PlainToken(payer, FUNDS);
        channels = new PaymentChannels(token, DELAY);
        vm.startPrank(payer);
        token.approve(address(channels), 5);
        channels.fundByPermit(words(5, payee), block.timestamp, 0, 0);
        assertChannel(payer, payee, 0, 5, 0, 1);
    }
}
